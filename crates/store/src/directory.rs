//! Where every record is: in RAM, on its way to a disk, or on one.
//!
//! All that can race (puts, removals, reads that end, writes that land, evictions) meets here,
//! under the lock of the key's shard, which is never held across I/O. The rules:
//!
//! - every put and every removal has a sequence number, given and queued under the lock, so that
//!   the log's order of one key is the order of the calls;
//! - a put or a removal unhooks all that is older: the index entry, the record that waits to be
//!   written, the read under way. What then lands or ends finds itself unhooked and changes nothing.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    Key, Memory, Record, Tier,
    config::DISKS_MAX,
    index::{Entry, Index, Place},
};

/// Shards, each with its lock: many more than cores.
const SHARDS: u64 = 64;

pub(crate) struct Directory {
    ram: Memory<Key, Record>,
    shards: Vec<Mutex<Shard>>,
    /// Keyed afresh at every start, so that nobody can aim at a place in the index. It need not
    /// be kept: recovery reads full keys.
    tags: RandomState,
    sequence: AtomicU64,
    usage: [Usage; DISKS_MAX],
}

#[derive(Default)]
struct Shard {
    index: Index,
    pending: HashMap<Key, Pending>,
    reads: HashMap<Key, Waiting>,
    recovery: Recovery,
}

/// While what earlier runs left is being found, the newest first: the tags of which something newer
/// is known than what is still to come.
#[derive(Default)]
enum Recovery {
    /// All was found.
    #[default]
    Done,
    Running(HashSet<u64>),
    /// There were too many: what is still to come is forgotten.
    Full,
}

/// Tags that a shard remembers while recovery goes on: 64 shards of about a MiB.
const SUPERSEDED_MAX: usize = 1 << 16;

impl Recovery {
    /// Something newer is known of a tag.
    fn supersede(&mut self, tag: u64) {
        if let Self::Running(tags) = self {
            tags.insert(tag);
            if tags.len() > SUPERSEDED_MAX {
                *self = Self::Full;
            }
        }
    }

    fn wants(&self, tag: u64) -> bool {
        match self {
            Self::Running(tags) => !tags.contains(&tag),
            Self::Done | Self::Full => false,
        }
    }
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
}

/// What a disk holds that can be read.
#[derive(Default)]
struct Usage {
    records: AtomicU64,
    bytes: AtomicU64,
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
    pub(crate) fn new(ram: Memory<Key, Record>, sequence: u64) -> Self {
        Self {
            ram,
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            tags: RandomState::new(),
            sequence: AtomicU64::new(sequence),
            usage: Default::default(),
        }
    }

    pub(crate) fn ram(&self) -> &Memory<Key, Record> {
        &self.ram
    }

    /// The keyed hash by which the index knows a key.
    pub(crate) fn tag(&self, key: &Key) -> u64 {
        self.tags.hash_one(key)
    }

    fn shard(&self, tag: u64) -> &Mutex<Shard> {
        // The table itself uses the lowest and the highest bits.
        let number = (tag >> 40) % SHARDS;
        &self.shards[usize::try_from(number).unwrap_or_default()]
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

    /// Keeps a record in RAM and, if `queue` takes it, hooks it up to be written. If not, and
    /// something older may lie on a disk, `bury` is told to have that forgotten. Both get the
    /// sequence number and must not block.
    pub(crate) fn put(
        &self,
        key: Key,
        record: Record,
        queue: impl FnOnce(u64) -> bool,
        bury: impl FnOnce(u64),
    ) -> Put {
        let tag = self.tag(&key);
        let mut shard = self.shard(tag).lock();
        self.ram.insert(key, record.clone());
        // What is not known yet may be there all the same.
        let recovering = !matches!(shard.recovery, Recovery::Done);
        let older = self.unhook(&mut shard, tag, &key) || recovering;
        let sequence = self.next_sequence();
        if queue(sequence) {
            shard.pending.insert(key, Pending { sequence, record });
            return Put::Queued;
        }
        if older {
            bury(sequence);
        }
        Put::RamOnly
    }

    /// Drops a record everywhere; `bury` has its remains on the disks forgotten, and must not
    /// block.
    pub(crate) fn remove(&self, key: &Key, bury: impl FnOnce(u64)) {
        let tag = self.tag(key);
        let mut shard = self.shard(tag).lock();
        self.ram.remove(key);
        self.unhook(&mut shard, tag, key);
        bury(self.next_sequence());
    }

    /// Whether there was anything that is or may get onto a disk.
    fn unhook(&self, shard: &mut Shard, tag: u64, key: &Key) -> bool {
        shard.reads.remove(key);
        shard.recovery.supersede(tag);
        let waited = shard.pending.remove(key).is_some();
        let entry = shard.index.remove(tag);
        if let Some(entry) = entry {
            self.forget(&entry);
        }
        waited || entry.is_some()
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
    /// into RAM if nothing newer happened to the key.
    pub(crate) fn end_read(
        &self,
        key: &Key,
        entry: &Entry,
        tell: &watch::Sender<Told>,
        outcome: Outcome,
    ) -> Option<Record> {
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
                self.ram.insert(*key, record.clone());
                Some(record)
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

    /// From now until [`Self::end_recovery`] what earlier runs left is found.
    pub(crate) fn begin_recovery(&self) {
        for shard in &self.shards {
            shard.lock().recovery = Recovery::Running(HashSet::new());
        }
    }

    pub(crate) fn end_recovery(&self) {
        for shard in &self.shards {
            shard.lock().recovery = Recovery::Done;
        }
    }

    /// A record of an earlier run was found at `place`. It counts unless something newer is known:
    /// a record that was found before, a removal, or what happened in this run.
    pub(crate) fn recovered(&self, tag: u64, place: Place, sequence: u64, length: u32) -> bool {
        let mut shard = self.shard(tag).lock();
        let entry = Entry::new(tag, place, sequence, length);
        let entered = shard.recovery.wants(tag) && shard.index.insert_new(entry);
        if entered {
            self.count(&entry);
        }
        entered
    }

    /// A removal of an earlier run was found: what is found later is older, and dead.
    pub(crate) fn recovered_removal(&self, tag: u64) {
        let mut shard = self.shard(tag).lock();
        if shard.index.find(tag).is_none() {
            shard.recovery.supersede(tag);
        }
    }

    /// Where a tag was found, if nothing happened to it in this run.
    pub(crate) fn found(&self, tag: u64) -> Option<Entry> {
        let shard = self.shard(tag).lock();
        shard.index.find(tag).filter(|_| shard.recovery.wants(tag))
    }

    /// Whether the record at `place` was used since it was written there.
    pub(crate) fn is_used(&self, key: &Key, place: Place) -> bool {
        let tag = self.tag(key);
        let entry = self.shard(tag).lock().index.find(tag);
        let here = entry.filter(|entry| entry.place() == place);
        here.is_some_and(|entry| entry.uses() > 0 || self.ram.contains(key))
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
        let usage = &self.usage[usize::from(entry.place().disk)];
        usage.records.fetch_add(1, Ordering::Relaxed);
        usage
            .bytes
            .fetch_add(u64::from(entry.length()), Ordering::Relaxed);
    }

    fn forget(&self, entry: &Entry) {
        let usage = &self.usage[usize::from(entry.place().disk)];
        usage.records.fetch_sub(1, Ordering::Relaxed);
        usage
            .bytes
            .fetch_sub(u64::from(entry.length()), Ordering::Relaxed);
    }
}
