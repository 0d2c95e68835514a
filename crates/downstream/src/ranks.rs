//! Whose body goes first on a connection (RFC 9218).
//!
//! h2 shares a connection evenly between streams and has no way to say otherwise; quinn has one, but
//! one window for all, which streams that are less urgent would fill. So the choice is made before
//! them: a body hands out its next piece when no more urgent one goes on.
//! Bodies of the same urgency are left to h2 and quinn.
//!
//! A more urgent body holds up others only while it gets somewhere: not while its source makes it
//! wait, and not when its client has left it alone for [`PATIENCE`], which is how a stream looks
//! whose own window is full.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::time::{Sleep, sleep};

use crate::priority::{URGENCIES, Urgency};

/// A body that has handed out nothing for so long holds up nobody until it does. At 64 KiB a piece,
/// a quarter of a megabit per second is enough to stay ahead.
const PATIENCE: Duration = Duration::from_secs(2);

/// The bodies on one connection.
#[derive(Debug, Default)]
pub(crate) struct Ranks(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    bodies: BTreeMap<u64, Body>,
    /// How many want to go on, by urgency.
    wanting: [usize; URGENCIES],
    /// Pieces that were handed out, by urgency.
    pieces: [u64; URGENCIES],
}

#[derive(Debug)]
struct Body {
    urgency: usize,
    wants: bool,
    /// Of a body that is held up.
    waker: Option<Waker>,
}

impl Ranks {
    /// A place for a body, until it is dropped.
    pub(crate) fn enter(self: &Arc<Self>, urgency: Urgency) -> Rank {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        let body = Body {
            urgency: usize::from(urgency.number()),
            wants: true,
            waker: None,
        };
        state.wanting[body.urgency] += 1;
        state.bodies.insert(number, body);
        drop(state);
        Rank {
            ranks: Arc::clone(self),
            number,
            waiting: None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let woken = state.take_wakers();
        drop(state);
        for waker in woken {
            waker.wake();
        }
    }
}

impl State {
    fn set_wants(&mut self, number: u64, wants: bool) {
        if let Some(body) = self.bodies.get_mut(&number)
            && body.wants != wants
        {
            body.wants = wants;
            let wanting = &mut self.wanting[body.urgency];
            *wanting = if wants { *wanting + 1 } else { *wanting - 1 };
        }
    }

    /// How many pieces those handed out that go before `number`, if somebody does.
    fn ahead(&self, number: u64) -> Option<u64> {
        let urgency = self.bodies.get(&number)?.urgency;
        let goes = self.wanting[..urgency].iter().any(|wanting| *wanting > 0);
        goes.then(|| self.pieces[..urgency].iter().sum())
    }

    /// Those before `number` get nowhere.
    fn pass(&mut self, number: u64) {
        let Some(urgency) = self.bodies.get(&number).map(|body| body.urgency) else {
            return;
        };
        for body in self.bodies.values_mut() {
            if body.urgency < urgency {
                body.wants = false;
            }
        }
        self.wanting[..urgency].fill(0);
    }

