//! What the store promises, on real files, with disks that fail on command.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking as well"
)]

mod eviction;
mod faults;
mod killed;
mod oracle;
mod purge;
mod recovery;
mod removal;
mod tiers;
