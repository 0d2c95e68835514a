//! `Vary`: which request fields chose a response.

use http::{HeaderMap, HeaderName, header};

use crate::lines;

/// How many field names a `Vary` may hold before its response is not stored.
pub const NAMES_MAX: usize = 16;

/// The fields that a response's `Vary` names, sorted, each once.
///
/// `None` where no stored response can ever be chosen by it (`X07`): a star anywhere, more than
/// [`NAMES_MAX`] names, or what is no name.
pub fn named(headers: &HeaderMap) -> Option<Vec<HeaderName>> {
    let mut names = Vec::new();
    for member in lines::all_members(headers, &header::VARY) {
        // RFC 9111 section 4.1: a star anywhere never matches.
        if member == b"*" || names.len() == NAMES_MAX {
            return None;
        }
        names.push(HeaderName::from_bytes(member).ok()?);
    }
    // RFC 9110 section 12.5.5: the order of names and their case say nothing.
    names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    names.dedup();
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_over_all_lines_in_any_case_and_order() {
        // RFC 9110 section 12.5.5, RFC 9111 section 4.1.
        let rows: [(&[&str], Option<&str>); 8] = [
            (&[], Some("")),
            (&["Foo"], Some("foo")),
            (&["foo, Bar", "BAZ,foo"], Some("bar,baz,foo")),
            (&["", " , "], Some("")),
            (&["*"], None),
            (&["foo, *"], None),
            (&["foo", "*"], None),
            (&["a b"], None),
        ];
        for (lines, expected) in rows {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::VARY, line.parse().unwrap());
            }
            let names = named(&headers).map(|names| {
                let names: Vec<_> = names.iter().map(HeaderName::as_str).collect();
                names.join(",")
            });
            assert_eq!(names.as_deref(), expected, "{lines:?}");
        }
    }
}
