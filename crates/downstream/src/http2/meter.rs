//! The stream that h2 reads: it ends with a frame error where a flood begins.

use std::{
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::frames::Budget;
use crate::{linger::Linger, stall::Outlet};

/// A PING without its eight bytes: h2 answers it with GOAWAY and ends the connection. hyper has
/// no way to ask for a GOAWAY with an error in it.
const POISON: [u8; 9] = [0, 0, 0, 6, 0, 0, 0, 0, 0];

pub(crate) struct Meter<S> {
    stream: S,
    budget: Budget,
    outlet: Arc<Outlet>,
    flood: Option<PastFlood>,
    /// It was shut down.
    linger: Option<Linger>,
    on_flood: Box<dyn Fn() + Send>,
}

/// How much of the poison is still to be read.
struct PastFlood {
    left: usize,
}

impl<S> Meter<S> {
    /// `on_flood` is called once, when one begins.
    pub(crate) fn new(stream: S, outlet: Arc<Outlet>, on_flood: Box<dyn Fn() + Send>) -> Self {
        Self {
            stream,
            budget: Budget::new(Instant::now()),
            outlet,
            flood: None,
            linger: None,
            on_flood,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Meter<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.flood.is_none() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
            let came = &buf.filled()[before..];
            let sent = this.outlet.written.load(Ordering::Relaxed);
            let Err(flood) = this.budget.follow(came, Instant::now(), sent) else {
                return Poll::Ready(Ok(()));
            };
            (this.on_flood)();
            this.flood = Some(PastFlood { left: POISON.len() });
            buf.set_filled(before + flood.from);
            if flood.from > 0 {
                return Poll::Ready(Ok(()));
            }
        }
        match &mut this.flood {
            Some(PastFlood { left }) if *left > 0 => {
                let passed = (*left).min(buf.remaining());
                let from = POISON.len() - *left;
                buf.put_slice(&POISON[from..from + passed]);
                *left -= passed;
                Poll::Ready(Ok(()))
            }
            // h2 is writing its GOAWAY and closes.
            Some(_) | None => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Meter<S> {
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
            // Who floods has no answer to lose.
            if this.flood.is_some() {
                return Poll::Ready(Ok(()));
            }
        }
        let linger = this.linger.get_or_insert_with(Linger::begin);
        linger.poll(&mut this.stream, cx).map(Ok)
    }
}
