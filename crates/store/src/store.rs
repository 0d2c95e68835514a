//! The store: what the cache calls.

use std::{fmt, path::PathBuf, sync::Arc};

use bytes::Bytes;
use prometheus::Registry;

use crate::{
    Budget, Checked, Config, DiskState, Epoch, Error, Exhausted, Key, Record, Stats, Tier,
    admission::Admission,
    directory::Directory,
    fetch::Fetcher,
    journal::keeper::Keeper,
    log::{Disk, batch::payload_bytes_max, queue::Why},
    metrics::Metrics,
    recency::{Recency, Routine},
    recovery::Recovered,
    start,
};

/// Slices by key on two tiers. A clone is the same store.
///
/// When the last clone is dropped without [`Store::close`], the writers stop at once, as in a
/// crash: what was not flushed is lost.
#[derive(Clone)]
pub struct Store(pub(crate) Arc<Inner>);

/// What all clones share. The tasks hold its parts and never all of it, so that they end when the
/// last clone is dropped.
pub(crate) struct Inner {
    pub(crate) ram_bytes_max: u64,
    pub(crate) budget: Budget,
    pub(crate) directory: Arc<Directory>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) disks: Vec<Slot>,
    pub(crate) keeper: Keeper,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) fetcher: Fetcher,
    pub(crate) recovery: Recovered,
    pub(crate) recency: Recency,
    pub(crate) _saving: Option<Routine>,
}

/// A configured disk.
pub(crate) enum Slot {
    Open(Arc<Disk>),
    LeftOut { path: PathBuf, state: DiskState },
}

impl Store {
    /// Opens the store: creates what is absent, and finds what an earlier run left, in the background
    /// if that takes longer than [`Config::recovery_wait`]: see [`Self::recovered`]. A disk that
    /// cannot be opened, or a journal that cannot be written, is reported in [`Stats`] and in the
    /// log, and the store goes on without (with a broken journal without any disk, because their
    /// purges could not be trusted). Damaged parts of a disk are skipped and counted.
    ///
    /// Must be called in a tokio runtime, which must outlive the store. Errors: a configuration
    /// that cannot work, or a registry that has a store already.
    pub async fn open(config: Config, registry: &Registry) -> Result<Self, Error> {
        let inner = Arc::new(start::start(config, registry).await?);
        inner.register(registry)?;
        Ok(Self(inner))
    }

    /// Waits until all that an earlier run left was found. Until then lookups of what was not found
    /// yet are misses; puts are kept in RAM and queued, removals win over what is found later.
    /// Cancel safe.
    pub async fn recovered(&self) {
        self.0.recovery.done().await;
    }

    /// The record, if it is in RAM. No I/O and no lock but a shard's: for the hot path.
    pub fn get_ram(&self, key: &Key) -> Option<Record> {
        self.0.directory.ram().get(key)
    }

    /// Somebody wants the record, wherever it is or will be: what is wanted often gets onto the
    /// disks and stays there. To be called once for each time that it is opened for somebody, before
    /// it is looked up or put. A viewer who comes back within a minute is not counted again; without
    /// one everybody counts. The viewer is a number that stands for nobody but the same again.
    ///
    /// A few atomic operations, no lock.
    pub fn reference(&self, key: &Key, viewer: Option<u64>) {
        let tag = self.0.directory.tag(key);
        self.0.admission.judge.reference(viewer, tag);
    }

    /// The record is in use, though nobody reads it: what it says is in somebody's memory. It stays on
    /// the disks as if it had been read. A short lock: not to be called for each request.
    pub fn touch(&self, key: &Key) {
        self.0.directory.touch(key);
    }

    /// Where the record would come from. A look at the index only: the disk may still disappoint.
    pub fn tier(&self, key: &Key) -> Option<Tier> {
        self.0.directory.tier(key)
    }

    /// The record, from RAM or else from disk, and where it was found.
    ///
    /// A record from disk was checked against its full key and its checksum, and is in RAM from
    /// now on. Concurrent reads of one key are one disk read. Anything that goes wrong (an error,
    /// other content, too slow, too many reads) is `None` and a counter.
    ///
    /// Cancel safe: the read goes on and its result is kept in RAM.
    pub async fn get(&self, key: &Key) -> Option<(Record, Tier)> {
        self.fetch(key).await.unwrap_or_default()
    }

    /// As [`Self::get`], for a caller who may not take a lack of memory for a miss.
    ///
    /// # Errors
    /// When the record is on disk and there was no memory for it within [`Config::memory_wait`].
    pub async fn fetch(&self, key: &Key) -> Result<Option<(Record, Tier)>, Exhausted> {
        self.0.fetcher.get(key).await
    }

    /// Whether the record is on disk as it was written, by a read that nobody else waits for; what is
    /// not is forgotten. It says nothing of a copy in RAM, brings none there, and counts as no use.
    ///
    /// Cancel safe.
    pub async fn check(&self, key: &Key) -> Checked {
        self.0.fetcher.check(key).await
    }

    /// A record, by a read that nobody else waits for: it brings none into RAM, and counts as no use.
    /// What cannot be read now, for whatever reason, is not there.
    ///
    /// Cancel safe.
    pub async fn peek(&self, key: &Key) -> Option<Record> {
        self.0.fetcher.peek(key).await
    }

