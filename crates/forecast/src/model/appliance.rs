//! What a node does: the real RAM tier and the real policy, over a model of the disks' log.
//!
//! Modelled are segments that fill up, one that is kept empty ahead, what is written once more and
//! what is lost at a segment's end. Not modelled: several disks, queues that are full, purges,
//! restarts, the few bytes of headers and footers (under 1 % for slices of 64 KiB and more).

use std::{mem, sync::Arc, time::Duration};

use parking_lot::Mutex;
use store::{
    Memory, RAM_RECORD_BYTES,
    policy::{Admission, KEPT_MAX, Policy, Settings, Worth, kept},
};

use super::{Access, Served, Source, Tags};

/// How large a box is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// RAM for slices.
    pub ram_bytes: u64,
    /// All disks.
    pub disk_bytes: u64,
    /// A segment of their log; the disk has four at least.
    pub segment_bytes: u64,
    /// What may be written to them on a day.
    pub disk_writes_per_day: u64,
}

#[derive(Default)]
struct Segment {
    records: Vec<(u64, u64)>,
    written: u64,
    opened: Duration,
}

/// A node's store, as far as it decides what is hit. All methods take the time since the start, which
/// does not go back.
pub struct Appliance {
    policy: Policy,
    ram: Memory<u64, u64>,
    /// What had to make room in RAM.
    leaving: Arc<Mutex<Vec<(u64, u64)>>>,
    /// The segment that holds a slice.
    index: Tags<usize>,
    segments: Vec<Segment>,
    segment_bytes: u64,
    open: usize,
    /// Bytes written since it was last asked.
    written: u64,
    eviction_age: Option<Duration>,
}

impl Appliance {
    /// An empty one.
    pub fn new(sizes: &Sizes) -> Self {
        let count = usize::try_from(sizes.disk_bytes / sizes.segment_bytes).unwrap_or(usize::MAX);
        let leaving = Arc::new(Mutex::new(Vec::new()));
        let ram = Memory::telling(
            sizes.ram_bytes,
            // In one piece, whatever the machine: the same trace is the same result.
            sizes.ram_bytes.max(1),
            |_, bytes| usize::try_from(*bytes).unwrap_or(usize::MAX) + RAM_RECORD_BYTES,
            {
                let leaving = Arc::clone(&leaving);
                move |tag, bytes| leaving.lock().push((*tag, *bytes))
            },
        );
        Self {
            policy: Policy::new(&Settings {
                capacity_bytes: sizes.disk_bytes,
                disk_writes_per_day: sizes.disk_writes_per_day,
            }),
            ram,
            leaving,
            index: Tags::default(),
            segments: (0..count).map(|_| Segment::default()).collect(),
            segment_bytes: sizes.segment_bytes,
            open: 0,
            written: 0,
            eviction_age: None,
        }
    }

    /// How long ago the segment was opened that was emptied last.
    pub fn eviction_age(&self) -> Option<Duration> {
        self.eviction_age
    }

    /// Whether the disks hold a slice.
    pub fn holds(&self, tag: u64) -> bool {
        self.index.contains_key(&tag)
    }

    /// As `Store::expect`.
    pub fn expect(&self, tag: u64, per_day_thousandths: u32, now: Duration) {
        self.policy.expect(tag, per_day_thousandths, now);
    }

    /// As `Store::appraise`.
    pub fn appraise(&self, tag: u64, per_day_thousandths: u32, now: Duration) {
        self.policy.appraise(tag, per_day_thousandths, now);
    }

    /// As `Store::is_worth_filling`.
    pub fn is_worth_filling(&self, per_day_thousandths: u32) -> bool {
        self.policy.is_worth_filling(per_day_thousandths)
    }

    /// As `Store::pin`, but that it says whether.
    pub fn pin(&self, tag: u64, bytes: u64) -> bool {
        u32::try_from(bytes).is_ok_and(|bytes| self.policy.pin(tag, bytes))
    }

    /// As `Store::unpin`.
    pub fn unpin(&self, tag: u64) {
        self.policy.unpin(tag);
    }

