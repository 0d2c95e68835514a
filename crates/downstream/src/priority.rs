//! How urgent a response is (RFC 9218). Pure.
//!
//! What the origin says of its response comes before what the client asks for, each parameter by
//! itself; without either, a playlist goes before the segments that it names.

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
}

/// What one side says of a response (RFC 9218 section 4); what is out of range or of another type
/// counts as not said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Said {
    urgency: Option<Urgency>,
    incremental: Option<bool>,
}

impl Said {
    /// What a message's `Priority` fields say, if it has any.
    pub(crate) fn in_fields(headers: &HeaderMap) -> Option<Self> {
        let mut said = None;
        for line in headers.get_all(PRIORITY) {
            said.get_or_insert_with(Self::default).read(line.as_bytes());
        }
        said
    }

    /// The text of one field, or of a `PRIORITY_UPDATE` frame.
    pub(crate) fn parse(value: &[u8]) -> Self {
        let mut said = Self::default();
        said.read(value);
        said
    }

    /// The `u` and `i` of a dictionary (RFC 8941 section 3.2). Of members with the same name, the last
    /// counts (section 4.2.2).
    fn read(&mut self, value: &[u8]) {
        for member in value.split(|byte| *byte == b',') {
            let item = member.split(|byte| *byte == b';').next();
            match item.unwrap_or_default().trim_ascii() {
                [b'u', b'=', digit @ b'0'..=b'7'] => self.urgency = Some(Urgency(digit - b'0')),
                [b'u'] | [b'u', b'=', ..] => self.urgency = None,
                b"i" | b"i=?1" => self.incremental = Some(true),
                b"i=?0" => self.incremental = Some(false),
                [b'i', b'=', ..] => self.incremental = None,
                _ => {}
            }
        }
    }
}

/// How a response goes among others that are as urgent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Among {
    /// Beside them: a part is of use (`i`).
    Shared,
    /// After those that were asked for earlier: it is of use when it is whole.
    InOrder,
    /// The client does not speak of priorities.
    Unsaid,
}

/// When a response goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Priority {
    pub(crate) urgency: Urgency,
    pub(crate) among: Among,
}

/// What a response itself says of its priority, whatever its client asks for, and changes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Basis {
    told: Said,
    default: Urgency,
}

impl Basis {
    pub(crate) fn of(response: &Response) -> Self {
        let is_playlist = is_playlist(response.headers());
        Self {
            told: Said::in_fields(response.headers()).unwrap_or_default(),
            default: if is_playlist { PLAYLIST } else { DEFAULT },
        }
    }

    /// RFC 9218 section 8: the origin knows what its response is for, and what it does not say is as
    /// the client asked.
    pub(crate) fn with(self, asked: Option<Said>) -> Priority {
        let said = asked.unwrap_or_default();
        let urgency = self.told.urgency.or(said.urgency).unwrap_or(self.default);
        let among = match self.told.incremental.or(said.incremental) {
            Some(true) => Among::Shared,
            Some(false) => Among::InOrder,
            // Section 4.2: the default of those who speak of priorities.
            None if asked.is_some() => Among::InOrder,
            None => Among::Unsaid,
        };
        Priority { urgency, among }
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
    use Among::{InOrder, Shared, Unsaid};

    fn response(fields: &[(&'static str, &str)]) -> Response {
        let mut response = Response::new(Body::empty());
        for (name, value) in fields {
            let headers = response.headers_mut();
            headers.append(*name, value.parse().unwrap());
        }
        response
    }

    fn said(value: &str) -> Said {
        Said::parse(value.as_bytes())
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
            assert_eq!(said(value).urgency, urgency.map(Urgency), "{value}");
        }
    }

    #[test]
    fn incremental_is_a_boolean_and_the_last_counts() {
        // RFC 9218 section 4.2, RFC 8941 section 3.3.6.
        for (value, incremental) in [
            ("i", Some(true)),
            ("u=1, i=?1", Some(true)),
            ("i;x", Some(true)),
            ("i=?0", Some(false)),
            ("i, i=?0", Some(false)),
            ("i=1", None),
            ("I", None),
            ("ii", None),
            ("u=1", None),
        ] {
            assert_eq!(said(value).incremental, incremental, "{value}");
        }
    }

    #[test]
    fn several_lines_are_one_list() {
        let told = response(&[("priority", "u=1, i"), ("priority", "u=5")]);
        assert_eq!(Said::in_fields(told.headers()), Some(said("u=5, i")));
        assert_eq!(Said::in_fields(response(&[]).headers()), None);
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
        let of = |fields: &[_], asked: Option<&str>| {
            let priority = Basis::of(&response(fields)).with(asked.map(said));
            (priority.urgency.number(), priority.among)
        };
        assert_eq!(of(&[playlist, told], Some("u=2")), (6, InOrder));
        assert_eq!(of(&[playlist, told], Some("u=2, i")), (6, Shared));
        assert_eq!(of(&[playlist], Some("u=2")), (2, InOrder));
        assert_eq!(of(&[playlist], None), (1, Unsaid));
        assert_eq!(of(&[("content-type", "video/mp4")], None), (3, Unsaid));
        assert_eq!(of(&[], Some("")), (3, InOrder));
        assert_eq!(of(&[("priority", "i")], Some("u=2")), (2, Shared));
        assert_eq!(of(&[("priority", "i=?0")], Some("u=2, i")), (2, InOrder));
        assert_eq!(of(&[("priority", "i")], None), (3, Shared));
    }
}