    /// The memory that slices may take. Whoever makes one for [`Self::put`] reserves its room here
    /// first and has the bytes hold it, so that it counts for as long as anybody refers to it.
    pub fn budget(&self) -> &Budget {
        &self.0.budget
    }

    /// Keeps a record in place of an older one: in RAM at once, and on disk as soon as the writer
    /// gets to it if it is worth that (see [`crate::policy`]); if not now, then perhaps when it
    /// leaves RAM. If the writer is too far behind, or the disks are in trouble, the record stays
    /// in RAM only. A counter says why. Never blocks, never fails.
    ///
    /// A record that is larger than a shard of the RAM tier (which has 32 MiB at least, or all of
    /// a smaller RAM tier) goes to disk only.
    ///
    /// After a restart the older record may be back only if the newer one did not reach the disk
    /// before, or the disk failed.
    ///
    /// The bytes are kept as they are: a small slice of a large buffer keeps all of the buffer.
    pub fn put(&self, key: Key, stamp: Epoch, bytes: Bytes) {
        let record = Record {
            bytes,
            stamp,
            by_plan: false,
        };
        self.0.admission.put(key, record);
    }

    /// Drops a record from both tiers. It wins against writes that are queued and reads that are
    /// under way. It costs a record in the log of every disk, even where there was nothing; if a
    /// disk cannot take it, all that the disk holds is forgotten at the next start. It is durable after [`Self::flush`], and soon without; after a `kill -9` right
    /// behind it the record may be back. Where that would be wrong, use [`Self::purge`].
    pub fn remove(&self, key: &Key) {
        self.0.directory.remove(key, |sequence| {
            self.0.admission.bury(*key, sequence, Why::Removed, None);
        });
    }

    /// Waits until all that was put or removed before is durable, or was given up because the disk
    /// failed. Cancel safe.
    pub async fn flush(&self) {
        for disk in self.0.open_disks() {
            disk.queue.flush().await;
        }
    }

    /// Flushes, seals the open segments, stops the writers, notes what is in use and lets go of the journal. Reads go
    /// on; what is put afterwards stays in RAM only; purges fail.
    ///
    /// It takes as long as the disks do: whoever drains sets the limit. Cancel safe: the writers
    /// end all the same.
    pub async fn close(&self) {
        for disk in self.0.open_disks() {
            disk.queue.close().await;
            // What is not found yet is not recalled either.
            if !self.0.recovery.is_running() {
                self.0.recency.save(disk, &self.0.directory).await;
            }
        }
        // Without a disk nothing was recalled: what is kept is for the day when they are back.
        if self.0.open_disks().next().is_some() && !self.0.recovery.is_running() {
            self.0.recency.save_asked(&self.0.admission.judge).await;
        }
        self.0.keeper.close().await;
    }

    /// The stamp to take at the start of a fill, before upstream is asked.
    pub fn epoch(&self) -> Epoch {
        self.0.keeper.epoch()
    }

    /// Makes every record of `scope` that was filled up to now dead, at a constant cost: a record
    /// is dead when its stamp is less than [`Self::purged_at`] of any scope that it belongs to.
    /// The caller knows those scopes and compares on every hit.
    ///
    /// Durable when it returns, whatever happens next. On an error it is not in force and must be
    /// tried again. Cancel safety: a dropped purge may be done all the same, or not.
    pub async fn purge(&self, scope: u64) -> Result<Epoch, Error> {
        self.purge_from(scope, Epoch::ZERO).await
    }

    /// As [`Self::purge`], with an epoch no earlier than `least`: callers whose epochs are times
    /// ([`Epoch::of_time`]) know of each purge when it was.
    ///
    /// # Errors
    /// As [`Self::purge`].
    pub async fn purge_from(&self, scope: u64, least: Epoch) -> Result<Epoch, Error> {
        let epoch = self.0.keeper.purge(scope, least).await?;
        self.0.metrics.purges.inc();
        Ok(epoch)
    }

    /// When `scope` was purged last; [`Epoch::ZERO`] if never.
    pub fn purged_at(&self, scope: u64) -> Epoch {
        self.0.keeper.purged_at(scope)
    }

    /// When any of `scopes` was purged last; [`Epoch::ZERO`] if never.
    pub fn purged_at_last(&self, scopes: &[u64]) -> Epoch {
        self.0.keeper.purged_at_last(scopes)
    }

    /// A picture for admin pages. Takes every lock of the index once: not for the hot path.
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Store({:?}, {} disks)",
            self.0.directory.ram(),
            self.0.disks.len()
        )
    }
}

impl Inner {
    pub(crate) fn open_disks(&self) -> impl Iterator<Item = &Arc<Disk>> {
        self.disks.iter().filter_map(|slot| match slot {
            Slot::Open(disk) => Some(disk),
            Slot::LeftOut { .. } => None,
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.open_disks().for_each(|disk| disk.queue.abandon());
    }
}

/// The longest payload that the disks' segments take.
pub(crate) fn longest_payload(segment_bytes: u64) -> u64 {
    payload_bytes_max(segment_bytes).min(u64::from(u32::MAX))
}

impl Inner {
    fn register(self: &Arc<Self>, registry: &Registry) -> Result<(), Error> {
        Ok(crate::metrics::Gauges::register(
            Arc::downgrade(self),
            registry,
        )?)
    }
}
