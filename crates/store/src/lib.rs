//! Slices by key on two tiers: RAM and a slice log on disk.
//!
//! ```text
//! put ──▶ RAM (foyer, S3-FIFO) ───────────────▶ get_ram, get
//!   │      └▶ leaves RAM ─┐
//!   └─ worth a write? ────┴▶ queue ▶ writer ▶ segments on disk ──▶ get ▶ checked ▶ RAM
//!                                 └▶ oldest segment: what is hot is written again, the rest goes
//! purge ▶ journal (synced) ▶ epoch ─────────▶ purged_at: the caller compares on every hit
//! ```
//!
//! What it promises:
//! - **Zero wrong bytes.** What is read from disk is served only if its header passes a keyed
//!   check, names the full key and the segment's present use, and its payload passes its checksum.
//!   Everything else is a miss and a counter.
//! - **Nothing blocks a put, nothing waits for a disk but its readers**, and those for a bounded
//!   time. Every queue has a bound. No lock is held across I/O.
//! - **A purge stays.** It is durable before it is acknowledged. A disk whose purges cannot be known
//!   (the journal is lost, damaged, another store's) is emptied.
//! - **A removal wins** against queued writes, running reads and, once flushed, a restart.
//! - **Disks fail alone.** A disk in trouble is left alone for a while and tried again, and ejected
//!   for good if that does not help; the RAM tier and the other disks go on.
//! - **A disk that holds something else is never written to.** Only what is blank, or bears our
//!   own store's mark, is taken into use.
//!
//! What it does not know: HTTP, which scopes a record belongs to, who wants it (told by
//! [`Store::reference`]; [`policy`] makes of it what gets onto the disks and stays). It does
//! not repair: what is damaged is filled again from upstream.
//!
//! A removal while a disk is absent is not learnt by that disk: use a purge where that matters.
//!
//! Read `format` for how it lies on a disk, `directory` for what happens when things race, and
//! `log` for the life of a segment.

mod admission;
mod asked;
mod budget;
mod check;
mod config;
mod directory;
mod ejection;
mod error;
mod fetch;
mod format;
mod index;
mod journal;
mod judge;
mod keepsake;
mod key;
mod leaving;
mod log;
mod memory;
mod metrics;
mod placement;
mod planned;
pub mod policy;
mod random;
mod recency;
mod recovery;
mod start;
mod stats;
mod store;

pub use budget::{Budget, Exhausted, Reservation};
pub use check::Checked;
pub use config::{
    Admit, Config, DISKS_MAX, DiskConfig, INDEX_RECORD_BYTES, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN,
    SEGMENTS_MIN, WritesPerDay,
};
pub use error::Error;
pub use judge::Clock;
pub use key::{Epoch, Key, Record, Tier};
pub use memory::Memory;
pub use planned::{PinsFull, Refused};
pub use start::RAM_RECORD_BYTES;
pub use stats::{DiskState, DiskStats, Stats};
pub use store::Store;
