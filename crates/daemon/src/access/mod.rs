//! The access log: counts every request and tells of it in one JSON line, whatever becomes of it.
//!
//! ```json
//! {"time":"2026-03-01T12:34:56.789Z","client":"198.51.100.7:52110","protocol":"h2","method":"GET",
//!  "host":"cdn.example","path":"/~-/vod/clip/v1/seg3.m4s","range":"bytes=0-","agent":"player/1",
//!  "site":"vod","status":206,"bytes":1048576,"end":"complete","first_byte_us":212,
//!  "duration_us":8120,"outcome":"hit","source":"ram","session":"s-17",
//!  "cmcd":{"bl":21300,"bs":true,"sid":"6e2f"}}
//! ```
//!
//! What a listener refused has `"end":"refused"`, and no method, host or path where its head could
//! not be read.
//!
//! `cmcd` is what the player told of itself, under CTA-5004's names, if the site has it logged and
//! the request was answered: the log has no other words of the player's but its `agent`.
//!
//! Tokens have no place in it: no query, no `Cookie`, no `Authorization`, no `Referer`,
//! and a path segment that starts with `~` is written `~-`.

mod metrics;
mod record;
mod redact;
#[cfg(test)]
mod tests;
mod time;

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_util::Stream;
use hyper::body::Body as _;
use message::{Answer, Body, Error, Handler, Refused, Request, Response, Trail};

pub use metrics::RequestMetrics;
use record::Record;

use crate::logs::Lines;

/// A handler that tells of what another one answers. The outermost but for the listener.
///
/// A line is logged when the response has ended or was dropped; a request whose answer was never
/// awaited to its end is logged as `cancelled`.
#[derive(Debug)]
pub struct AccessLog<H> {
    inner: H,
    metrics: RequestMetrics,
    lines: Option<Lines>,
}

impl<H> AccessLog<H> {
    /// Wraps `inner`; without `lines` requests are only counted.
    pub fn new(inner: H, metrics: RequestMetrics, lines: Option<Lines>) -> Self {
        Self {
            inner,
            metrics,
            lines,
        }
    }
}

impl<H: Handler> Handler for AccessLog<H> {
    fn handle(&self, request: Request) -> Answer<'_> {
        let mut record = Record::begin(&request, &self.metrics, self.lines.as_ref());
        Box::pin(async move {
            let mut response = self.inner.handle(request).await;
            // It ends here: nobody further out asks for it.
            let trail = response.extensions_mut().remove::<Trail>();
            let trail = trail.unwrap_or_default();
            record.respond(response.status(), trail, response.body().length());
            watch(response, record)
        })
    }

    fn refused(&self, refused: &Refused<'_>) {
        if let Some(lines) = &self.lines {
            record::tell_refused(refused, lines);
        }
    }
}

/// Puts the record into the body, so that they end together.
fn watch(response: Response, record: Record) -> Response {
    response.map(|body| {
        if body.is_end_stream() {
            return body;
        }
        let length = body.length();
        let watched = Box::pin(Watched { body, record });
        match length {
            Some(length) => Body::sized(watched, length),
            None => Body::of_unknown_length(watched),
        }
    })
}

struct Watched {
    body: Body,
    record: Record,
}

impl Stream for Watched {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = std::task::ready!(Pin::new(&mut self.body).poll_next(cx));
        match &item {
            Some(Ok(bytes)) => self.record.sent(bytes.len()),
            Some(Err(error)) => self.record.failed(error),
            None => self.record.complete(),
        }
        Poll::Ready(item)
    }
}
