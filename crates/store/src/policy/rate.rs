//! How much is missed.

use std::time::Duration;

use super::{price::DAY, worth::real};

/// Bytes a day, over about the last day.
#[derive(Debug, Default)]
pub(super) struct Rate {
    pub(super) per_day: f64,
    bytes: u64,
    since: Duration,
    is_known: bool,
}

impl Rate {
    /// What an earlier run knew, unless this one knows better.
    pub(super) fn recall(&mut self, per_day: f64) {
        if !self.is_known {
            (self.per_day, self.is_known) = (per_day, true);
        }
    }

    pub(super) fn count(&mut self, bytes: u64, now: Duration) {
        self.bytes += bytes;
        let passed = now.saturating_sub(self.since);
        if passed < DAY / 24 {
            return;
        }
        let days = passed.div_duration_f64(DAY);
        let rate = real(self.bytes) / days;
        let weight = if self.is_known {
            1.0 - (-days).exp()
        } else {
            1.0
        };
        self.per_day += (rate - self.per_day) * weight;
        (self.bytes, self.since, self.is_known) = (0, now, true);
    }
}
