//! Whether manifests are still taken from where they come: pure in the time and in what was judged.
//!
//! A planner that has gone wrong often does so every other time: what is good in between would be put in
//! force, and the node would go from one plan to another and back. So that good ones do not excuse bad
//! ones, a source that sends several within an hour is left alone, for longer each time; what was in
//! force stays, and an alarm is on. It is known by nobody but this process: a restart lifts it.

use std::{collections::VecDeque, time::Duration};

use manifest::Refused;

use crate::answer::Rejected;

/// How a manifest comes here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    /// Somebody sent it, over the steering API.
    Push,
    /// It was fetched.
    Pull,
}

impl Way {
    pub(crate) const ALL: [Self; 2] = [Self::Push, Self::Pull];

    /// As in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Pull => "pull",
        }
    }
}

/// What is held against the manifests of one source.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trust {
    /// When it sent bad ones of late, since the Unix epoch.
    bad: VecDeque<Duration>,
    /// It is left alone until then.
    until: Option<Duration>,
    /// How often it was left alone, within a day of each other.
    times: u32,
}

impl Trust {
    /// So many bad ones within [`Self::MEMORY`] are no accident. A human who tries again after a
    /// mistake, or two, is not meant.
    const BAD_MAX: usize = 4;
    const MEMORY: Duration = Duration::from_hours(1);
    const FIRST: Duration = Duration::from_mins(15);
    const MOST: Duration = Duration::from_hours(24);

    /// Until when it is left alone, if it is.
    pub(crate) fn quarantine(&self, now: Duration) -> Option<Duration> {
        // A clock that was set back far does not make it longer than it may be.
        self.until
            .filter(|until| *until > now && *until <= now + Self::MOST)
    }

    /// It sent a bad one. Until when it is left alone from now on, if that was one too many.
    pub(crate) fn was_bad(&mut self, now: Duration) -> Option<Duration> {
        let is_recent = |age: Duration| age < Self::MEMORY;
        self.bad
            .retain(|at| now.checked_sub(*at).is_some_and(is_recent));
        self.bad.push_back(now);
        if self.bad.len() < Self::BAD_MAX {
            return None;
        }
        self.bad.clear();
        let is_first = self.until.is_none_or(|until| until + Self::MOST < now);
        self.times = if is_first { 0 } else { self.times + 1 };
        let pause = Self::FIRST.saturating_mul(1 << self.times.min(10));
        let until = now + pause.min(Self::MOST);
        self.until = Some(until);
        Some(until)
    }
}

/// Whether a manifest speaks against where it comes from: it is damaged, forged or absurd. What is only
/// late, early, of another node or of a newer program is not.
pub(crate) fn is_bad(rejected: &Rejected) -> bool {
    match rejected {
        Rejected::Refused(refused) => is_bad_manifest(refused),
        Rejected::Unfit { .. } => true,
        Rejected::Unkept(_)
        | Rejected::Unrehearsed(_)
        | Rejected::OtherGeneration { .. }
        | Rejected::Quarantined { .. }
        | Rejected::Busy
        | Rejected::Ending => false,
    }
}

fn is_bad_manifest(refused: &Refused) -> bool {
    match refused {
        Refused::Unsigned
        | Refused::BadSignature(_)
        | Refused::BelowThreshold { .. }
        | Refused::MassEviction { .. }
        | Refused::TooLarge { .. }
        | Refused::Malformed { .. }
        | Refused::NamesHosts { .. }
        | Refused::LivesTooLong { .. }
        | Refused::Wrong { .. } => true,
        Refused::KeyNotValid(_)
        | Refused::OtherAudience { .. }
        | Refused::Replayed { .. }
        | Refused::OtherBase { .. }
        | Refused::OtherPrevious { .. }
        | Refused::Expired { .. }
        | Refused::FromTheFuture { .. }
        | Refused::NewerSchema { .. }
        | Refused::CriticalUnknown(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_hours(500_000);

    fn minutes(minutes: u64) -> Duration {
        START + Duration::from_mins(minutes)
    }

    /// Hardening row M21.
    #[test]
    fn a_source_that_is_wrong_every_other_time_is_left_alone_and_longer_each_time() {
        let mut trust = Trust::default();
        // Good ones come at 5, 15, 25: nobody tells of them, because they excuse nothing.
        let bad = [0, 10, 20].map(|at| trust.was_bad(minutes(at)));
        assert_eq!(bad, [None; 3]);
        assert_eq!(trust.was_bad(minutes(30)), Some(minutes(45)));
        assert_eq!(trust.quarantine(minutes(44)), Some(minutes(45)));
        assert_eq!(trust.quarantine(minutes(45)), None);
        let again = [50, 60, 70, 80].map(|at| trust.was_bad(minutes(at)));
        assert_eq!(again[3], Some(minutes(110)), "twice as long");
    }

    #[test]
    fn mistakes_far_apart_are_forgiven() {
        let mut trust = Trust::default();
        for hour in 0..50 {
            assert_eq!(trust.was_bad(minutes(hour * 21)), None);
        }
    }

    #[test]
    fn a_day_of_good_conduct_makes_the_next_time_the_first() {
        let mut trust = Trust::default();
        let mut rounds = |from: u64| {
            let ends = [0, 1, 2, 3].map(|at| trust.was_bad(minutes(from + at)));
            ends[3].unwrap().saturating_sub(minutes(from + 3))
        };
        assert_eq!(rounds(0), Trust::FIRST);
        assert_eq!(rounds(60), Trust::FIRST * 2);
        assert_eq!(rounds(60 * 48), Trust::FIRST);
    }

    #[test]
    fn no_clock_makes_it_last_longer_than_a_day() {
        let mut trust = Trust::default();
        let last = (0..4).filter_map(|at| trust.was_bad(minutes(at)));
        assert_eq!(last.count(), 1);
        assert_eq!(trust.quarantine(Duration::ZERO), None);
    }
}
