//! Whether manifests are still taken from where they come: pure in the time and in what was judged.
//!
//! A planner that has gone wrong often does so every other time: what is good in between would be put in
//! force, and the node would go from one plan to another and back. So that good ones do not excuse bad
//! ones, who sends several within an hour is left alone, for longer each time; what was in force stays,
//! and an alarm is on. Everybody is judged apart: the planner that went wrong does not keep out the one
//! that is to mend it. It is known by nobody but this process: a restart lifts it, and other keys do,
//! since it was by the old ones that they were judged.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use manifest::Refused;

use crate::answer::Rejected;

/// How a manifest comes here.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    /// This one sent it, over the steering API.
    Push(Arc<str>),
    /// It was fetched.
    Pull,
}

impl Way {
    /// As in metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Push(_) => "push",
            Self::Pull => "pull",
        }
    }

    /// Who sent it, if somebody did.
    pub(crate) fn who(&self) -> &str {
        match self {
            Self::Push(who) => who,
            Self::Pull => "",
        }
    }
}

/// What is held against each way on which a bad manifest has come.
#[derive(Debug, Default)]
pub(crate) struct Trusts(HashMap<Way, Trust>);

impl Trusts {
    /// As many as may steer a node, and its own pulls. Whoever comes beyond them is judged together.
    const WAYS_MAX: usize = 65;

    /// Until when nothing is taken on this way, if so.
    pub(crate) fn quarantine(&self, way: &Way, now: Duration) -> Option<Duration> {
        let trust = self.0.get(way).or_else(|| self.0.get(&Self::others()))?;
        trust.quarantine(now)
    }

    /// A bad one came on it. Until when nothing is taken from now on, if that was one too many.
    pub(crate) fn was_bad(&mut self, way: &Way, now: Duration) -> Option<Duration> {
        if !self.0.contains_key(way) && self.0.len() >= Self::WAYS_MAX {
            self.0.retain(|_, trust| !trust.is_clean(now));
        }
        let is_room = self.0.contains_key(way) || self.0.len() < Self::WAYS_MAX;
        let way = if is_room { way.clone() } else { Self::others() };
        self.0.entry(way).or_default().was_bad(now)
    }

    /// Forgets all.
    pub(crate) fn forgive(&mut self) {
        for trust in self.0.values_mut() {
            *trust = Trust::default();
        }
    }

    /// How long until the next quarantine ends, if there is one.
    pub(crate) fn next_end(&self, now: Duration) -> Option<Duration> {
        let ends = self.0.values().filter_map(|trust| trust.quarantine(now));
        ends.min().map(|until| until.saturating_sub(now))
    }

    /// All that are known, each with whether nothing is taken on it.
    pub(crate) fn iter(&self, now: Duration) -> impl Iterator<Item = (&Way, bool)> {
        let each = self.0.iter();
        each.map(move |(way, trust)| (way, trust.quarantine(now).is_some()))
    }

    fn others() -> Way {
        Way::Push(Arc::from(""))
    }
}

/// What is held against the manifests of one way.
#[derive(Debug, Default)]
struct Trust {
    /// When it brought bad ones of late, since the Unix epoch.
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
    fn quarantine(&self, now: Duration) -> Option<Duration> {
        // A clock that was set back far does not make it longer than it may be.
        self.until
            .filter(|until| *until > now && *until <= now + Self::MOST)
    }

    /// Whether nothing is left of what was held against it.
    fn is_clean(&self, now: Duration) -> bool {
        let is_over = self.until.is_none_or(|until| until + Self::MOST < now);
        is_over && !self.bad.iter().any(|at| Self::is_recent(*at, now))
    }

    fn is_recent(at: Duration, now: Duration) -> bool {
        now.checked_sub(at).is_some_and(|age| age < Self::MEMORY)
    }

    /// It brought a bad one. Until when it is left alone from now on, if that was one too many.
    fn was_bad(&mut self, now: Duration) -> Option<Duration> {
        self.bad.retain(|at| Self::is_recent(*at, now));
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
    fn who_sends_bad_ones_is_left_alone_and_nobody_else() {
        let push = |who: &str| Way::Push(Arc::from(who));
        let (wrong, right) = (push("wrong.test"), push("right.test"));
        let mut trusts = Trusts::default();
        let last = [0, 1, 2, 3].map(|at| trusts.was_bad(&wrong, minutes(at)));
        assert_eq!(last[3], Some(minutes(18)));
        let quarantine = |trusts: &Trusts, way| trusts.quarantine(way, minutes(4));
        assert_eq!(quarantine(&trusts, &wrong), Some(minutes(18)));
        for other in [&right, &Way::Pull] {
            assert_eq!(quarantine(&trusts, other), None);
        }
        assert_eq!(trusts.next_end(minutes(4)), Some(Duration::from_mins(14)));
        trusts.forgive();
        assert_eq!(quarantine(&trusts, &wrong), None);
    }

    #[test]
    fn however_many_come_no_more_are_remembered_than_may() {
        let mut trusts = Trusts::default();
        let each = |n: u32| Way::Push(n.to_string().into());
        for n in 0..1000 {
            assert_eq!(trusts.was_bad(&each(n), START).is_some(), {
                // The 66th and all after it are one.
                n >= 68 && (n - 68) % 4 == 0
            });
        }
        assert_eq!(trusts.0.len(), Trusts::WAYS_MAX + 1);
        assert_eq!(trusts.quarantine(&each(7), START), None);
        assert!(trusts.quarantine(&each(2000), START).is_some());
        let later = START + Duration::from_hours(60);
        trusts.was_bad(&each(3000), later);
        assert_eq!(trusts.0.len(), 1, "what is long past is forgotten");
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
