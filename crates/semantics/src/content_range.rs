//! `Content-Range`: which bytes came, and of how many.

use std::fmt;

use http::{HeaderMap, HeaderValue, header};

use crate::{
    Malformed,
    lines::{self, Lines},
};

/// What a `Content-Range` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentRange {
    /// Of a 206: bytes `first` to `last`, inclusive. What [`parse`] yields has `first <= last`
    /// and `last < total`.
    Part {
        /// Offset of the first byte.
        first: u64,
        /// Offset of the last byte, inclusive.
        last: u64,
        /// Length of the whole; `None` for `*`.
        total: Option<u64>,
    },
    /// Of a 416: no byte of the range exists.
    Unsatisfied {
        /// Length of the whole.
        total: u64,
    },
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Part {
                first,
                last,
                total: Some(total),
            } => {
                write!(f, "bytes {first}-{last}/{total}")
            }
            Self::Part {
                first,
                last,
                total: None,
            } => write!(f, "bytes {first}-{last}/*"),
            Self::Unsatisfied { total } => write!(f, "bytes */{total}"),
        }
    }
}

/// Reads the `Content-Range` of an upstream response; `Ok(None)` where there is none.
///
/// Strict, because slices are joined by what it says: an upstream that lies about ranges is
/// refused.
pub fn parse(headers: &HeaderMap) -> Result<Option<ContentRange>, Malformed> {
    match lines::of(headers, &header::CONTENT_RANGE) {
        Lines::None => Ok(None),
        Lines::One(value) => parse_value(value.as_bytes()).map(Some),
        Lines::Several => Err(Malformed::Repeated("content-range")),
    }
}

/// The field value for a 206 or 416.
#[expect(clippy::expect_used, reason = "the text is proven on the spot")]
pub fn format(range: ContentRange) -> HeaderValue {
    HeaderValue::try_from(range.to_string()).expect("letters, digits, and `*-/ ` are field bytes")
}

fn parse_value(value: &[u8]) -> Result<ContentRange, Malformed> {
    let range = parse_grammar(value).ok_or(Malformed::ContentRange)?;
    // RFC 9110 section 14.4: invalid if last is before first, or the length is not beyond last;
    // such a response must not be recombined.
    let lies = match range {
        ContentRange::Part { first, last, total } => {
            first > last || last == u64::MAX || total.is_some_and(|total| total <= last)
        }
        ContentRange::Unsatisfied { .. } => false,
    };
    if lies {
        Err(Malformed::ContentRange)
    } else {
        Ok(range)
    }
}

fn parse_grammar(value: &[u8]) -> Option<ContentRange> {
    // RFC 9110 section 14.1: range unit names are case-insensitive.
    let (unit, rest) = value.split_at_checked(6)?;
    if !unit.eq_ignore_ascii_case(b"bytes ") {
        return None;
    }
    let slash = rest.iter().position(|&byte| byte == b'/')?;
    let (range, total) = (&rest[..slash], &rest[slash + 1..]);
    let total = if total == b"*" {
        None
    } else {
        Some(lines::number(total)?)
    };
    if range == b"*" {
        return total.map(|total| ContentRange::Unsatisfied { total });
    }
    let dash = range.iter().position(|&byte| byte == b'-')?;
    let (first, last) = (
        lines::number(&range[..dash])?,
        lines::number(&range[dash + 1..])?,
    );
    Some(ContentRange::Part { first, last, total })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_response_says_which_bytes_came() {
        let rows = [
            (
                "bytes 0-4/10",
                ContentRange::Part {
                    first: 0,
                    last: 4,
                    total: Some(10),
                },
            ),
            (
                "Bytes 9-9/10",
                ContentRange::Part {
                    first: 9,
                    last: 9,
                    total: Some(10),
                },
            ),
            (
                "bytes 5-7/*",
                ContentRange::Part {
                    first: 5,
                    last: 7,
                    total: None,
                },
            ),
            ("bytes */0", ContentRange::Unsatisfied { total: 0 }),
        ];
        for (text, range) in rows {
            assert_eq!(parse_value(text.as_bytes()), Ok(range), "{text}");
        }
    }

    #[test]
    fn a_range_that_contradicts_itself_is_refused() {
        // RFC 9110 section 14.4: invalid if last is before first, or the length is not beyond last.
        for text in [
            "bytes 5-4/10",
            "bytes 0-10/10",
            "bytes 0-0/0",
            "bytes 10-19/5",
        ] {
            assert_eq!(
                parse_value(text.as_bytes()),
                Err(Malformed::ContentRange),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_in_the_grammar_is_refused() {
        let rows = [
            "",
            "bytes",
            "bytes ",
            "bytes=0-4/10",
            "bytes 0-4",
            "bytes 0-4/",
            "bytes -4/10",
            "bytes 0-/10",
            "bytes  0-4/10",
            "bytes 0-4/10 ",
            "bytes 0 - 4/10",
            "bytes +0-4/10",
            "bytes */*",
            "items 0-4/10",
            "bytes 0-4/10, bytes 5-9/10",
            "bytes 0-4/1e9",
            "bytes 0-18446744073709551615/*",
            "bytes 0-99999999999999999999/*",
        ];
        for text in rows {
            assert_eq!(
                parse_value(text.as_bytes()),
                Err(Malformed::ContentRange),
                "{text}"
            );
        }
    }

    #[test]
    fn two_lines_are_refused() {
        let mut headers = HeaderMap::new();
        assert_eq!(parse(&headers), Ok(None));
        headers.append("content-range", "bytes 0-4/10".parse().unwrap());
        headers.append("content-range", "bytes 0-4/10".parse().unwrap());
        assert_eq!(parse(&headers), Err(Malformed::Repeated("content-range")));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(first in 0..1u64 << 62, more in 0..1u64 << 61, after: u32) {
            let last = first + more;
            for range in [
                ContentRange::Part { first, last, total: Some(last + 1 + u64::from(after)) },
                ContentRange::Part { first, last, total: None },
                ContentRange::Unsatisfied { total: first },
            ] {
                prop_assert_eq!(parse_value(format(range).as_bytes()), Ok(range));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(junk: Vec<u8>, tail in "[0-9*/ -]{0,24}") {
            for text in [junk, [b"bytes ", tail.as_bytes()].concat()] {
                if let Ok(ContentRange::Part { first, last, total }) = parse_value(&text) {
                    prop_assert!(first <= last && total.is_none_or(|total| last < total));
                }
            }
        }
    }
}
