//! What the engine saw when it last looked.

use std::time::Duration;

use tokio::time::Instant;

/// How often what viewers need is measured.
const MEASURED: Duration = Duration::from_secs(1);
/// How often what was spent is written down.
const WRITTEN: Duration = Duration::from_secs(20);

pub(crate) struct Seen {
    measured_bytes: u64,
    spent_bytes: u64,
    measured: Instant,
    written: Instant,
    /// When what should be here was last looked for.
    pub(crate) repaired: Instant,
    /// What has come in of late, by the second.
    pub(crate) bytes_per_s: u64,
}

impl Seen {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            measured_bytes: 0,
            spent_bytes: 0,
            measured: now,
            written: now,
            repaired: now,
            bytes_per_s: 0,
        }
    }

    /// What has come in since it was last asked, when `come_bytes` have come in all.
    pub(crate) fn come_since(&mut self, come_bytes: u64) -> u64 {
        come_bytes - std::mem::replace(&mut self.spent_bytes, come_bytes)
    }

    /// Measures what comes in, once a second; whether it did.
    pub(crate) fn measure(&mut self, come_bytes: u64) -> bool {
        let elapsed = self.measured.elapsed();
        if elapsed < MEASURED {
            return false;
        }
        let bytes = come_bytes - std::mem::replace(&mut self.measured_bytes, come_bytes);
        let ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        // A moving average over some ten seconds.
        self.bytes_per_s = (self.bytes_per_s * 7 + bytes * 1000 / ms.max(1)) / 8;
        self.measured = Instant::now();
        true
    }

    /// Whether it is time to write down what was spent; it counts as done then.
    pub(crate) fn is_to_be_written(&mut self) -> bool {
        let is_due = self.written.elapsed() >= WRITTEN;
        if is_due {
            self.written = Instant::now();
        }
        is_due
    }
}
