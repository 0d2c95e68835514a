//! What a node takes in memory: idle connections, stalled players, and all of it under one budget.
//!
//! These measure a child process, so they run one after the other, apart from the scenarios.

#![expect(clippy::unwrap_used, reason = "a helper fails its test by panicking")]
#![expect(clippy::print_stdout, reason = "what was measured is told")]
#![expect(
    clippy::cast_precision_loss,
    reason = "counts of connections are small"
)]

mod bounded;
mod idle;
mod stalled;

use tokio::sync::Mutex;

/// One measurement at a time.
static QUIET: Mutex<()> = Mutex::const_new(());

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
