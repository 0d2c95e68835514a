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
    /// Queues all of a plan that waits, best first, each once: what was put off and waits is put off no
    /// longer. What has failed stays put off.
    pub(crate) fn requeue(&mut self, active: &Active) {
        self.fast.clear();
        self.window.clear();
        let waits = |place: u32| active.entry(place) == Entry::Waiting;
        self.later.retain(|Reverse((_, place))| !waits(*place));
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

#[cfg(test)]
mod tests {
    use manifest::{Digest, Object};

    use super::*;
    use crate::applied::InForce;

    const NOW: Duration = Duration::from_hours(1);

    #[test]
    fn what_is_put_off_is_queued_once_however_often_the_plan_is_walked_over() {
        let object = Object::fill("vod", "/a", 10, Digest::of(b"a"));
        let active = Active::new(InForce::sample([object]), u64::MAX);
        let mut lanes = Lanes::default();
        lanes.requeue(&active);
        for _ in 0..10 {
            let place = lanes.take(Lane::Window).unwrap();
            lanes.put_off(place, NOW, Duration::from_secs(3));
            lanes.requeue(&active);
            lanes.due(&active, Duration::MAX);
            assert_eq!((lanes.window.len(), lanes.put_off_count()), (1, 0));
        }
    }

    #[test]
    fn what_failed_waits_for_its_time_whoever_walks_over_the_plan() {
        let object = Object::fill("vod", "/a", 10, Digest::of(b"a"));
        let active = Active::new(InForce::sample([object]), u64::MAX);
        let mut lanes = Lanes::default();
        active.set(0, Entry::Absent);
        lanes.fail(0, NOW, 5);
        lanes.requeue(&active);
        lanes.due(&active, NOW);
        assert_eq!(lanes.take(Lane::Window), None);
        lanes.due(&active, NOW + pause_after(1));
        assert_eq!(lanes.take(Lane::Window), Some(0));
    }
}
