//! The byte grammar of object paths: reject, never normalise.

use std::{fmt, sync::Arc};

use crate::Malformed;

/// The longest object path: what S3 takes as a key (1,024 bytes), twice.
pub const OBJECT_PATH_BYTES_MAX: usize = 2048;

/// A path that follows the grammar, so that one object has exactly one spelling.
///
/// ```text
/// path    = "/" [ segment *( "/" segment ) [ "/" ] ]
/// segment = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" )     ; RFC 3986's unreserved characters
///           but never "." nor "..", and the first one does not start with "~"
/// ```
///
/// Where a site says so, segments may also have what [`Grammar::Delimited`] adds. At most
/// [`OBJECT_PATH_BYTES_MAX`] bytes. A first segment that starts with `~` carries a token
/// and is not part of the object (see [`crate::Carriers`]).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectPath(Arc<str>);

/// Which bytes the segments of a site's paths may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Grammar {
    /// RFC 3986's unreserved characters.
    #[default]
    Unreserved,
    /// And `(`, `)`, `,`, `=`, as the fragments of Smooth Streaming have them. Escaped they would be
    /// other names (RFC 3986 section 2.2), but nothing is taken that is escaped: one spelling is left.
    Delimited,
}

impl ObjectPath {
    /// Checks and copies `path`, without its query and without a token.
    pub fn parse(path: &str) -> Result<Self, Malformed> {
        Self::parse_as(path, Grammar::Unreserved)
    }

    /// The same by a site's own grammar.
    pub fn parse_as(path: &str, grammar: Grammar) -> Result<Self, Malformed> {
        check(path, grammar)?;
        Ok(Self(path.into()))
    }

    /// Checks `path` without keeping it, for who holds many.
    pub fn check(path: &str) -> Result<(), Malformed> {
        check(path, Grammar::Unreserved)
    }

    /// The text, from its first `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, shared: no copy.
    pub fn to_arc(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Display for ObjectPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// RFC 3986 section 2.3: the characters that mean the same whether escaped or not, so that a
/// grammar of these alone has one spelling for each name.
pub(crate) fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

impl Grammar {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Unreserved => is_unreserved(byte),
            Self::Delimited => is_unreserved(byte) || matches!(byte, b'(' | b')' | b',' | b'='),
        }
    }
}

fn check(path: &str, grammar: Grammar) -> Result<(), Malformed> {
    let bytes = path.as_bytes();
    if bytes.first() != Some(&b'/') {
        return Err(Malformed::NotAbsolute);
    }
    if bytes.len() > OBJECT_PATH_BYTES_MAX {
        return Err(Malformed::PathTooLong { bytes: bytes.len() });
    }
    let bad = bytes.iter().position(|&b| b != b'/' && !grammar.has(b));
    if let Some(offset) = bad {
        return Err(Malformed::PathByte {
            byte: bytes[offset],
            offset,
        });
    }
    if bytes.get(1) == Some(&b'~') {
        return Err(Malformed::ReservedSegment);
    }
    check_segments(path)
}

