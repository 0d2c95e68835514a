//! The demo's wall clock, by which all its nodes live: an hour lasts as long as its viewers take.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::Error;

const HOUR: Duration = Duration::from_hours(1);
const DAY_S: u64 = 24 * 3600;
/// What an hour comes to while its last viewers are still being served.
const LAST: Duration = Duration::from_millis(3_599_999);
/// An hour takes no less.
const LEAST: Duration = Duration::from_millis(1);

/// Tells the time. Its first day is today, so that what other processes sign now is neither from the
/// future nor too old.
#[derive(Clone)]
pub(super) struct Calendar {
    /// Days since 1970.
    first_day: u64,
    hand: Arc<Mutex<Hand>>,
}

/// An hour that goes by.
struct Hand {
    /// When it began, since the Unix epoch.
    hour: Duration,
    /// The same in real time.
    began: Instant,
    /// How much real time it takes.
    takes: Duration,
}

impl Hand {
    /// It stands still at the end of its hour until the next one begins.
    fn wall(&self, now: Instant) -> Duration {
        let part = now.duration_since(self.began).as_secs_f64() / self.takes.as_secs_f64();
        self.hour + HOUR.mul_f64(part.min(1.0)).min(LAST)
    }
}

impl Calendar {
    /// Has this process live by it from now on.
    pub(super) fn begin() -> Result<Self, Error> {
        let calendar = Self::from(message::now().unix_s());
        let shown = calendar.clone();
        message::live_by(move || shown.wall())
            .map_err(|_other| Error::Demo("this process has a clock of its own".to_owned()))?;
        Ok(calendar)
    }

    fn from(now_s: u64) -> Self {
        let first_day = now_s / DAY_S;
        let hand = Hand {
            hour: Duration::from_secs(first_day * DAY_S),
            began: Instant::now(),
            takes: HOUR,
        };
        Self {
            first_day,
            hand: Arc::new(Mutex::new(hand)),
        }
    }

    fn wall(&self) -> Duration {
        self.hand.lock().wall(Instant::now())
    }

    /// Lets the hour begin that is so many after the first midnight. It goes by in `takes`.
    pub(super) fn turn(&self, hour: usize, takes: Duration) {
        let hour = u32::try_from(hour).unwrap_or(u32::MAX);
        *self.hand.lock() = Hand {
            hour: Duration::from_secs(self.first_day * DAY_S) + HOUR * hour,
            began: Instant::now(),
            takes: takes.max(LEAST),
        };
    }

    /// The midnight with which a day begins, in seconds since 1970.
    pub(super) fn midnight_s(&self, day: i64) -> u64 {
        (self.first_day * DAY_S).saturating_add_signed(day.saturating_mul(DAY_S.cast_signed()))
    }

    /// `2026-11-21`.
    pub(super) fn date(&self, day: usize) -> String {
        let midnight_s = self.midnight_s(i64::try_from(day).unwrap_or(i64::MAX));
        let midnight = Timestamp::from_second(midnight_s.cast_signed()).unwrap_or_default();
        midnight.strftime("%Y-%m-%d").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Friday, the 27th of February 2026, at noon.
    const NOON_S: u64 = 1_772_193_600;

    #[tokio::test(start_paused = true)]
    async fn an_hour_goes_by_in_its_time_and_waits_for_the_next() {
        let calendar = Calendar::from(NOON_S);
        let midnight = Duration::from_secs(calendar.midnight_s(0));
        calendar.turn(25, Duration::from_secs(2));
        assert_eq!(calendar.wall(), midnight + 25 * HOUR);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(calendar.wall(), midnight + 25 * HOUR + HOUR / 2);
        tokio::time::sleep(Duration::from_mins(5)).await;
        assert_eq!(calendar.wall(), midnight + 25 * HOUR + LAST);
        calendar.turn(26, Duration::ZERO);
        assert_eq!(calendar.wall(), midnight + 26 * HOUR);
    }

    #[test]
    fn the_first_day_is_today_and_days_are_those_of_the_calendar() {
        let calendar = Calendar::from(NOON_S);
        let days = [0, 1, 2].map(|day| calendar.date(day));
        assert_eq!(days, ["2026-02-27", "2026-02-28", "2026-03-01"]);
        assert_eq!(calendar.midnight_s(-1), NOON_S - 36 * 3600);
    }
}
