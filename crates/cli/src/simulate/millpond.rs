//! What a node does: the real RAM tier and the real policy, over a model of the disks' log.
//!
//! Modelled are segments that fill up, one that is kept empty ahead, what is written once more and
//! what is lost at a segment's end. Not modelled: several disks, queues that are full, purges,
//! restarts, the few bytes of headers and footers (under 1 % for slices of 64 KiB and more).

use std::{mem, sync::Arc, time::Duration};

use parking_lot::Mutex;
use store::{
    Memory, RAM_RECORD_BYTES,
    policy::{Admission, KEPT_MAX, Policy, Settings, kept},
};

use super::{
    access::Access,
    replay::Plan,
    scan::Tags,
    tally::{Served, Source},
};

#[derive(Default)]
struct Segment {
    records: Vec<(u64, u64)>,
    written: u64,
    opened: Duration,
}

pub(crate) struct Millpond {
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

impl Millpond {
    pub(crate) fn new(plan: &Plan) -> Self {
        let count = usize::try_from(plan.disk_bytes / plan.segment_bytes).unwrap_or(usize::MAX);
        let leaving = Arc::new(Mutex::new(Vec::new()));
        let ram = Memory::telling(
            plan.ram_bytes,
            // In one piece, whatever the machine: the same trace is the same result.
            plan.ram_bytes.max(1),
            |_, bytes| usize::try_from(*bytes).unwrap_or(usize::MAX) + RAM_RECORD_BYTES,
            {
                let leaving = Arc::clone(&leaving);
                move |tag, bytes| leaving.lock().push((*tag, *bytes))
            },
        );
        Self {
            policy: Policy::new(&Settings {
                capacity_bytes: plan.disk_bytes,
                disk_writes_per_day: plan.disk_writes_per_day,
            }),
            ram,
            leaving,
            index: Tags::default(),
            segments: (0..count).map(|_| Segment::default()).collect(),
            segment_bytes: plan.segment_bytes,
            open: 0,
            written: 0,
            eviction_age: None,
        }
    }

    /// How long ago the segment was opened that was emptied last.
    pub(crate) fn eviction_age(&self) -> Option<Duration> {
        self.eviction_age
    }

    pub(crate) fn access(&mut self, access: &Access) -> Served {
        let Access {
            at,
            viewer,
            tag,
            bytes,
            ..
        } = *access;
        self.policy.reference(Some(viewer), tag, at);
        let in_ram = self.ram.get(&tag).is_some();
        let on_disk = self.index.contains_key(&tag);
        if !in_ram {
            self.ram.insert(tag, bytes);
            if !on_disk {
                self.policy.missed(bytes, at);
                self.offer(tag, bytes, access);
            }
            let leaving = mem::take(&mut *self.leaving.lock());
            for (tag, bytes) in leaving {
                self.offer(tag, bytes, access);
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
}

impl Millpond {
    /// Writes a slice that has come in, or has left RAM, if it is worth that.
    fn offer(&mut self, tag: u64, bytes: u64, access: &Access) {
        if self.index.contains_key(&tag) {
            return;
        }
        match self.policy.admits(tag, access.at) {
            Admission::Write => {
                while self.segments[self.open].written + bytes > self.segment_bytes {
                    self.turn_over(bytes, access);
                }
                self.append(tag, bytes);
            }
            Admission::Unproven | Admission::BudgetSpent => {}
        }
    }

    fn append(&mut self, tag: u64, bytes: u64) {
        let segment = &mut self.segments[self.open];
        segment.records.push((tag, bytes));
        segment.written += bytes;
        self.index.insert(tag, self.open);
        self.policy.wrote(bytes);
        self.written += bytes;
    }

    /// Opens the segment that is empty ahead, and empties the next: what is worth it goes on to the
    /// open one, but leaves the room that is needed now.
    fn turn_over(&mut self, reserved: u64, access: &Access) {
        let count = self.segments.len();
        self.open = (self.open + 1) % count;
        self.segments[self.open].opened = access.at;
        let oldest = (self.open + 1) % count;
        let gone = mem::take(&mut self.segments[oldest]);
        if gone.records.is_empty() {
            return;
        }
        self.policy.filled();
        self.eviction_age = access.at.checked_sub(gone.opened);
        let worths = gone.records.iter();
        let worths = worths.map(|(tag, bytes)| (*bytes, self.policy.worth(*tag, access.at)));
        let worths: Vec<_> = worths.collect();
        for (tag, _) in &gone.records {
            self.index.remove(tag);
        }
        let room = self.segment_bytes / KEPT_MAX.1 * KEPT_MAX.0;
        let room = room.min(self.segment_bytes - reserved);
        for place in kept(&worths, self.policy.keeping_price(), room) {
            let (tag, bytes) = gone.records[place];
            self.append(tag, bytes);
        }
    }
}
