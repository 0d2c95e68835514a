//! A body on its way: stalls end it, and whoever lent something gets it back.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::Stream;
use message::{BodyStream, Error, Kind};
use tokio::time::{Instant, Sleep};

/// A body of unknown length ends with an error beyond this, which is more than any film has: nothing
/// else would end one that never ends. It is not held anywhere; who holds bytes has bounds of its own.
const UNSIZED_BYTES_MAX: u64 = 64 << 30;
/// A hop that trickles is as dead as one that stalls: so many bytes per so much waiting.
const TRICKLE_WINDOW: Duration = Duration::from_secs(30);
const TRICKLE_BYTES_MIN: u64 = 30 << 10;

/// What is told about a body, and what is held while it runs.
pub(crate) trait Watch: Send {
    fn received(&self, bytes: u64);
    fn failed(&self, error: &Error);
}

/// A body with a bound on waiting. Only the time that somebody waits counts: a reader that is
/// slow, or that looks away, is not the hop's fault.
pub(crate) struct Flow<W> {
    running: Option<(BodyStream, W)>,
    alarm: Pin<Box<Sleep>>,
    waiting_since: Option<Instant>,
    stall: Duration,
    trickle: Trickle,
    bytes_left: u64,
}

#[derive(Default)]
struct Trickle {
    waited: Duration,
    bytes: u64,
}

impl<W: Watch> Flow<W> {
    /// Watches `body`, which ends with an error after `stall` without a byte.
    pub(crate) fn new(body: BodyStream, length: Option<u64>, stall: Duration, watch: W) -> Self {
        Self {
            running: Some((body, watch)),
            alarm: Box::pin(tokio::time::sleep(stall)),
            waiting_since: None,
            stall,
            trickle: Trickle::default(),
            bytes_left: length.map_or(UNSIZED_BYTES_MAX, |_sized_elsewhere| u64::MAX),
        }
    }

    fn accept(&mut self, bytes: &Bytes) -> Result<(), Error> {
        let count = bytes.len() as u64;
        self.bytes_left = self.bytes_left.checked_sub(count).ok_or_else(|| {
            let detail = format!("more than {UNSIZED_BYTES_MAX} bytes of unknown length");
            Error::new(Kind::HttpProtocolError, detail)
        })?;
        self.trickle.bytes += count;
        if let Some(since) = self.waiting_since.take() {
            self.trickle.waited += since.elapsed();
        }
        if self.trickle.waited < TRICKLE_WINDOW {
            return Ok(());
        }
        let Trickle { waited, bytes } = std::mem::take(&mut self.trickle);
        if bytes >= TRICKLE_BYTES_MIN {
            return Ok(());
        }
        let detail = format!("{bytes} bytes in {waited:?} of waiting");
        Err(Error::new(Kind::ConnectionReadTimeout, detail))
    }

    /// Whether the wait, which began now or earlier, has lasted too long.
    fn is_stalled(&mut self, cx: &mut Context<'_>) -> bool {
        if self.waiting_since.is_none() {
            let now = Instant::now();
            self.waiting_since = Some(now);
            self.alarm.as_mut().reset(now + self.stall);
        }
        self.alarm.as_mut().poll(cx).is_ready()
    }

    fn fail(&mut self, error: Error) -> Poll<Option<Result<Bytes, Error>>> {
        if let Some((_body, watch)) = self.running.take() {
            watch.failed(&error);
        }
        Poll::Ready(Some(Err(error)))
    }
}

impl<W: Watch + Unpin> Stream for Flow<W> {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some((body, watch)) = &mut this.running else {
            return Poll::Ready(None);
        };
        match body.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(bytes))) => {
                watch.received(bytes.len() as u64);
                match this.accept(&bytes) {
                    Ok(()) => Poll::Ready(Some(Ok(bytes))),
                    Err(error) => this.fail(error),
                }
            }
            Poll::Ready(Some(Err(error))) => this.fail(error),
            Poll::Ready(None) => {
                this.running = None;
                Poll::Ready(None)
            }
            Poll::Pending if this.is_stalled(cx) => {
                let detail = format!("no byte for {:?}", this.stall);
                this.fail(Error::new(Kind::ConnectionReadTimeout, detail))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use tokio::time::{advance, sleep};

    use super::*;

    struct Nobody;

    impl Watch for Nobody {
        fn received(&self, _bytes: u64) {}
        fn failed(&self, _error: &Error) {}
    }

    const STALL: Duration = Duration::from_secs(5);

    /// One piece of `size` bytes every `pause`.
    fn pieces(count: usize, size: usize, pause: Duration) -> BodyStream {
        let pieces = stream::iter(0..count).then(move |_| async move {
            sleep(pause).await;
            Ok(Bytes::from(vec![7; size]))
        });
        Box::pin(pieces)
    }

    async fn last_of(body: BodyStream, length: Option<u64>) -> Result<(), Kind> {
        let mut flow = Flow::new(body, length, STALL, Nobody);
        while let Some(item) = flow.next().await {
            item.map_err(|error| error.kind())?;
        }
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_ends_the_body_with_an_error() {
        let begin = Instant::now();
        let body = pieces(3, 1, Duration::from_mins(1));
        assert_eq!(
            last_of(body, Some(3)).await,
            Err(Kind::ConnectionReadTimeout)
        );
        assert_eq!(begin.elapsed().as_secs(), 5);
    }

    /// O15.
    #[tokio::test(start_paused = true)]
    async fn a_trickle_ends_the_body_with_an_error() {
        let body = pieces(10_000, 100, Duration::from_secs(1));
        assert_eq!(
            last_of(body, Some(1_000_000)).await,
            Err(Kind::ConnectionReadTimeout)
        );
        let body = pieces(200, 1_100, Duration::from_secs(1));
        assert_eq!(last_of(body, Some(220_000)).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_looks_away_is_not_the_hops_stall() {
        let body = stream::iter([Ok(Bytes::from_static(b"a")), Ok(Bytes::from_static(b"b"))]);
        let mut flow = Flow::new(Box::pin(body), Some(2), STALL, Nobody);
        assert!(flow.next().await.unwrap().is_ok());
        advance(Duration::from_mins(10)).await;
        assert!(flow.next().await.unwrap().is_ok());
        assert!(flow.next().await.is_none());
    }

    #[tokio::test]
    async fn a_body_of_unknown_length_has_an_end() {
        let piece = Bytes::from(vec![7; 64 << 20]);
        let body = stream::repeat_with(move || Ok(piece.clone())).boxed();
        assert_eq!(last_of(body, None).await, Err(Kind::HttpProtocolError));
    }
}
