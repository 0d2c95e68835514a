//! Days of the calendar, in UTC.

use std::{fmt, str::FromStr};

use crate::Error;

/// Seconds of a day.
pub(crate) const DAY_S: u64 = 86_400;

/// A day in UTC, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
    /// The day of a second since the Unix epoch.
    pub fn of(unix_s: u64) -> Self {
        Self(i64::try_from(unix_s / DAY_S).unwrap_or(i64::MAX))
    }

    /// The day that many days before.
    #[must_use]
    pub fn before(self, days: i64) -> Self {
        Self(self.0.saturating_sub(days))
    }

    /// Days from `other` to this; negative when this is earlier.
    pub fn since(self, other: Self) -> i64 {
        self.0.saturating_sub(other.0)
    }

    /// Whether what viewers may have from that second on is a launch for a plan of this day: until the day in
    /// UTC on which they may is over.
    pub(crate) fn launches(self, live_at_s: u64) -> bool {
        self.begin_s() <= live_at_s
    }

    /// The second since the Unix epoch at which it begins; 0 for days before it.
    pub fn begin_s(self) -> u64 {
        u64::try_from(self.0).unwrap_or(0).saturating_mul(DAY_S)
    }
}

/// `2026-11-21`.
impl FromStr for Day {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Day(text.chars().take(32).collect());
        let is_digit = |at: usize| at == 4 || at == 7 || text.as_bytes()[at].is_ascii_digit();
        let is_shaped = text.len() == 10 && text.is_ascii() && (0..10).all(is_digit);
        if !is_shaped || &text[4..5] != "-" || &text[7..8] != "-" {
            return Err(wrong());
        }
        let number = |range: std::ops::Range<usize>| {
            text[range].parse::<i64>().map_err(|_not_a_number| wrong())
        };
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let found = Self(days_of(year, month, day));
        // A day that does not exist, such as the 30th of February, is another one when written.
        if (1..=12).contains(&month) && found.to_string() == text {
            Ok(found)
        } else {
            Err(wrong())
        }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date_of(self.0);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years are counted from March, so that
/// a leap day is the last of its year; 400 years have 146,097 days.
fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The way back.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days.saturating_add(719_468);
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (year + era * 400 + later, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_reads_back_as_it_is_written() {
        for days in (-1_000..60_000).step_by(13) {
            let day = Day(days);
            assert_eq!(day.to_string().parse::<Day>().unwrap(), day);
        }
        assert_eq!("1970-01-01".parse::<Day>().unwrap(), Day(0));
        assert_eq!("2000-03-01".parse::<Day>().unwrap(), Day(11_017));
        assert_eq!(Day::of(1_767_571_200).to_string(), "2026-01-05");
    }

    #[test]
    fn a_day_that_does_not_exist_is_refused() {
        for text in [
            "",
            "2026-02-30",
            "2026-13-01",
            "2026-00-10",
            "2026-1-01",
            "2026-01-00",
            "2026/01/01",
            "+026-01-01",
            "2026-01-010",
            "२०२६-0",
        ] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
        assert!("2024-02-29".parse::<Day>().is_ok());
        assert!("2100-02-29".parse::<Day>().is_err());
    }
}
