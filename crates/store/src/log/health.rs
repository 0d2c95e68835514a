//! Whether a disk is to be read and written. Pure: `now` is told.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::DiskState;

/// Reads that fail in a row until a disk is left alone: one bad sector is not a bad disk.
const READ_FAILURES_MAX: u32 = 8;
/// Reads that are looked back on, how many there must be to judge by, and which part of them may
/// fail or be late: a disk that answers every now and then is no good either.
const RECENT: u32 = 64;
const RECENT_MIN: u32 = 32;
const RECENT_FAILURES_PART: u32 = 4;
/// Suspensions within [`STRIKES_WITHIN`] after which a disk is not tried again.
const STRIKES_MAX: usize = 5;
const STRIKES_WITHIN: Duration = Duration::from_hours(1);
/// One failed write is enough: there is nothing to gain from the next.
const WRITE_FAILURES_MAX: u32 = 1;

/// How a disk does. After failures it is left alone for a while, then tried again: one more failure
/// and it is left alone for another while, one success and it is trusted. A disk that does not come
/// back, or comes back and fails over and over, is ejected for good.
#[derive(Debug)]
pub(crate) struct Health {
    retry_after: Duration,
    eject_after: Duration,
    reads: Trial,
    writes: Trial,
    recent: Recent,
    suspended_since: Option<Instant>,
    strikes: Vec<Instant>,
    ejected: Option<Arc<str>>,
}

/// How the last reads went: a set bit is a failure, the lowest the latest.
#[derive(Debug, Default)]
struct Recent {
    failures: u64,
    known: u32,
}

#[derive(Debug, Default)]
struct Trial {
    failures: u32,
    closed_until: Option<Instant>,
}

impl Health {
    pub(crate) fn new(retry_after: Duration, eject_after: Duration) -> Self {
        Self {
            retry_after,
            eject_after,
            reads: Trial::default(),
            writes: Trial::default(),
            recent: Recent::default(),
            suspended_since: None,
            strikes: Vec::new(),
            ejected: None,
        }
    }

    pub(crate) fn may_read(&self, now: Instant) -> bool {
        self.ejected.is_none() && self.reads.is_open(now)
    }

    pub(crate) fn may_write(&self, now: Instant) -> bool {
        self.writes.is_open(now) && self.may_read(now)
    }

    /// A read ended. The answer is why the disk is ejected, at the moment when it is.
    pub(crate) fn read(&mut self, succeeded: bool, now: Instant) -> Option<Arc<str>> {
        if self.ejected.is_some() {
            return None;
        }
        let until = now + self.retry_after;
        self.reads.tell(succeeded, READ_FAILURES_MAX, until);
        self.recent.note(succeeded);
        if self.recent.is_bad() {
            self.reads.closed_until = Some(until);
        }
        if self.reads.closed_until.is_none() {
            self.suspended_since = None;
            return None;
        }
        self.recent = Recent::default();
        let why = match self.suspended_since {
            Some(since) => {
                let away = now.saturating_duration_since(since);
                (away >= self.eject_after).then(|| format!("no good read for {} s", away.as_secs()))
            }
            None => self.strike(now),
        };
        self.ejected = why.map(Arc::from);
        self.ejected.clone()
    }

    /// Begins a suspension.
    fn strike(&mut self, now: Instant) -> Option<String> {
        self.suspended_since = Some(now);
        self.strikes
            .retain(|strike| now.saturating_duration_since(*strike) < STRIKES_WITHIN);
        self.strikes.push(now);
        let count = self.strikes.len();
        (count >= STRIKES_MAX).then(|| format!("suspended {count} times within an hour"))
    }

    pub(crate) fn wrote(&mut self, succeeded: bool, now: Instant) {
        self.writes
            .tell(succeeded, WRITE_FAILURES_MAX, now + self.retry_after);
    }

    pub(crate) fn state(&self) -> DiskState {
        if let Some(why) = &self.ejected {
            DiskState::Ejected(Arc::clone(why))
        } else if self.reads.closed_until.is_some() {
            DiskState::Suspended
        } else if self.writes.closed_until.is_some() {
            DiskState::ReadOnly
        } else {
            DiskState::Serving
        }
    }
}

impl Recent {
    fn note(&mut self, succeeded: bool) {
        self.failures = self.failures << 1 | u64::from(!succeeded);
        self.known = (self.known + 1).min(RECENT);
    }

