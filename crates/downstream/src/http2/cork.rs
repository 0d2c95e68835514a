//! The stream that h2 writes to: what it writes leaves in few large pieces.
//!
//! h2 flushes after every frame of 16 KiB, and a flush is a system call. Here a flush is put off
//! until the connection's task has been around once more, so that the streams' tasks come to add
//! theirs; or until the record layer holds as much as it may. Nothing is copied for it: the record
//! layer seals at once and keeps the records, because the socket below pretends to be full.
//!
//! A task that writes nothing but a few bytes (a SETTINGS frame, a ping) pays one more turn of its
//! own, which takes microseconds.

use std::{
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::stall::Outlet;

pub(crate) struct Cork<S> {
    stream: S,
    outlet: Arc<Outlet>,
    kept: Kept,
    pulled: bool,
}

/// What the record layer keeps of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Nothing,
    Something,
    /// Something whose flush was put off: the task has been woken to come round again, and will
    /// let it go when it has nothing more to read.
    Promised,
}

impl<S: AsyncWrite + Unpin> Cork<S> {
    /// `outlet` must belong to the socket below `stream`.
    pub(crate) fn new(stream: S, outlet: Arc<Outlet>) -> Self {
        Self {
            stream,
            outlet,
            kept: Kept::Nothing,
            pulled: false,
        }
    }

    /// Keeps nothing: for a record layer that puts off flushes itself, or keeps nothing either.
    pub(crate) fn pulled(mut self) -> Self {
        self.pulled = true;
        self
    }

    /// Writes with the socket closed off; when the record layer is full, empties it and goes on.
    fn keep(
        &mut self,
        cx: &mut Context<'_>,
        mut write: impl FnMut(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.pulled {
            return write(Pin::new(&mut self.stream), cx);
        }
        loop {
            self.outlet.corked.store(true, Ordering::Relaxed);
            let result = write(Pin::new(&mut self.stream), cx);
            self.outlet.corked.store(false, Ordering::Relaxed);
            if result.is_ready() {
                if self.kept == Kept::Nothing {
                    self.kept = Kept::Something;
                }
                return result;
            }
            if self.kept == Kept::Nothing {
                // Empty and full at once: not ours to solve.
                return write(Pin::new(&mut self.stream), cx);
            }
            ready!(self.let_go(cx))?;
        }
    }

    fn let_go(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(cx));
        self.kept = Kept::Nothing;
        Poll::Ready(flushed)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Cork<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        // h2 reads until there is nothing more before it writes, in every turn of its task.
        if result.is_pending()
            && self.kept != Kept::Nothing
            && let Poll::Ready(Err(error)) = self.let_go(cx)
        {
            return Poll::Ready(Err(error));
        }
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Cork<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.keep(cx, |stream, cx| stream.poll_write(cx, buf))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.keep(cx, |stream, cx| stream.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.pulled {
            return Pin::new(&mut self.stream).poll_flush(cx);
        }
        if self.kept == Kept::Something {
            self.kept = Kept::Promised;
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.kept != Kept::Nothing {
            ready!(self.let_go(cx))?;
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    const ROOM: usize = 10;

    /// A record layer with little room over a socket that takes all.
    struct Records {
        outlet: Arc<Outlet>,
        kept: Vec<u8>,
        /// What left in each write to the socket.
        sent: Vec<Vec<u8>>,
    }

    impl Records {
        fn send(&mut self) {
            if !self.kept.is_empty() && !self.outlet.corked.load(Ordering::Relaxed) {
                self.sent.push(std::mem::take(&mut self.kept));
            }
        }
    }

    impl AsyncRead for Records {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    impl AsyncWrite for Records {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = buf.len().min(ROOM - self.kept.len());
            self.kept.extend_from_slice(&buf[..taken]);
            self.send();
            if taken == 0 {
                return Poll::Pending;
            }
            Poll::Ready(Ok(taken))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.send();
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn cork() -> Cork<Records> {
        let outlet = Arc::new(Outlet::default());
        let records = Records {
            outlet: Arc::clone(&outlet),
            kept: Vec::new(),
            sent: Vec::new(),
        };
        Cork::new(records, outlet)
    }

    async fn read_once(cork: &mut Cork<Records>) {
        let mut buffer = [0; 8];
        let mut buffer = ReadBuf::new(&mut buffer);
        std::future::poll_fn(|cx| {
            assert!(Pin::new(&mut *cork).poll_read(cx, &mut buffer).is_pending());
            Poll::Ready(())
        })
        .await;
    }

    #[tokio::test]
    async fn frames_leave_together_when_there_is_nothing_more_to_read() {
        let mut cork = cork();
        for frame in [b"abc", b"def"] {
            cork.write_all(frame).await.unwrap();
            cork.flush().await.unwrap();
        }
        assert_eq!(cork.stream.sent.len(), 0);
        read_once(&mut cork).await;
        assert_eq!(cork.stream.sent, [b"abcdef"]);
    }

    #[tokio::test]
    async fn a_flush_that_is_put_off_wakes_the_task_to_do_it() {
        let mut cork = cork();
        let mut turns = 0;
        let turn = std::future::poll_fn(|cx| {
            turns += 1;
            let mut buffer = [0; 8];
            let mut buffer = ReadBuf::new(&mut buffer);
            assert!(Pin::new(&mut cork).poll_read(cx, &mut buffer).is_pending());
            if turns == 1 {
                assert!(Pin::new(&mut cork).poll_write(cx, b"abc").is_ready());
                assert!(Pin::new(&mut cork).poll_flush(cx).is_ready());
            }
            if cork.stream.sent.is_empty() {
                return Poll::Pending;
            }
            Poll::Ready(())
        });
        // Without the wake-up nobody would poll again.
        let patience = std::time::Duration::from_secs(10);
        tokio::time::timeout(patience, turn).await.unwrap();
        assert_eq!(turns, 2);
    }

    #[tokio::test]
    async fn more_than_the_record_layer_holds_leaves_at_once_in_order() {
        let mut cork = cork();
        cork.write_all(b"0123456789abcdefghijABC").await.unwrap();
        assert_eq!(cork.stream.sent, [b"0123456789", b"abcdefghij"]);
        cork.shutdown().await.unwrap();
        assert_eq!(cork.stream.sent[2], b"ABC");
    }
}
