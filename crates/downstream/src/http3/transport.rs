//! The QUIC streams that h3 sees.
//!
//! Our own and not `h3-quinn`'s for three reasons. Bytes that come in are counted, because h3
//! keeps whole frames before it decodes them and sets no bound. They are also gathered, because
//! h3 walks its list of pieces on each arrival and a head in one-byte pieces would cost its
//! square. And a stream that is dropped unfinished is reset: quinn would finish it, and a part
//! would look like a whole.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use h3::{
    error::Code,
    quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf},
};
use quinn::{ConnectionError, ReadError, StoppedError, VarInt, WriteError};

/// All that a client may send on one request stream.
const REQUEST_BYTES: usize = 32 << 10;

/// All that a client may send on all its one-way streams: settings, and a priority or a
/// cancellation of some 30 bytes for each of 10,000 requests.
const CONTROL_BYTES: usize = 512 << 10;

/// Read at a time.
const READ_BYTES: usize = 4 << 10;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + Sync>>;

/// Ends when the client has all of the stream (`None`) or wants no more of it.
pub(crate) type Stopped = BoxFuture<Result<Option<VarInt>, StoppedError>>;

/// The end of the stream that was accepted last, for whoever serves it.
pub(crate) type LastStopped = Arc<Mutex<Option<Stopped>>>;

/// A QUIC connection.
pub(crate) struct Connection {
    quinn: quinn::Connection,
    accept_bi: Option<BoxFuture<Result<(quinn::SendStream, quinn::RecvStream), ConnectionError>>>,
    accept_uni: Option<BoxFuture<Result<quinn::RecvStream, ConnectionError>>>,
    open_uni: Option<BoxFuture<Result<quinn::SendStream, ConnectionError>>>,
    control: Allowance,
    last_stopped: LastStopped,
}

impl Connection {
    /// A connection, and where it leaves the end of each stream that it accepts.
    pub(crate) fn new(quinn: quinn::Connection) -> (Self, LastStopped) {
        let last_stopped = LastStopped::default();
        let this = Self {
            quinn,
            accept_bi: None,
            accept_uni: None,
            open_uni: None,
            control: Allowance::new(CONTROL_BYTES),
            last_stopped: Arc::clone(&last_stopped),
        };
        (this, last_stopped)
    }
}

/// How many more bytes may come.
#[derive(Clone)]
struct Allowance(Arc<AtomicUsize>);

impl Allowance {
    fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    /// `false` when there was not as much left.
    fn spend(&self, bytes: usize) -> bool {
        self.0
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(bytes)
            })
            .is_ok()
    }
}

impl quic::Connection<Bytes> for Connection {
    type RecvStream = RecvStream;
    type OpenStreams = Opener;

    fn poll_accept_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<RecvStream, ConnectionErrorIncoming>> {
        let quinn = &self.quinn;
        let accepting = self.accept_uni.get_or_insert_with(|| {
            let quinn = quinn.clone();
            Box::pin(async move { quinn.accept_uni().await })
        });
        let accepted = ready!(accepting.as_mut().poll(cx));
        self.accept_uni = None;
        let stream = accepted.map_err(connection_error)?;
        Poll::Ready(Ok(RecvStream::new(
            stream,
            self.control.clone(),
            self.quinn.clone(),
        )))
    }

    fn poll_accept_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<BidiStream, ConnectionErrorIncoming>> {
        let quinn = &self.quinn;
        let accepting = self.accept_bi.get_or_insert_with(|| {
            let quinn = quinn.clone();
            Box::pin(async move { quinn.accept_bi().await })
        });
        let accepted = ready!(accepting.as_mut().poll(cx));
        self.accept_bi = None;
        let (send, recv) = accepted.map_err(connection_error)?;
        let stopped: Stopped = Box::pin(send.stopped());
        *self
            .last_stopped
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(stopped);
        let recv = RecvStream::new(recv, Allowance::new(REQUEST_BYTES), self.quinn.clone());
        Poll::Ready(Ok(BidiStream {
            send: SendStream::new(send),
            recv,
        }))
    }

    fn opener(&self) -> Opener {
        Opener {
            quinn: self.quinn.clone(),
        }
    }
}

impl quic::OpenStreams<Bytes> for Connection {
    type BidiStream = BidiStream;
    type SendStream = SendStream;

