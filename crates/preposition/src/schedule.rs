//! What to do next: pure in the time and in what is going on.

use std::time::Duration;

use serde::Serialize;

use crate::{
    ledger::{Allowance, Ledger, Spent},
    window::{At, Opening},
    yielding::{Share, Strain},
};

/// Which of the two queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Filled at any time, ahead of everything else.
    Fast,
    /// Filled in the window.
    Window,
}

/// What is going on.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Since the Unix epoch.
    pub now: Duration,
    /// What the windows say of it.
    pub at: At,
    /// Whether an operator has stopped it.
    pub is_draining: bool,
    /// Whether what is urgent may begin outside the window.
    pub has_fast_track: bool,
    /// What was spent, and what may be.
    pub ledger: &'a Ledger,
    /// The same.
    pub allowance: &'a Allowance,
    /// What those that are under way may still bring in.
    pub reserved_bytes: u64,
    /// How many are under way.
    pub running: usize,
    /// How many may be.
    pub concurrency: usize,
    /// What viewers leave.
    pub share: Share,
    /// Whether there is a source that is not left alone for its failures.
    pub is_reachable: bool,
    /// What the next of each lane would bring in.
    pub next_fast: Option<u64>,
    /// The same.
    pub next_window: Option<u64>,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Begin the next of this lane.
    Start(Lane),
    /// Wait for something to happen.
    Wait(Why),
}

/// Why nothing more is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Why {
    /// Nothing is left to begin.
    Idle,
    /// As many are under way as may be.
    Busy,
    /// It is not the time.
    WindowClosed,
    /// No more may come in, until the window, or the day, is another.
    AllowanceSpent {
        /// Which.
        of: Spent,
    },
    /// Viewers come first.
    Yielding {
        /// In what.
        strain: Option<Strain>,
    },
    /// Every source is left alone for a while, for its failures.
    Unreached,
    /// An operator has stopped it.
    Drained,
}

impl Why {
    /// The words for all of them in metrics, each with whether it is this one.
    pub(crate) fn among_all(self) -> [(&'static str, bool); 7] {
        let name = match self {
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::WindowClosed => "window_closed",
            Self::AllowanceSpent { .. } => "allowance_spent",
            Self::Yielding { .. } => "yielding",
            Self::Unreached => "unreached",
            Self::Drained => "drained",
        };
        [
            "idle",
            "busy",
            "window_closed",
            "allowance_spent",
            "yielding",
            "unreached",
            "drained",
        ]
        .map(|each| (each, each == name))
    }
}

impl Facts<'_> {
    /// What to do next.
    pub fn step(&self) -> Step {
        if self.is_draining {
            return Step::Wait(Why::Drained);
        }
        if self.running >= self.concurrency {
            return Step::Wait(Why::Busy);
        }
        if self.share.thousandths == 0 {
            let strain = self.share.strain;
            return Step::Wait(Why::Yielding { strain });
        }
        let is_wanted = self.next_fast.is_some() || self.next_window.is_some();
        if is_wanted && !self.is_reachable {
            return Step::Wait(Why::Unreached);
        }
        let fast = self
            .next_fast
            .map(|bytes| self.may_begin(bytes, Lane::Fast));
        if let Some(Ok(())) = fast {
            return Step::Start(Lane::Fast);
        }
        match (self.next_window, fast) {
            (Some(bytes), _) => match self.may_begin(bytes, Lane::Window) {
                Ok(()) => Step::Start(Lane::Window),
                Err(why) => Step::Wait(why),
            },
            (None, Some(Err(why))) => Step::Wait(why),
            (None, _) if self.running > 0 => Step::Wait(Why::Busy),
            (None, _) => Step::Wait(Why::Idle),
        }
    }

    /// Whether something of so many bytes may begin: it must be over before the allowance is.
    fn may_begin(&self, bytes: u64, lane: Lane) -> Result<(), Why> {
        let window = match (lane, self.at) {
            (Lane::Fast, _) if self.has_fast_track => None,
            (Lane::Fast | Lane::Window, At::Open(Opening { start, .. })) => Some(start),
            (Lane::Fast | Lane::Window, At::Closed(_)) => return Err(Why::WindowClosed),
        };
        let needed = self.reserved_bytes.saturating_add(bytes);
        let fits = |window| {
            let left = self.ledger.left(self.allowance, window, self.now);
            left.is_ok_and(|left| needed <= left)
        };
        if fits(window) {
            Ok(())
        } else {
            let is_window = window.is_some() && fits(None);
            let of = if is_window { Spent::Window } else { Spent::Day };
            Err(Why::AllowanceSpent { of })
        }
    }
}

