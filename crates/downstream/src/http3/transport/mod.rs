//! The QUIC streams that h3 sees.
//!
//! Our own and not `h3-quinn`'s: what comes in is counted and gathered (`receive`), bodies go out
//! past h3 without a copy, and what breaks off is reset (`send`).

mod receive;
mod send;
mod terms;

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h3::{
    error::Code,
    quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf},
};
use quinn::{ConnectionError, StoppedError, VarInt};

use crate::http3::updates::Updates;
use receive::{Allowance, RecvStream, close_excessive};
use send::SendStream;
use terms::{connection_error, lost, no_server_requests, var_int};

pub(crate) use send::Lane;

/// All that a client may send on one request stream.
const REQUEST_BYTES: usize = 32 << 10;

/// What a client may send on all its one-way streams, and so the most that h3 can be made to keep
/// of them.
const CONTROL_BYTES: usize = 32 << 10;

/// What a request gives back of it: a priority, a change of it and a cancellation take some 60.
const CONTROL_BYTES_PER_REQUEST: usize = 128;

/// What a one-way stream costs, so that empty ones are not free.
const ONE_WAY_STREAM_BYTES: usize = 64;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send + Sync>>;

/// Ends when the client has all of the stream (`None`) or wants no more of it.
pub(crate) type Stopped = BoxFuture<Result<Option<VarInt>, StoppedError>>;

/// What whoever serves a stream has of it beside h3.
pub(crate) struct Accepted {
    pub(crate) stopped: Stopped,
    pub(crate) lane: Lane,
}

/// The stream that was accepted last.
pub(crate) type LastAccepted = Arc<Mutex<Option<Accepted>>>;

/// A QUIC connection.
pub(crate) struct Connection {
    quinn: quinn::Connection,
    accept_bi: Option<BoxFuture<Result<(quinn::SendStream, quinn::RecvStream), ConnectionError>>>,
    accept_uni: Option<BoxFuture<Result<quinn::RecvStream, ConnectionError>>>,
    open_uni: Option<BoxFuture<Result<quinn::SendStream, ConnectionError>>>,
    control: Allowance,
    updates: Arc<Updates>,
    last_accepted: LastAccepted,
}

impl Connection {
    /// A connection, and where it leaves each stream that it accepts. What its client says of
    /// priorities on the way goes to `updates`.
    pub(crate) fn new(quinn: quinn::Connection, updates: Arc<Updates>) -> (Self, LastAccepted) {
        let last_accepted = LastAccepted::default();
        let this = Self {
            quinn,
            accept_bi: None,
            accept_uni: None,
            open_uni: None,
            control: Allowance::new(CONTROL_BYTES),
            updates,
            last_accepted: Arc::clone(&last_accepted),
        };
        (this, last_accepted)
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
        if !self.control.spend(ONE_WAY_STREAM_BYTES) {
            return Poll::Ready(Err(close_excessive(&self.quinn)));
        }
        let stream = RecvStream::new(stream, self.control.clone(), self.quinn.clone());
        Poll::Ready(Ok(stream.followed(Arc::clone(&self.updates))))
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
        self.control
            .refill(CONTROL_BYTES_PER_REQUEST, CONTROL_BYTES);
        let stopped: Stopped = Box::pin(send.stopped());
        let lane = Lane::new(send);
        *self
            .last_accepted
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(Accepted {
            stopped,
            lane: lane.clone(),
        });
        let recv = RecvStream::new(recv, Allowance::new(REQUEST_BYTES), self.quinn.clone());
        Poll::Ready(Ok(BidiStream {
            send: SendStream::new(lane),
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
        // Settings and farewells are short, and no response is worth their waiting.
        drop(stream.set_priority(i32::MAX));
        Poll::Ready(Ok(SendStream::new(Lane::new(stream))))
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
