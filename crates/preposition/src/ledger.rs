//! What was spent of what may be spent: bytes of a window, and bytes written to disk on a day.

use std::time::Duration;

use serde::{Deserialize, Serialize};

const DAY: u64 = 24 * 60 * 60;

/// What may be spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Bytes that one opening of the window may bring in.
    pub window_bytes: u64,
    /// Bytes that prepositioning may write to disk on a day (UTC), of the store's own budget.
    pub day_write_bytes: u64,
}

/// What was spent, kept over restarts: a node that starts again within a window must not spend it
/// twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ledger {
    /// When the window opened for which `window_bytes` counts, in seconds since the Unix epoch.
    window_s: u64,
    window_bytes: u64,
    /// Days since the Unix epoch for which `day_bytes` counts.
    day: u64,
    day_bytes: u64,
}

/// Why no more may be spent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Spent {
    /// The window's bytes, until the next one.
    Window,
    /// The day's writes, until midnight UTC.
    Day,
}

impl Ledger {
    /// Counts what came in. Bytes of the fast track, outside any window, count for the day alone.
    pub fn spend(&mut self, bytes: u64, window: Option<Duration>, now: Duration) {
        if let Some(opened) = window {
            if self.window_s != opened.as_secs() {
                (self.window_s, self.window_bytes) = (opened.as_secs(), 0);
            }
            self.window_bytes = self.window_bytes.saturating_add(bytes);
        }
        let day = now.as_secs() / DAY;
        if self.day != day {
            (self.day, self.day_bytes) = (day, 0);
        }
        self.day_bytes = self.day_bytes.saturating_add(bytes);
    }

    /// How much may come in now, with the window that opened at `window`.
    ///
    /// # Errors
    /// Which allowance is spent.
    pub fn left(
        &self,
        allowance: &Allowance,
        window: Option<Duration>,
        now: Duration,
    ) -> Result<u64, Spent> {
        let same_day = self.day == now.as_secs() / DAY;
        let day_bytes = if same_day { self.day_bytes } else { 0 };
        let day = allowance.day_write_bytes.saturating_sub(day_bytes);
        if day == 0 {
            return Err(Spent::Day);
        }
        let Some(opened) = window else {
            return Ok(day);
        };
        let same_window = self.window_s == opened.as_secs();
        let window_bytes = if same_window { self.window_bytes } else { 0 };
        match allowance.window_bytes.saturating_sub(window_bytes) {
            0 => Err(Spent::Window),
            left => Ok(left.min(day)),
        }
    }

    /// What this opening of the window has brought in.
    pub fn window_bytes(&self, window: Duration) -> u64 {
        if self.window_s == window.as_secs() {
            self.window_bytes
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const ALLOWANCE: Allowance = Allowance {
        window_bytes: 100,
        day_write_bytes: 150,
    };

    #[test]
    fn a_window_has_its_bytes_and_the_next_one_has_them_anew() {
        let mut ledger = Ledger::default();
        ledger.spend(60, Some(HOUR), HOUR);
        assert_eq!(ledger.left(&ALLOWANCE, Some(HOUR), HOUR), Ok(40));
        ledger.spend(45, Some(HOUR), HOUR);
        assert_eq!(
            ledger.left(&ALLOWANCE, Some(HOUR), HOUR),
            Err(Spent::Window)
        );
        let next = HOUR * 25;
        assert_eq!(ledger.left(&ALLOWANCE, Some(next), next), Ok(100));
    }

    #[test]
    fn a_day_has_its_writes_whatever_the_windows() {
        let mut ledger = Ledger::default();
        ledger.spend(90, Some(HOUR), HOUR);
        assert_eq!(ledger.left(&ALLOWANCE, Some(HOUR * 9), HOUR * 9), Ok(60));
        ledger.spend(60, Some(HOUR * 9), HOUR * 9);
        assert_eq!(ledger.left(&ALLOWANCE, None, HOUR * 23), Err(Spent::Day));
        assert_eq!(ledger.left(&ALLOWANCE, None, HOUR * 24), Ok(150));
    }

    #[test]
    fn the_fast_track_costs_the_window_nothing() {
        let mut ledger = Ledger::default();
        ledger.spend(90, None, HOUR);
        assert_eq!(ledger.left(&ALLOWANCE, Some(HOUR), HOUR), Ok(60));
        assert_eq!(ledger.window_bytes(HOUR), 0);
    }

    #[test]
    fn what_was_spent_is_known_after_a_restart() {
        let mut ledger = Ledger::default();
        ledger.spend(77, Some(HOUR), HOUR);
        let kept = serde_json::to_string(&ledger).unwrap();
        let back: Ledger = serde_json::from_str(&kept).unwrap();
        assert_eq!(back, ledger);
    }
}
