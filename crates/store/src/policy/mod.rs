//! What gets onto the disks, and what leaves them: pure decisions, no I/O, no clock but arguments.
//!
//! ```text
//! reference ──▶ once a viewer and minute? ──▶ frequencies: a decayed count by tag
//!                                                  │ worth = log2 of it
//! fill ──▶ admits? ◀── price ◀── bytes missed (lower it), bytes written (raise it)
//! full ──▶ the oldest segment goes
//!            └▶ kept: its records that are worth the price, the best first, are written once more
//! ```
//!
//! **The price.** A slice is written if its worth, how often it was asked for lately, reaches a
//! price. The price is not set: it floats, so that what is written is a share of what is missed.
//! The share is small (10 %) where a disk is much smaller than what is asked for, because only the
//! best candidates are worth a write and the place that it takes. It is everything where there is
//! no choice to make: while a disk fills, and where what is missed would take so long to fill the
//! disk again that what is thrown out is old (a roomy disk). There, plain frequency admission is
//! worse than least-recently-used. A disk that has just filled up holds what came first: it may
//! turn over quickly, once or twice.
//!
//! **The budget.** Over all of this stands a budget of bytes a day. When it is spent nothing is
//! written, and nothing kept.
//!
//! **First in, first out.** Segments go as a whole and in order, so that flash is written in order
//! and what is newer in the log is newer in truth. What is hot in the one that goes is written once
//! more, at the price at which it stays. To choose the coolest of the older segments instead was
//! tried: it missed 1 % more.
//!
//! **Hints.** What a plan expects of a slice is credit: it counts as if the slice had been asked for at
//! that rate all along, and up to four times so the less often that is; it decays as what was counted does.
//! So a planned slice is written at its first miss where that is worth the price, and one that was filled
//! ahead of its viewers outlives the days until they come; a wrong guess is forgotten as anything that is
//! not asked for. What is filled by plan moves no price, as it answers no miss. A plan's estimate is better
//! than the count of one slice: at the start of its day it may stand in place of it. Only pins are kept
//! whatever the traffic.
//!
//! Measured by `millpond simulate`; see its bounds in the tests of the command.

mod content;
mod eviction;
mod frequencies;
mod pins;
mod price;
mod rate;
mod references;
mod worth;

use std::{ops::Range, time::Duration};

use parking_lot::Mutex;

pub use eviction::{KEPT_MAX, kept};
use frequencies::Frequencies;
pub use frequencies::{BUCKETS, TOLD_BYTES};
pub use pins::PINNED_MAX;
use pins::Pins;
use price::Price;
pub use price::Told;
use references::References;
pub use worth::Worth;

/// What the policy of a store depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of all disks.
    pub capacity_bytes: u64,
    /// How many bytes may be written to all disks on a day. A week of it may be spent at once.
    pub disk_writes_per_day: u64,
}

/// Whether a record is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is.
    Write,
    /// It was not asked for often enough, so far.
    Unproven,
    /// No more may be written now, whatever it is.
    BudgetSpent,
}

/// The policy of one store. All methods take `now`, the time since a moment that is the same for
/// all calls; it may be a little out of order.
pub struct Policy {
    frequencies: Frequencies,
    references: References,
    pins: Pins,
    price: Mutex<Price>,
}

impl Policy {
    /// A policy that remembers nothing.
    pub fn new(settings: &Settings) -> Self {
        Self {
            frequencies: Frequencies::new(settings.capacity_bytes),
            references: References::new(),
            pins: Pins::new(settings.capacity_bytes),
            price: Mutex::new(Price::new(settings)),
        }
    }

    /// `viewer` asked for the slice with this tag, wherever it was found. A few atomic
    /// operations, no lock. Viewers are numbers that the caller makes up; without one, every
    /// reference counts. Says whether it did: the same viewer did not ask for it within a minute.
    pub fn reference(&self, viewer: Option<u64>, tag: u64, now: Duration) -> bool {
        let counts = viewer.is_none_or(|viewer| self.references.is_first(viewer, tag, now));
        if counts {
            self.frequencies.count(tag, now);
        }
        counts
    }

    /// A plan expects so many thousandths of a request a day for the slice with this tag. It is worth at
    /// least what a slice is that was always asked for at that rate, up to four times as much the less often
    /// that is, and from now on that decays.
    pub fn expect(&self, tag: u64, per_day_thousandths: u32, now: Duration) {
        let credit = Worth::planned(per_day_thousandths);
        self.frequencies.expect(tag, credit, now);
        self.price.lock().planned(now);
    }

    /// The same for a slice that somebody has just asked for: that counts as well.
    pub fn expect_asked(&self, tag: u64, per_day_thousandths: u32, now: Duration) {
        let credit = Worth::planned(per_day_thousandths).and_once();
        self.frequencies.expect(tag, credit, now);
        self.price.lock().planned(now);
    }

