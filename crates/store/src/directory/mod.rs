//! Where every record is: in RAM, on its way to a disk, or on one.
//!
//! All that can race (puts, removals, reads that end, writes that land, evictions) meets here,
//! under the lock of the key's shard, which is never held across I/O. The rules:
//!
//! - every put and every removal has a sequence number, given and queued under the lock, so that
//!   the log's order of one key is the order of the calls;
//! - a put or a removal unhooks all that is older: the index entry, the record that waits to be
//!   written, the read under way. What then lands or ends finds itself unhooked and changes nothing.

pub(crate) mod found;
mod uses;

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use found::Recovery;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    Key, Memory, Record, Tier,
    config::DISKS_MAX,
    index::{Entry, Index, Place},
    leaving::{self, Evicted, Moment},
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

/// What a disk holds that can be read.
#[derive(Default)]
struct Usage {
    records: AtomicU64,
    bytes: AtomicU64,
}

/// Records and bytes that come to a disk, or go.
#[derive(Default)]
struct Change {
    records: i64,
    bytes: i64,
}

impl Change {
    fn comes(&mut self, entry: &Entry) {
        self.records += 1;
        self.bytes += i64::from(entry.length());
    }

    fn goes(&mut self, entry: &Entry) {
        self.records -= 1;
        self.bytes -= i64::from(entry.length());
    }
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

    /// Keeps a record in RAM and, if `queue` takes it for a disk, hooks it up to be written. Where
    /// something older may lie on a disk that will not have the new one behind it, `bury` is told
    /// to have that forgotten, but for the disk that it is told besides. Both get the sequence
    /// number and must not block. What had to make room in RAM is returned.
    pub(crate) fn put(
        &self,
        key: Key,
        record: Record,
        queue: impl FnOnce(u64) -> Option<u8>,
        bury: impl FnOnce(u64, Option<u8>),
    ) -> (Put, Evicted) {
        let tag = self.tag(&key);
        let mut shard = self.shard(tag).lock();
        let mut evicted = self.insert_in_ram(key, record.clone());
        // What is not known yet may be there all the same.
        let recovering = !shard.recovery.is_done();
        let older = self.unhook(&mut shard, tag, &key);
        let sequence = self.next_sequence();
        shard.changed = sequence;
        evicted.moment.is_caused_by(sequence);
        let target = queue(sequence);
        let only_there = |disk| older == Older::Lies(disk) && !recovering;
        let none = older == Older::Nothing && !recovering;
        if !none && !target.is_some_and(only_there) {
            bury(sequence, target);
        }
        if target.is_none() {
            return (Put::RamOnly, evicted);
        }
        shard.pending.insert(key, Pending { sequence, record });
        (Put::Queued, evicted)
    }

    /// Hooks a record up to be written that nobody waits for, if `queue` takes it, in place of all
    /// that is older; as [`Self::put`], but not in RAM. Says whether it did: if not, nothing has
    /// changed on the disks.
    pub(crate) fn plant(
        &self,
        key: Key,
        record: Record,
        queue: impl FnOnce(u64) -> Option<u8>,
        bury: impl FnOnce(u64, Option<u8>),
    ) -> bool {
        let tag = self.tag(&key);
        let mut shard = self.shard(tag).lock();
        // Before the number, as every change is made in RAM before it takes its own.
        self.ram.remove(&key);
        let sequence = self.next_sequence();
        // The writer asks for it under this lock: not before it is hooked up.
        let Some(target) = queue(sequence) else {
            return false;
        };
        let recovering = !shard.recovery.is_done();
        let older = self.unhook(&mut shard, tag, &key);
        shard.changed = sequence;
        let is_covered = older == Older::Nothing || older == Older::Lies(target);
        if recovering || !is_covered {
            bury(sequence, Some(target));
        }
        shard.pending.insert(key, Pending { sequence, record });
        true
    }