    fn is_bad(&self) -> bool {
        self.known >= RECENT_MIN
            && self.failures.count_ones() >= self.known.div_ceil(RECENT_FAILURES_PART)
    }
}

impl Trial {
    fn is_open(&self, now: Instant) -> bool {
        self.closed_until.is_none_or(|until| now >= until)
    }

    fn tell(&mut self, succeeded: bool, failures_max: u32, until: Instant) {
        if succeeded {
            *self = Self::default();
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= failures_max {
            self.closed_until = Some(until);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHILE: Duration = Duration::from_secs(5);

    #[test]
    fn a_failed_write_closes_a_disk_for_writing_for_a_while() {
        let (mut health, now) = (Health::new(WHILE, Duration::from_mins(1)), Instant::now());
        health.wrote(false, now);
        assert!(!health.may_write(now) && health.may_read(now));
        assert_eq!(health.state(), DiskState::ReadOnly);
        let later = now + WHILE;
        assert!(health.may_write(later));
        assert_eq!(
            health.state(),
            DiskState::ReadOnly,
            "not trusted before a success"
        );
        health.wrote(false, later);
        assert!(!health.may_write(later));
        health.wrote(true, later + WHILE);
        assert_eq!(health.state(), DiskState::Serving);
    }

    #[test]
    fn a_disk_is_suspended_after_reads_that_fail_in_a_row() {
        let (mut health, now) = (Health::new(WHILE, Duration::from_mins(1)), Instant::now());
        for _ in 1..READ_FAILURES_MAX {
            health.read(false, now);
        }
        health.read(true, now);
        assert!(health.may_read(now), "not in a row");
        for _ in 0..READ_FAILURES_MAX {
            assert!(health.may_read(now));
            health.read(false, now);
        }
        assert!(!health.may_read(now) && !health.may_write(now));
        assert_eq!(health.state(), DiskState::Suspended);
        health.read(true, now + WHILE);
        assert!(health.may_read(now + WHILE));
    }

    #[test]
    fn a_disk_that_answers_every_now_and_then_is_suspended() {
        let (mut health, now) = (Health::new(WHILE, Duration::from_mins(1)), Instant::now());
        for number in 0..RECENT_MIN - 1 {
            health.read(number % 4 != 0, now);
        }
        assert!(health.may_read(now), "too few to judge by");
        health.read(false, now);
        assert_eq!(health.state(), DiskState::Suspended);
        let (mut good, mut number) = (Health::new(WHILE, Duration::from_mins(1)), 0);
        while number < 10_000 {
            assert_eq!(good.read(number % 5 != 0, now), None);
            number += 1;
        }
        assert!(good.may_read(now), "a fifth is not a fourth");
    }

    #[test]
    fn a_disk_that_does_not_come_back_is_ejected_once_and_for_good() {
        let (mut health, start) = (Health::new(WHILE, WHILE * 3), Instant::now());
        let mut ejected = Vec::new();
        for second in 0..60 {
            let now = start + Duration::from_secs(second);
            for _ in 0..READ_FAILURES_MAX {
                if health.may_read(now) {
                    ejected.extend(health.read(false, now).map(|why| (second, why)));
                }
            }
        }
        assert_eq!(ejected.len(), 1, "{ejected:?}");
        assert_eq!(ejected[0].0, 15);
        assert_eq!(
            health.read(true, start),
            None,
            "a late answer changes nothing"
        );
        let later = start + Duration::from_hours(24);
        assert!(!health.may_read(later) && !health.may_write(later));
        assert!(matches!(health.state(), DiskState::Ejected(_)));
    }

    #[test]
    fn a_disk_that_fails_over_and_over_is_ejected() {
        let (mut health, start) = (Health::new(WHILE, Duration::from_mins(1)), Instant::now());
        let mut suspend = |now| {
            let told = (0..READ_FAILURES_MAX)
                .filter_map(|_| health.read(false, now))
                .count();
            health.read(true, now + WHILE);
            told
        };
        let minutes = |count| start + Duration::from_mins(count);
        assert!((0..4).all(|strike| suspend(minutes(strike * 30)) == 0));
        let told: usize = (0..4).map(|strike| suspend(minutes(200 + strike))).sum();
        assert_eq!(told, 0, "four within an hour");
        assert_eq!(suspend(minutes(210)), 1);
    }
}
