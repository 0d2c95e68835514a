//! What an answer must be to what was asked. Pure.
//!
//! A next hop that answers another question than the one asked would put wrong bytes under right
//! names. So each answer is held against its question, and what does not fit is
//! `http_protocol_error`, whatever its body.

use http::{HeaderMap, HeaderName, StatusCode, Version, header, response::Parts};
use message::{ByteRange, Condition, Error, Kind};

use crate::question::Asked;

/// What follows an answer's head.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A body, of this length if it is known.
    Body(Option<u64>),
    /// No body, whatever the fields say.
    Bare,
    /// The hop ignored `If-Match` and sends another version: to us that is 412.
    OtherVersion,
}

/// Whether the end of its connection may end a body (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Close {
    /// A clean close ends it.
    EndsBodies,
    /// It would hide that a body was cut short.
    EndsNothing,
}

/// Judges a response head by what was asked.
pub(crate) fn judge(asked: &Asked, head: &Parts, close: Close) -> Result<Shape, Error> {
    let (length, is_endless) = match framing(head)? {
        Framing::Length(length) => (Some(length), false),
        Framing::Marked => (None, false),
        Framing::Close => (None, close == Close::EndsNothing),
    };
    let body = || {
        let endless = || lie("a body that only the end of the connection ends");
        (!is_endless).then_some(length).ok_or_else(endless)
    };
    match head.status {
        StatusCode::OK => {
            let part = |range: &ByteRange| range.first > 0 && !range.is_open();
            if let Some(range) = asked.range.filter(part) {
                // RFC 9110 section 14.2 allows it, but a whole object for each of its slices is
                // an amplification that nobody asked for. All the rest is asked for once.
                return Err(lie(format!("200 to a range from {}", range.first)));
            }
            version(asked, head, body()?)
        }
        StatusCode::PARTIAL_CONTENT => {
            let Some(part) = partial(asked, head)?.map(|part| part.length()) else {
                return version(asked, head, body()?);
            };
            // Its range says where it ends, whatever the connection does.
            if length.is_some_and(|length| length != part) {
                return Err(lie(format!(
                    "content-length {length:?} for a part of {part}"
                )));
            }
            version(asked, head, Some(part))
        }
        StatusCode::NOT_MODIFIED => not_modified(asked, head).map(|()| Shape::Bare),
        StatusCode::RANGE_NOT_SATISFIABLE => {
            unsatisfiable(asked, head)?;
            Ok(Shape::Body(body()?))
        }
        StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT => Ok(Shape::Bare),
        status if status.is_informational() || status.as_u16() > 599 => {
            Err(lie(format!("status {}", status.as_u16())))
        }
        _ => Ok(Shape::Body(body()?)),
    }
}

/// How a body ends.
enum Framing {
    /// After so many bytes.
    Length(u64),
    /// Where its last chunk or its stream's last frame says.
    Marked,
    /// With its connection.
    Close,
}

/// How the framing ends the body. An HTTP/1 body ends where its framing says, in one way only.
fn framing(head: &Parts) -> Result<Framing, Error> {
    let is_http1 = head.version < Version::HTTP_2;
    let coding = all(&head.headers, &header::TRANSFER_ENCODING);
    let length = match all(&head.headers, &header::CONTENT_LENGTH)[..] {
        [] => None,
        [length] => Some(number(length).ok_or_else(|| lie("content-length is not a number"))?),
        // RFC 9112 section 6.3 lets a recipient merge equal ones; nobody honest sends them.
        _ => return Err(lie("more than one content-length")),
    };
    match coding[..] {
        [] => {}
        // RFC 9112 section 6.1: HTTP/1.0 knows no transfer codings, so its framing is faulty.
        [_, ..] if head.version < Version::HTTP_11 => {
            return Err(lie("transfer-encoding in HTTP/1.0"));
        }
        // RFC 9112 section 6.3: both at once is a smuggling attempt or an error.
        [_, ..] if length.is_some() => return Err(lie("content-length and transfer-encoding")),
        [coding] if coding.eq_ignore_ascii_case(b"chunked") => return Ok(Framing::Marked),
        _ => return Err(lie("a transfer coding other than chunked")),
    }
    Ok(match length {
        Some(length) => Framing::Length(length),
        None if is_http1 => Framing::Close,
        None => Framing::Marked,
    })
}

/// Holds the version of a 200 or 206 against `If-Match`.
fn version(asked: &Asked, head: &Parts, length: Option<u64>) -> Result<Shape, Error> {
    let etag = single(head, &header::ETAG)?;
    let Some(Condition::IfMatch(wanted)) = &asked.condition else {
        return Ok(Shape::Body(length));
    };
    match etag {
        None => Err(lie("no etag on an answer to if-match")),
        Some(etag) if etag == wanted.as_bytes() => Ok(Shape::Body(length)),
        Some(_) => Ok(Shape::OtherVersion),
    }
}

