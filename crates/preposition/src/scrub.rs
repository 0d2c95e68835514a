//! The scrub's pace and place: which slice of what is here is read and checked next, and when. Pure.
//!
//! A pass goes over all that the plan has brought here, in order of the names, so that it goes on where
//! it was when another plan comes into force, and after a restart.

use std::time::Duration;

use message::ObjectName;
use serde::{Deserialize, Serialize};

use crate::{
    active::Active,
    entry::Entry,
    wanted::wanted,
    yielding::{Share, WHOLE},
};

/// How often it is looked at whether a slice is due: what is here changes meanwhile, and what viewers
/// need.
pub(crate) const LOOK: Duration = Duration::from_secs(1);

/// What is known when it is asked whether a slice is due.
#[derive(Debug, Clone, Copy)]
pub struct Scrub {
    /// How long a pass takes, when viewers leave it all.
    pub pass: Duration,
    /// No faster than so, however much is here.
    pub bytes_per_s: u64,
    /// What viewers leave.
    pub share: Share,
    /// Whether an operator has stopped filling.
    pub is_draining: bool,
    /// What the plan has here.
    pub held_bytes: u64,
    /// How large the slice before was.
    pub last_bytes: u64,
    /// How long ago it was begun.
    pub since: Duration,
}

/// Whether a slice is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// It is.
    Now,
    /// It is not; look again after so long.
    Later(Duration),
}

impl Scrub {
    /// Whether a slice is due.
    pub fn due(&self) -> Due {
        if self.is_draining || self.share.thousandths == 0 || self.held_bytes == 0 {
            return Due::Later(LOOK);
        }
        match self.pause().saturating_sub(self.since) {
            Duration::ZERO => Due::Now,
            left => Due::Later(left.min(LOOK)),
        }
    }

    /// From the slice before to the next: its part of the pass, or what the rate wants, and longer as
    /// viewers leave less.
    fn pause(&self) -> Duration {
        let bytes = u128::from(self.last_bytes);
        let by_pass = self.pass.as_nanos() * bytes / u128::from(self.held_bytes.max(1));
        let by_rate = 1_000_000_000 * bytes / u128::from(self.bytes_per_s.max(1));
        let share = u128::from(self.share.thousandths.clamp(1, WHOLE));
        let ns = by_pass.max(by_rate) * u128::from(WHOLE) / share;
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }
}

/// Where a pass is: at the first slice that it has not come to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    site: String,
    path: String,
    slice: u32,
}

/// A slice of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slice {
    pub(crate) place: u32,
    pub(crate) index: u32,
    pub(crate) bytes: u64,
}

impl Cursor {
    /// The next slice of what is here; nothing behind the last one.
    pub(crate) fn next(&self, active: &Active) -> Option<Slice> {
        let plan = &active.in_force.state.plan;
        let from = u32::try_from(plan.at_or_after(&self.site, &self.path)).ok()?;
        let slice = |place, index| {
            let (object, entry) = active.at(place)?;
            let bytes = wanted(&object, 0).slice_bytes(index)?;
            (entry == Entry::Held).then_some(Slice {
                place,
                index,
                bytes,
            })
        };
        let is_begun = active
            .at(from)
            .is_some_and(|(object, _)| (object.site, object.path) == (&*self.site, &*self.path));
        let (first, rest) = if is_begun {
            (self.slice, from + 1)
        } else {
            (0, from)
        };
        let begun = slice(from, first).filter(|_| is_begun);
        begun.or_else(|| slice(active.next_held(rest)?, 0))
    }

