//! What the log does with records: they land on a disk, move on it, and are evicted from it.

use super::Directory;
use crate::{
    Key, Record,
    index::{Entry, Place},
};

impl Directory {
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

    /// Forgets the record at `place`, if it still lies there.
    pub(crate) fn evict(&self, key: &Key, place: Place) -> bool {
        let tag = self.tag(key);
        let mut shard = self.shard(tag).lock();
        let here = shard.index.find(tag).filter(|entry| entry.place() == place);
        if let Some(entry) = &here {
            shard.index.remove(tag);
            self.forget(entry);
        }
        here.is_some()
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
}