/// The part that a 206 carries, which must begin where was asked and not go beyond, and be all of it
/// where that has no end; `None` for what goes on until it ends (RFC 8673 section 2.2).
fn partial(asked: &Asked, head: &Parts) -> Result<Option<ByteRange>, Error> {
    let Some(range) = asked.range else {
        return Err(lie("206 to no range"));
    };
    let field = single(head, &header::CONTENT_RANGE)?;
    let content_range = field.and_then(ContentRange::parse);
    let Some(ContentRange::Part { part, total }) = content_range else {
        return Err(lie(format!(
            "206 with content-range {:?}",
            field.map(printable)
        )));
    };
    // RFC 9110 section 15.3.7: a server may send less than was asked for, and who asked has to look.
    // What begins elsewhere is no such part but a server that counts otherwise than it says.
    let last = total.map_or(range.last, |total| range.last.min(total.saturating_sub(1)));
    let fits = part.first == range.first
        && part.first <= part.last
        && part.last <= range.last
        && (part.last == last || !range.is_open())
        && total.is_none_or(|total| part.last < total);
    if fits {
        Ok((total.is_some() || !range.is_open()).then_some(part))
    } else {
        let got = field.map(printable);
        Err(lie(format!(
            "asked for bytes {}-{}, got {got:?}",
            range.first, range.last
        )))
    }
}

fn not_modified(asked: &Asked, head: &Parts) -> Result<(), Error> {
    let wanted = match &asked.condition {
        Some(Condition::IfNoneMatch(etag)) => etag,
        Some(Condition::IfModifiedSince(_)) => return Ok(()),
        Some(Condition::IfMatch(_)) | None => return Err(lie("304 to no validator")),
    };
    // RFC 9110 section 13.1.2: If-None-Match compares weakly.
    let bare = |etag: &[u8]| etag.strip_prefix(b"W/").unwrap_or(etag).to_vec();
    match single(head, &header::ETAG)? {
        Some(etag) if bare(etag) != bare(wanted.as_bytes()) => Err(lie(format!(
            "304 for {} when {wanted} was asked",
            printable(etag)
        ))),
        _ => Ok(()),
    }
}

fn unsatisfiable(asked: &Asked, head: &Parts) -> Result<(), Error> {
    // Without a range it says nothing about one: a status as any other.
    let Some(range) = asked.range else {
        return Ok(());
    };
    match single(head, &header::CONTENT_RANGE)?.map(ContentRange::parse) {
        None => Ok(()),
        Some(Some(ContentRange::Unsatisfied { total })) if range.first >= total => Ok(()),
        Some(_) => Err(lie(format!("416 to bytes {}-{}", range.first, range.last))),
    }
}

/// RFC 9110 section 14.4.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ContentRange {
    /// `bytes 0-9/100` or `bytes 0-9/*`.
    Part {
        /// Which bytes.
        part: ByteRange,
        /// Of how many, if the hop knows.
        total: Option<u64>,
    },
    /// `bytes */100`.
    Unsatisfied {
        /// How many there are.
        total: u64,
    },
}

impl ContentRange {
    pub(crate) fn parse(field: &[u8]) -> Option<Self> {
        let rest = field.strip_prefix(b"bytes ")?;
        let slash = rest.iter().position(|&byte| byte == b'/')?;
        let (part, total) = (&rest[..slash], &rest[slash + 1..]);
        if part == b"*" {
            return number(total).map(|total| Self::Unsatisfied { total });
        }
        let dash = part.iter().position(|&byte| byte == b'-')?;
        let (first, last) = (number(&part[..dash])?, number(&part[dash + 1..])?);
        let total = if total == b"*" {
            None
        } else {
            Some(number(total)?)
        };
        (first <= last && last < u64::MAX).then_some(Self::Part {
            part: ByteRange { first, last },
            total,
        })
    }
}

/// A decimal number of digits alone.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn all<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Vec<&'a [u8]> {
    headers
        .get_all(name)
        .iter()
        .map(http::HeaderValue::as_bytes)
        .collect()
}

fn single<'a>(head: &'a Parts, name: &HeaderName) -> Result<Option<&'a [u8]>, Error> {
    match all(&head.headers, name)[..] {
        [] => Ok(None),
        [value] => Ok(Some(value)),
        _ => Err(lie(format!("more than one {name}"))),
    }
}

fn printable(value: &[u8]) -> String {
    String::from_utf8_lossy(value).into_owned()
}

pub(crate) fn lie(detail: impl Into<std::sync::Arc<str>>) -> Error {
    Error::new(Kind::HttpProtocolError, detail)
}

/// Fields that end at this hop.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    // Speaks of the hop's own address, which is not a viewer's business.
    "alt-svc",
];

/// Fields that `Connection` cannot strip: without them a cache could not tell versions apart.
const KEPT: [&str; 9] = [
    "etag",
    "last-modified",
    "cache-control",
    "cdn-cache-control",
    "content-length",
    "content-range",
    "content-type",
    "content-encoding",
    "vary",
];

/// Removes the fields that are between the hop and us.
///
/// RFC 9110 section 7.6.1: those that `Connection` names too, but for the ones that integrity
/// rests on.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(|name| !KEPT.contains(&name.as_str()))
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
