//! What lies on the disks, counted as it comes and goes.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Directory, Shard};
use crate::{config::DISKS_MAX, index::Entry};

/// What a disk holds that can be read.
#[derive(Default)]
pub(super) struct Usage {
    records: AtomicU64,
    bytes: AtomicU64,
}

/// Records and bytes that come to a disk, or go.
#[derive(Default)]
pub(super) struct Change {
    pub(super) records: i64,
    bytes: i64,
}

impl Change {
    pub(super) fn comes(&mut self, entry: &Entry) {
        self.records += 1;
        self.bytes += i64::from(entry.length());
    }

    pub(super) fn goes(&mut self, entry: &Entry) {
        self.records -= 1;
        self.bytes -= i64::from(entry.length());
    }
}

impl Directory {
    /// Records and payload bytes on a disk.
    pub(crate) fn usage(&self, disk: u8) -> (u64, u64) {
        let usage = &self.usage[usize::from(disk) % DISKS_MAX];
        (
            usage.records.load(Ordering::Relaxed),
            usage.bytes.load(Ordering::Relaxed),
        )
    }

    /// How many more records the index may have. Puts that are on their way to a disk come on top,
    /// and their queue is bounded.
    pub(crate) fn room(&self) -> u64 {
        let counts = self.usage.iter().map(|usage| &usage.records);
        let records: u64 = counts.map(|count| count.load(Ordering::Relaxed)).sum();
        self.records_max.saturating_sub(records)
    }

    /// Bytes of memory that the index takes.
    pub(crate) fn index_bytes(&self) -> u64 {
        self.shards
            .iter()
            .map(|shard| shard.lock().index.allocated_bytes() as u64)
            .sum()
    }

    pub(super) fn enter(&self, shard: &mut Shard, entry: Entry) {
        if let Some(older) = shard.index.insert(entry) {
            self.forget(&older);
        }
        self.count(&entry);
    }

    fn count(&self, entry: &Entry) {
        let mut change = Change::default();
        change.comes(entry);
        self.change(entry.place().disk, &change);
    }

    pub(super) fn forget(&self, entry: &Entry) {
        let mut change = Change::default();
        change.goes(entry);
        self.change(entry.place().disk, &change);
    }

    pub(super) fn change(&self, disk: u8, change: &Change) {
        let usage = &self.usage[usize::from(disk) % DISKS_MAX];
        // Wraps around where the change is negative.
        let (records, bytes) = (change.records.cast_unsigned(), change.bytes.cast_unsigned());
        usage.records.fetch_add(records, Ordering::Relaxed);
        usage.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}
