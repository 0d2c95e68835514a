//! The one place that reads the clock.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// One reading of both clocks: wall time for dates, tokens and ages; monotonic time for intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    /// Time since the Unix epoch; a clock set before it reads as the epoch itself.
    pub wall: Duration,
    /// Monotonic time, which tests can pause.
    pub mono: Instant,
}

impl Timestamp {
    /// Whole seconds since the Unix epoch.
    pub fn unix_s(&self) -> u64 {
        self.wall.as_secs()
    }

    /// The wall time as the standard library's type, for formatting HTTP dates.
    pub fn system_time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.wall
    }
}

/// Reads both clocks. Called once per message, where it enters the node.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the one reader of the wall clock"
)]
pub fn now() -> Timestamp {
    let wall = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp {
        wall,
        mono: Instant::now(),
    }
}
