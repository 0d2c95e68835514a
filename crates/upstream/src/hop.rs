//! One next hop, whatever it speaks.

use std::{future::Future, pin::Pin};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, response::Parts};
use message::{BodyStream, Error, Fetch};

/// Somebody who can be asked for an object.
pub(crate) trait Hop: Send + Sync {
    /// The name in metrics and logs.
    fn name(&self) -> &str;

    /// Asks once. The answer's head was judged; its body was not read. Cancel safe.
    fn ask<'a>(
        &'a self,
        fetch: &'a Fetch,
    ) -> Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send + 'a>>;

    /// Whether a 5xx tells of trouble behind this hop and not of its own.
    fn passes_on(&self, head: &Parts) -> bool;

    /// Whether a 5xx may be asked for again here, milliseconds later. Object storage means it so; a
    /// site's own server has answered, and its answer goes to the viewer.
    fn repeats(&self) -> bool;
}

/// A usable answer.
pub(crate) struct Answer {
    pub(crate) head: Parts,
    /// The body's length, where it is known.
    pub(crate) length: Option<u64>,
    pub(crate) body: BodyStream,
}

impl Answer {
    /// An answer without a body.
    pub(crate) fn bare(status: StatusCode, headers: HeaderMap) -> Self {
        let mut head = http::Response::new(()).into_parts().0;
        head.status = status;
        head.headers = headers;
        Self {
            head,
            length: Some(0),
            body: Box::pin(futures_util::stream::empty()),
        }
    }

    /// 416 for an object of `total` bytes.
    pub(crate) fn unsatisfiable(total: u64) -> Self {
        let mut headers = HeaderMap::new();
        insert(
            &mut headers,
            header::CONTENT_RANGE,
            &format!("bytes */{total}"),
        );
        Self::bare(StatusCode::RANGE_NOT_SATISFIABLE, headers)
    }

    /// An answer with a body of known length.
    pub(crate) fn sized(
        status: StatusCode,
        headers: HeaderMap,
        length: u64,
        body: impl futures_util::Stream<Item = Result<Bytes, Error>> + Send + 'static,
    ) -> Self {
        let mut answer = Self::bare(status, headers);
        answer
            .head
            .headers
            .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        answer.length = Some(length);
        answer.body = Box::pin(body);
        answer
    }
}

/// Inserts a value that a store reported, unless it cannot stand in a field.
pub(crate) fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// No usable answer.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) stage: Stage,
    pub(crate) error: Error,
}

/// How far a failed try got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// No connection.
    Unreachable,
    /// No answer, or none in time.
    Broken,
    /// An answer that says nothing usable.
    Useless,
    /// The request itself cannot be sent to anybody.
    Unsendable,
}

impl Failure {
    pub(crate) fn new(stage: Stage, error: Error) -> Self {
        Self { stage, error }
    }
}
