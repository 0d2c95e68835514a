//! The end of a connection whose client may still be sending.
//!
//! Closing a socket with unread bytes resets it. The reset can destroy an answer on its way, or fail
//! the client's next write (an HTTP/2 window update, say), for which it gives up the answer that it
//! was about to read. So what still comes is read and dropped for a moment, until the client closes
//! as well (RFC 9112 section 9.6).

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, ReadBuf},
    time::{Sleep, sleep},
};

const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 256 << 10;
const READ_BYTES: usize = 4 << 10;

/// Reads what is left of a stream that was shut down for writing.
pub(crate) struct Linger {
    over: Pin<Box<Sleep>>,
    left: usize,
}

impl Linger {
    pub(crate) fn begin() -> Self {
        Self {
            over: Box::pin(sleep(LINGER)),
            left: LINGER_BYTES,
        }
    }

    /// Ready when the client has closed, has had its moment, or has sent too much.
    pub(crate) fn poll<S>(&mut self, stream: &mut S, cx: &mut Context<'_>) -> Poll<()>
    where
        S: AsyncRead + Unpin,
    {
        if self.over.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        while self.left > 0 {
            let mut bytes = [0; READ_BYTES];
            let mut read = ReadBuf::new(&mut bytes);
            let outcome = ready!(Pin::new(&mut *stream).poll_read(cx, &mut read));
            let came = read.filled().len();
            if outcome.is_err() || came == 0 {
                break;
            }
            self.left = self.left.saturating_sub(came);
        }
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::{
        io::{AsyncWriteExt, duplex},
        time::{Instant, timeout},
    };

    use super::*;

    async fn lingers(stream: &mut (impl AsyncRead + Unpin)) -> Duration {
        let (begun, mut linger) = (Instant::now(), Linger::begin());
        poll_fn(|cx| linger.poll(stream, cx)).await;
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_the_client_closes_and_reads_all_that_came_before() {
        let (mut client, mut server) = duplex(10);
        let sends = async {
            client.write_all(&[7; 1000]).await.unwrap();
            drop(client);
        };
        let (waited, ()) = tokio::join!(lingers(&mut server), sends);
        assert_eq!(waited, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stays_is_left_after_a_moment() {
        let (_client, mut server) = duplex(10);
        assert_eq!(lingers(&mut server).await, LINGER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_goes_on_sending_is_left_at_once() {
        let (mut client, mut server) = duplex(64 << 10);
        let sends = async {
            let all = vec![7; LINGER_BYTES + (1 << 20)];
            timeout(LINGER * 2, client.write_all(&all)).await.is_ok()
        };
        let (waited, all_taken) = tokio::join!(lingers(&mut server), sends);
        assert_eq!((waited, all_taken), (Duration::ZERO, false));
    }
}
