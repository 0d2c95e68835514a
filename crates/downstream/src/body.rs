//! A response body on its way out: in pieces, counted, and watched.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use message::{Body, Error};
use prometheus::IntCounter;

use crate::ranks::Rank;

/// Requests on one connection.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    in_flight: AtomicUsize,
    begun: AtomicU64,
}

impl Activity {
    /// Counts a request as in flight until the guard is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// How many requests began so far.
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }
}

/// One request in flight, from its head to the last byte of its response.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whose turn it is on one stream: ours to produce a piece, or the client's to take it.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    pieces: AtomicU64,
    clients: AtomicBool,
}

impl Turn {
    pub(crate) fn ours(&self) {
        self.clients.store(false, Ordering::Relaxed);
    }

    pub(crate) fn clients(&self) {
        self.pieces.fetch_add(1, Ordering::Relaxed);
        self.clients.store(true, Ordering::Relaxed);
    }

    /// Ends when the client has let its turn pass: no piece taken for `timeout` (at least two
    /// thirds of it), unless the connection as a whole moved at 1 KiB/s, which earns ten times
    /// as long. `written` tells how many bytes the connection has sent. Cancel safe.
    pub(crate) async fn missed(&self, timeout: Duration, written: impl Fn() -> u64) {
        let tick = timeout / TICKS;
        let enough = timeout.as_secs().max(1) * RATE_BYTES_PER_S;
        let mut mark = (self.pieces.load(Ordering::Relaxed), written());
        let mut idle_ticks = 0;
        loop {
            tokio::time::sleep(tick).await;
            let pieces = self.pieces.load(Ordering::Relaxed);
            if pieces != mark.0 || !self.clients.load(Ordering::Relaxed) {
                mark = (pieces, written());
                idle_ticks = 0;
                continue;
            }
            idle_ticks += 1;
            let moved = written() - mark.1 >= enough;
            if idle_ticks >= if moved { TICKS * 10 } else { TICKS - 1 } {
                return;
            }
        }
    }
}

/// A stall is noticed after two to three of three ticks.
const TICKS: u32 = 3;

/// The least that a client must take to be worth a connection.
pub(crate) const RATE_BYTES_PER_S: u64 = 1024;

/// A response body as the protocol libraries take it.
pub(crate) struct Outgoing {
    body: Body,
    rest: Bytes,
    piece_bytes: usize,
    sent: IntCounter,
    turn: Option<Arc<Turn>>,
    broken: Option<Arc<AtomicBool>>,
    rank: Option<Rank>,
    _in_flight: InFlight,
}

impl Outgoing {
    /// A body handed out whole pieces as they come.
    pub(crate) fn new(body: Body, sent: IntCounter, in_flight: InFlight) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            piece_bytes: usize::MAX,
            sent,
            turn: None,
            broken: None,
            rank: None,
            _in_flight: in_flight,
        }
    }

    /// Cuts pieces to at most `piece_bytes` (by reference, nothing is copied), and tells `turn`.
    pub(crate) fn watched(mut self, piece_bytes: usize, turn: Arc<Turn>) -> Self {
        self.piece_bytes = piece_bytes;
        self.turn = Some(turn);
        self
    }

    /// Hands out pieces when it is its turn among the bodies of its connection.
    pub(crate) fn ranked(mut self, rank: Rank) -> Self {
        self.rank = Some(rank);
        self
    }

    /// Raises a flag when the body ends with an error.
    pub(crate) fn flagging(mut self, broken: Arc<AtomicBool>) -> Self {
        self.broken = Some(broken);
        self
    }

    fn hand_out(&mut self) -> Frame<Bytes> {
        let piece = self.rest.split_to(self.rest.len().min(self.piece_bytes));
        self.sent.inc_by(piece.len() as u64);
        if let Some(turn) = &self.turn {
            turn.clients();
        }
        if let Some(rank) = &self.rank {
            rank.moved();
        }
        Frame::data(piece)
    }
}

impl http_body::Body for Outgoing {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if let Some(turn) = &this.turn {
            turn.ours();
        }
        if let Some(rank) = &mut this.rank {
            ready!(rank.poll_turn(cx));
        }
        while this.rest.is_empty() {
            let polled = http_body::Body::poll_frame(Pin::new(&mut this.body), cx);
            if let (Poll::Pending, Some(rank)) = (&polled, &this.rank) {
                rank.rest();
            }
            let frame = ready!(polled);
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(bytes))) => this.rest = bytes,
                // A message body has no trailers.
                Some(Ok(Err(_))) => {}
                Some(Err(error)) => {
                    tracing::debug!(%error, "a body broke off");
                    if let Some(broken) = &this.broken {
                        broken.store(true, Ordering::Relaxed);
                    }
                    return Poll::Ready(Some(Err(error)));
                }
                None => return Poll::Ready(None),
            }
        }
        Poll::Ready(Some(Ok(this.hand_out())))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && http_body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        self.body
            .length()
            .map_or_else(SizeHint::default, |left| SizeHint::with_exact(rest + left))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    fn counter() -> IntCounter {
        IntCounter::new("a", "b").unwrap()
    }

    #[tokio::test]
    async fn a_body_is_cut_to_pieces_and_counted() {
        let activity = Arc::new(Activity::default());
        let (sent, turn) = (counter(), Arc::new(Turn::default()));
        let body = Body::from(Bytes::from_static(b"abcdefg"));
        let mut body =
            Outgoing::new(body, sent.clone(), activity.begin()).watched(3, Arc::clone(&turn));
        assert_eq!(http_body::Body::size_hint(&body).exact(), Some(7));
        let mut pieces = Vec::new();
        while let Some(frame) = body.frame().await {
            pieces.push(frame.unwrap().into_data().unwrap());
        }
        assert_eq!(pieces, ["abc", "def", "g"]);
        assert_eq!((sent.get(), turn.pieces.load(Ordering::Relaxed)), (7, 3));
        assert_eq!(activity.in_flight(), 1);
        drop(body);
        assert_eq!(activity.in_flight(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_nothing_misses_its_turn() {
        let turn = Turn::default();
        turn.clients();
        let start = tokio::time::Instant::now();
        turn.missed(Duration::from_secs(30), || 0).await;
        let waited = start.elapsed();
        assert!(waited >= Duration::from_secs(20) && waited <= Duration::from_secs(31));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_source_is_not_the_clients_fault() {
        let turn = Turn::default();
        turn.clients();
        turn.ours();
        let missed = turn.missed(Duration::from_secs(30), || 0);
        assert!(
            tokio::time::timeout(Duration::from_hours(1), missed)
                .await
                .is_err()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_may_wait_while_its_connection_moves_but_not_for_ever() {
        let turn = Turn::default();
        turn.clients();
        let start = tokio::time::Instant::now();
        turn.missed(Duration::from_secs(30), || {
            start.elapsed().as_secs() * 10_000
        })
        .await;
        let waited = start.elapsed().as_secs();
        assert!((290..=310).contains(&waited), "{waited}");
    }
}
