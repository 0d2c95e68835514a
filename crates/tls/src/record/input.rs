//! What came from the socket, opened and not read yet, or still sealed.

use std::{
    io,
    mem::MaybeUninit,
    ops::Range,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, ReadBuf};

use super::{
    Error,
    open::{Opener, Received},
};

/// Read from the socket at a time. Clients of ours send little.
const READ_BYTES: usize = 4 << 10;

/// Whether a direction is usable.
pub(super) enum State {
    Open,
    /// `close_notify` came, or was sealed.
    Closed,
    Failed(Error),
}

impl State {
    /// An error where nothing can be written.
    pub(super) fn check(&self) -> io::Result<()> {
        match self {
            Self::Open => Ok(()),
            Self::Closed => Err(Error::Closed.into()),
            Self::Failed(error) => Err(error.clone().into()),
        }
    }
}

/// What a turn of reading came to.
pub(super) enum Step {
    /// The reader has its bytes, the end, or the error that it gets from now on.
    Read(io::Result<()>),
    /// The client asks for new keys on our side. Read on.
    UpdateAsked,
    /// A record that ends the connection; to be told to the client.
    Refused(Error),
}

/// The receiving side of a connection.
pub(super) struct Input {
    opener: Opener,
    /// Bytes from the socket: `plain` is opened and not read yet, what follows `rest` is sealed.
    /// Empty, and without memory, while nothing is half read.
    bytes: Vec<u8>,
    plain: Range<usize>,
    rest: usize,
    reading: State,
}

impl Input {
    pub(super) fn new(opener: Opener) -> Self {
        Self {
            opener,
            bytes: Vec::new(),
            plain: 0..0,
            rest: 0,
            reading: State::Open,
        }
    }

    pub(super) fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Step> {
        loop {
            if buf.remaining() == 0 || self.hand_out(buf) {
                return Poll::Ready(Step::Read(Ok(())));
            }
            match &self.reading {
                State::Open => {}
                State::Closed => return Poll::Ready(Step::Read(Ok(()))),
                State::Failed(error) => {
                    return Poll::Ready(Step::Read(Err(error.clone().into())));
                }
            }
            match self.next_record() {
                Ok(Some(Received::Data(_) | Received::Nothing)) => {}
                Ok(Some(Received::Closed)) => self.reading = State::Closed,
                Ok(Some(Received::UpdateAsked)) => return Poll::Ready(Step::UpdateAsked),
                Ok(None) => {
                    if let Err(error) = ready!(self.poll_fill(socket, cx)) {
                        return Poll::Ready(Step::Read(Err(error)));
                    }
                }
                Err(error) => return Poll::Ready(Step::Refused(error)),
            }
        }
    }

    /// Forgets what is not read, and gives this error from now on.
    pub(super) fn fail(&mut self, error: Error) {
        self.reading = State::Failed(error);
        self.bytes = Vec::new();
        self.plain = 0..0;
        self.rest = 0;
    }

    #[cfg(test)]
    pub(super) fn capacity_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Hands opened bytes to the reader. `false` when there are none.
    fn hand_out(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        if self.plain.is_empty() {
            return false;
        }
        let bytes = self.plain.len().min(buf.remaining());
        buf.put_slice(&self.bytes[self.plain.start..self.plain.start + bytes]);
        self.plain.start += bytes;
        if self.plain.is_empty() && self.rest == self.bytes.len() {
            self.bytes = Vec::new();
            self.plain = 0..0;
            self.rest = 0;
        }
        true
    }

    /// Opens the next record, if it is there. Data is then `plain`.
    fn next_record(&mut self) -> Result<Option<Received>, Error> {
        let rest = &mut self.bytes[self.rest..];
        let Some(bytes) = Opener::record_bytes(rest)? else {
            return Ok(None);
        };
        let Some(record) = rest.get_mut(..bytes) else {
            return Ok(None);
        };
        let received = self.opener.open(record)?;
        let from = self.rest;
        self.rest += bytes;
        if let Received::Data(range) = &received {
            self.plain = from + range.start..from + range.end;
        }
        Ok(Some(received))
    }

    /// Reads more from the socket. Only called when there is no whole record.
    fn poll_fill<S: AsyncRead + Unpin>(
        &mut self,
        socket: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rest > 0 {
            self.bytes.drain(..self.rest);
            self.rest = 0;
        }
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
        let mut bytes = [MaybeUninit::uninit(); READ_BYTES];
        let mut read = ReadBuf::uninit(&mut bytes);
        ready!(Pin::new(socket).poll_read(cx, &mut read))?;
        if read.filled().is_empty() {
            self.reading = State::Failed(Error::Truncated);
            return Poll::Ready(Ok(()));
        }
        self.bytes.extend_from_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}
