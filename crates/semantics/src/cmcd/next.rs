//! Which object a player says that it will ask for next: `nor`, and `nrr` for its range.

use std::borrow::Cow;

use super::{Cmcd, decoded, value::unquoted};

/// What a player says that it will ask for next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// Relative to what it asks for now; empty if it is another range of the same.
    pub reference: String,
    /// The first byte of the range that it will ask for.
    pub offset: u64,
}

impl Cmcd {
    /// The next object. Of several (the second version has a list) the first.
    ///
    /// CTA-5004 table 1: `nor` is a percent-encoded relative path, and `nrr` is a range of it; in
    /// the second version (CTA-5004-A) the range is the parameter `r` of a list's item.
    pub fn next(&self) -> Option<Next> {
        let nor = self.value("nor").map(Item::first);
        let nrr = self.value("nrr").map(Item::first);
        let range = nrr.as_ref().and_then(|item| item.text.clone());
        let own = nor.as_ref().and_then(|item| item.range.clone());
        let reference = match nor.and_then(|item| item.text) {
            Some(text) => String::from_utf8(decoded(&text).into_owned()).ok()?,
            None => String::new(),
        };
        let offset = range.or(own).and_then(|range| first_byte(&range));
        (!reference.is_empty() || offset.is_some()).then(|| Next {
            reference,
            offset: offset.unwrap_or(0),
        })
    }
}

/// A string, or the first item of a list of them.
struct Item<'v> {
    text: Option<Cow<'v, str>>,
    range: Option<Cow<'v, str>>,
}

impl<'v> Item<'v> {
    fn first(raw: &'v str) -> Self {
        let raw = raw.strip_prefix('(').unwrap_or(raw).trim_start();
        let length = crate::lines::quoted_length(raw.as_bytes());
        let (text, rest) = match length {
            Some(length) if raw.starts_with('"') => raw.split_at(length),
            Some(_) | None => ("", raw),
        };
        let parameter = rest.strip_prefix(";r=").and_then(|rest| {
            let length = crate::lines::quoted_length(rest.as_bytes())?;
            unquoted(rest.get(..length)?)
        });
        Self {
            text: unquoted(text),
            range: parameter,
        }
    }
}

/// `12323-48763`, or open at its end.
fn first_byte(range: &str) -> Option<u64> {
    let (first, last) = range.split_once('-')?;
    let first = crate::lines::number(first.as_bytes())?;
    let fits = last.is_empty() || crate::lines::number(last.as_bytes())? >= first;
    fits.then_some(first)
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn next(request: &str) -> Option<(String, u64)> {
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static("cmcd-request"),
            request.parse().unwrap(),
        )]);
        let next = Cmcd::collect(None, &headers).next()?;
        Some((next.reference, next.offset))
    }

    #[test]
    fn the_next_object_is_named_as_either_version_does() {
        for (request, expected) in [
            (r#"nor="seg2.m4s""#, Some(("seg2.m4s", 0))),
            (r#"nor="..%2Fb%2Fseg2.m4s""#, Some(("../b/seg2.m4s", 0))),
            (r#"nor="f.mp4",nrr="500-999""#, Some(("f.mp4", 500))),
            (r#"nrr="500-""#, Some(("", 500))),
            (r#"nor=("seg2.m4s" "seg3.m4s"),v=2"#, Some(("seg2.m4s", 0))),
            (r#"nor=("f.mp4";r="700-900"),v=2"#, Some(("f.mp4", 700))),
        ] {
            let expected = expected.map(|(text, offset)| (text.to_owned(), offset));
            assert_eq!(next(request), expected, "{request}");
        }
    }

    #[test]
    fn what_names_nothing_is_nothing() {
        for request in [
            "bl=1",
            "nor",
            "nor=seg2.m4s",
            r#"nor="""#,
            r#"nor="%FF""#,
            "nor=(",
            r#"nor=""#,
            r#"nrr="9-1""#,
            r#"nrr="x-""#,
            "nrr=5",
        ] {
            assert_eq!(next(request), None, "{request}");
        }
    }
}
