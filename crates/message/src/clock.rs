//! The one place that reads the clock.

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime},
};

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

/// A clock of the process's own, in place of the system's.
type Made = Box<dyn Fn() -> Duration + Send + Sync>;

static MADE: OnceLock<Made> = OnceLock::new();

/// Where time goes by fast, whoever waits for an hour looks this often.
const LOOK: Duration = Duration::from_millis(5);

/// The process lives by another clock already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtherClock;

/// Has this process live by a wall clock of its own from now on: a demonstration in which days go by
/// in seconds. `wall` tells the time since the Unix epoch and never goes back. Monotonic time stays
/// what it is: bytes a second and timeouts are of real seconds. Nodes never call this.
///
/// # Errors
/// When it was called before.
pub fn live_by(wall: impl Fn() -> Duration + Send + Sync + 'static) -> Result<(), OtherClock> {
    MADE.set(Box::new(wall)).map_err(|_refused| OtherClock)
}

/// Reads both clocks. Called once per message, where it enters the node.
pub fn now() -> Timestamp {
    Timestamp {
        wall: MADE.get().map_or_else(system, |made| made()),
        mono: Instant::now(),
    }
}

/// What tells the time since this was called, for what takes days: monotonic, and by the clock that
/// the process lives by.
pub fn stopwatch() -> impl Fn() -> Duration + Send + Sync + 'static {
    let begun = now();
    move || match MADE.get() {
        Some(made) => made().saturating_sub(begun.wall),
        None => begun.mono.elapsed(),
    }
}

/// How long whoever waits for a time of the day may sleep until he looks at the clock again: `most`,
/// which is for a clock that may be set, or next to nothing where the process has one of its own.
pub fn nap(most: Duration) -> Duration {
    MADE.get().map_or(most, |_| most.min(LOOK))
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is the one reader of the wall clock"
)]
fn system() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}