/// `path` is ASCII and starts with `/`. Also holds globs to the same shape.
pub(crate) fn check_segments(path: &str) -> Result<(), Malformed> {
    let mut offset = 1;
    for segment in path.split('/').skip(1) {
        let end = offset + segment.len();
        match segment {
            "" if end < path.len() => return Err(Malformed::EmptySegment { offset }),
            "." | ".." => return Err(Malformed::DotSegment { offset }),
            _ => offset = end + 1,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_paths_pass_unchanged() {
        for good in [
            "/",
            "/a",
            "/a/",
            "/a/b.m4s",
            "/a/~b/...",
            "/.well-known/x",
            "/A_b-c.1~",
        ] {
            assert_eq!(ObjectPath::parse(good).unwrap().as_str(), good);
        }
    }

    #[test]
    fn delimiters_pass_where_a_site_has_them_and_nothing_else_does() {
        let path = "/film.ism/QualityLevels(64000,lang=en)/Fragments(en=0)";
        let parsed = ObjectPath::parse_as(path, Grammar::Delimited).unwrap();
        assert_eq!(parsed.as_str(), path);
        assert!(ObjectPath::parse(path).is_err());
        let others = (0..=u8::MAX)
            .map(char::from)
            .filter(|byte| !byte.is_ascii_alphanumeric() && !"/-._~(),=".contains(*byte));
        for other in others {
            let path = format!("/a{other}b");
            assert!(
                ObjectPath::parse_as(&path, Grammar::Delimited).is_err(),
                "{path:?}"
            );
        }
        for bad in [
            "a(b)",
            "/(b)/../c",
            "/a//(b)",
            "/~(b)/c",
            "/a;b=c",
            "/a%28b)",
        ] {
            assert!(
                ObjectPath::parse_as(bad, Grammar::Delimited).is_err(),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_path_of_the_longest_length_passes_and_one_more_does_not() {
        let longest = format!("/{}", "a".repeat(OBJECT_PATH_BYTES_MAX - 1));
        assert!(ObjectPath::parse(&longest).is_ok());
        let over = format!("{longest}a");
        assert_eq!(
            ObjectPath::parse(&over),
            Err(Malformed::PathTooLong { bytes: 2049 })
        );
    }

    /// Hardening rows U07 to U12, U14 to U17: each is 400 before anything else looks at it.
    #[test]
    fn every_second_spelling_of_a_path_is_refused() {
        let escapes = [
            "/a/%2e%2e%2f",
            "/%252e%252e",
            "/..%5c",
            "/%5c",
            "/%61",
            "/a%2Fb",
            "/a%2fb",
            "/%2F",
            "/%00",
            "/%0d%0a",
            "/%09",
            "/a%",
            "/%7Etoken/a",
        ];
        let bytes = [
            "/a\\b",
            "/a\0",
            "/a\r\nb",
            "/a\tb",
            "/a\x7f",
            "/a b",
            "/ä",
            "/a\u{202e}b",
        ];
        let parameters = [
            "/a;jsessionid=1",
            "/a;a=b",
            "/a#frag",
            "/a?b",
            "/a=b",
            "/a+b",
            "/a,b",
        ];
        for bad in escapes.iter().chain(&bytes).chain(&parameters) {
            let refused = ObjectPath::parse(bad);
            assert!(
                matches!(refused, Err(Malformed::PathByte { .. })),
                "{bad:?}: {refused:?}"
            );
        }
        for bad in ["//x", "/a//b", "/a//", "//"] {
            let refused = ObjectPath::parse(bad);
            assert!(
                matches!(refused, Err(Malformed::EmptySegment { .. })),
                "{bad:?}: {refused:?}"
            );
        }
        for bad in ["/a/../b/x", "/./", "/a/.", "/..", "/a/..", "/.", "/../a"] {
            let refused = ObjectPath::parse(bad);
            assert!(
                matches!(refused, Err(Malformed::DotSegment { .. })),
                "{bad:?}: {refused:?}"
            );
        }
        for bad in ["", "a", "*", "http://other/a", "edge:443"] {
            assert_eq!(
                ObjectPath::parse(bad),
                Err(Malformed::NotAbsolute),
                "{bad:?}"
            );
        }
        assert_eq!(ObjectPath::parse("/~x/a"), Err(Malformed::ReservedSegment));
    }

    #[test]
    fn the_log_never_shows_a_hostile_byte_itself() {
        let text = ObjectPath::parse("/a\r\nset-cookie: x")
            .unwrap_err()
            .to_string();
        assert_eq!(text, "path has byte 0x0d at 2");
    }

    proptest! {
        /// A path that passes has one spelling: it resolves to itself.
        #[test]
        fn what_passes_is_already_normal(path in "[/.a~%]{0,12}") {
            if let Ok(parsed) = ObjectPath::parse(&path) {
                prop_assert_eq!(parsed.as_str(), &path);
                prop_assert!(path.starts_with('/') && !path.contains("//"));
                prop_assert!(!path.contains('%'));
                prop_assert!(path.split('/').all(|segment| segment != "." && segment != ".."));
            }
        }

        #[test]
        fn any_text_is_answered(path in any::<String>()) {
            let _ = ObjectPath::parse(&path);
        }
    }
}
