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

    /// Lets this stream's bytes go before those of others that wait.
    pub(crate) fn overtake(&self) {
        // An error says that the stream is over already.
        drop(self.lock().set_priority(1));
    }

    fn lock(&self) -> MutexGuard<'_, quinn::SendStream> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
