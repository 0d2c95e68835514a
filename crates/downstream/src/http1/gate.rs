//! The stream that hyper reads: nothing but heads that passed, one at a time.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use message::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::head::{Checked, Scan, Scanner};
use crate::{
    body::{Activity, InFlight},
    config::Limits,
    linger::Linger,
};

/// Read at a time; a head is mostly less than this.
const READ_BYTES: usize = 4 << 10;

/// What hyper gets in place of a head that was refused.
const REFUSED: &[u8] = b"GET / HTTP/1.1\r\nhost: refused.invalid\r\nconnection: close\r\n\r\n";

/// What became of one head.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) outcome: Result<Checked, Error>,
    /// The request is in flight from here on.
    pub(crate) in_flight: InFlight,
}

/// Verdicts in the order of their heads, from the gate to the service. Bounded by what hyper
/// buffers: it takes a head when the one before it is answered, or into one read buffer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Verdicts(Arc<Mutex<VecDeque<Verdict>>>);

impl Verdicts {
    /// The next head's. `None` means that hyper saw a request that no head passed for.
    pub(crate) fn next(&self) -> Option<Verdict> {
        self.lock().pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Verdict>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Heads that hyper may hold unanswered: pipelined requests beyond it wait in the socket.
const PIPELINED_MAX: usize = 16;

/// The gate.
pub(crate) struct Gate<S> {
    stream: S,
    limits: Limits,
    activity: Arc<Activity>,
    verdicts: Verdicts,
    /// Bytes that came and are not passed on.
    buffer: Vec<u8>,
    scanner: Scanner,
    /// A checked head, or what stands for a refused one, and how much of it hyper has.
    passing: Option<Passing>,
    state: State,
    /// A head was refused, answered, and the stream shut down.
    linger: Option<Linger>,
    wait: Option<(Phase, Pin<Box<Sleep>>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// A head was refused: nothing after it is looked at.
    Refused,
}

struct Passing {
    head: Head,
    from: usize,
}

enum Head {
    /// The front of the buffer, up to `end`.
    Buffered {
        end: usize,
    },
    Refused,
}

/// What is being waited for; the number tells one wait from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    First,
    Idle(u64),
    Head(u64),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Gate<S> {
    pub(crate) fn new(
        stream: S,
        limits: Limits,
        activity: Arc<Activity>,
        verdicts: Verdicts,
    ) -> Self {
        Self {
            stream,
            limits,
            activity,
            verdicts,
            buffer: Vec::new(),
            scanner: Scanner::default(),
            passing: None,
            state: State::Open,
            linger: None,
            wait: None,
        }
    }

    /// Gives hyper what it may have. `false` when there is nothing.
    fn pass(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let Some(Passing { head, from }) = &mut self.passing else {
            return false;
        };
        let bytes = match head {
            Head::Buffered { end } => &self.buffer[*from..*end],
            Head::Refused => &REFUSED[*from..],
        };
        let passed = bytes.len().min(buf.remaining());
        buf.put_slice(&bytes[..passed]);
        *from += passed;
        if passed == bytes.len() {
            if let Head::Buffered { end } = head {
                self.buffer.drain(..*end);
            }
            if self.buffer.is_empty() {
                // An idle connection holds no buffer.
                self.buffer = Vec::new();
            }
            self.passing = None;
        }
        true
    }

    /// Judges what is in the buffer. `true` when something may pass.
    fn judge(&mut self) -> bool {
        if self.buffer.is_empty() {
            return false;
        }
        let outcome = match self.scanner.scan(&self.buffer, &self.limits) {
            Ok(Scan::Incomplete) => return false,
            Ok(Scan::Complete {
                start,
                end,
                checked,
            }) => {
                self.passing = Some(Passing {
                    head: Head::Buffered { end },
                    from: start,
                });
                Ok(checked)
            }
            Err(error) => {
                self.state = State::Refused;
                self.buffer = Vec::new();
                self.passing = Some(Passing {
                    head: Head::Refused,
                    from: 0,
                });
                Err(error)
            }
        };
        self.scanner = Scanner::default();
        let in_flight = self.activity.begin();
        self.verdicts
            .lock()
            .push_back(Verdict { outcome, in_flight });
        true
    }

    /// Reads more. Ready with the number of bytes, zero at the end.
    fn fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut bytes = [0; READ_BYTES];
        let mut read = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        self.buffer.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    }

    /// Ready when the client has kept us waiting for too long.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let begun = self.activity.begun();
        let (phase, patience) = if !self.buffer.is_empty() {
            (Phase::Head(begun), self.limits.head_timeout)
        } else if self.activity.in_flight() > 0 {
            self.wait = None;
            return Poll::Pending;
        } else if begun == 0 {
            (Phase::First, self.limits.head_timeout)
        } else {
            (Phase::Idle(begun), self.limits.idle_timeout)
        };
        let (_, sleep) = match self.wait.take() {
            Some((waiting, sleep)) if waiting == phase => self.wait.insert((waiting, sleep)),
            Some((_, mut sleep)) => {
                sleep.as_mut().reset(Instant::now() + patience);
                self.wait.insert((phase, sleep))
            }
            None => {
                let until = Instant::now() + patience;
                self.wait.insert((phase, Box::pin(sleep_until(until))))
            }
        };
        sleep.as_mut().poll(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gate<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.pass(buf) {
                return Poll::Ready(Ok(()));
            }
            if this.state != State::Open {
                // hyper writes the answer and shuts down, because the head said `close`.
                return Poll::Pending;
            }
            if this.activity.in_flight() >= PIPELINED_MAX {
                // hyper reads again when it has sent a response, and a read is all that wakes it.
                return Poll::Pending;
            }
            if this.judge() {
                continue;
            }
            match this.fill(cx)? {
                Poll::Ready(0) => return Poll::Ready(Ok(())),
                Poll::Ready(_) => {}
                Poll::Pending => {
                    ready!(this.poll_patience(cx));
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Gate<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            // Any other end is one that the client knows of, or has asked for.
            if this.state == State::Open {
                return Poll::Ready(Ok(()));
            }
        }
        let linger = this.linger.get_or_insert_with(Linger::begin);
        linger.poll(&mut this.stream, cx).map(Ok)
    }
}
