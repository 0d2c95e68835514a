//! When a hop is left alone.
//!
//! ```text
//!            half of 20 in 10 s failed,
//!            or 5 connects in a row
//!   Closed ──────────────────────────────▶ Open
//!     ▲                                     │ 1 s later one read may probe
//!     │ 5 probes in a row answered          ▼
//!     └───────────────────────────────── HalfOpen ──▶ Open, when a probe fails
//! ```
//!
//! Pure: `now` is an argument, and outcomes are told by whoever did the reading. A probe that is
//! abandoned blocks nobody, because probes are counted by time and not by how many are out.

use std::time::Duration;

use tokio::time::Instant;

const BUCKETS: usize = 10;

/// When to open, how to probe, when to close.
#[derive(Debug, Clone)]
pub struct BreakerLimits {
    /// Outcomes within [`BreakerLimits::window`] below which no ratio is judged. Default 20.
    pub outcomes_min: u32,
    /// Share of failures that opens, in percent. Default 50.
    pub failures_percent: u32,
    /// How far back outcomes count. Default 10 s.
    pub window: Duration,
    /// Connects that fail in a row and open at once. Default 5.
    pub unreachable_max: u32,
    /// Time between two probes. Default 1 s.
    pub probe_interval: Duration,
    /// Probes that must be answered in a row to close. Default 5.
    pub probes_needed: u32,
}

impl Default for BreakerLimits {
    fn default() -> Self {
        Self {
            outcomes_min: 20,
            failures_percent: 50,
            window: Duration::from_secs(10),
            unreachable_max: 5,
            probe_interval: Duration::from_secs(1),
            probes_needed: 5,
        }
    }
}

/// How one read of a hop went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It answered, whatever it said.
    Answered,
    /// It took the request and failed: 5xx, reset, timeout, stall.
    Failed,
    /// There was no connection to send a request on.
    Unreachable,
}

/// Where the breaker stands, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// Reads pass.
    Closed,
    /// Probes pass, one at a time.
    HalfOpen,
    /// Nothing passes until the next probe is due.
    Open,
}

/// A circuit breaker for one hop.
#[derive(Debug)]
pub(crate) struct Breaker {
    limits: BreakerLimits,
    state: State,
}

#[derive(Debug)]
enum State {
    Closed { window: Window, unreachable: u32 },
    Open { probe_at: Instant },
    HalfOpen { answered: u32, probe_at: Instant },
}

impl Breaker {
    /// A closed breaker.
    pub(crate) fn new(limits: BreakerLimits, now: Instant) -> Self {
        let state = State::closed(&limits, now);
        Self { limits, state }
    }

    /// Whether one read may pass now. A probe that passes is the last one for an interval.
    pub(crate) fn admit(&mut self, now: Instant) -> bool {
        let (answered, probe_at) = match self.state {
            State::Closed { .. } => return true,
            State::Open { probe_at } => (0, probe_at),
            State::HalfOpen { answered, probe_at } => (answered, probe_at),
        };
        if now < probe_at {
            return false;
        }
        self.state = State::HalfOpen {
            answered,
            probe_at: now + self.limits.probe_interval,
        };
        true
    }

    /// Learns how a read went.
    pub(crate) fn record(&mut self, outcome: Outcome, now: Instant) {
        let opens = match &mut self.state {
            State::Closed {
                window,
                unreachable,
            } => {
                *unreachable = match outcome {
                    Outcome::Answered | Outcome::Failed => 0,
                    Outcome::Unreachable => *unreachable + 1,
                };
                window.add(outcome != Outcome::Answered, now);
                *unreachable >= self.limits.unreachable_max || window.is_bad(&self.limits)
            }
            // A read from before the breaker opened: it knows nothing new.
            State::Open { .. } => false,
            State::HalfOpen { answered, .. } => {
                *answered += u32::from(outcome == Outcome::Answered);
                outcome != Outcome::Answered
            }
        };
        if opens {
            self.state = State::Open {
                probe_at: now + self.limits.probe_interval,
            };
        } else if matches!(self.state, State::HalfOpen { answered, .. } if answered >= self.limits.probes_needed)
        {
            self.state = State::closed(&self.limits, now);
        }
    }

    /// Where it stands.
    pub(crate) fn position(&self) -> Position {
        match self.state {
            State::Closed { .. } => Position::Closed,
            State::Open { .. } => Position::Open,
            State::HalfOpen { .. } => Position::HalfOpen,
        }
    }
}

impl State {
    fn closed(limits: &BreakerLimits, now: Instant) -> Self {
        Self::Closed {
            window: Window::new(limits.window, now),
            unreachable: 0,
        }
    }
}

/// Counts of the last `BUCKETS` ticks, a tenth of the window each.
#[derive(Debug)]
struct Window {
    start: Instant,
    tick: Duration,
    latest: u64,
    counts: [Count; BUCKETS],
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    all: u32,
    failed: u32,
}

impl Window {
    fn new(length: Duration, now: Instant) -> Self {
        let tick = (length / 10).max(Duration::from_millis(1));
        Self {
            start: now,
            tick,
            latest: 0,
            counts: [Count::default(); BUCKETS],
        }
    }

    fn add(&mut self, failed: bool, now: Instant) {
        let elapsed = now.saturating_duration_since(self.start);
        let tick = u64::try_from(elapsed.as_nanos() / self.tick.as_nanos()).unwrap_or(u64::MAX);
        // Ticks that passed in silence are forgotten, at most a whole window of them.
        for passed in 1..=tick.saturating_sub(self.latest).min(BUCKETS as u64) {
            self.counts[bucket(self.latest.wrapping_add(passed))] = Count::default();
        }
        if tick > self.latest + BUCKETS as u64 {
            self.counts = [Count::default(); BUCKETS];
        }
        self.latest = self.latest.max(tick);
        let count = &mut self.counts[bucket(self.latest)];
        count.all = count.all.saturating_add(1);
        count.failed = count.failed.saturating_add(u32::from(failed));
    }

