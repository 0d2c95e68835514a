//! What a client says of priorities after its requests, or before (RFC 9218 section 7).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::transport::Lane;
use crate::{
    priority::{Basis, Said},
    ranks::{Place, Rank, Ranks},
};

/// Updates that are kept for requests that have not come: frames of other streams may be faster
/// (section 7.2). Further ones are lost, and their requests go by their fields.
const EARLY_MAX: usize = 32;

/// The priorities of one connection's requests.
#[derive(Default)]
pub(crate) struct Updates {
    ranks: Arc<Ranks>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Requests with a lower number have begun.
    begun: u64,
    open: BTreeMap<u64, Open>,
    early: BTreeMap<u64, Said>,
}

/// A request that has begun and not ended.
#[derive(Default)]
struct Open {
    /// The latest update.
    said: Option<Said>,
    answer: Option<Answer>,
}

/// A response on its way.
struct Answer {
    basis: Basis,
    lane: Lane,
    is_small: bool,
    number: u64,
}

impl Updates {
    /// A request begins, with its number on the connection.
    pub(crate) fn begin(self: &Arc<Self>, request: u64) -> Seat {
        let mut state = self.lock();
        let said = state.early.remove(&request);
        state.begun = state.begun.max(request + 1);
        state.open.insert(request, Open { said, answer: None });
        drop(state);
        Seat {
            updates: Arc::clone(self),
            request,
        }
    }

    /// The client says what a request is to it from now on. Of one that has ended nothing is kept.
    pub(crate) fn update(&self, request: u64, said: Said) {
        let mut state = self.lock();
        if request >= state.begun {
            if state.early.len() < EARLY_MAX || state.early.contains_key(&request) {
                state.early.insert(request, said);
            }
        } else if let Some(open) = state.open.get_mut(&request) {
            open.said = Some(said);
            if let Some(answer) = &open.answer {
                let place = answer.place(Some(said));
                self.ranks.change_place(answer.number, place);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answer {
    /// Says it to quinn, which sees to the order of what is as urgent.
    fn place(&self, asked: Option<Said>) -> Place {
        let priority = self.basis.with(asked);
        self.lane.rank(priority, self.is_small);
        Place::shared(priority.urgency)
    }
}

/// One request's place, until it is dropped.
pub(crate) struct Seat {
    updates: Arc<Updates>,
    request: u64,
}

impl Seat {
    /// The response is there. An update goes before what the request's own fields ask for (section
    /// 7), and those that come later change what is decided here.
    pub(crate) fn take(
        &self,
        basis: Basis,
        asked: Option<Said>,
        lane: &Lane,
        is_small: bool,
    ) -> Rank {
        let ranks = &self.updates.ranks;
        let answer = Answer {
            basis,
            lane: lane.clone(),
            is_small,
            number: ranks.ticket(),
        };
        let mut state = self.updates.lock();
        let open = state.open.entry(self.request).or_default();
        let rank = ranks.enter(answer.number, answer.place(open.said.or(asked)));
        open.answer = Some(answer);
        rank
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.updates.lock().open.remove(&self.request);
    }
}
