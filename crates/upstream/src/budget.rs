//! How many second tries an upstream gets, and how long to wait before one.

use std::time::Duration;

use tokio::time::Instant;

/// Retries earned by each read: with a tenth, a failing upstream sees at most 1.1 times its load.
const EARNED_PER_READ: f64 = 0.1;
/// Retries that time alone grants, per second, so that a quiet node may retry too.
const GRANTED_PER_SECOND: f64 = 5.0;
/// What may be saved up: ten seconds of the grant.
const SAVED_MAX: f64 = 50.0;

const BACKOFF_FIRST: Duration = Duration::from_millis(25);
const BACKOFF_MAX: Duration = Duration::from_millis(250);

/// A bucket of retries: one tenth of the reads, plus five a second. Pure.
#[derive(Debug)]
pub(crate) struct Budget {
    saved: f64,
    granted_until: Instant,
}

impl Budget {
    /// A budget with one second's grant in it.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            saved: GRANTED_PER_SECOND,
            granted_until: now,
        }
    }

    /// A first try was made.
    pub(crate) fn earn(&mut self, now: Instant) {
        self.grant(now);
        self.saved = (self.saved + EARNED_PER_READ).min(SAVED_MAX);
    }

    /// Takes one retry, if there is one.
    pub(crate) fn spend(&mut self, now: Instant) -> bool {
        self.grant(now);
        let affordable = self.saved >= 1.0;
        if affordable {
            self.saved -= 1.0;
        }
        affordable
    }

    fn grant(&mut self, now: Instant) {
        let passed = now
            .saturating_duration_since(self.granted_until)
            .as_secs_f64();
        self.saved = passed
            .mul_add(GRANTED_PER_SECOND, self.saved)
            .min(SAVED_MAX);
        self.granted_until = self.granted_until.max(now);
    }
}

/// How long to wait before try `number` (1 is the first retry): full jitter below a bound that
/// doubles from 25 to 250 ms. `chance` is uniform in 0..1.
pub(crate) fn backoff(number: u32, chance: f64) -> Duration {
    let bound = BACKOFF_FIRST
        .saturating_mul(1 << number.min(10))
        .min(BACKOFF_MAX);
    bound.mul_f64(chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_tenth_of_the_reads_plus_five_a_second() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let mut retries = 0_u32;
        // 1,000 reads a second for 20 s, every one of which would like two retries.
        for read in 0..20_000_u64 {
            let now = start + Duration::from_millis(read);
            budget.earn(now);
            retries += u32::from(budget.spend(now)) + u32::from(budget.spend(now));
        }
        // 2,000 earned, 100 granted by time, 5 to begin with.
        assert!((2_090..=2_110).contains(&retries), "{retries}");
    }

    #[test]
    fn an_idle_night_does_not_save_up_a_storm() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let now = start + Duration::from_hours(10);
        assert_eq!((0..1_000).filter(|_| budget.spend(now)).count(), 50);
    }

    #[test]
    fn backoff_is_jittered_over_its_whole_bound() {
        assert_eq!(backoff(1, 0.0), Duration::ZERO);
        assert_eq!(backoff(1, 1.0), Duration::from_millis(50));
        assert_eq!(backoff(2, 1.0), Duration::from_millis(100));
        assert_eq!(backoff(9, 1.0), Duration::from_millis(250));
        assert_eq!(backoff(u32::MAX, 0.5), Duration::from_millis(125));
    }
}
