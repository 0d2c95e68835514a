//! What is counted.

use std::time::Duration;

use forecast::{
    model::{Access, Served, Source},
    show::ratio,
};

const DAY: Duration = Duration::from_hours(24);
const HOUR: Duration = Duration::from_hours(1);

/// Sums over the part of the trace that is measured, and over its first day.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) bytes: u64,
    pub(crate) missed_bytes: u64,
    pub(crate) ram_bytes: u64,
    pub(crate) written_bytes: u64,
    /// Misses of the busiest hour.
    pub(crate) peak_hour_bytes: u64,
    pub(crate) measured: Duration,
    /// Of each day of the whole trace: bytes, and bytes missed.
    pub(crate) days: Vec<(u64, u64)>,
    hour: (u64, u64),
}

impl Tally {
    /// Counts an access. Bytes are those of whole slices, which is what upstream sends.
    pub(crate) fn count(&mut self, access: &Access, served: Served, warmup: Duration) {
        let (from_ram, missed) = match served.source {
            Source::Ram => (access.bytes, 0),
            Source::Disk => (0, 0),
            Source::Upstream => (0, access.bytes),
        };
        let day = usize::try_from(access.at.as_secs() / DAY.as_secs()).unwrap_or_default();
        if self.days.len() <= day {
            self.days.resize(day + 1, (0, 0));
        }
        self.days[day].0 += access.bytes;
        self.days[day].1 += missed;
        let Some(measured) = access.at.checked_sub(warmup) else {
            return;
        };
        self.measured = measured;
        self.ram_bytes += from_ram;
        self.bytes += access.bytes;
        self.missed_bytes += missed;
        self.written_bytes += served.written;
        let hour = access.at.as_secs() / HOUR.as_secs();
        if self.hour.0 != hour {
            self.hour = (hour, 0);
        }
        self.hour.1 += missed;
        self.peak_hour_bytes = self.peak_hour_bytes.max(self.hour.1);
    }

    pub(crate) fn byte_hits(&self) -> f64 {
        1.0 - ratio(self.missed_bytes, self.bytes)
    }

    /// The part of the first `days` that was missed, in bytes.
    pub(crate) fn missed_at_first(&self, days: usize) -> f64 {
        let first = self.days.iter().take(days);
        let (bytes, missed) = first.fold((0, 0), |sum, day| (sum.0 + day.0, sum.1 + day.1));
        ratio(missed, bytes)
    }

    /// Drive writes a day.
    pub(crate) fn dwpd(&self, disk_bytes: u64) -> f64 {
        let days = self.measured.div_duration_f64(DAY);
        ratio(self.written_bytes, disk_bytes) / days.max(1.0 / 24.0)
    }
}
