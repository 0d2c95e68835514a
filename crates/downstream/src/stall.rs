//! A TCP stream that gives up on a client which takes nothing.
//!
//! Stands between the socket and the record layer, so that it sees what the kernel takes.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

use crate::body::RATE_BYTES_PER_S;

/// What others may know of a stream while its protocol owns it.
#[derive(Debug, Default)]
pub(crate) struct Outlet {
    /// Bytes that the kernel took.
    pub(crate) written: AtomicU64,
    /// The last response broke off: the stream must not end as if all were well.
    pub(crate) broken: Arc<AtomicBool>,
    /// The socket is to look full, so that the record layer keeps what it is given. Whoever sets
    /// it wakes the task in the socket's place.
    pub(crate) corked: AtomicBool,
}

/// A socket with a watch on its writes.
pub(crate) struct Stall {
    socket: TcpStream,
    timeout: Duration,
    outlet: Arc<Outlet>,
    /// While the kernel's buffer is full: when this must have changed, and what it took since.
    blocked: Option<Blocked>,
}

struct Blocked {
    until: Pin<Box<Sleep>>,
    bytes: u64,
}

impl Stall {
    pub(crate) fn new(socket: TcpStream, timeout: Duration, outlet: Arc<Outlet>) -> Self {
        Self {
            socket,
            timeout,
            outlet,
            blocked: None,
        }
    }

    /// Judges a write of `offered` bytes.
    fn judge(
        &mut self,
        cx: &mut Context<'_>,
        offered: usize,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match &result {
            Poll::Ready(Ok(taken)) => {
                self.outlet
                    .written
                    .fetch_add(*taken as u64, Ordering::Relaxed);
                if *taken == offered {
                    self.blocked = None;
                } else if let Some(blocked) = &mut self.blocked {
                    blocked.bytes += *taken as u64;
                }
                result
            }
            Poll::Ready(Err(_)) => result,
            Poll::Pending => {
                let deadline = Instant::now() + self.timeout;
                let blocked = self.blocked.get_or_insert_with(|| Blocked {
                    until: Box::pin(sleep_until(deadline)),
                    bytes: 0,
                });
                let enough = self.timeout.as_secs() * RATE_BYTES_PER_S;
                while blocked.until.as_mut().poll(cx).is_ready() {
                    if blocked.bytes < enough || enough == 0 {
                        return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                    }
                    blocked.until.as_mut().reset(deadline);
                    blocked.bytes = 0;
                }
                Poll::Pending
            }
        }
    }
}

impl AsyncRead for Stall {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stall {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.outlet.corked.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let result = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.judge(cx, buf.len(), result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.outlet.corked.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        let result = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.judge(cx, bufs.iter().map(|buf| buf.len()).sum(), result)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.outlet.broken.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl tls::record::Socket for Stall {
    fn tcp(&self) -> Option<&TcpStream> {
        Some(&self.socket)
    }

    fn watched(
        &mut self,
        cx: &mut Context<'_>,
        offered: usize,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        self.judge(cx, offered, written)
    }
}

impl Drop for Stall {
    fn drop(&mut self) {
        if self.outlet.broken.load(Ordering::Relaxed) {
            // A reset in place of an end: what a client reads up to the end of the connection
            // (HTTP/1.0) must not look whole.
            drop(socket2::SockRef::from(&self.socket).set_linger(Some(Duration::ZERO)));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    async fn pair(timeout: Duration) -> (Stall, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        (Stall::new(socket, timeout, Arc::default()), client)
    }

    #[tokio::test]
    async fn a_client_that_reads_nothing_is_given_up() {
        let (mut stall, _client) = pair(Duration::from_millis(200)).await;
        let block = vec![0; 1 << 20];
        let error = async {
            loop {
                if let Err(error) = stall.write_all(&block).await {
                    break error;
                }
            }
        };
        let error = tokio::time::timeout(Duration::from_secs(20), error)
            .await
            .unwrap();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_reads_keeps_its_connection() {
        let (mut stall, mut client) = pair(Duration::from_millis(200)).await;
        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            client.read_to_end(&mut all).await.unwrap();
            all.len()
        });
        let block = vec![7; 1 << 20];
        for _ in 0..16 {
            stall.write_all(&block).await.unwrap();
        }
        stall.shutdown().await.unwrap();
        assert_eq!(reader.await.unwrap(), 16 << 20);
    }

    #[tokio::test]
    async fn a_broken_response_ends_with_a_reset() {
        let (stall, mut client) = pair(Duration::from_secs(1)).await;
        stall.outlet.broken.store(true, Ordering::Relaxed);
        drop(stall);
        let error = client.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
