//! Puts, removals and what leaves RAM: what changes a key, and unhooks all that is older.

use std::sync::atomic::Ordering;

use super::{Directory, Older, Pending, Put, Shard};
use crate::{
    Key, Record,
    leaving::{self, Evicted, Moment},
};

impl Directory {
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

    pub(super) fn insert_in_ram(&self, key: Key, record: Record) -> Evicted {
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
}
