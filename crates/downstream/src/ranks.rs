//! Whose body goes first on a connection (RFC 9218).
//!
//! h2 shares a connection evenly between streams and has no way to say otherwise; quinn has one, but
//! one window for all, which streams that are less urgent would fill. So the choice is made before
//! them: a body hands out its next piece when none goes on that has a place before its own.
//! Bodies with the same place are left to h2 and quinn.
//!
//! A body holds up those after it only while it gets somewhere: not while its source makes it
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

/// Where a body stands among the others of its connection: less goes first, equals share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    urgency: u8,
    order: u64,
}

impl Place {
    /// Beside all that are as urgent and say the same, after those that go one after the other.
    pub(crate) fn shared(urgency: Urgency) -> Self {
        Self {
            urgency: urgency.number(),
            order: u64::MAX,
        }
    }

    /// After what is as urgent and has a lower number.
    pub(crate) fn in_order(urgency: Urgency, order: u64) -> Self {
        Self {
            urgency: urgency.number(),
            order,
        }
    }

    fn class(self) -> usize {
        usize::from(self.urgency) * 2 + usize::from(self.order == u64::MAX)
    }
}

/// Places of one urgency, in order or shared.
const CLASSES: usize = URGENCIES * 2;

/// The bodies on one connection.
#[derive(Debug, Default)]
pub(crate) struct Ranks(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    bodies: BTreeMap<u64, Body>,
    /// How many want to go on, by place.
    wanting: BTreeMap<Place, usize>,
    /// Pieces that were handed out.
    pieces: [u64; CLASSES],
}

#[derive(Debug)]
struct Body {
    place: Place,
    wants: bool,
    /// Of a body that is held up.
    waker: Option<Waker>,
}

impl Ranks {
    /// A number for a body that is still to come, more than all before.
    pub(crate) fn ticket(&self) -> u64 {
        let mut state = self.lock();
        state.next += 1;
        state.next
    }

    /// A body's seat, until it is dropped, under a number of its own.
    pub(crate) fn enter(self: &Arc<Self>, ticket: u64, place: Place) -> Rank {
        let mut state = self.lock();
        let body = Body {
            place,
            wants: false,
            waker: None,
        };
        state.bodies.insert(ticket, body);
        state.set_wants(ticket, true);
        drop(state);
        Rank {
            ranks: Arc::clone(self),
            number: ticket,
            waiting: None,
        }
    }

    /// Gives a body another place, if it is there.
    pub(crate) fn change_place(&self, number: u64, place: Place) {
        let mut own = None;
        self.change(|state| {
            let Some(wants) = state.bodies.get(&number).map(|body| body.wants) else {
                return;
            };
            state.set_wants(number, false);
            if let Some(body) = state.bodies.get_mut(&number) {
                body.place = place;
                own = body.waker.take();
            }
            state.set_wants(number, wants);
        });
        // It looks by itself whether its turn has come.
        if let Some(own) = own {
            own.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        let first = state.first();
        change(&mut state);
        // Who is held up is held up by the first place: as long as that stays, nobody's turn has come,
        // and the other bodies of a connection need not be looked at for the end of each.
        let woken = if state.first() == first {
            Vec::new()
        } else {
            state.take_wakers()
        };
        drop(state);
        for waker in woken {
            waker.wake();
        }
    }
}

impl State {
    fn set_wants(&mut self, number: u64, wants: bool) {
        let Some(body) = self.bodies.get_mut(&number) else {
            return;
        };
        if body.wants == wants {
            return;
        }
        body.wants = wants;
        let wanting = self.wanting.entry(body.place).or_default();
        *wanting = if wants { *wanting + 1 } else { *wanting - 1 };
        if *wanting == 0 {
            self.wanting.remove(&body.place);
        }
    }

    /// The first place whose body wants to go on.
    fn first(&self) -> Option<Place> {
        self.wanting.first_key_value().map(|(place, _)| *place)
    }

    /// How many pieces those handed out that go before `number`, if somebody does.
    fn ahead(&self, number: u64) -> Option<u64> {
        let place = self.bodies.get(&number)?.place;
        let goes = self.first().is_some_and(|first| first < place);
        // Its own class is held up as it is, but for those before it.
        goes.then(|| self.pieces[..=place.class()].iter().sum())
    }

    /// Those before `number` get nowhere.
    fn pass(&mut self, number: u64) {
        let Some(place) = self.bodies.get(&number).map(|body| body.place) else {
            return;
        };
        for body in self.bodies.values_mut() {
            if body.place < place {
                body.wants = false;
            }
        }
        self.wanting = self.wanting.split_off(&place);
    }

    /// Of all that need not wait any more.
    fn take_wakers(&mut self) -> Vec<Waker> {
        let first = self.first();
        let bodies = self.bodies.values_mut();
        bodies
            .filter(|body| first.is_none_or(|first| body.place <= first))
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
        if let Some(place) = state.bodies.get(&self.number).map(|body| body.place) {
            state.pieces[place.class()] += 1;
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

    fn shared(urgency: u8) -> Place {
        let order = u64::MAX;
        Place { urgency, order }
    }

    fn enter<const N: usize>(ranks: &Arc<Ranks>, places: [Place; N]) -> [Rank; N] {
        places.map(|place| ranks.enter(ranks.ticket(), place))
    }

    async fn has_turn(rank: &mut Rank) -> bool {
        poll!(poll_fn(|cx| rank.poll_turn(cx))).is_ready()
    }

    #[tokio::test(start_paused = true)]
    async fn a_more_urgent_body_goes_first_and_equals_share() {
        let ranks = Arc::<Ranks>::default();
        let [mut late, mut early, mut other] = enter(&ranks, [7, 2, 2].map(shared));
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
        let [mut late, mut early] = enter(&ranks, [3, 1].map(shared));
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
        let [mut late, mut early] = enter(&ranks, [3, 1].map(shared));
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
        let [mut late, mut early] = enter(&ranks, [3, 1].map(shared));
        for _ in 0..20 {
            assert!(has_turn(&mut early).await);
            early.moved();
            assert!(!has_turn(&mut late).await);
            advance(PATIENCE / 2).await;
        }
    }

    /// RFC 9218 section 10.
    #[tokio::test(start_paused = true)]
    async fn what_is_of_use_when_it_is_whole_goes_in_order_and_before_what_shares() {
        let ranks = Arc::<Ranks>::default();
        let in_order = |order| Place { urgency: 3, order };
        let places = [shared(3), in_order(2), in_order(1), shared(3)];
        let [mut one, mut second, mut first, mut other] = enter(&ranks, places);
        assert!(has_turn(&mut first).await);
        for late in [&mut second, &mut one, &mut other] {
            assert!(!has_turn(late).await);
        }
        drop(first);
        assert!(has_turn(&mut second).await);
        assert!(!has_turn(&mut one).await);
        second.rest();
        assert!(has_turn(&mut one).await && has_turn(&mut other).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_gets_another_place_goes_by_it_at_once() {
        let ranks = Arc::<Ranks>::default();
        let [mut late, mut early] = enter(&ranks, [3, 1].map(shared));
        assert!(has_turn(&mut early).await);
        let begun = Instant::now();
        let waits = async { poll_fn(|cx| late.poll_turn(cx)).await };
        tokio::pin!(waits);
        assert!(poll!(&mut waits).is_pending());
        ranks.change_place(early.number, shared(5));
        waits.await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
        assert!(!has_turn(&mut early).await);
        ranks.change_place(u64::MAX, shared(0));
        assert!(has_turn(&mut late).await, "nobody has that number");
    }
}
