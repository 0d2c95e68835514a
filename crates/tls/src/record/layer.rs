//! One connection's records over one socket.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    Alert, Error,
    input::{Input, State, Step},
    open::Opener,
    seal::Sealer,
};

/// The record layer of a connection.
///
/// Invariant: after [`Layer::poll_send`] either nothing is unsent, or the task will be woken when
/// the socket takes more, or the connection has failed.
pub(super) struct Layer<S> {
    socket: S,
    input: Input,
    sealer: Sealer,
    writing: State,
    /// Flushing waits for [`Layer::poll_send`].
    deferred: bool,
    /// The engine waits for the socket to take what is unsent.
    waiting: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Layer<S> {
    pub(super) fn new(socket: S, opener: Opener, sealer: Sealer) -> Self {
        Self {
            socket,
            input: Input::new(opener),
            sealer,
            writing: State::Open,
            deferred: false,
            waiting: false,
        }
    }

    pub(super) fn defer(&mut self) {
        self.deferred = true;
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match ready!(self.input.poll_read(&mut self.socket, cx, buf)) {
                Step::Read(read) => return Poll::Ready(read),
                Step::UpdateAsked => self.sealer.ask_update(),
                Step::Refused(error) => return Poll::Ready(Err(self.fail(cx, error).into())),
            }
        }
    }

    /// Takes what fits of `slices`. Ready with how many bytes.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writing.check()?;
        if self.sealer.is_full() {
            ready!(self.poll_room(cx))?;
        }
        let taken = match self.sealer.data(slices) {
            Ok(taken) => taken,
            Err(error) => return Poll::Ready(Err(self.fail(cx, error).into())),
        };
        if self.sealer.is_full()
            && let Poll::Ready(Err(error)) = self.poll_send(cx)
        {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(taken))
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let State::Failed(error) = &self.writing {
            return Poll::Ready(Err(error.clone().into()));
        }
        if self.deferred {
            return Poll::Ready(Ok(()));
        }
        self.poll_room(cx)
    }

    /// Sends `close_notify` behind all that was written, and closes the socket for writing.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if matches!(self.writing, State::Open) {
            self.writing = State::Closed;
            if let Err(error) = self.sealer.alert(Alert::CloseNotify) {
                self.writing = State::Failed(error);
            }
        }
        ready!(self.poll_room(cx))?;
        close(&mut self.socket, cx)
    }

    /// As [`Layer::poll_send`] for the engine, which has to be woken for what it could not do.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = self.poll_send(cx);
        self.waiting = sent.is_pending();
        sent
    }

    /// As [`Layer::poll_send`] after the engine's turn. When the socket took everything only now,
    /// an engine that was refused in its turn is woken: the socket will not do it again.
    pub(super) fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = ready!(self.poll_send(cx));
        if std::mem::take(&mut self.waiting) {
            cx.waker().wake_by_ref();
        }
        Poll::Ready(sent)
    }

    /// Seals what is not, and gives it all to the socket. Ready when it has taken it, or has
    /// failed.
    pub(super) fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Err(error) = self.sealer.close() {
            return Poll::Ready(Err(self.fail(cx, error).into()));
        }
        while let Some(unsent) = self.sealer.unsent() {
            let written = ready!(Pin::new(&mut self.socket).poll_write(cx, unsent.bytes()));
            match written {
                Ok(0) => return Poll::Ready(Err(self.broken(io::ErrorKind::WriteZero.into()))),
                Ok(bytes) => {
                    if unsent.sent(bytes) {
                        *self.sealer.unsent() = None;
                    }
                }
                Err(error) => return Poll::Ready(Err(self.broken(error))),
            }
        }
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// The socket takes nothing any more.
    fn broken(&mut self, error: io::Error) -> io::Error {
        *self.sealer.unsent() = None;
        self.writing = State::Failed(Error::Closed);
        error
    }

    #[cfg(test)]
    pub(super) fn ask_update(&mut self) {
        self.sealer.ask_update();
    }

    #[cfg(test)]
    pub(super) fn input_bytes(&self) -> usize {
        self.input.capacity_bytes()
    }

    /// Ends both directions, and tells the client why, behind all that was written.
    fn fail(&mut self, cx: &mut Context<'_>, error: Error) -> Error {
        match error.alert() {
            Some(alert) if matches!(self.writing, State::Open) => {
                if self.sealer.alert(alert).is_ok() && !self.deferred {
                    // What the socket does not take at once is lost, as the connection is.
                    let _ = self.poll_send(cx);
                }
            }
            Some(_) => {}
            None => *self.sealer.unsent() = None,
        }
        self.writing = State::Failed(error.clone());
        self.input.fail(error.clone());
        error
    }
}

/// Closes a socket for writing. A client that is gone already has it closed.
pub(super) fn close<S: AsyncWrite + Unpin>(
    socket: &mut S,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    match ready!(Pin::new(socket).poll_shutdown(cx)) {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
        other => Poll::Ready(other),
    }
}
