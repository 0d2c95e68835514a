//! Field lines and comma-separated lists, before anyone gives them a meaning.

use http::{HeaderMap, HeaderName, HeaderValue};

/// How often a field came.
#[derive(Debug)]
pub(crate) enum Lines<'h> {
    None,
    One(&'h HeaderValue),
    Several,
}

pub(crate) fn of<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Lines<'h> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (None, _) => Lines::None,
        (Some(value), None) => Lines::One(value),
        (Some(_), Some(_)) => Lines::Several,
    }
}

/// The members of a list, quoted strings kept whole, without surrounding white space and without
/// empty ones.
///
/// RFC 9110 section 5.6.1.2: a recipient ignores empty list elements. A quote that nobody closes
/// is an ordinary byte, so that it cannot hide what follows (`x="y, no-store`).
pub(crate) fn members(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut left = Some(list);
    std::iter::from_fn(move || {
        let text = left?;
        let end = member_end(text);
        left = text.get(end + 1..);
        Some(text[..end].trim_ascii())
    })
    .filter(|member| !member.is_empty())
}

/// All members of a field's list, over all of its lines.
pub(crate) fn all_members<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'h [u8]> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|line| members(line.as_bytes()))
}

fn member_end(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b',' => return at,
            b'"' => at += quoted_length(&text[at..]).unwrap_or(1),
            _ => at += 1,
        }
    }
    text.len()
}

/// Length of the quoted string that `text` begins with, both quotes included.
pub(crate) fn quoted_length(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// RFC 9110 section 5.6.2: `tchar`.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A number of `1*DIGIT`; one too big to hold is `u64::MAX`. `None` if it is anything else.
pub(crate) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let add = |sum: u64, digit: &u8| {
        sum.saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    };
    Some(digits.iter().fold(0, add))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(list: &str) -> Vec<&str> {
        members(list.as_bytes())
            .map(|member| std::str::from_utf8(member).unwrap())
            .collect()
    }

    #[test]
    fn empty_members_are_ignored() {
        // RFC 9110 section 5.6.1.2: a recipient ignores empty list elements.
        assert_eq!(split(" ,a,, b ,\t,"), ["a", "b"]);
        assert!(split("").is_empty());
    }

    #[test]
    fn a_quoted_comma_does_not_split() {
        assert_eq!(split(r#"a="x, \", y", b"#), [r#"a="x, \", y""#, "b"]);
    }

    #[test]
    fn an_open_quote_hides_nothing() {
        assert_eq!(split(r#"x="y, no-store"#), [r#"x="y"#, "no-store"]);
        assert_eq!(split("x=\"y\\"), ["x=\"y\\"]);
    }

    #[test]
    fn numbers_saturate_and_junk_is_no_number() {
        assert_eq!(number(b"18446744073709551616"), Some(u64::MAX));
        for junk in ["", "+5", "-1", "0x5", "5 5", "5.0", "1e1", "٣"] {
            assert_eq!(number(junk.as_bytes()), None, "{junk}");
        }
    }
}