    /// The same, but that this is what the slice is worth, whatever was counted: a plan sees more than
    /// the few requests for one slice. To be told once with every plan, before its day's requests
    /// count again.
    pub fn appraise(&self, tag: u64, per_day_thousandths: u32, now: Duration) {
        let worth = Worth::planned(per_day_thousandths);
        self.frequencies.appraise(tag, worth, now);
        self.price.lock().planned(now);
    }

    /// Keeps the slice with this tag, of so many bytes, whatever the traffic. False where what is
    /// pinned would take more than [`PINNED_MAX`] of the disks, or of the memory for it.
    pub fn pin(&self, tag: u64, bytes: u32) -> bool {
        self.pins.pin(tag, bytes)
    }

    /// From now on the slice with this tag has to be worth its place again.
    pub fn unpin(&self, tag: u64) {
        self.pins.unpin(tag);
    }

    /// From now on all that is to stay pinned is pinned again, until [`Self::end_pins`].
    pub fn begin_pins(&self) {
        self.pins.begin_round();
    }

    /// Lets go of the pins that were not told again since [`Self::begin_pins`] was called last.
    pub fn end_pins(&self) {
        self.pins.end_round();
    }

    /// Whether the slice with this tag is to be kept whatever the traffic.
    pub fn is_pinned(&self, tag: u64) -> bool {
        self.pins.has(tag)
    }

    /// Bytes of all that is pinned, held or not.
    pub fn pinned_bytes(&self) -> u64 {
        self.pins.bytes()
    }

    /// A slice of so many bytes had to be had from upstream.
    pub fn missed(&self, bytes: u64, now: Duration) {
        self.price.lock().missed(bytes, now);
    }

    /// Whether to write a slice that has just come in, or has just left RAM.
    pub fn admits(&self, tag: u64, now: Duration) -> Admission {
        // It is here because somebody asked: that is one reference, if it was not counted yet.
        let worth = self.worth(tag, now).max(Worth::ONCE);
        self.price.lock().admits(worth)
    }

    /// So many bytes are written that are new.
    pub fn wrote(&self, bytes: u64) {
        self.price.lock().wrote(bytes);
    }

    /// So many bytes are written once more, because they are worth it.
    pub fn kept(&self, bytes: u64) {
        self.price.lock().kept(bytes);
    }

    /// Whether a slice that a plan expects at this rate is worth being filled ahead of its viewers,
    /// whatever budget there is.
    pub fn is_worth_filling(&self, per_day_thousandths: u32) -> bool {
        let credit = Worth::planned(per_day_thousandths);
        self.price.lock().is_worth_filling(credit)
    }

    /// Whether it is worth its place, if it was there.
    pub fn is_worth_keeping(&self, per_day_thousandths: u32) -> bool {
        let credit = Worth::planned(per_day_thousandths);
        self.price.lock().is_worth_keeping(credit)
    }

    /// So many bytes of the slice with this tag are written because a plan wants them there: what it
    /// expects of them was told before. It costs the budget as any write.
    pub fn wrote_planned(&self, tag: u64, bytes: u64, now: Duration) {
        let worth = self.frequencies.worth(tag, now);
        self.price.lock().wrote_planned(bytes, worth);
    }

    /// A segment with content has to go: from now on there is a choice to make.
    pub fn filled(&self) {
        self.price.lock().filled();
    }

    /// An earlier run left so many bytes on a disk.
    pub fn found(&self, bytes: u64) {
        self.price.lock().found(bytes);
    }

    /// What a slice is worth. What is pinned is worth more than anything else.
    pub fn worth(&self, tag: u64, now: Duration) -> Worth {
        if self.is_pinned(tag) {
            Worth::PINNED
        } else {
            self.frequencies.worth(tag, now)
        }
    }

    /// What a record must be worth to be written once more when its segment goes; only what is pinned
    /// is while the budget is spent.
    pub fn keeping_price(&self) -> Worth {
        self.price.lock().keeping()
    }

    /// Bytes that may still be written now.
    pub fn budget_left_bytes(&self) -> u64 {
        self.price.lock().budget_left_bytes()
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

    /// Tells the price and what is left of the budget, for a policy of a later run.
    pub fn tell_price(&self) -> Told {
        self.price.lock().tell()
    }

    /// Goes on from what an earlier run told. Time stands still in between.
    pub fn recall_price(&self, told: Told) {
        self.price.lock().recall(told);
    }

    /// Bytes of memory that it takes for disks of so many bytes.
    pub fn memory_bytes(capacity_bytes: u64) -> u64 {
        frequencies::memory_bytes(capacity_bytes)
            + References::memory_bytes()
            + pins::memory_bytes(capacity_bytes)
    }
}
