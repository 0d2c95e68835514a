//! When prepositioning may run: hours of a day in a time zone, on some days of the week.
//!
//! A window is kept by the clock on the wall of the place that it is for, which jumps twice a year:
//! - it begins when the clock first shows its start, or, where the clock jumps over that, at the jump;
//! - it ends when the clock first shows its end, or at the jump over it. Where an hour comes twice that
//!   is the first time: to end early costs some bytes, to end late breaks a promise.
//!
//! The zones' rules come with the program: a box whose system has none, or old ones, keeps its hours.

use std::time::Duration;

use jiff::{
    SignedDuration, Timestamp, ToSpan as _,
    civil::{Date, Time, Weekday},
    tz::{AmbiguousOffset, Offset, TimeZone},
};

/// Windows of one node; more are a mistake.
pub const WINDOWS_MAX: usize = 16;

/// So far ahead the next opening is looked for: every window opens once a week, and a clock that
/// jumps over it makes that two.
const DAYS_AHEAD: i32 = 15;

/// One window, as checked from its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    zone: TimeZone,
    start: Time,
    end: Time,
    days: Days,
}

/// Days of the week on which a window begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Days(u8);

/// From `start` to before `end`, since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Opening {
    /// When it begins.
    pub start: Duration,
    /// When it is over.
    pub end: Duration,
}

/// What a set of windows says of a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// It may run, until the end.
    Open(Opening),
    /// It may not, until the next opening, if there is one.
    Closed(Option<Opening>),
}

/// Why a window cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadWindow {
    /// Neither a name of the IANA database nor an offset.
    #[error("{0:?} is no time zone, such as \"Europe/Zurich\", \"UTC\" or \"+05:30\"")]
    Zone(String),
    /// Not `HH:MM-HH:MM`.
    #[error("{0:?} are no hours, such as \"02:00-14:00\"")]
    Hours(String),
    /// Not a day.
    #[error("{0:?} is no day, such as \"mon\"")]
    Day(String),
}

impl Window {
    /// Reads hours (`02:00-14:00`; an end at or before the start is on the next day, so that
    /// `00:00-00:00` is all day), a zone, and the days on which it begins, none for all.
    ///
    /// # Errors
    /// What of it makes no sense.
    pub fn parse(hours: &str, zone: &str, days: &[String]) -> Result<Self, BadWindow> {
        let wrong = || BadWindow::Hours(hours.to_owned());
        let (start, end) = hours.split_once('-').ok_or_else(wrong)?;
        Ok(Self {
            zone: parse_zone(zone)?,
            start: parse_time(start).ok_or_else(wrong)?,
            end: parse_time(end).ok_or_else(wrong)?,
            days: Days::parse(days)?,
        })
    }

    /// The openings that begin on the days around `now` in this window's place, in order.
    fn openings(&self, now: Timestamp) -> impl Iterator<Item = Opening> {
        let today = now.to_zoned(self.zone.clone()).date();
        (-2..=DAYS_AHEAD).filter_map(move |day| {
            let date = today.checked_add(day.days()).ok()?;
            self.opening(date)
        })
    }

    /// The opening that begins on `date`, unless the clock jumps over all of it.
    fn opening(&self, date: Date) -> Option<Opening> {
        if !self.days.has(date.weekday()) {
            return None;
        }
        let last = if self.end > self.start {
            date
        } else {
            date.tomorrow().ok()?
        };
        let start = self.first_shown(date, self.start)?;
        let end = self.first_shown(last, self.end)?;
        (start < end).then_some(Opening { start, end })
    }

    /// When the clock first shows a time of a date, or jumps over it.
    fn first_shown(&self, date: Date, time: Time) -> Option<Duration> {
        let shown = self.zone.to_ambiguous_timestamp(date.to_datetime(time));
        let moment = match shown.offset() {
            AmbiguousOffset::Unambiguous { .. } => shown.unambiguous().ok()?,
            AmbiguousOffset::Fold { .. } => shown.earlier().ok()?,
            AmbiguousOffset::Gap { .. } => {
                // Read with the offset after the jump, the time lies before it.
                let before = shown.earlier().ok()?;
                self.zone.following(before).next()?.timestamp()
            }
        };
        since_epoch(moment)
    }
}

impl Days {
    /// Reads `mon` to `sun`; none are all.
    ///
    /// # Errors
    /// The first that is no day.
    pub fn parse(days: &[String]) -> Result<Self, BadWindow> {
        const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let mut set = 0;
        for day in days {
            let number = NAMES.iter().position(|name| name == day);
            set |= 1 << number.ok_or_else(|| BadWindow::Day(day.clone()))?;
        }
        Ok(Self(if set == 0 { 0b111_1111 } else { set }))
    }

    fn has(self, day: Weekday) -> bool {
        self.0 >> day.to_monday_zero_offset() & 1 == 1
    }
}

impl At {
    /// What `windows` say of `now`, which is since the Unix epoch. Windows that overlap or meet are
    /// one opening.
    pub fn of(windows: &[Window], now: Duration) -> Self {
        let Some(moment) = timestamp(now) else {
            return Self::Closed(None);
        };
        let mut openings: Vec<Opening> = windows
            .iter()
            .flat_map(|window| window.openings(moment))
            .collect();
        openings.sort_unstable();
        match joined(openings)
            .into_iter()
            .find(|opening| opening.end > now)
        {
            Some(opening) if opening.start <= now => Self::Open(opening),
            next => Self::Closed(next),
        }
    }
}

/// Openings in order, with those that overlap or meet made one.
fn joined(openings: Vec<Opening>) -> Vec<Opening> {
    let mut joined: Vec<Opening> = Vec::with_capacity(openings.len());
    for opening in openings {
        match joined.last_mut() {
            Some(last) if opening.start <= last.end => last.end = last.end.max(opening.end),
            Some(_) | None => joined.push(opening),
        }
    }
    joined
}

fn parse_zone(text: &str) -> Result<TimeZone, BadWindow> {
    let wrong = || BadWindow::Zone(text.to_owned());
    if text.starts_with(['+', '-']) {
        return parse_offset(text).map(TimeZone::fixed).ok_or_else(wrong);
    }
    TimeZone::get(text).map_err(|_unknown| wrong())
}

/// `+05:30`.
fn parse_offset(text: &str) -> Option<Offset> {
    let (sign, digits) = text.split_at_checked(1)?;
    let time = parse_time(digits)?;
    let seconds = i32::from(time.hour()) * 3600 + i32::from(time.minute()) * 60;
    Offset::from_seconds(if sign == "-" { -seconds } else { seconds }).ok()
}

/// `HH:MM`, both in two digits.
fn parse_time(text: &str) -> Option<Time> {
    let text = text.trim();
    let digits = |part: &str| -> Option<i8> {
        (part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| part.parse().ok())?
    };
    let (hour, minute) = text.split_once(':')?;
    Time::new(digits(hour)?, digits(minute)?, 0, 0).ok()
}

fn timestamp(since_epoch: Duration) -> Option<Timestamp> {
    let since_epoch = SignedDuration::try_from(since_epoch).ok()?;
    Timestamp::from_duration(since_epoch).ok()
}

fn since_epoch(moment: Timestamp) -> Option<Duration> {
    Duration::try_from(moment.as_duration()).ok()
}

#[cfg(test)]
#[path = "window_tests.rs"]
mod tests;
