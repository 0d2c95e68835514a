//! `Range` and `If-Range`: which bytes a request wants.
//!
//! Several ranges are one question upstream, for the range that covers them; a few of them that lie
//! apart are answered as `multipart/byteranges` ([`parts`]).

use http::{HeaderMap, Method, header};

use crate::{
    Malformed, date,
    lines::{self, Lines},
    validator::EntityTag,
};

/// How many ranges one field may name before it is ignored.
///
/// RFC 9110 section 14.2 lets a server ignore many small ranges; players send one, download
/// managers two or three.
pub const RANGES_MAX: usize = 16;

/// How many parts one answer may have. More are answered as the one range that covers them.
pub const PARTS_MAX: usize = 8;

/// Parts closer than this are sent as one: a part's own header is as long.
const GAP_BYTES: u64 = 80;

/// What a request asks for, before the size of the object is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The whole object: no usable `Range`.
    Whole,
    /// Bytes `first` to `last`, inclusive, `first <= last`.
    FromTo {
        /// Offset of the first byte.
        first: u64,
        /// Offset of the last byte, inclusive.
        last: u64,
    },
    /// From `first` to the end.
    From {
        /// Offset of the first byte.
        first: u64,
    },
    /// The last `length` bytes, `length > 0`.
    Suffix {
        /// How many bytes.
        length: u64,
    },
    /// A range without a byte (`bytes=`, `bytes=-0`): 416 whatever the size.
    Empty,
}

/// What to answer, once the size is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolved {
    /// 200 with everything.
    Whole,
    /// 206 with bytes `first` to `last`, inclusive, `first <= last < total`.
    Partial {
        /// Offset of the first byte.
        first: u64,
        /// Offset of the last byte, inclusive.
        last: u64,
    },
    /// 416 with `Content-Range: bytes */total`.
    Unsatisfiable,
}

/// Reads the `Range` of a request.
///
/// An unknown unit, an invalid range or more than [`RANGES_MAX`] of them is ignored: the whole.
/// Several valid ranges become one that covers them, or the whole where a suffix is among others.
/// Two `Range` or two `If-Range` lines are refused, whatever the method.
pub fn wanted(method: &Method, headers: &HeaderMap) -> Result<Wanted, Malformed> {
    if matches!(lines::of(headers, &header::IF_RANGE), Lines::Several) {
        return Err(Malformed::Repeated("if-range"));
    }
    let value = match lines::of(headers, &header::RANGE) {
        Lines::None => return Ok(Wanted::Whole),
        Lines::One(value) => value.as_bytes(),
        Lines::Several => return Err(Malformed::Repeated("range")),
    };
    // RFC 9110 section 14.2: ignored with any method but GET, and with an unknown unit.
    if *method != Method::GET {
        return Ok(Wanted::Whole);
    }
    Ok(byte_ranges(value).map_or(Wanted::Whole, |set| covering(set).unwrap_or(Wanted::Whole)))
}

/// Fits what is wanted to an object of `total` bytes.
pub fn resolve(wanted: Wanted, total: u64) -> Resolved {
    // RFC 9110 section 14.1.2: a last position beyond the end means the end, a suffix longer than
    // the whole means the whole; a range that begins at or beyond the end is unsatisfiable, and
    // in an empty object each one is.
    let Some(end) = total.checked_sub(1) else {
        return if wanted == Wanted::Whole {
            Resolved::Whole
        } else {
            Resolved::Unsatisfiable
        };
    };
    match wanted {
        Wanted::Whole => Resolved::Whole,
        Wanted::FromTo { first, last } if first <= end && first <= last => Resolved::Partial {
            first,
            last: last.min(end),
        },
        Wanted::From { first } if first <= end => Resolved::Partial { first, last: end },
        Wanted::Suffix { length } if length > 0 => Resolved::Partial {
            first: total.saturating_sub(length),
            last: end,
        },
        Wanted::FromTo { .. } | Wanted::From { .. } | Wanted::Suffix { .. } | Wanted::Empty => {
            Resolved::Unsatisfiable
        }
    }
}

/// Which bytes of a part of an object, `part.0` to `part.1` of `total` where that is known, answer
/// what is wanted; `None` where it lacks some of them.
pub fn within(wanted: Wanted, part: (u64, u64), total: Option<u64>) -> Option<(u64, u64)> {
    let (first, last) = match (wanted, total) {
        (wanted, Some(total)) => match resolve(wanted, total) {
            Resolved::Partial { first, last } => (first, last),
            // RFC 9111 section 3.3: a part is not used for a request for the whole.
            Resolved::Whole | Resolved::Unsatisfiable => return None,
        },
        // Where the end is nobody knows.
        (Wanted::FromTo { first, last }, None) => (first, last),
        (Wanted::Whole | Wanted::From { .. } | Wanted::Suffix { .. } | Wanted::Empty, None) => {
            return None;
        }
    };
    (part.0 <= first && last <= part.1).then_some((first, last))
}

