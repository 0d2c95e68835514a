//! What gets onto the disks, and what leaves them: pure decisions, no I/O, no clock but arguments.
//!
//! ```text
//! reference ──▶ once a viewer and minute? ──▶ frequencies: a decayed count by tag
//!                                                  │ worth = log2 of it
//! fill ──▶ admits? ◀── price ◀── bytes missed (lower it), bytes written (raise it)
//! full ──▶ victim: of the older half of the segments the one with the least heat
//!            └▶ kept: its records that are worth the price, the best first, the rest goes
//! ```
//!
//! **The price.** A slice is written if its worth, how often it was asked for lately, reaches a
//! price. The price is not set: it floats, so that what is written is a share of what is missed.
//! The share is small (8 %) where a disk is much smaller than what is asked for, because only the
//! best candidates are worth a write and the place that it takes. It is everything where there is
//! no choice to make: while a disk fills, and where what is missed would take so long to fill the
//! disk again that what is thrown out is old (a roomy disk). There, plain frequency admission is
//! worse than least-recently-used. A disk that has just filled up holds what came first: it may
//! turn over quickly, once or twice.
//!
//! **The budget.** Over all of this stands a budget of bytes a day. When it is spent nothing is
//! written, and nothing kept.
//!
//! **Why a log can be picky.** Segments go as a whole, so that flash is written in order. A
//! segment's heat is the decayed sum of the bytes that it served from disk; the coolest goes. What
//! was the best of it is written once more, at the same price as what is new.
//!
//! Measured by `millpond simulate`; see its bounds in the tests of the command.

mod eviction;
mod frequencies;
mod price;
mod references;
mod worth;

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use parking_lot::Mutex;

pub use eviction::{Segment, kept, victim};
use frequencies::Frequencies;
pub use frequencies::TOLD_BYTES;
use price::Price;
use references::References;
pub use worth::Worth;

/// What the policy of a store depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of all disks.
    pub capacity_bytes: u64,
    /// How many bytes may be written to all disks on a day. A week of it may be spent at once.
    pub disk_writes_per_day: u64,
    /// About how long a record is: how many of them to remember depends on it.
    pub record_bytes: u64,
    /// What the disks hold already.
    pub held_bytes: u64,
}

/// How a reference counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Not at all: the same viewer asked for the same slice within a minute.
    Repeated,
    /// It counted, and the slice is not worth a write, or was so before.
    Once,
    /// It counted, and made the slice worth a write.
    Worthy,
}

/// The policy of one store. All methods take `now`, the time since a moment that is the same for
/// all calls; it may be a little out of order.
pub struct Policy {
    frequencies: Frequencies,
    references: References,
    price: Mutex<Price>,
    /// The bits of what a slice must be worth more than, so that references need no lock.
    writing: AtomicU64,
}

impl Policy {
    /// A policy that remembers nothing.
    pub fn new(settings: &Settings) -> Self {
        let price = Price::new(settings);
        Self {
            frequencies: Frequencies::new(settings.capacity_bytes, settings.record_bytes),
            references: References::new(),
            writing: AtomicU64::new(price.writing().log2().to_bits()),
            price: Mutex::new(price),
        }
    }

    /// `viewer` asked for the slice with this tag, wherever it was found. A few atomic
    /// operations, no lock. Viewers are numbers that the caller makes up; without one, every
    /// reference counts.
    pub fn reference(&self, viewer: Option<u64>, tag: u64, now: Duration) -> Counted {
        if viewer.is_some_and(|viewer| !self.references.is_first(viewer, tag, now)) {
            return Counted::Repeated;
        }
        let (before, after) = self.frequencies.count(tag, now);
        let price = Worth::new(f64::from_bits(self.writing.load(Ordering::Relaxed)));
        if before <= price && after > price {
            Counted::Worthy
        } else {
            Counted::Once
        }
    }

    /// A slice of so many bytes had to be had from upstream.
    pub fn missed(&self, bytes: u64, now: Duration) {
        self.change(|price| price.missed(bytes, now));
    }

    /// Whether to write a slice that has just come in, or has just become worthy.
    pub fn admits(&self, tag: u64, now: Duration) -> bool {
        // It is here because somebody asked: that is one reference, if it was not counted yet.
        let worth = self.worth(tag, now).max(Worth::ONCE);
        self.price.lock().admits(worth)
    }

    /// So many bytes were written, as new or once more.
    pub fn wrote(&self, bytes: u64) {
        self.change(|price| price.wrote(bytes));
    }

    /// A segment with content has to go: from now on there is a choice to make.
    pub fn filled(&self) {
        self.change(Price::filled);
    }

    /// What a slice is worth.
    pub fn worth(&self, tag: u64, now: Duration) -> Worth {
        self.frequencies.worth(tag, now)
    }

    /// What a record must be worth to be written once more when its segment goes; nothing is
    /// while the budget is spent.
    pub fn keeping_price(&self) -> Worth {
        self.price.lock().keeping()
    }

    fn change(&self, change: impl FnOnce(&mut Price)) {
        let mut price = self.price.lock();
        change(&mut price);
        let writing = price.writing().log2().to_bits();
        self.writing.store(writing, Ordering::Relaxed);
    }

    /// How many buckets there are that remember what was asked for.
    pub fn buckets(&self) -> u64 {
        self.frequencies.buckets()
    }

    /// Tells what some buckets remember, [`TOLD_BYTES`] each, for a policy of a later run.
    ///
    /// # Panics
    ///
    /// Where there are fewer buckets.
    pub fn tell(&self, buckets: Range<u64>, now: Duration, into: &mut Vec<u8>) {
        self.frequencies.tell(buckets, now, into);
    }

    /// Takes in what bucket number `bucket` of `of` told. Time stands still in between. Where more
    /// is known by now it stays.
    pub fn recall(&self, bucket: u64, of: u64, told: &[u8], now: Duration) {
        self.frequencies.recall(bucket, of, told, now);
    }

    /// Bytes of memory that it takes.
    pub fn memory_bytes(&self) -> usize {
        self.frequencies.memory_bytes() + self.references.memory_bytes()
    }
}