    /// Behind a slice of an object.
    pub(crate) fn behind(name: &ObjectName, slice: u32) -> Self {
        Self {
            site: (*name.site).to_owned(),
            path: (*name.path).to_owned(),
            slice: slice.saturating_add(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use manifest::{Digest, Object};

    use super::*;
    use crate::{applied::InForce, wanted::name, yielding::Strain};

    const DAY: Duration = Duration::from_hours(24);
    const GIB: u64 = 1 << 30;
    const MIB: u64 = 1 << 20;

    fn scrub() -> Scrub {
        Scrub {
            pass: 7 * DAY,
            bytes_per_s: 50_000_000,
            share: Share::FULL,
            is_draining: false,
            held_bytes: 7 * 24 * GIB,
            last_bytes: GIB,
            since: Duration::ZERO,
        }
    }

    /// When the next slice is due, if nothing changes.
    fn due_after(scrub: Scrub) -> Duration {
        let mut since = Duration::ZERO;
        while let Due::Later(left) = (Scrub { since, ..scrub }).due() {
            assert!(left <= LOOK, "what viewers need is looked at");
            since += left;
        }
        since
    }

    #[test]
    fn what_is_here_is_gone_through_in_the_time_of_a_pass() {
        assert_eq!(due_after(scrub()), Duration::from_hours(1));
        let first = Scrub {
            last_bytes: 0,
            ..scrub()
        };
        assert_eq!(first.due(), Due::Now);
    }

    #[test]
    fn it_is_no_faster_than_the_rate_however_much_is_here() {
        let much = Scrub {
            held_bytes: u64::MAX,
            last_bytes: 100_000_000,
            ..scrub()
        };
        assert_eq!(due_after(much), Duration::from_secs(2));
    }

    #[test]
    fn it_makes_way_for_viewers_as_filling_does() {
        let half = Share {
            thousandths: 500,
            strain: Some(Strain::DiskReads),
        };
        let slower = Scrub {
            share: half,
            ..scrub()
        };
        assert_eq!(due_after(slower), Duration::from_hours(2));
        let none = Scrub {
            share: Share {
                thousandths: 0,
                ..half
            },
            since: 100 * DAY,
            ..scrub()
        };
        assert_eq!(none.due(), Due::Later(LOOK));
    }

    #[test]
    fn nothing_is_due_while_an_operator_has_stopped_it_or_nothing_is_here() {
        let since = 100 * DAY;
        let drained = Scrub {
            is_draining: true,
            since,
            ..scrub()
        };
        let empty = Scrub {
            held_bytes: 0,
            since,
            ..scrub()
        };
        assert_eq!([drained.due(), empty.due()], [Due::Later(LOOK); 2]);
    }

    fn active(objects: &[(&str, u64)]) -> Active {
        let objects = objects
            .iter()
            .map(|(path, size)| Object::fill("vod", path, *size, Digest::of(path.as_bytes())));
        let active = Active::new(InForce::sample(objects), u64::MAX);
        (0..3).for_each(|place| active.set(place, Entry::Held));
        active
    }

    /// Paths and numbers of the slices that a pass comes to from here.
    fn rest(cursor: &mut Cursor, active: &Active, most: usize) -> Vec<String> {
        let mut passed = Vec::new();
        while let Some(slice) = cursor.next(active).filter(|_| passed.len() < most) {
            let name = name(&active.at(slice.place).unwrap().0);
            passed.push(format!("{} {}", name.path, slice.index));
            *cursor = Cursor::behind(&name, slice.index);
        }
        passed
    }

    #[test]
    fn a_pass_comes_to_every_slice_that_is_here_once_and_to_no_other() {
        let active = active(&[("/a", 7), ("/b", 5 * MIB + 1), ("/c", 9), ("/d", 9)]);
        active.set(2, Entry::Waiting);
        let all = rest(&mut Cursor::default(), &active, 100);
        assert_eq!(
            all,
            ["/a 0", "/b 0", "/b 1", "/b 2", "/b 3", "/b 4", "/b 5"]
        );
    }

    #[test]
    fn a_pass_goes_on_where_it_was_in_the_next_plan_and_after_a_restart() {
        let (first, next) = (
            active(&[("/a", 7), ("/c", 5 * MIB), ("/d", 9)]),
            active(&[("/b", 7), ("/c", 5 * MIB), ("/e", 9)]),
        );
        let mut cursor = Cursor::default();
        rest(&mut cursor, &first, 3);
        let kept = serde_json::to_string(&cursor).unwrap();
        let mut cursor: Cursor = serde_json::from_str(&kept).unwrap();
        let all = rest(&mut cursor, &next, 100);
        assert_eq!(all, ["/c 2", "/c 3", "/c 4", "/e 0"]);
        let mut gone = Cursor {
            site: "vod".to_owned(),
            path: "/c1".to_owned(),
            slice: 3,
        };
        assert_eq!(rest(&mut gone, &next, 100), ["/e 0"]);
    }
}
