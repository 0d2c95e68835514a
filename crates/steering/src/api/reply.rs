//! Answers.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use super::route::Reply;
use crate::{Reason, Refused, report::Problem};

/// The media type of JSON.
pub(crate) const JSON: &str = "application/json";
/// The media type of an error (RFC 9457).
pub(crate) const PROBLEM: &str = "application/problem+json";

/// A value as JSON.
pub(crate) fn json<T: Serialize>(status: StatusCode, value: &T) -> Result<Reply, Refused> {
    typed(status, HeaderValue::from_static(JSON), value)
}

/// A value as JSON under a media type of its own.
pub(crate) fn typed<T: Serialize>(
    status: StatusCode,
    media: HeaderValue,
    value: &T,
) -> Result<Reply, Refused> {
    let bytes = serde_json::to_vec(value)
        .map_err(|error| Refused::new(Reason::Failed, error.to_string()))?;
    Ok(bytes_of(status, media, bytes.into()))
}

/// Bytes.
pub(crate) fn bytes_of(status: StatusCode, media: HeaderValue, bytes: Bytes) -> Reply {
    let mut reply = empty(status);
    *reply.body_mut() = bytes;
    reply.headers_mut().insert(header::CONTENT_TYPE, media);
    reply
}

/// Nothing but a status.
pub(crate) fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Bytes::new());
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    reply
}

/// What HEAD has of an answer: hyper leaves out the body over HTTP/1.1 alone, and a client that has one
/// over HTTP/2 breaks off (RFC 9110 section 9.3.2).
pub(crate) fn head_of(mut reply: Reply) -> Reply {
    let length = reply.body().len();
    if length > 0 {
        let length = HeaderValue::from(length);
        reply.headers_mut().insert(header::CONTENT_LENGTH, length);
        *reply.body_mut() = Bytes::new();
    }
    reply
}

/// An error.
pub(crate) fn refusal(refused: &Refused) -> Reply {
    let status = refused.reason.status();
    let problem = Problem {
        code: refused.reason.code().to_owned(),
        status: status.as_u16(),
        detail: refused.detail.clone(),
    };
    let text = serde_json::to_vec(&problem).unwrap_or_default();
    bytes_of(status, HeaderValue::from_static(PROBLEM), text.into())
}
