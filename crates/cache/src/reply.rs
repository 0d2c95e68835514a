//! Reading an upstream reply: pure, and believing nothing that does not fit what was asked.

use std::ops::Range;

use http::{StatusCode, header};
use message::{ByteRange, Error, Kind, Response};
use semantics::content_range::{self, ContentRange};

use crate::{filling::Failure, geometry::OBJECT_BYTES_MAX, head::text, part::Part};

/// What a reply to a first question means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    /// The version that is held is still the current one.
    Unchanged,
    /// A version of `total_bytes`, of which the body carries `carried`.
    Object {
        total_bytes: u64,
        carried: Range<u64>,
    },
    /// Less than was asked for.
    Part(Part),
    /// A whole object whose length nobody said.
    Unsized,
    /// There is no such object.
    Absent(StatusCode),
    /// An answer that is no object: a redirect, a refusal, a failure.
    Other(StatusCode),
    /// The question began beyond the object's end.
    PastEnd,
}

/// Reads the reply to `asked`; `None` asked for the whole.
pub(crate) fn read(response: &Response, asked: Option<ByteRange>) -> Result<Reply, Error> {
    let reply = meant(response, asked)?;
    match reply {
        Reply::Object { total_bytes, .. }
        | Reply::Part(Part {
            total: Some(total_bytes),
            ..
        }) if total_bytes > OBJECT_BYTES_MAX => {
            let detail = format!("an object of {total_bytes} bytes");
            Err(Error::new(Kind::HttpProtocolError, detail))
        }
        Reply::Unchanged
        | Reply::Object { .. }
        | Reply::Part(_)
        | Reply::Unsized
        | Reply::Absent(_)
        | Reply::Other(_)
        | Reply::PastEnd => Ok(reply),
    }
}

fn meant(response: &Response, asked: Option<ByteRange>) -> Result<Reply, Error> {
    match response.status() {
        StatusCode::NOT_MODIFIED => Ok(Reply::Unchanged),
        StatusCode::OK => Ok(match response.body().length() {
            Some(total_bytes) => Reply::Object {
                total_bytes,
                carried: 0..total_bytes,
            },
            None => Reply::Unsized,
        }),
        StatusCode::PARTIAL_CONTENT => partial(response, asked),
        StatusCode::RANGE_NOT_SATISFIABLE if asked.is_some() => Ok(Reply::PastEnd),
        status @ (StatusCode::NOT_FOUND | StatusCode::GONE) => Ok(Reply::Absent(status)),
        // RFC 9209: a tier of ours that could not get an answer says so. That is no answer either.
        status if is_failure_of_a_tier(response) => Err(refusal(status)),
        status => Ok(Reply::Other(status)),
    }
}

fn is_failure_of_a_tier(response: &Response) -> bool {
    let mut members = response.headers().get_all("proxy-status").iter();
    members.any(|member| {
        let error = b"error=";
        member
            .as_bytes()
            .windows(error.len())
            .any(|part| part == error)
    })
}

/// RFC 5861 section 4: the statuses in whose place a stale response may be served.
pub(crate) fn is_failure(status: StatusCode) -> bool {
    matches!(status.as_u16(), 500 | 502..=504)
}

fn partial(response: &Response, asked: Option<ByteRange>) -> Result<Reply, Error> {
    let lie = |what: &str| Error::new(Kind::HttpProtocolError, format!("a 206 {what}"));
    let asked = asked.ok_or_else(|| lie("to a plain request"))?;
    let range = content_range::parse(response.headers());
    let Ok(Some(ContentRange::Part { first, last, total })) = range else {
        return Err(lie("without a Content-Range that is one"));
    };
    let part = Part { first, last, total };
    let length = response.body().length();
    if length.is_some_and(|length| length != part.length()) {
        return Err(lie("whose length is not its range's"));
    }
    match total {
        // All that exists of what was asked for.
        Some(total_bytes)
            if first == asked.first && last == asked.last.min(total_bytes.saturating_sub(1)) =>
        {
            Ok(Reply::Object {
                total_bytes,
                carried: first..last + 1,
            })
        }
        // RFC 9110 section 15.3.7: a server may send less than was asked for, but nothing else.
        _ if first == asked.first && last <= asked.last => Ok(Reply::Part(part)),
        _ => Err(lie("for another range")),
    }
}

