//! Where every record is: in RAM, on its way to a disk, or on one.
//!
//! All that can race (puts, removals, reads that end, writes that land, evictions) meets here,
//! under the lock of the key's shard, which is never held across I/O. The rules:
//!
//! - every put and every removal has a sequence number, given and queued under the lock, so that
//!   the log's order of one key is the order of the calls;
//! - a put or a removal unhooks all that is older: the index entry, the record that waits to be
//!   written, the read under way. What then lands or ends finds itself unhooked and changes nothing.

mod changes;
pub(crate) mod found;
mod reads;
mod usage;
mod uses;
mod writes;

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use found::Recovery;
use parking_lot::Mutex;
use tokio::sync::watch;
use usage::Usage;

use crate::{
    Key, Memory, Record, Tier,
    config::DISKS_MAX,
    index::{Entry, Index},
    placement::Tags,
};

/// Shards, each with its lock: many more than cores.
const SHARDS: usize = 64;

pub(crate) struct Directory {
    ram: Memory<Key, Record>,
    shards: Vec<Mutex<Shard>>,
    tags: Tags,
    sequence: AtomicU64,
    usage: [Usage; DISKS_MAX],
    records_max: u64,
}

#[derive(Default)]
struct Shard {
    /// The number of the last put or removal of any of its keys.
    changed: u64,
    index: Index,
    pending: HashMap<Key, Pending>,
    reads: HashMap<Key, Waiting>,
    recovery: Recovery,
}

/// A record that waits to be written.
struct Pending {
    sequence: u64,
    record: Record,
}

/// Where those who wait for a read hear of it.
pub(crate) type Waiting = watch::Receiver<Told>;

/// What the waiters of a read were told.
#[derive(Debug, Clone, Default)]
pub(crate) enum Told {
    /// Nothing yet.
    #[default]
    Wait,
    Record(Record),
    /// There is none to be had.
    Nothing,
    /// There is one, and no memory for it.
    Full,
}

/// How to get at a record.
pub(crate) enum Route {
    /// Here it is.
    Here(Record),
    /// Somebody reads it from disk already.
    Join(Waiting),
    /// The caller reads it from this place, and tells the others through the sender.
    Lead(Entry, watch::Sender<Told>),
    /// There is none.
    Absent,
}

/// How a read ended.
pub(crate) enum Outcome {
    /// The record, checked.
    Read(Record),
    /// What lies there is not the record: it is gone for good.
    Lost,
    /// The disk did not answer (in time); the record may still be there.
    Failed,
}

/// What was known of a key before it was unhooked, as far as it concerns disks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Older {
    Nothing,
    /// It lies on this disk.
    Lies(u8),
    /// It waited to be written, or was being written, to a disk that is not known here.
    Somewhere,
}

/// How a put went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    /// It will be written.
    Queued,
    /// It is in RAM only.
    RamOnly,
}

impl Directory {
    /// An empty directory whose next sequence number is `sequence`.
    pub(crate) fn new(ram: Memory<Key, Record>, tags: Tags, sequence: u64) -> Self {
        Self {
            ram,
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            tags,
            sequence: AtomicU64::new(sequence),
            usage: Default::default(),
            records_max: u64::MAX,
        }
    }

    /// The same with an index of at most so many records.
    #[must_use]
    pub(crate) fn with_records_max(self, records_max: u64) -> Self {
        Self {
            records_max,
            ..self
        }
    }

    pub(crate) fn ram(&self) -> &Memory<Key, Record> {
        &self.ram
    }

    /// The keyed hash by which the index knows a key.
    pub(crate) fn tag(&self, key: &Key) -> u64 {
        self.tags.of(key)
    }

    fn shard(&self, tag: u64) -> &Mutex<Shard> {
        &self.shards[shard_number(tag)]
    }

    /// A fresh sequence number, later than all before.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn tier(&self, key: &Key) -> Option<Tier> {
        if self.ram.contains(key) {
            return Some(Tier::Ram);
        }
        let tag = self.tag(key);
        let shard = self.shard(tag).lock();
        if shard.pending.contains_key(key) {
            return Some(Tier::Ram);
        }
        shard.index.find(tag).map(|_| Tier::Disk)
    }
}

/// The table itself uses the lowest and the highest bits of a tag.
fn shard_number(tag: u64) -> usize {
    usize::try_from((tag >> 40) % SHARDS as u64).unwrap_or_default()
}
