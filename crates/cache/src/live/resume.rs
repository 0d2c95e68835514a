//! Going on with a growing object whose body broke: what an answer to the question for its rest is
//! worth. Pure.
//!
//! Upstream is asked for a range that begins where the body broke and ends where no segment does
//! any more. Who has the object whole by now answers with what is left and how long it all is; who
//! still writes it answers as RFC 8673 has it, with the range as it was asked, no length, and bytes
//! until it ends; and who does no ranges of what it writes begins anew.

use http::StatusCode;
use message::{ByteRange, Error, Kind, Response};
use semantics::content_range::{self, ContentRange};

use crate::{filling::Failure, reply};

/// What comes in place of the broken body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rest {
    /// The object's byte that it begins with: the one that was asked for, or 0.
    pub(super) first: u64,
    /// How long the object is, where that is told. Else the body's own end is the object's.
    pub(super) total: Option<u64>,
}

/// Reads the answer to the question for `asked` of the version with this strong entity tag.
pub(super) fn read(response: &Response, etag: &str, asked: ByteRange) -> Result<Rest, Failure> {
    reply::same_version(response, etag)?;
    let length = response.body().length();
    let rest = match response.status() {
        StatusCode::OK => Some(Rest {
            first: 0,
            total: length,
        }),
        StatusCode::PARTIAL_CONTENT => part(response, asked),
        _ => None,
    };
    rest.ok_or_else(|| {
        let detail = format!("asked for the rest from {}, got other bytes", asked.first);
        Failure::Upstream(Error::new(Kind::HttpProtocolError, detail))
    })
}

fn part(response: &Response, asked: ByteRange) -> Option<Rest> {
    let length = response.body().length();
    let Ok(Some(ContentRange::Part { first, last, total })) =
        content_range::parse(response.headers())
    else {
        return None;
    };
    let is_rest = match total {
        // RFC 9110 section 15.3.7: a server may send less than was asked; this must be all.
        Some(total) => last == total - 1 && length.is_none_or(|length| length == total - first),
        // RFC 8673 section 2.2: the last byte position is the one that was asked for, and nobody
        // knows how many bytes come.
        None => last == asked.last && length.is_none(),
    };
    (first == asked.first && is_rest).then_some(Rest { first, total })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::{StreamExt, stream};
    use http::header;
    use message::Body;

    use super::*;

    const ASKED: ByteRange = ByteRange {
        first: 90,
        last: 999,
    };

    fn response(status: u16, etag: &str, content_range: Option<&str>, body: Body) -> Response {
        let mut builder = http::Response::builder()
            .status(status)
            .header(header::ETAG, etag);
        if let Some(value) = content_range {
            builder = builder.header(header::CONTENT_RANGE, value);
        }
        builder.body(body).unwrap()
    }

    fn ten() -> Body {
        Body::from(Bytes::from_static(b"0123456789"))
    }

    fn chunked() -> Body {
        Body::of_unknown_length(stream::empty().boxed())
    }

    #[test]
    fn the_rest_comes_with_the_length_of_all_or_until_it_ends_or_all_comes_again() {
        let rest = |first, total| Rest { first, total };
        for (status, range, body, expected) in [
            (206, Some("bytes 90-99/100"), ten(), rest(90, Some(100))),
            (206, Some("bytes 90-99/100"), chunked(), rest(90, Some(100))),
            // RFC 8673 section 2.2.
            (206, Some("bytes 90-999/*"), chunked(), rest(90, None)),
            (200, None, ten(), rest(0, Some(10))),
            (200, None, chunked(), rest(0, None)),
        ] {
            let response = response(status, "\"1\"", range, body);
            assert_eq!(read(&response, "\"1\"", ASKED).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_not_the_rest_is_refused() {
        for (range, why) in [
            (None, "no Content-Range"),
            (Some("bytes 89-98/99"), "another first byte"),
            (Some("bytes 90-99/200"), "not all that is left"),
            (Some("bytes 90-99/*"), "a part of what is still written"),
            (Some("bytes 90-100/101"), "a body shorter than its range"),
            (Some("bytes 90-999/*"), "a length of what nobody knows"),
        ] {
            let response = response(206, "\"1\"", range, ten());
            assert!(read(&response, "\"1\"", ASKED).is_err(), "{why}");
        }
    }

    #[test]
    fn the_rest_of_another_version_is_a_change_of_version() {
        for (status, etag) in [
            (206, "\"2\""),
            (206, "W/\"1\""),
            (200, "\"2\""),
            (412, "\"2\""),
            (404, ""),
            (416, "\"1\""),
        ] {
            let response = response(status, etag, Some("bytes 90-99/100"), ten());
            let failure = read(&response, "\"1\"", ASKED).unwrap_err();
            assert!(
                matches!(failure, Failure::VersionChanged),
                "{status} {etag}"
            );
        }
    }

    #[test]
    fn an_upstream_that_cannot_is_a_failure_of_its_own() {
        for status in [500, 503, 204] {
            let response = response(status, "\"1\"", None, ten());
            let failure = read(&response, "\"1\"", ASKED).unwrap_err();
            assert!(matches!(failure, Failure::Upstream(_)), "{status}");
        }
    }
}
