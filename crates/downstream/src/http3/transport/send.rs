//! What we send: heads through h3, bodies past it.
//!
//! A stream that is dropped unfinished is reset: quinn would finish it, and a part would look like
//! a whole.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use h3::{
    error::Code,
    quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf},
};
use quinn::WriteError;

use super::terms::{lost, stream_id, var_int, write_error};
use crate::priority::{Among, Priority};

/// The sending half of a stream, for h3 and for whoever writes a body: h3 hands a body on as
/// borrowed bytes, which quinn would have to copy. Never locked across a wait.
#[derive(Clone)]
pub(crate) struct Lane(Arc<Mutex<quinn::SendStream>>);

impl Lane {
    pub(super) fn new(stream: quinn::SendStream) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }

    /// Hands all chunks over by reference, as fast as the send window lets go of earlier ones.
    ///
    /// Cancel safe: what is no longer in `chunks` was handed over.
    pub(crate) async fn write(&self, mut chunks: &mut [Bytes]) -> Result<(), WriteError> {
        while !chunks.is_empty() {
            // A write that does not end at once has written nothing, and may be asked anew.
            let written = poll_fn(|cx| pin!(self.lock().write_chunks(chunks)).poll(cx)).await?;
            chunks = &mut chunks[written.chunks..];
        }
        Ok(())
    }

    /// Lets this stream's bytes go before those of less urgent ones, small ones before others that
    /// are as urgent, and what was asked for earlier before what came later. Of a stream that has
    /// something to send already, quinn sends one packet more in its old place.
    pub(crate) fn rank(&self, priority: Priority, is_small: bool) {
        let stream = self.lock();
        let rank = rank(priority, is_small, stream.id().index());
        // An error says that the stream is over already.
        drop(stream.set_priority(rank));
    }

    /// Which request of its connection it answers.
    pub(crate) fn index(&self) -> u64 {
        self.lock().id().index()
    }

    fn lock(&self) -> MutexGuard<'_, quinn::SendStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Requests that a rank can tell apart: a connection is recycled long before.
const REQUESTS: u64 = 1 << 24;

/// quinn's word for a stream's place: more goes first.
///
/// RFC 9218 section 10: responses that are as urgent go one after the other, in the order of their
/// streams, because they are of use when they are whole; those of which a part is of use come then,
/// and quinn shares between equals.
fn rank(priority: Priority, is_small: bool, stream: u64) -> i32 {
    let level = (3 - i64::from(priority.urgency.number())) * 2 + i64::from(is_small);
    let order = match priority.among {
        Among::InOrder | Among::Unsaid => stream % (REQUESTS - 1),
        Among::Shared => REQUESTS - 1,
    };
    let rank = level * (1 << 24) - i64::try_from(order).unwrap_or_default();
    // From -9 to 7 times 2^24.
    i32::try_from(rank).unwrap_or_default()
}

/// The half that we send on, as h3 sees it.
pub(crate) struct SendStream {
    lane: Lane,
    writing: Option<WriteBuf<Bytes>>,
    finished: bool,
}

impl SendStream {
    pub(super) fn new(lane: Lane) -> Self {
        Self {
            lane,
            writing: None,
            finished: false,
        }
    }
}

impl quic::SendStream<Bytes> for SendStream {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        while let Some(data) = self
            .writing
            .as_mut()
            .filter(|data| Buf::has_remaining(*data))
        {
            let mut stream = self.lane.lock();
            let written = Pin::new(&mut *stream).poll_write(cx, data.chunk());
            data.advance(ready!(written).map_err(write_error)?);
        }
        self.writing = None;
        Poll::Ready(Ok(()))
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        if self.writing.is_some() {
            let detail = "a frame before the last one was written".to_owned();
            return Err(lost(ConnectionErrorIncoming::InternalError(detail)));
        }
        self.writing = Some(data.into());
        Ok(())
    }

    fn poll_finish(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        let finished = self.lane.lock().finish();
        self.finished = finished.is_ok();
        Poll::Ready(finished.map_err(|error| StreamErrorIncoming::Unknown(Box::new(error))))
    }

    fn reset(&mut self, reset_code: u64) {
        // An error says that the stream is over already.
        drop(self.lane.lock().reset(var_int(reset_code)));
    }

    fn send_id(&self) -> StreamId {
        stream_id(self.lane.lock().id())
    }
}

impl Drop for SendStream {
    fn drop(&mut self) {
        if !self.finished {
            let code = var_int(Code::H3_REQUEST_CANCELLED.value());
            drop(self.lane.lock().reset(code));
        }
    }
}

#[cfg(test)]
mod tests {
    use message::{Body, Response};

    use super::*;
    use crate::priority::{Basis, Said};

    #[test]
    fn urgency_comes_before_size_and_size_before_order() {
        let of = |asked: &str, is_small, stream| {
            let basis = Basis::of(&Response::new(Body::empty()));
            let priority = basis.with(Some(Said::parse(asked.as_bytes())));
            rank(priority, is_small, stream)
        };
        let last = REQUESTS - 2;
        let ranks = [
            of("u=0", true, 0),
            of("u=0", true, last),
            of("u=0", false, 5),
            of("u=1", true, 4),
            of("u=3", false, 1),
            of("u=3", false, 2),
            of("u=3, i", false, 1),
            of("u=7", true, 0),
            of("u=7", false, last),
        ];
        assert!(
            ranks.is_sorted_by(|before, after| before > after),
            "{ranks:?}"
        );
        assert_eq!(of("u=3, i", false, 1), of("i", false, 2), "they share");
    }
}
