//! The way to a record, and how a read of it ends.

use tokio::sync::watch;

use super::{Directory, Outcome, Route, Told};
use crate::{Key, Record, index::Entry, leaving::Evicted};

impl Directory {
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

    /// What lies on a disk of the record, whatever RAM has; nothing if it is on its way there.
    pub(crate) fn lies(&self, key: &Key) -> Option<Entry> {
        let tag = self.tag(key);
        self.shard(tag).lock().index.find(tag)
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
}