    fn insert_in_ram(&self, key: Key, record: Record) -> Evicted {
        // Before, and under the lock of the key: a change with a smaller number was made in RAM
        // before it took its number, so that what is evicted now is what that change left.
        let from = self.sequence.load(Ordering::SeqCst);
        self.ram.insert(key, record);
        Evicted {
            records: leaving::take(),
            moment: Moment::after(from),
        }
    }

    /// Hooks up a record that has left RAM to be written, if `queue` takes it. Not if it lies on a
    /// disk, may still be found on one or is on its way there. Nor if anything happened to a key of
    /// its shard since: perhaps it was removed or replaced, and must not come back.
    pub(crate) fn offer(
        &self,
        key: Key,
        record: Record,
        evicted: Moment,
        queue: impl FnOnce(u64) -> bool,
    ) {
        let tag = self.tag(&key);
        let mut shard = self.shard(tag).lock();
        let is_there = shard.pending.contains_key(&key) || shard.index.find(tag).is_some();
        let may_be_there = !shard.recovery.is_done();
        let changed = !evicted.is_after(shard.changed) || self.ram.contains(&key);
        if is_there || may_be_there || changed {
            return;
        }
        let sequence = self.next_sequence();
        if queue(sequence) {
            shard.pending.insert(key, Pending { sequence, record });
        }
    }

    /// Drops a record everywhere; `bury` has its remains on the disks forgotten, and must not
    /// block.
    pub(crate) fn remove(&self, key: &Key, bury: impl FnOnce(u64)) {
        let tag = self.tag(key);
        let mut shard = self.shard(tag).lock();
        self.ram.remove(key);
        self.unhook(&mut shard, tag, key);
        let sequence = self.next_sequence();
        shard.changed = sequence;
        bury(sequence);
    }

    fn unhook(&self, shard: &mut Shard, tag: u64, key: &Key) -> Older {
        shard.reads.remove(key);
        shard.recovery.supersede(tag);
        let waited = shard.pending.remove(key).is_some();
        let entry = shard.index.remove(tag);
        if let Some(entry) = entry {
            self.forget(&entry);
        }
        match entry {
            _ if waited => Older::Somewhere,
            Some(entry) => Older::Lies(entry.place().disk),
            None => Older::Nothing,
        }
    }

    /// How to get at a record; hooks up a new read where the caller shall lead it.
    pub(crate) fn route(&self, key: &Key) -> Route {
        let tag = self.tag(key);
        let mut shard = self.shard(tag).lock();
        if let Some(record) = self.ram.get(key) {
            return Route::Here(record);
        }
        if let Some(pending) = shard.pending.get(key) {
            return Route::Here(pending.record.clone());
        }
        if let Some(waiting) = shard.reads.get(key) {
            return Route::Join(waiting.clone());
        }
        let Some(entry) = shard.index.find(tag) else {
            return Route::Absent;
        };
        let (tell, waiting) = watch::channel(Told::Wait);
        shard.reads.insert(*key, waiting);
        Route::Lead(entry, tell)
    }

    /// Ends a read of `entry`: unhooks it, and says what its waiters may have. The record goes
    /// into RAM if nothing newer happened to the key; what had to make room comes with it.
    pub(crate) fn end_read(
        &self,
        key: &Key,
        entry: &Entry,
        tell: &watch::Sender<Told>,
        outcome: Outcome,
    ) -> Option<(Record, Evicted)> {
        let tag = entry.tag();
        let mut shard = self.shard(tag).lock();
        let ours = shard
            .reads
            .get(key)
            .is_some_and(|read| tell.subscribe().same_channel(read));
        if ours {
            shard.reads.remove(key);
        }
        // The record may have moved within the log; what counts is that it is the same put.
        let known = shard
            .index
            .find(tag)
            .filter(|known| known.is_same_put(entry))?;
        match outcome {
            Outcome::Read(record) if ours => {
                shard.index.used(tag);
                let evicted = self.insert_in_ram(*key, record.clone());
                Some((record, evicted))
            }
            Outcome::Lost if known.place() == entry.place() => {
                shard.index.remove(tag);
                self.forget(&known);
                None
            }
            Outcome::Read(_) | Outcome::Lost | Outcome::Failed => None,
        }
    }

