//! How urgent a response is (RFC 9218). Pure.
//!
//! What the origin says of its response comes before what the client asks for; without either, a
//! playlist goes before the segments that it names.

use http::{HeaderMap, HeaderName, header};
use message::Response;

const PRIORITY: HeaderName = HeaderName::from_static("priority");

/// Kinds of urgency: 0 is the most urgent.
pub(crate) const URGENCIES: usize = 8;

/// How urgent a response is, below [`URGENCIES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Urgency(u8);

/// RFC 9218 section 4.1.
const DEFAULT: Urgency = Urgency(3);
/// Of what a player needs before it knows what to ask for.
const PLAYLIST: Urgency = Urgency(1);

/// Media types of HLS playlists (RFC 8216 section 4, and what servers say besides) and DASH
/// manifests.
const PLAYLIST_TYPES: [&[u8]; 5] = [
    b"application/vnd.apple.mpegurl",
    b"application/x-mpegurl",
    b"audio/mpegurl",
    b"audio/x-mpegurl",
    b"application/dash+xml",
];

impl Urgency {
    pub(crate) fn number(self) -> u8 {
        self.0
    }

    /// What a message asks for, if it does.
    pub(crate) fn asked(headers: &HeaderMap) -> Option<Self> {
        let lines = headers.get_all(PRIORITY).iter();
        // RFC 8941 section 4.2.2: of members with the same name, the last counts.
        lines
            .filter_map(|line| Self::parse(line.as_bytes()))
            .next_back()
    }

    /// The `u` of a dictionary (RFC 8941 section 3.2).
    pub(crate) fn parse(value: &[u8]) -> Option<Self> {
        let members = value.split(|byte| *byte == b',');
        let last = members
            .filter_map(|member| member.trim_ascii().strip_prefix(b"u="))
            .next_back()?;
        // RFC 9218 section 4: what is out of range or of another type is ignored.
        match last {
            [digit @ b'0'..=b'7'] | [digit @ b'0'..=b'7', b';', ..] => Some(Self(digit - b'0')),
            _ => None,
        }
    }

    /// How urgent a response is to a request that asked for `asked`.
    pub(crate) fn of(response: &Response, asked: Option<Self>) -> Self {
        // RFC 9218 section 8: the origin knows what its response is for.
        let told = Self::asked(response.headers()).or(asked);
        told.unwrap_or_else(|| {
            if is_playlist(response.headers()) {
                PLAYLIST
            } else {
                DEFAULT
            }
        })
    }
}

fn is_playlist(headers: &HeaderMap) -> bool {
    let Some(media_type) = headers.get(header::CONTENT_TYPE) else {
        return false;
    };
    let mut parts = media_type.as_bytes().split(|byte| *byte == b';');
    let essence = parts.next().unwrap_or_default().trim_ascii();
    PLAYLIST_TYPES
        .iter()
        .any(|playlist| essence.eq_ignore_ascii_case(playlist))
}

#[cfg(test)]
mod tests {
    use message::Body;

    use super::*;

    fn response(fields: &[(&'static str, &str)]) -> Response {
        let mut response = Response::new(Body::empty());
        for (name, value) in fields {
            let headers = response.headers_mut();
            headers.append(*name, value.parse().unwrap());
        }
        response
    }

    #[test]
    fn an_urgency_is_one_digit_and_the_last_counts() {
        // RFC 9218 section 4.1, RFC 8941 section 4.2.2.
        for (value, urgency) in [
            ("u=0", Some(0)),
            ("u=7, i", Some(7)),
            ("i,u=5;x=1", Some(5)),
            ("u=2, u=4", Some(4)),
            (" a=9 , u=1 ", Some(1)),
            ("u=8", None),
            ("u=-1", None),
            ("u=1.0", None),
            ("u=10", None),
            ("u", None),
            ("U=1", None),
            ("", None),
        ] {
            assert_eq!(
                Urgency::parse(value.as_bytes()),
                urgency.map(Urgency),
                "{value}"
            );
        }
    }

    #[test]
    fn the_origin_comes_before_the_client_and_both_before_the_kind() {
        // RFC 9218 section 8.
        let (playlist, told) = (
            (
                "content-type",
                "Application/vnd.apple.MPEGURL; charset=utf-8",
            ),
            ("priority", "u=6"),
        );
        let of = |fields: &[_], asked| Urgency::of(&response(fields), asked).number();
        assert_eq!(of(&[playlist, told], Some(Urgency(2))), 6);
        assert_eq!(of(&[playlist], Some(Urgency(2))), 2);
        assert_eq!(of(&[playlist], None), 1);
        assert_eq!(of(&[("content-type", "video/mp4")], None), 3);
        assert_eq!(of(&[], None), 3);
        assert_eq!(of(&[("priority", "i")], Some(Urgency(2))), 2);
    }
}
