//! Live streams: which segments there are now, which are about to come, and who may wait for them.
//!
//! All of it is pure. A [`Template`] reads a segment's number out of its path; a [`Window`] says
//! which numbers there are, learnt from a [`Playlist`] or computed by a [`Clock`]; [`place`] and
//! the functions beside it decide what becomes of a request.

mod playlist;
mod template;
mod window;

pub use playlist::{Playlist, Position};
pub use template::{BadTemplate, Numbered, Template};
pub use window::{Clock, Margins, Place, Waiting, Window, is_shed, may_wait, place};

/// The delivery directives of HLS (RFC 8216bis section 6.2.5): they name what a playlist must
/// hold, so they belong to its key.
pub const DIRECTIVES: [&str; 3] = ["_HLS_msn", "_HLS_part", "_HLS_skip"];

/// What a blocking reload waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reload {
    /// The media sequence number.
    pub msn: u64,
    /// The part of that segment, counted from 0; the whole of it if there is none.
    pub part: Option<u64>,
}

/// Splits the delivery directives off an object's name: the name of the plain playlist and what
/// is waited for. `None` where no directive asks for anything.
///
/// RFC 8216bis section 6.2.5.2: `_HLS_part` without `_HLS_msn` is an error, and so is what is no
/// number; [`Malformed`](crate::Malformed) is the caller's to tell, so that the result has two
/// levels.
pub fn reload(path: &str) -> Option<Result<(String, Reload), NotANumber>> {
    let (plain, query) = path.split_once('?')?;
    let mut kept = Vec::new();
    let (mut msn, mut part) = (None, None);
    for parameter in query.split('&') {
        match parameter.split_once('=') {
            Some(("_HLS_msn", value)) => msn = Some(value),
            Some(("_HLS_part", value)) => part = Some(value),
            Some(("_HLS_skip", _)) => {}
            Some(_) | None => kept.push(parameter),
        }
    }
    if msn.is_none() && part.is_none() {
        return None;
    }
    let number = |text: &str| text.parse::<u64>().map_err(|_invalid| NotANumber);
    let read = || {
        let msn = number(msn.ok_or(NotANumber)?)?;
        let part = part.map(number).transpose()?;
        let plain = if kept.is_empty() {
            plain.to_owned()
        } else {
            format!("{plain}?{}", kept.join("&"))
        };
        Ok((plain, Reload { msn, part }))
    };
    Some(read())
}

/// A delivery directive that is no number, or a part of no segment: 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a delivery directive that is not a number")]
pub struct NotANumber;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_split_off_and_the_rest_stays() {
        // RFC 8216bis section 6.2.5.2.
        let (plain, wanted) = reload("/a.m3u8?_HLS_msn=7&_HLS_part=2&_HLS_skip=YES&x=1")
            .unwrap()
            .unwrap();
        assert_eq!(plain, "/a.m3u8?x=1");
        assert_eq!(
            wanted,
            Reload {
                msn: 7,
                part: Some(2)
            }
        );
        let (plain, wanted) = reload("/a.m3u8?_HLS_msn=7").unwrap().unwrap();
        assert_eq!((plain.as_str(), wanted.part), ("/a.m3u8", None));
    }

    #[test]
    fn a_plain_request_waits_for_nothing() {
        for path in ["/a.m3u8", "/a.m3u8?x=1", "/a.m3u8?_HLS_skip=v2"] {
            assert!(reload(path).is_none(), "{path}");
        }
    }

    #[test]
    fn a_part_of_no_segment_and_what_is_no_number_are_errors() {
        for path in [
            "/a.m3u8?_HLS_part=1",
            "/a.m3u8?_HLS_msn=x",
            "/a.m3u8?_HLS_msn=-1",
            "/a.m3u8?_HLS_msn=1&_HLS_part=",
            "/a.m3u8?_HLS_msn=99999999999999999999",
        ] {
            assert_eq!(reload(path), Some(Err(NotANumber)), "{path}");
        }
    }
}