/// The parts, as first and last byte, of an answer to a request for several ranges that lie apart in
/// an object of `total` bytes; empty where there is one range, or where one covers them all.
pub fn parts(headers: &HeaderMap, total: u64) -> Vec<(u64, u64)> {
    let Lines::One(value) = lines::of(headers, &header::RANGE) else {
        return Vec::new();
    };
    let set = byte_ranges(value.as_bytes()).unwrap_or_default();
    let ranges = lines::members(set).take(RANGES_MAX + 1).map(one);
    let Some(ranges) = ranges.collect::<Option<Vec<_>>>() else {
        return Vec::new();
    };
    // RFC 9110 section 15.3.7.2: what cannot be satisfied is left out, what overlaps or lies close
    // together may be coalesced.
    let satisfied = ranges
        .into_iter()
        .filter_map(|wanted| match resolve(wanted, total) {
            Resolved::Partial { first, last } => Some((first, last)),
            Resolved::Whole | Resolved::Unsatisfiable => None,
        });
    let mut sorted: Vec<_> = satisfied.collect();
    sorted.sort_unstable();
    let mut parts: Vec<(u64, u64)> = Vec::new();
    for (first, last) in sorted {
        match parts.last_mut() {
            Some(before) if first <= before.1.saturating_add(GAP_BYTES) => {
                before.1 = before.1.max(last);
            }
            _ => parts.push((first, last)),
        }
    }
    if (2..=PARTS_MAX).contains(&parts.len()) {
        parts
    } else {
        Vec::new()
    }
}

/// Whether the `Range` of a request holds for the stored version: true without an `If-Range`.
///
/// `etag` is the stored entity tag with its quotes. `last_modified` is the stored modification
/// date, to be given only where [`crate::validator::is_strong_date`] says so. False means: answer
/// as if there were no `Range`.
pub fn if_range_allows(
    headers: &HeaderMap,
    etag: Option<&str>,
    last_modified: Option<&str>,
) -> bool {
    let value = match lines::of(headers, &header::IF_RANGE) {
        Lines::None => return true,
        Lines::One(value) => value,
        Lines::Several => return false,
    };
    // RFC 9110 section 13.1.5: an entity tag matches by strong comparison; a date only if it is
    // a strong validator, and exactly.
    if let Some(asked) = EntityTag::parse(value.as_bytes()) {
        let stored = etag.and_then(|etag| EntityTag::parse(etag.as_bytes()));
        return stored.is_some_and(|stored| asked.matches_strongly(stored));
    }
    let asked = date::of(value);
    asked.is_some() && asked == last_modified.and_then(date::parse)
}

/// The part of a field value after `bytes=`, or `None` for another unit.
fn byte_ranges(value: &[u8]) -> Option<&[u8]> {
    // RFC 9110 section 14.1: range unit names are case-insensitive.
    let (unit, set) = value.split_at_checked(6)?;
    unit.eq_ignore_ascii_case(b"bytes=").then_some(set)
}

/// One range that covers all of the set, or `None` if one of them is invalid or they are many.
fn covering(set: &[u8]) -> Option<Wanted> {
    // RFC 9110 section 14.1.1: no white space but around commas.
    if set.first().is_some_and(u8::is_ascii_whitespace) {
        return None;
    }
    let mut all = Wanted::Empty;
    for (count, member) in lines::members(set).enumerate() {
        if count == RANGES_MAX {
            return None;
        }
        all = both(all, one(member)?);
    }
    Some(all)
}

/// One `first-last`, `first-` or `-length`.
fn one(member: &[u8]) -> Option<Wanted> {
    let dash = member.iter().position(|&byte| byte == b'-')?;
    let (before, after) = (&member[..dash], &member[dash + 1..]);
    if before.is_empty() {
        return lines::number(after).map(|length| match length {
            0 => Wanted::Empty,
            length => Wanted::Suffix { length },
        });
    }
    let first = lines::number(before)?;
    if after.is_empty() {
        return Some(Wanted::From { first });
    }
    let last = lines::number(after)?;
    // RFC 9110 section 14.1.1: invalid if last is before first.
    (first <= last).then_some(Wanted::FromTo { first, last })
}

fn both(one: Wanted, other: Wanted) -> Wanted {
    use Wanted::{Empty, From, FromTo, Suffix, Whole};
    match (one, other) {
        (Empty, any) | (any, Empty) => any,
        (FromTo { first: a, last: b }, FromTo { first: c, last: d }) => FromTo {
            first: a.min(c),
            last: b.max(d),
        },
        (From { first: a }, From { first: b } | FromTo { first: b, .. })
        | (FromTo { first: a, .. }, From { first: b }) => From { first: a.min(b) },
        (Suffix { length: a }, Suffix { length: b }) => Suffix { length: a.max(b) },
        // What lies between the two is known only once the size is.
        (Suffix { .. }, From { .. } | FromTo { .. } | Whole)
        | (From { .. } | FromTo { .. } | Whole, Suffix { .. })
        | (Whole, From { .. } | FromTo { .. } | Whole)
        | (From { .. } | FromTo { .. }, Whole) => Whole,
    }
}

#[cfg(test)]
mod tests;
