//! What the store promises, on real files, with disks that fail on command: with `io_uring` where
//! the kernel grants it. `blocking` promises the same on the other engine.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of a test fail by panicking as well"
)]

/// Who moves the blocks.
const ENGINE: disk::Engine = disk::Engine::Auto;

mod asked;
mod disks;
mod eviction;
mod faults;
mod killed;
mod memory;
mod oracle;
mod planned;
mod policy;
mod powercut;
mod purge;
mod recency;
mod recovery;
mod removal;
mod tiers;