    fn poll_open_bidi(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<Result<BidiStream, StreamErrorIncoming>> {
        Poll::Ready(Err(no_server_requests()))
    }

    fn poll_open_send(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<SendStream, StreamErrorIncoming>> {
        let quinn = &self.quinn;
        let opening = self.open_uni.get_or_insert_with(|| {
            let quinn = quinn.clone();
            Box::pin(async move { quinn.open_uni().await })
        });
        let opened = ready!(opening.as_mut().poll(cx));
        self.open_uni = None;
        let stream = opened.map_err(|error| lost(connection_error(error)))?;
        Poll::Ready(Ok(SendStream::new(stream)))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.quinn.close(var_int(code.value()), reason);
    }
}

/// h3 asks for a second way to open streams; a server opens none but at the start.
pub(crate) struct Opener {
    quinn: quinn::Connection,
}

impl quic::OpenStreams<Bytes> for Opener {
    type BidiStream = BidiStream;
    type SendStream = SendStream;

    fn poll_open_bidi(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<Result<BidiStream, StreamErrorIncoming>> {
        Poll::Ready(Err(no_server_requests()))
    }

    fn poll_open_send(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<Result<SendStream, StreamErrorIncoming>> {
        Poll::Ready(Err(no_server_requests()))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        self.quinn.close(var_int(code.value()), reason);
    }
}

/// A request stream.
pub(crate) struct BidiStream {
    send: SendStream,
    recv: RecvStream,
}

impl quic::BidiStream<Bytes> for BidiStream {
    type SendStream = SendStream;
    type RecvStream = RecvStream;

    fn split(self) -> (SendStream, RecvStream) {
        (self.send, self.recv)
    }
}

impl quic::RecvStream for BidiStream {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.recv.poll_data(cx)
    }

    fn stop_sending(&mut self, error_code: u64) {
        self.recv.stop_sending(error_code);
    }

    fn recv_id(&self) -> StreamId {
        self.recv.recv_id()
    }
}

impl quic::SendStream<Bytes> for BidiStream {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_ready(cx)
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.send.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_finish(cx)
    }

    fn reset(&mut self, reset_code: u64) {
        self.send.reset(reset_code);
    }

    fn send_id(&self) -> StreamId {
        self.send.send_id()
    }
}

/// The half that a client sends on.
pub(crate) struct RecvStream {
    stream: quinn::RecvStream,
    allowance: Allowance,
    quinn: quinn::Connection,
}

impl RecvStream {
    fn new(stream: quinn::RecvStream, allowance: Allowance, quinn: quinn::Connection) -> Self {
        Self {
            stream,
            allowance,
            quinn,
        }
    }
}

impl quic::RecvStream for RecvStream {
    type Buf = Bytes;

    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        let mut bytes = [0; READ_BYTES];
        // Fills the buffer from as many frames as there are.
        let read = ready!(self.stream.poll_read(cx, &mut bytes)).map_err(read_error)?;
        if !self.allowance.spend(read) {
            let code = Code::H3_EXCESSIVE_LOAD;
            self.quinn
                .close(var_int(code.value()), b"more bytes than a request has");
            return Poll::Ready(Err(lost(connection_error(ConnectionError::LocallyClosed))));
        }
        Poll::Ready(Ok(
            (read > 0).then(|| Bytes::copy_from_slice(&bytes[..read]))
        ))
    }

    fn stop_sending(&mut self, error_code: u64) {
        // An error says that the stream is over already.
        drop(self.stream.stop(var_int(error_code)));
    }

    fn recv_id(&self) -> StreamId {
        stream_id(self.stream.id())
    }
}

/// The half that we send on.
pub(crate) struct SendStream {
    stream: quinn::SendStream,
    writing: Option<WriteBuf<Bytes>>,
    finished: bool,
}

impl SendStream {
    fn new(stream: quinn::SendStream) -> Self {
        Self {
            stream,
            writing: None,
            finished: false,
        }
    }
}

impl quic::SendStream<Bytes> for SendStream {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        while let Some(data) = self.writing.as_mut().filter(Buf::has_remaining) {
            let stream = Pin::new(&mut self.stream);
            let written = ready!(stream.poll_write(cx, data.chunk())).map_err(write_error)?;
            data.advance(written);
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
        let finished = self.stream.finish();
        self.finished = finished.is_ok();
        Poll::Ready(finished.map_err(|error| StreamErrorIncoming::Unknown(Box::new(error))))
    }

    fn reset(&mut self, reset_code: u64) {
        // An error says that the stream is over already.
        drop(self.stream.reset(var_int(reset_code)));
    }

    fn send_id(&self) -> StreamId {
        stream_id(self.stream.id())
    }
}

impl Drop for SendStream {
    fn drop(&mut self) {
        if !self.finished {
            drop(
                self.stream
                    .reset(var_int(Code::H3_REQUEST_CANCELLED.value())),
            );
        }
    }
}

fn var_int(value: u64) -> VarInt {
    VarInt::from_u64(value).unwrap_or(VarInt::MAX)
}

#[expect(clippy::expect_used, reason = "both are the same 62-bit integer")]
fn stream_id(id: quinn::StreamId) -> StreamId {
    u64::from(id)
        .try_into()
        .expect("a quic stream id is below 2^62 on both sides")
}

fn no_server_requests() -> StreamErrorIncoming {
    let detail = "a server opens no streams but its own three".to_owned();
    lost(ConnectionErrorIncoming::InternalError(detail))
}

fn lost(connection_error: ConnectionErrorIncoming) -> StreamErrorIncoming {
    StreamErrorIncoming::ConnectionErrorIncoming { connection_error }
}

fn connection_error(error: ConnectionError) -> ConnectionErrorIncoming {
    match error {
        ConnectionError::ApplicationClosed(close) => ConnectionErrorIncoming::ApplicationClose {
            error_code: close.error_code.into(),
        },
        ConnectionError::TimedOut => ConnectionErrorIncoming::Timeout,
        other => ConnectionErrorIncoming::Undefined(Arc::new(other)),
    }
}

fn read_error(error: ReadError) -> StreamErrorIncoming {
    match error {
        ReadError::Reset(code) => StreamErrorIncoming::StreamTerminated {
            error_code: code.into(),
        },
        ReadError::ConnectionLost(error) => lost(connection_error(error)),
        other => StreamErrorIncoming::Unknown(Box::new(other)),
    }
}

fn write_error(error: WriteError) -> StreamErrorIncoming {
    match error {
        WriteError::Stopped(code) => StreamErrorIncoming::StreamTerminated {
            error_code: code.into(),
        },
        WriteError::ConnectionLost(error) => lost(connection_error(error)),
        other => StreamErrorIncoming::Unknown(Box::new(other)),
    }
}
