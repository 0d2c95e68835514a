//! Whether a disk is to be read and written. Pure: `now` is told.

use std::time::Duration;

use tokio::time::Instant;

use crate::DiskState;

/// Reads that fail in a row until a disk is left alone: one bad sector is not a bad disk.
const READ_FAILURES_MAX: u32 = 8;
/// One failed write is enough: there is nothing to gain from the next.
const WRITE_FAILURES_MAX: u32 = 1;

/// How a disk does. After failures it is left alone for a while, then tried again: one more failure
/// and it is left alone for another while, one success and it is trusted.
#[derive(Debug)]
pub(crate) struct Health {
    retry_after: Duration,
    reads: Trial,
    writes: Trial,
}

#[derive(Debug, Default)]
struct Trial {
    failures: u32,
    closed_until: Option<Instant>,
}

impl Health {
    pub(crate) fn new(retry_after: Duration) -> Self {
        Self {
            retry_after,
            reads: Trial::default(),
            writes: Trial::default(),
        }
    }

    pub(crate) fn may_read(&self, now: Instant) -> bool {
        self.reads.is_open(now)
    }

    pub(crate) fn may_write(&self, now: Instant) -> bool {
        self.writes.is_open(now) && self.reads.is_open(now)
    }

    pub(crate) fn read(&mut self, succeeded: bool, now: Instant) {
        self.reads
            .tell(succeeded, READ_FAILURES_MAX, now + self.retry_after);
    }

    pub(crate) fn wrote(&mut self, succeeded: bool, now: Instant) {
        self.writes
            .tell(succeeded, WRITE_FAILURES_MAX, now + self.retry_after);
    }

    pub(crate) fn state(&self) -> DiskState {
        if self.reads.closed_until.is_some() {
            DiskState::Suspended
        } else if self.writes.closed_until.is_some() {
            DiskState::ReadOnly
        } else {
            DiskState::Serving
        }
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
        let (mut health, now) = (Health::new(WHILE), Instant::now());
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
        let (mut health, now) = (Health::new(WHILE), Instant::now());
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
}
