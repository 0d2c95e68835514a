//! What waits for its turn: two queues, and what is tried again later.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, VecDeque},
    time::Duration,
};

use crate::{
    active::Active,
    entry::Entry,
    schedule::{Lane, pause_after},
};

/// The queues of one plan.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    fast: VecDeque<u32>,
    window: VecDeque<u32>,
    /// Since the Unix epoch, earliest first.
    later: BinaryHeap<Reverse<(Duration, u32)>>,
    failures: HashMap<u32, u8>,
}

impl Lanes {
    /// Queues all of a plan that waits, best first. What is put off stays so.
    pub(crate) fn requeue(&mut self, active: &Active) {
        self.fast.clear();
        self.window.clear();
        for place in active.order() {
            if active.entry(*place) == Entry::Waiting {
                self.queue(active, *place).push_back(*place);
            }
        }
    }

    /// What the next of a lane would bring in, at most.
    pub(crate) fn next_bytes(&self, active: &Active, lane: Lane) -> Option<u64> {
        let place = match lane {
            Lane::Fast => self.fast.front(),
            Lane::Window => self.window.front(),
        };
        Some(active.at(*place?)?.0.bytes_wanted())
    }

    pub(crate) fn take(&mut self, lane: Lane) -> Option<u32> {
        match lane {
            Lane::Fast => self.fast.pop_front(),
            Lane::Window => self.window.pop_front(),
        }
    }

    /// Puts something back that was not to blame.
    pub(crate) fn put_back(&mut self, active: &Active, place: u32) {
        self.queue(active, place).push_front(place);
    }

    /// Has something tried again after `pause`.
    pub(crate) fn put_off(&mut self, place: u32, now: Duration, pause: Duration) {
        self.later.push(Reverse((now + pause, place)));
    }

    /// Has something that failed tried again, unless that was the last attempt.
    /// Tells how many there were.
    pub(crate) fn fail(&mut self, place: u32, now: Duration, attempts: u8) -> u8 {
        let failures = self.failures.entry(place).or_default();
        *failures = failures.saturating_add(1);
        let failures = *failures;
        if failures < attempts {
            let pause = pause_after(failures);
            self.put_off(place, now, pause);
        }
        failures
    }

    pub(crate) fn succeed(&mut self, place: u32) {
        self.failures.remove(&place);
    }

    /// Brings back what is due.
    pub(crate) fn due(&mut self, active: &Active, now: Duration) {
        while let Some(Reverse((at, place))) = self.later.peek().copied() {
            if at > now {
                return;
            }
            self.later.pop();
            let entry = active.entry(place);
            // A look at what is here may have been faster.
            if entry.is_failure() || matches!(entry, Entry::Waiting | Entry::Unreached) {
                active.set(place, Entry::Waiting);
                self.put_back(active, place);
            }
        }
    }

    /// How many are put off.
    pub(crate) fn put_off_count(&self) -> usize {
        self.later.len()
    }

    fn queue(&mut self, active: &Active, place: u32) -> &mut VecDeque<u32> {
        let is_fast = active
            .at(place)
            .is_some_and(|(object, _)| object.fast_track);
        if is_fast {
            &mut self.fast
        } else {
            &mut self.window
        }
    }
}