/// How long the next attempt at an object waits after so many that failed.
pub fn pause_after(failures: u8) -> Duration {
    const FIRST: Duration = Duration::from_secs(15);
    const MOST: Duration = Duration::from_mins(30);
    let doublings = failures.saturating_sub(1).min(16);
    FIRST.saturating_mul(1 << doublings).min(MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const OPEN: At = At::Open(Opening {
        start: HOUR,
        end: Duration::from_hours(2),
    });
    const ALLOWANCE: Allowance = Allowance {
        window_bytes: 100,
        day_write_bytes: 1000,
    };

    fn facts(ledger: &Ledger) -> Facts<'_> {
        Facts {
            now: HOUR,
            at: OPEN,
            is_draining: false,
            has_fast_track: true,
            ledger,
            allowance: &ALLOWANCE,
            reserved_bytes: 0,
            running: 0,
            concurrency: 2,
            share: Share::FULL,
            is_reachable: true,
            next_fast: None,
            next_window: Some(10),
        }
    }

    #[test]
    fn outside_the_window_only_the_fast_track_begins() {
        let ledger = Ledger::default();
        let closed = Facts {
            at: At::Closed(None),
            ..facts(&ledger)
        };
        assert_eq!(closed.step(), Step::Wait(Why::WindowClosed));
        let urgent = Facts {
            next_fast: Some(10),
            ..closed
        };
        assert_eq!(urgent.step(), Step::Start(Lane::Fast));
        assert_eq!(facts(&ledger).step(), Step::Start(Lane::Window));
        let has_fast_track = false;
        let kept = Facts {
            has_fast_track,
            ..urgent
        };
        assert_eq!(
            kept.step(),
            Step::Wait(Why::WindowClosed),
            "by the node's config"
        );
        let open = Facts {
            has_fast_track,
            next_fast: Some(10),
            ..facts(&ledger)
        };
        assert_eq!(open.step(), Step::Start(Lane::Fast), "still first");
    }

    #[test]
    fn nothing_begins_that_would_not_be_over_before_the_allowance_is() {
        let mut ledger = Ledger::default();
        ledger.spend(60, Some(HOUR), HOUR);
        let step = |reserved_bytes, bytes| {
            let facts = Facts {
                reserved_bytes,
                next_window: Some(bytes),
                ..facts(&ledger)
            };
            facts.step()
        };
        assert_eq!(step(30, 10), Step::Start(Lane::Window));
        let spent = Step::Wait(Why::AllowanceSpent { of: Spent::Window });
        assert_eq!(step(31, 10), spent);
        assert_eq!(step(0, 41), spent);
    }

    #[test]
    fn each_reason_has_a_word_among_those_of_the_metric() {
        let all = [
            Why::Idle,
            Why::Busy,
            Why::WindowClosed,
            Why::AllowanceSpent { of: Spent::Day },
            Why::Yielding { strain: None },
            Why::Unreached,
            Why::Drained,
        ];
        for (place, why) in all.into_iter().enumerate() {
            let told = why.among_all().map(|(_, is_why)| is_why);
            assert_eq!(told.iter().position(|is_why| *is_why), Some(place));
        }
    }

    #[test]
    fn viewers_operators_and_those_under_way_hold_it_back() {
        let ledger = Ledger::default();
        let drained = Facts {
            is_draining: true,
            ..facts(&ledger)
        };
        assert_eq!(drained.step(), Step::Wait(Why::Drained));
        let busy = Facts {
            running: 2,
            ..facts(&ledger)
        };
        assert_eq!(busy.step(), Step::Wait(Why::Busy));
        let share = Share {
            thousandths: 0,
            strain: Some(Strain::Egress),
        };
        let yielding = Facts {
            share,
            ..facts(&ledger)
        };
        let strain = Some(Strain::Egress);
        assert_eq!(yielding.step(), Step::Wait(Why::Yielding { strain }));
        let unreached = Facts {
            is_reachable: false,
            ..facts(&ledger)
        };
        assert_eq!(unreached.step(), Step::Wait(Why::Unreached));
        let idle = Facts {
            next_window: None,
            ..facts(&ledger)
        };
        assert_eq!(idle.step(), Step::Wait(Why::Idle));
    }

    #[test]
    fn attempts_come_further_and_further_apart_and_never_stop_for_long() {
        assert_eq!(pause_after(1), Duration::from_secs(15));
        assert_eq!(pause_after(2), Duration::from_secs(30));
        assert_eq!(pause_after(u8::MAX), Duration::from_mins(30));
    }
}
