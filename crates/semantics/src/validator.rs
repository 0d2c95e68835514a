//! Entity tags and modification dates: which are strong, and which match.

use std::time::Duration;

use http::{HeaderMap, HeaderName, header};

use crate::{
    date,
    lines::{self, Lines},
};

/// An entity tag as it stands in a field, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntityTag<'a> {
    weak: bool,
    opaque: &'a [u8],
}

impl<'a> EntityTag<'a> {
    /// Reads one whole entity tag (`"x"` or `W/"x"`), or `None` if it is not one.
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        // RFC 9110 section 8.8.3: `W/` is case-sensitive; what is in quotes is etagc, where a
        // backslash escapes nothing.
        let (weak, quoted) = match text.strip_prefix(b"W/") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let opaque = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        opaque
            .iter()
            .copied()
            .all(is_tag_byte)
            .then_some(Self { weak, opaque })
    }

    /// True without the `W/` mark.
    pub fn is_strong(self) -> bool {
        !self.weak
    }

    /// Whether both name the same bytes.
    pub(crate) fn matches_strongly(self, other: EntityTag<'_>) -> bool {
        // RFC 9110 section 8.8.3.2: strong comparison needs both to be strong.
        !self.weak && !other.weak && self.opaque == other.opaque
    }

    /// Whether both name the same meaning.
    pub(crate) fn matches_weakly(self, other: EntityTag<'_>) -> bool {
        // RFC 9110 section 8.8.3.2: weak comparison disregards the mark.
        self.opaque == other.opaque
    }
}

/// RFC 9110 section 8.8.3: `etagc` is %x21, %x23-7E or obs-text.
fn is_tag_byte(byte: u8) -> bool {
    byte == 0x21 || (0x23..=0x7e).contains(&byte) || byte >= 0x80
}

/// Whether `etag` (with its quotes) is a well-formed strong entity tag: only then may slices of
/// one version be joined.
pub fn is_strong(etag: &str) -> bool {
    EntityTag::parse(etag.as_bytes()).is_some_and(EntityTag::is_strong)
}

/// The strong entity tag of a response, in its quoted form.
///
/// `None` without one, with a weak or malformed one, and with two: who sends two versions' names
/// has named none.
pub fn strong(headers: &HeaderMap) -> Option<&str> {
    match lines::of(headers, &header::ETAG) {
        Lines::One(value) => value.to_str().ok().filter(|etag| is_strong(etag)),
        Lines::None | Lines::Several => None,
    }
}

/// Whether a `Last-Modified` value is strong, judged by the `Date` of the same stored response.
pub fn is_strong_date(last_modified: &str, date: &str) -> bool {
    // RFC 9110 section 8.8.2.2: strong for a cache if Date is at least one second later.
    match (date::parse(last_modified), date::parse(date)) {
        (Some(modified), Some(date)) => date >= modified + Duration::from_secs(1),
        _ => false,
    }
}

/// Whether `If-Match` or `If-None-Match` names the stored version. `etag` is `None` where the
/// version has no entity tag; only `*` names such a one. `None` where the field is absent.
///
/// RFC 9110 sections 13.1.1 and 13.1.2: `*` alone, or a list over all lines. A member that is no
/// entity tag matches nothing; cost grows linearly with the list and nothing is allocated.
pub(crate) fn any_matches(
    headers: &HeaderMap,
    name: &HeaderName,
    etag: Option<&str>,
    matches: impl Fn(EntityTag<'_>, EntityTag<'_>) -> bool,
) -> Option<bool> {
    if let Lines::One(value) = lines::of(headers, name)
        && value.as_bytes().trim_ascii() == b"*"
    {
        return Some(true);
    }
    if !headers.contains_key(name) {
        return None;
    }
    let stored = etag.and_then(|etag| EntityTag::parse(etag.as_bytes()));
    let found = stored.is_some_and(|stored| {
        headers
            .get_all(name)
            .iter()
            .flat_map(|line| tags(line.as_bytes()))
            .any(|tag| matches(tag, stored))
    });
    Some(found)
}