    fn is_bad(&self, limits: &BreakerLimits) -> bool {
        let all: u64 = self.counts.iter().map(|count| u64::from(count.all)).sum();
        let failed: u64 = self
            .counts
            .iter()
            .map(|count| u64::from(count.failed))
            .sum();
        all >= u64::from(limits.outcomes_min)
            && failed * 100 >= all * u64::from(limits.failures_percent)
    }
}

fn bucket(tick: u64) -> usize {
    usize::try_from(tick % BUCKETS as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(value: u64) -> Duration {
        Duration::from_millis(value)
    }

    fn closed() -> (Breaker, Instant) {
        let now = Instant::now();
        (Breaker::new(BreakerLimits::default(), now), now)
    }

    fn open() -> (Breaker, Instant) {
        let (mut breaker, now) = closed();
        (0..5).for_each(|_| breaker.record(Outcome::Unreachable, now));
        assert_eq!(breaker.position(), Position::Open);
        (breaker, now)
    }

    #[test]
    fn five_refused_connects_in_a_row_open_it() {
        let (mut breaker, now) = closed();
        (0..4).for_each(|_| breaker.record(Outcome::Unreachable, now));
        breaker.record(Outcome::Answered, now);
        (0..4).for_each(|_| breaker.record(Outcome::Unreachable, now));
        assert!(breaker.admit(now));
        breaker.record(Outcome::Unreachable, now);
        assert!(!breaker.admit(now));
    }

    #[test]
    fn half_of_twenty_failures_in_the_window_open_it_and_nineteen_do_not() {
        let (mut breaker, now) = closed();
        for number in 0..19 {
            let outcome = if number % 2 == 0 {
                Outcome::Failed
            } else {
                Outcome::Answered
            };
            breaker.record(outcome, now + ms(number * 100));
        }
        assert_eq!(breaker.position(), Position::Closed);
        breaker.record(Outcome::Failed, now + ms(1_900));
        assert_eq!(breaker.position(), Position::Open);
    }

    #[test]
    fn fewer_than_half_never_open_it() {
        let (mut breaker, now) = closed();
        for number in 0..10_000_u64 {
            // Of each five the last two fail, so that no prefix reaches one half.
            let outcome = if number % 5 < 3 {
                Outcome::Answered
            } else {
                Outcome::Failed
            };
            breaker.record(outcome, now + ms(number * 3));
            assert_eq!(breaker.position(), Position::Closed, "at {number}");
        }
    }

    #[test]
    fn failures_older_than_the_window_are_forgotten() {
        let (mut breaker, now) = closed();
        (0..19).for_each(|_| breaker.record(Outcome::Failed, now));
        (0..30).for_each(|_| breaker.record(Outcome::Answered, now + ms(10_500)));
        (0..19).for_each(|_| breaker.record(Outcome::Failed, now + ms(11_000)));
        assert_eq!(breaker.position(), Position::Closed);
        let (mut breaker, now) = closed();
        (0..19).for_each(|_| breaker.record(Outcome::Failed, now));
        breaker.record(Outcome::Failed, now + Duration::from_hours(24));
        assert_eq!(breaker.position(), Position::Closed);
    }

    #[test]
    fn open_it_admits_one_probe_a_second() {
        let (mut breaker, now) = open();
        assert!(!breaker.admit(now + ms(999)));
        assert!(breaker.admit(now + ms(1_000)));
        assert!(!breaker.admit(now + ms(1_000)));
        assert!(!breaker.admit(now + ms(1_999)));
        assert!(breaker.admit(now + ms(2_000)));
    }

    #[test]
    fn five_answered_probes_close_it() {
        let (mut breaker, now) = open();
        for second in 1..=5 {
            let at = now + ms(second * 1_000);
            assert!(breaker.admit(at));
            breaker.record(Outcome::Answered, at);
        }
        assert_eq!(breaker.position(), Position::Closed);
    }

    #[test]
    fn a_failed_probe_opens_it_and_the_count_starts_anew() {
        let (mut breaker, now) = open();
        for second in 1..=4 {
            assert!(breaker.admit(now + ms(second * 1_000)));
            breaker.record(Outcome::Answered, now + ms(second * 1_000));
        }
        assert!(breaker.admit(now + ms(5_000)));
        breaker.record(Outcome::Failed, now + ms(5_000));
        assert_eq!(breaker.position(), Position::Open);
        assert!(breaker.admit(now + ms(6_000)));
        breaker.record(Outcome::Answered, now + ms(6_000));
        assert_eq!(breaker.position(), Position::HalfOpen);
    }

    #[test]
    fn late_outcomes_do_not_move_an_open_breaker() {
        let (mut breaker, now) = open();
        (0..100).for_each(|_| breaker.record(Outcome::Answered, now + ms(10)));
        assert_eq!(breaker.position(), Position::Open);
        (0..100).for_each(|_| breaker.record(Outcome::Failed, now + ms(900)));
        assert!(breaker.admit(now + ms(1_000)));
    }

    #[test]
    fn an_abandoned_probe_blocks_nobody() {
        let (mut breaker, now) = open();
        assert!(breaker.admit(now + ms(1_000)));
        assert!(breaker.admit(now + ms(2_000)));
    }
}