    /// Of all that need not wait any more.
    fn take_wakers(&mut self) -> Vec<Waker> {
        let first = self.wanting.iter().position(|wanting| *wanting > 0);
        let bodies = self.bodies.values_mut();
        bodies
            .filter(|body| first.is_none_or(|first| body.urgency <= first))
            .filter_map(|body| body.waker.take())
            .collect()
    }
}

/// A body's place among the others of its connection.
#[derive(Debug)]
pub(crate) struct Rank {
    ranks: Arc<Ranks>,
    number: u64,
    waiting: Option<Waiting>,
}

/// Since when a body is held up, and how many pieces others had handed out then.
#[derive(Debug)]
struct Waiting {
    sleep: Pin<Box<Sleep>>,
    pieces: u64,
}

impl Rank {
    /// Ready when no more urgent body goes on.
    pub(crate) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut state = self.ranks.lock();
            state.set_wants(self.number, true);
            let Some(pieces) = state.ahead(self.number) else {
                drop(state);
                self.waiting = None;
                return Poll::Ready(());
            };
            if let Some(body) = state.bodies.get_mut(&self.number) {
                body.waker = Some(cx.waker().clone());
            }
            drop(state);
            let waiting = self.waiting.get_or_insert_with(|| Waiting {
                sleep: Box::pin(sleep(PATIENCE)),
                pieces,
            });
            if waiting.sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if waiting.pieces == pieces {
                self.ranks.change(|state| state.pass(self.number));
            }
            self.waiting = None;
        }
    }

    /// The body has handed out a piece.
    pub(crate) fn moved(&self) {
        let mut state = self.ranks.lock();
        if let Some(urgency) = state.bodies.get(&self.number).map(|body| body.urgency) {
            state.pieces[urgency] += 1;
        }
    }

    /// The body waits for its source.
    pub(crate) fn rest(&self) {
        self.ranks
            .change(|state| state.set_wants(self.number, false));
    }
}

impl Drop for Rank {
    fn drop(&mut self) {
        self.ranks.change(|state| {
            state.set_wants(self.number, false);
            state.bodies.remove(&self.number);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use futures_util::poll;
    use tokio::time::{Instant, advance};

    use super::*;

    fn urgency(number: u8) -> Urgency {
        Urgency::parse(format!("u={number}").as_bytes()).unwrap()
    }

    async fn has_turn(rank: &mut Rank) -> bool {
        poll!(poll_fn(|cx| rank.poll_turn(cx))).is_ready()
    }

    #[tokio::test(start_paused = true)]
    async fn a_more_urgent_body_goes_first_and_equals_share() {
        let ranks = Arc::<Ranks>::default();
        let [mut late, mut early, mut other] = [7, 2, 2].map(|number| ranks.enter(urgency(number)));
        assert!(!has_turn(&mut late).await, "others are about to begin");
        assert!(has_turn(&mut early).await);
        assert!(has_turn(&mut other).await);
        assert!(!has_turn(&mut late).await);
        drop(early);
        assert!(!has_turn(&mut late).await);
        drop(other);
        assert!(has_turn(&mut late).await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_held_up_is_woken_when_the_others_are_done_or_wait() {
        let ranks = Arc::<Ranks>::default();
        let [mut late, mut early] = [3, 1].map(|number| ranks.enter(urgency(number)));
        for done in [false, true] {
            assert!(has_turn(&mut early).await);
            let begun = Instant::now();
            let waits = async { poll_fn(|cx| late.poll_turn(cx)).await };
            tokio::pin!(waits);
            assert!(poll!(&mut waits).is_pending());
            if done {
                break;
            }
            early.rest();
            waits.await;
            assert_eq!(begun.elapsed(), Duration::ZERO);
        }
        drop(early);
        assert!(has_turn(&mut late).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_gets_nowhere_holds_nobody_up() {
        let ranks = Arc::<Ranks>::default();
        let [mut late, mut early] = [3, 1].map(|number| ranks.enter(urgency(number)));
        assert!(has_turn(&mut early).await);
        let begun = Instant::now();
        poll_fn(|cx| late.poll_turn(cx)).await;
        assert!(begun.elapsed() >= PATIENCE);
        assert!(has_turn(&mut late).await, "until it does");
        assert!(has_turn(&mut early).await);
        assert!(!has_turn(&mut late).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_goes_slowly_stays_ahead() {
        let ranks = Arc::<Ranks>::default();
        let [mut late, mut early] = [3, 1].map(|number| ranks.enter(urgency(number)));
        for _ in 0..20 {
            assert!(has_turn(&mut early).await);
            early.moved();
            assert!(!has_turn(&mut late).await);
            advance(PATIENCE / 2).await;
        }
    }
}