    /// The record that waits under this sequence number, unless something newer happened.
    pub(crate) fn wanted(&self, key: &Key, sequence: u64) -> Option<Record> {
        let shard = self.shard(self.tag(key)).lock();
        let pending = shard
            .pending
            .get(key)
            .filter(|pending| pending.sequence == sequence)?;
        Some(pending.record.clone())
    }

    /// A put is on disk at `place`: it can be read from there, unless something newer happened.
    pub(crate) fn landed(&self, key: &Key, sequence: u64, place: Place, length: u32) {
        let tag = self.tag(key);
        let mut shard = self.shard(tag).lock();
        if shard
            .pending
            .get(key)
            .is_some_and(|pending| pending.sequence == sequence)
        {
            shard.pending.remove(key);
            self.enter(&mut shard, Entry::new(tag, place, sequence, length));
        }
    }

    /// A put will not get onto a disk. It stays in RAM for as long as it is used.
    pub(crate) fn given_up(&self, key: &Key, sequence: u64) {
        let mut shard = self.shard(self.tag(key)).lock();
        if shard
            .pending
            .get(key)
            .is_some_and(|pending| pending.sequence == sequence)
        {
            shard.pending.remove(key);
        }
    }

    /// Whether the record at `place` was used since it was written there; nothing if it does not
    /// count any more.
    pub(crate) fn is_used(&self, key: &Key, place: Place) -> Option<bool> {
        let tag = self.tag(key);
        let entry = self.shard(tag).lock().index.find(tag);
        let here = entry.filter(|entry| entry.place() == place)?;
        Some(here.uses() > 0 || self.ram.contains(key))
    }

    /// The record at `from` lies at `to` as well, from now on its only place. False if something
    /// newer happened.
    pub(crate) fn moved(&self, key: &Key, from: Place, to: Place, sequence: u64) -> bool {
        let tag = self.tag(key);
        let mut shard = self.shard(tag).lock();
        let known = shard.index.find(tag);
        let Some(known) = known.filter(|known| known.place() == from && known.is_of(sequence))
        else {
            return false;
        };
        self.enter(&mut shard, Entry::new(tag, to, sequence, known.length()));
        true
    }

    /// Forgets the record at `place`.
    pub(crate) fn evict(&self, key: &Key, place: Place) {
        let tag = self.tag(key);
        let mut shard = self.shard(tag).lock();
        if let Some(entry) = shard.index.find(tag).filter(|entry| entry.place() == place) {
            shard.index.remove(tag);
            self.forget(&entry);
        }
    }

    /// Forgets all that lies on `disk` in `range`, by a walk over the whole index.
    pub(crate) fn evict_range(&self, disk: u8, range: &std::ops::Range<u64>) {
        for shard in &self.shards {
            shard.lock().index.drop_if(|entry| {
                let place = entry.place();
                let goes = place.disk == disk && range.contains(&place.start);
                if goes {
                    self.forget(entry);
                }
                goes
            });
        }
    }

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

    fn enter(&self, shard: &mut Shard, entry: Entry) {
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

    fn forget(&self, entry: &Entry) {
        let mut change = Change::default();
        change.goes(entry);
        self.change(entry.place().disk, &change);
    }

    fn change(&self, disk: u8, change: &Change) {
        let usage = &self.usage[usize::from(disk) % DISKS_MAX];
        // Wraps around where the change is negative.
        let (records, bytes) = (change.records.cast_unsigned(), change.bytes.cast_unsigned());
        usage.records.fetch_add(records, Ordering::Relaxed);
        usage.bytes.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// The table itself uses the lowest and the highest bits of a tag.
fn shard_number(tag: u64) -> usize {
    usize::try_from((tag >> 40) % SHARDS as u64).unwrap_or_default()
}