    /// As `Store::put_planned`, but that what is held stays as it is. What is expected of it is to be told
    /// before. Says whether it was written.
    pub fn fill(&mut self, tag: u64, bytes: u64, now: Duration) -> bool {
        if self.holds(tag) || self.policy.budget_left_bytes() == 0 || bytes > self.segment_bytes {
            return false;
        }
        self.make_room(bytes, now);
        self.append(tag, bytes);
        self.policy.wrote_planned(tag, bytes, now);
        true
    }

    /// Somebody wants a slice.
    pub fn access(&mut self, access: &Access) -> Served {
        let Access {
            at,
            viewer,
            tag,
            bytes,
            ..
        } = *access;
        self.policy.reference(Some(viewer), tag, at);
        let in_ram = self.ram.get(&tag).is_some();
        let on_disk = self.holds(tag);
        if !in_ram {
            self.ram.insert(tag, bytes);
            if !on_disk {
                self.policy.missed(bytes, at);
                self.offer(tag, bytes, at);
            }
            let leaving = mem::take(&mut *self.leaving.lock());
            for (tag, bytes) in leaving {
                self.offer(tag, bytes, at);
            }
        }
        let source = match (in_ram, on_disk) {
            (true, _) => Source::Ram,
            (false, true) => Source::Disk,
            (false, false) => Source::Upstream,
        };
        Served {
            source,
            written: mem::take(&mut self.written),
        }
    }

    /// Writes a slice that has come in, or has left RAM, if it is worth that.
    fn offer(&mut self, tag: u64, bytes: u64, now: Duration) {
        if self.holds(tag) || bytes > self.segment_bytes {
            return;
        }
        match self.policy.admits(tag, now) {
            Admission::Write => {
                self.make_room(bytes, now);
                self.append(tag, bytes);
                self.policy.wrote(bytes);
            }
            Admission::Unproven | Admission::BudgetSpent => {}
        }
    }

    fn append(&mut self, tag: u64, bytes: u64) {
        let segment = &mut self.segments[self.open];
        segment.records.push((tag, bytes));
        segment.written += bytes;
        self.index.insert(tag, self.open);
        self.written += bytes;
    }

    fn make_room(&mut self, bytes: u64, now: Duration) {
        let mut turns = 0;
        while self.segments[self.open].written + bytes > self.segment_bytes {
            // Once round the log what is pinned makes room as well.
            let of_pins = if turns < self.segments.len() {
                0
            } else {
                bytes
            };
            self.turn_over((bytes, of_pins), now);
            turns += 1;
        }
    }

    /// Opens the segment that is empty ahead, and empties the next: what is worth it goes on to the
    /// open one, but leaves the room that is needed now.
    fn turn_over(&mut self, (reserved, of_pins): (u64, u64), now: Duration) {
        let count = self.segments.len();
        self.open = (self.open + 1) % count;
        self.segments[self.open].opened = now;
        let oldest = (self.open + 1) % count;
        let gone = mem::take(&mut self.segments[oldest]);
        if gone.records.is_empty() {
            return;
        }
        self.policy.filled();
        self.eviction_age = now.checked_sub(gone.opened);
        let worths = gone.records.iter();
        let worths = worths.map(|(tag, bytes)| (*bytes, self.policy.worth(*tag, now)));
        let worths: Vec<_> = worths.collect();
        for (tag, _) in &gone.records {
            self.index.remove(tag);
        }
        let room = self.segment_bytes / KEPT_MAX.1 * KEPT_MAX.0;
        let usable = self.segment_bytes - reserved;
        for place in kept(&worths, self.policy.keeping_price(), room.min(usable)) {
            let (tag, bytes) = gone.records[place];
            // What is pinned may take the room that is needed now: then the next segment goes as well.
            let is_pinned = worths[place].1 == Worth::PINNED;
            let usable = if is_pinned {
                self.segment_bytes - of_pins
            } else {
                usable
            };
            if self.segments[self.open].written + bytes <= usable {
                self.append(tag, bytes);
                self.policy.kept(bytes);
            }
        }
    }
}
