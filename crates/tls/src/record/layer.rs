//! One connection's records over one socket.

use std::{
    io::{self, IoSlice},
    mem::MaybeUninit,
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    Alert, Error,
    open::{Opener, Received},
    seal::Sealer,
};

/// Read from the socket at a time. Clients of ours send little.
const READ_BYTES: usize = 4 << 10;

/// Whether a direction is usable.
enum State {
    Open,
    /// `close_notify` came, or was sealed.
    Closed,
    Failed(Error),
}

/// The record layer of a connection.
///
/// Invariant: after [`Layer::poll_send`] either nothing is unsent, or the task will be woken when
/// the socket takes more, or the connection has failed.
pub(super) struct Layer<S> {
    socket: S,
    opener: Opener,
    sealer: Sealer,
    /// Bytes from the socket: `plain` is opened and not read yet, what follows `rest` is sealed.
    /// Empty, and without memory, while nothing is half read.
    input: Vec<u8>,
    plain: Range<usize>,
    rest: usize,
    reading: State,
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
            opener,
            sealer,
            input: Vec::new(),
            plain: 0..0,
            rest: 0,
            reading: State::Open,
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
            if buf.remaining() == 0 || self.hand_out(buf) {
                return Poll::Ready(Ok(()));
            }
            match &self.reading {
                State::Open => {}
                State::Closed => return Poll::Ready(Ok(())),
                State::Failed(error) => return Poll::Ready(Err(error.clone().into())),
            }
            match self.next_record() {
                Ok(true) => {}
                Ok(false) => ready!(self.poll_fill(cx))?,
                Err(error) => return Poll::Ready(Err(self.fail(cx, error).into())),
            }
        }
    }

    /// Takes what fits of `slices`. Ready with how many bytes.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &self.writing {
            State::Open => {}
            State::Closed => return Poll::Ready(Err(Error::Closed.into())),
            State::Failed(error) => return Poll::Ready(Err(error.clone().into())),
        }
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
        match ready!(Pin::new(&mut self.socket).poll_shutdown(cx)) {
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            other => Poll::Ready(other),
        }
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
        self.input.capacity()
    }

    /// Hands opened bytes to the reader. `false` when there are none.
    fn hand_out(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        if self.plain.is_empty() {
            return false;
        }
        let bytes = self.plain.len().min(buf.remaining());
        buf.put_slice(&self.input[self.plain.start..self.plain.start + bytes]);
        self.plain.start += bytes;
        if self.plain.is_empty() && self.rest == self.input.len() {
            self.input = Vec::new();
            self.plain = 0..0;
            self.rest = 0;
        }
        true
    }

    /// Opens the next record, if it is there.
    fn next_record(&mut self) -> Result<bool, Error> {
        let rest = &mut self.input[self.rest..];
        let Some(bytes) = Opener::record_bytes(rest)? else {
            return Ok(false);
        };
        let Some(record) = rest.get_mut(..bytes) else {
            return Ok(false);
        };
        let received = self.opener.open(record)?;
        let from = self.rest;
        self.rest += bytes;
        match received {
            Received::Data(range) => self.plain = from + range.start..from + range.end,
            Received::Nothing => {}
            Received::UpdateAsked => self.sealer.ask_update(),
            Received::Closed => self.reading = State::Closed,
        }
        Ok(true)
    }

    /// Reads more from the socket. Only called when there is no whole record.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.rest > 0 {
            self.input.drain(..self.rest);
            self.rest = 0;
        }
        if self.input.is_empty() {
            self.input = Vec::new();
        }
        let mut bytes = [MaybeUninit::uninit(); READ_BYTES];
        let mut read = ReadBuf::uninit(&mut bytes);
        ready!(Pin::new(&mut self.socket).poll_read(cx, &mut read))?;
        if read.filled().is_empty() {
            self.reading = State::Failed(Error::Truncated);
            return Poll::Ready(Ok(()));
        }
        self.input.extend_from_slice(read.filled());
        Poll::Ready(Ok(()))
    }

    /// Ends both directions, and tells the client why, behind all that was written.
    fn fail(&mut self, cx: &mut Context<'_>, error: Error) -> Error {
        let alert = match error {
            Error::Refused { alert, .. } => Some(alert),
            Error::Cipher => Some(Alert::InternalError),
            // RFC 8446 section 6.2: after a fatal alert nothing more is sent.
            Error::Alert(_) | Error::Truncated | Error::Closed => None,
        };
        match alert {
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
        self.reading = State::Failed(error.clone());
        self.input = Vec::new();
        self.plain = 0..0;
        self.rest = 0;
        error
    }
}
