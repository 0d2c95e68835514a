//! The stream that an engine reads and writes, and the handle that sends what it wrote.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;

use super::{RecordLayer, Socket, kernel::Kernel, layer::Layer};

/// The layer of a connection, between its stream and its [`Deferred`]. Both are used by one task,
/// one after the other: the lock is never waited for.
struct Shared<S>(Arc<Mutex<Layer<S>>>);

impl<S> Shared<S> {
    fn lock(&self) -> MutexGuard<'_, Layer<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Inner<S> {
    Own(Shared<S>),
    Rustls(Box<TlsStream<S>>),
    Kernel(Box<Kernel<S>>),
}

/// A TLS stream after its handshake.
///
/// Reading gives [`super::Error`] where the connection ended otherwise than by `close_notify`.
/// Dropping it sends nothing: shut it down.
pub struct Stream<S>(Inner<S>);

impl<S: Socket> Stream<S> {
    pub(super) fn own(layer: Layer<S>) -> Self {
        Self(Inner::Own(Shared(Arc::new(Mutex::new(layer)))))
    }

    pub(super) fn rustls(stream: TlsStream<S>) -> Self {
        Self(Inner::Rustls(Box::new(stream)))
    }

    pub(super) fn kernel(kernel: Kernel<S>) -> Self {
        Self(Inner::Kernel(Box::new(kernel)))
    }

    /// Who makes the records of this connection.
    pub fn records(&self) -> RecordLayer {
        match &self.0 {
            Inner::Own(_) => RecordLayer::Own,
            Inner::Rustls(_) => RecordLayer::Rustls,
            Inner::Kernel(_) => RecordLayer::Kernel,
        }
    }

    /// Makes flushing wait for the end of each poll of the connection's future, which must from
    /// now on be polled by [`Deferred::poll`]. With others' records nothing changes.
    pub fn defer(&self) -> Deferred<S> {
        let Inner::Own(shared) = &self.0 else {
            return Deferred(None);
        };
        shared.lock().defer();
        Deferred(Some(Shared(Arc::clone(&shared.0))))
    }
}

/// Sends what a stream's owner wrote.
pub struct Deferred<S>(Option<Shared<S>>);

impl<S: Socket> Deferred<S> {
    /// Polls the future that reads and writes the stream, then sends what it wrote.
    ///
    /// Ready with an error when the socket failed while the future waited for something else.
    /// When the future is ready, what the socket does not take at once is not sent: an orderly
    /// future has shut the stream down, which sends everything.
    pub fn poll<F: Future>(
        &self,
        future: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<F::Output>> {
        let outcome = future.poll(cx);
        let Some(shared) = &self.0 else {
            return outcome.map(Ok);
        };
        let sent = shared.lock().poll_idle(cx);
        match (outcome, sent) {
            (Poll::Ready(outcome), _) => Poll::Ready(Ok(outcome)),
            (Poll::Pending, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            (Poll::Pending, Poll::Ready(Ok(())) | Poll::Pending) => Poll::Pending,
        }
    }
}

impl<S: Socket> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Inner::Own(shared) => shared.lock().poll_read(cx, buf),
            Inner::Rustls(stream) => Pin::new(stream).poll_read(cx, buf),
            Inner::Kernel(kernel) => kernel.poll_read(cx, buf),
        }
    }
}

impl<S: Socket> AsyncWrite for Stream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Inner::Own(shared) => shared.lock().poll_write(cx, &[IoSlice::new(buf)]),
            Inner::Rustls(stream) => Pin::new(stream).poll_write(cx, buf),
            Inner::Kernel(kernel) => kernel.poll_write(cx, &[IoSlice::new(buf)]),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Inner::Own(shared) => shared.lock().poll_write(cx, bufs),
            Inner::Rustls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Inner::Kernel(kernel) => kernel.poll_write(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.0 {
            Inner::Own(_) => true,
            Inner::Rustls(stream) => stream.is_write_vectored(),
            Inner::Kernel(kernel) => kernel.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Inner::Own(shared) => shared.lock().poll_flush(cx),
            Inner::Rustls(stream) => Pin::new(stream).poll_flush(cx),
            Inner::Kernel(kernel) => kernel.poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Inner::Own(shared) => shared.lock().poll_shutdown(cx),
            Inner::Rustls(stream) => Pin::new(stream).poll_shutdown(cx),
            Inner::Kernel(kernel) => kernel.poll_shutdown(cx),
        }
    }
}
