//! What the store promises, on real files, with disks that fail on command: on threads that block.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking as well"
)]

/// Who moves the blocks.
const ENGINE: disk::Engine = disk::Engine::Blocking;

mod disks;
mod eviction;
mod faults;
mod killed;
mod memory;
mod oracle;
mod powercut;
mod purge;
mod recency;
mod recovery;
mod removal;
mod tiers;
