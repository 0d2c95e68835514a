//! Whether enough viewers came within a week for an object to be named, in four bytes.

use crate::{decay::Hour, sessions::Sessions};

/// Half of a week.
const HALF_HOURS: u64 = 84;

/// Who asked in this half of a week and in the one before, as a set that can tell too few and never too
/// many: 1 of 16 of all viewers share a bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Crowd {
    before: u16,
    now: u16,
}

impl Crowd {
    /// Adds all who came within an hour.
    pub fn join(&mut self, sessions: Sessions) {
        self.now |= sessions.folded();
    }

    /// Lets the time pass: who came more than a week ago is forgotten, and who came within half of one is
    /// not.
    pub fn pass(&mut self, from: Hour, to: Hour) {
        let halves = (to.0 / HALF_HOURS).saturating_sub(from.0 / HALF_HOURS);
        *self = match halves {
            0 => *self,
            1 => Self {
                before: self.now,
                now: 0,
            },
            _ => Self::default(),
        };
    }

    /// Whether so many came within a week, or within an hour that has not ended: who came in that hour are told
    /// apart better.
    pub fn is_enough(self, sessions: Sessions, sessions_min: u32) -> bool {
        sessions.at_least() >= sessions_min || self.at_least(sessions) >= sessions_min
    }

    /// So many there were for certain, with those of an hour that has not ended: 16 at most.
    pub(crate) fn at_least(self, sessions: Sessions) -> u32 {
        (self.before | self.now | sessions.folded()).count_ones()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sessions::tests::of;

    #[test]
    fn viewers_of_a_week_are_told_together_and_never_as_more() {
        for begin in (0..50_000).step_by(10) {
            let mut crowd = Crowd::default();
            for viewer in begin..begin + 4 {
                crowd.join(of(viewer..viewer + 1));
            }
            assert!(crowd.at_least(of(begin..begin + 5)) <= 5);
        }
        let mut crowd = Crowd::default();
        (0..40).for_each(|viewer| crowd.join(of(viewer..viewer + 1)));
        assert!(crowd.at_least(Sessions::default()) > 5);
    }

    #[test]
    fn who_came_more_than_a_week_ago_is_forgotten() {
        let mut crowd = Crowd::default();
        crowd.join(of(0..40));
        let most = crowd.at_least(Sessions::default());
        crowd.pass(Hour(HALF_HOURS), Hour(HALF_HOURS + 83));
        crowd.pass(Hour(HALF_HOURS + 83), Hour(HALF_HOURS + 84));
        assert_eq!(crowd.at_least(Sessions::default()), most);
        crowd.pass(Hour(HALF_HOURS + 84), Hour(HALF_HOURS * 3));
        assert_eq!(crowd.at_least(Sessions::default()), 0);
        crowd.join(of(0..40));
        crowd.pass(Hour(0), Hour(HALF_HOURS * 2));
        assert_eq!(crowd, Crowd::default(), "a node that stood still");
    }
}