/// Whether the answer to a question under `If-Match` is of the version with this strong entity tag.
pub(crate) fn same_version(response: &Response, etag: &str) -> Result<(), Failure> {
    let status = response.status();
    if let StatusCode::PRECONDITION_FAILED
    | StatusCode::NOT_FOUND
    | StatusCode::GONE
    | StatusCode::RANGE_NOT_SATISFIABLE = status
    {
        return Err(Failure::VersionChanged);
    }
    if !status.is_success() {
        return Err(Failure::Upstream(refusal(status)));
    }
    // Object stores ignore If-Range and some origins ignore If-Match, so the answer's own
    // validator decides.
    if text(response.headers(), &header::ETAG) == Some(etag) {
        Ok(())
    } else {
        Err(Failure::VersionChanged)
    }
}

/// What an unusable upstream status becomes towards the viewer.
pub(crate) fn refusal(status: StatusCode) -> Error {
    let kind = match status {
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            Kind::DestinationUnavailable
        }
        StatusCode::GATEWAY_TIMEOUT => Kind::HttpResponseTimeout,
        StatusCode::LOOP_DETECTED => Kind::ProxyLoopDetected,
        _ => Kind::HttpProtocolError,
    };
    Error::new(kind, format!("upstream answered {}", status.as_u16()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::{StreamExt, stream};
    use http::header;
    use message::Body;

    use super::*;

    const ASKED: ByteRange = ByteRange { first: 0, last: 99 };

    fn response(status: u16, content_range: Option<&str>, body: Body) -> Response {
        let mut builder = http::Response::builder().status(status);
        if let Some(value) = content_range {
            builder = builder.header(header::CONTENT_RANGE, value);
        }
        builder.body(body).unwrap()
    }

    fn ten() -> Body {
        Body::from(Bytes::from_static(b"0123456789"))
    }

    #[test]
    fn a_short_object_answers_a_long_question_whole() {
        let reply = read(&response(206, Some("bytes 0-9/10"), ten()), Some(ASKED));
        assert_eq!(
            reply.unwrap(),
            Reply::Object {
                total_bytes: 10,
                carried: 0..10
            }
        );
    }

    #[test]
    fn lies_about_ranges_and_lengths_are_refused() {
        for (range, why) in [
            (None, "no Content-Range"),
            (Some("bytes 95-104/200"), "beyond what was asked"),
            (Some("bytes 1-10/11"), "another first byte"),
            (Some("bytes 0-99/200"), "a body shorter than its range"),
            (Some("bytes 9-0/10"), "backwards"),
        ] {
            let error = read(&response(206, range, ten()), Some(ASKED)).expect_err(why);
            assert_eq!(error.kind(), Kind::HttpProtocolError, "{why}");
        }
        assert!(read(&response(206, Some("bytes 0-9/10"), ten()), None).is_err());
    }

    #[test]
    fn less_than_was_asked_for_is_a_part() {
        // RFC 9110 section 15.3.7.
        for (told, total) in [("bytes 0-9/*", None), ("bytes 0-9/200", Some(200))] {
            let (first, last) = (0, 9);
            let reply = read(&response(206, Some(told), ten()), Some(ASKED));
            assert_eq!(
                reply.unwrap(),
                Reply::Part(Part { first, last, total }),
                "{told}"
            );
        }
    }

    #[test]
    fn an_object_with_more_slices_than_have_numbers_is_a_lie() {
        for (total, fits) in [(OBJECT_BYTES_MAX, true), (OBJECT_BYTES_MAX + 1, false)] {
            let body = Body::of_unknown_length(stream::empty().boxed());
            let range = format!("bytes 0-99/{total}");
            let reply = read(&response(206, Some(&range), body), Some(ASKED));
            assert_eq!(reply.is_ok(), fits, "{total}");
        }
    }

    #[test]
    fn a_body_of_unknown_length_is_told_apart() {
        let body = Body::of_unknown_length(stream::empty().boxed());
        assert_eq!(
            read(&response(200, None, body), None).unwrap(),
            Reply::Unsized
        );
    }

    #[test]
    fn the_failure_of_a_tier_is_ours_and_an_origins_word_is_its_own() {
        for (theirs, ours) in [(500, 502), (503, 503), (504, 504), (400, 502), (403, 502)] {
            let mut response = response(theirs, None, Body::empty());
            let other = read(&response, Some(ASKED)).unwrap();
            assert_eq!(other, Reply::Other(StatusCode::from_u16(theirs).unwrap()));
            let status = "shield1; error=connection_refused".parse().unwrap();
            response.headers_mut().insert("proxy-status", status);
            let error = read(&response, Some(ASKED)).unwrap_err();
            assert_eq!(error.kind().status().as_u16(), ours, "for {theirs}");
        }
    }
}