/// The well-formed entity tags of one list. A tag may hold commas and backslashes, so the list is
/// not split like others.
fn tags(list: &[u8]) -> impl Iterator<Item = EntityTag<'_>> {
    let mut left = list;
    std::iter::from_fn(move || {
        while !left.is_empty() {
            let start = left
                .iter()
                .position(|byte| !matches!(byte, b',' | b' ' | b'\t'))?;
            let text = &left[start..];
            let end = tag_end(text);
            left = text.get(end..).unwrap_or_default();
            if let Some(tag) = EntityTag::parse(text[..end].trim_ascii()) {
                return Some(tag);
            }
        }
        None
    })
}

/// Where the list element at the start of `text` ends: at the first comma outside its quotes.
fn tag_end(text: &[u8]) -> usize {
    let mut quoted = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => return at,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Option<EntityTag<'_>> {
        EntityTag::parse(text.as_bytes())
    }

    #[test]
    fn only_well_formed_tags_are_read() {
        // RFC 9110 section 8.8.3: `W/` is case-sensitive; what is in quotes is etagc.
        for good in [r#""a""#, r#""""#, r#"W/"a""#, r#""a,b\c""#, "\"\u{e9}\""] {
            assert!(parse(good).is_some(), "{good}");
        }
        for bad in [
            "", "a", "\"", "\"a", "a\"", r#"w/"a""#, "W/", r#""a"b""#, "\"a b\"", "\"\t\"",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn comparison_is_as_the_standards_table() {
        // RFC 9110 section 8.8.3.2, table 3.
        let rows = [
            (r#"W/"1""#, r#"W/"1""#, false, true),
            (r#"W/"1""#, r#"W/"2""#, false, false),
            (r#"W/"1""#, r#""1""#, false, true),
            (r#""1""#, r#""1""#, true, true),
        ];
        for (one, other, strongly, weakly) in rows {
            let (one, other) = (parse(one).unwrap(), parse(other).unwrap());
            assert_eq!(one.matches_strongly(other), strongly, "{one:?} {other:?}");
            assert_eq!(one.matches_weakly(other), weakly, "{one:?} {other:?}");
        }
    }

    #[test]
    fn a_response_with_two_entity_tags_has_none() {
        let mut headers = HeaderMap::new();
        headers.append("etag", r#""a""#.parse().unwrap());
        assert_eq!(strong(&headers), Some(r#""a""#));
        headers.append("etag", r#""b""#.parse().unwrap());
        assert_eq!(strong(&headers), None);
    }

    #[test]
    fn a_weak_entity_tag_joins_no_slices() {
        // O08: weak ETag only, no slice combining.
        let mut headers = HeaderMap::new();
        headers.append("etag", r#"W/"a""#.parse().unwrap());
        assert_eq!(strong(&headers), None);
    }

    #[test]
    fn a_modification_date_is_strong_a_second_later() {
        // RFC 9110 section 8.8.2.2: strong for a cache if Date is at least one second later.
        let modified = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert!(is_strong_date(modified, "Sun, 06 Nov 1994 08:49:38 GMT"));
        assert!(!is_strong_date(modified, modified));
        assert!(!is_strong_date(modified, "today"));
        assert!(!is_strong_date("0", modified));
    }

    #[test]
    fn a_list_is_read_past_its_junk() {
        let list = br#" ,x, "a,b" ,W/"c", "d"e, "f""#;
        let read: Vec<_> = tags(list).map(|tag| tag.opaque).collect();
        assert_eq!(read, [b"a,b".as_slice(), b"c", b"f"]);
    }

    proptest! {
        #[test]
        fn no_list_panics_and_every_member_is_found(
            junk in proptest::collection::vec(any::<u8>(), 0..64),
            names in proptest::collection::vec("[!#-~]{0,8}", 0..8),
        ) {
            prop_assert!(tags(&junk).count() <= junk.len());
            let list = names.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>();
            let list = list.join(" , ");
            let read: Vec<_> = tags(list.as_bytes()).map(|tag| tag.opaque).collect();
            let names: Vec<_> = names.iter().map(String::as_bytes).collect();
            prop_assert_eq!(read, names);
        }
    }
}
