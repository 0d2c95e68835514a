//! A typed cache in RAM, for what is parsed once and looked up often.

use std::{fmt, hash::Hash, marker::PhantomData, sync::Arc};

use foyer::{Cache, CacheBuilder, EvictionConfig, S3FifoConfig};
use foyer_common::event::{Event, EventListener};

/// A shard is worth its lock from this size on.
const SHARD_BYTES_MIN: u64 = 1 << 20;

/// A cache in RAM with a capacity in bytes, evicting by S3-FIFO. A clone shares the content.
///
/// It is cut into shards of 1 MiB at least. A value that weighs more than a shard is not kept, and
/// takes an older value of its key with it.
#[derive(Clone)]
pub struct Memory<K: Hash + Eq + Send + Sync + 'static, V: Clone + Send + Sync + 'static> {
    cache: Cache<K, V>,
}

impl<K, V> Memory<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// A cache of `capacity_bytes` as `weigher` counts them; it should count what the key and the
    /// value take beyond their own size as well.
    ///
    /// Keys are hashed without a secret: do not use keys that a stranger can choose.
    pub fn new(
        capacity_bytes: u64,
        weigher: impl Fn(&K, &V) -> usize + Clone + Send + Sync + 'static,
    ) -> Self {
        Self::telling(capacity_bytes, SHARD_BYTES_MIN, weigher, |_, _| {})
    }

    /// The same, with shards of at least `shard_bytes`: the largest value that is surely kept.
    /// Whatever has to make room, or is not kept for its weight, is told to `leaves`, by the thread
    /// that inserts and before [`Self::insert`] returns, without a lock.
    pub fn telling(
        capacity_bytes: u64,
        shard_bytes: u64,
        weigher: impl Fn(&K, &V) -> usize + Clone + Send + Sync + 'static,
        leaves: impl Fn(&K, &V) + Send + Sync + 'static,
    ) -> Self {
        let capacity = usize::try_from(capacity_bytes).unwrap_or(usize::MAX);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shards = shards(capacity_bytes, shard_bytes, cores);
        let (largest, weigh) = (capacity / shards, weigher.clone());
        let cache = CacheBuilder::new(capacity)
            .with_name("millpond")
            .with_shards(shards)
            .with_eviction_config(EvictionConfig::from(S3FifoConfig::default()))
            .with_filter(move |key, value| weigh(key, value) <= largest)
            .with_weighter(weigher)
            .with_event_listener(Arc::new(Leaves(leaves, PhantomData)))
            .build();
        Self { cache }
    }

    /// A clone of the value, which counts as a use of it.
    pub fn get(&self, key: &K) -> Option<V> {
        self.cache.get(key).map(|entry| entry.value().clone())
    }

    /// Whether there is a value, which does not count as a use of it.
    pub fn contains(&self, key: &K) -> bool {
        self.cache.contains(key)
    }

    /// Keeps `value` in place of an older one.
    pub fn insert(&self, key: K, value: V) {
        drop(self.cache.insert(key, value));
    }

    /// Drops the value.
    pub fn remove(&self, key: &K) {
        drop(self.cache.remove(key));
    }

    /// What the values weigh together.
    pub fn bytes(&self) -> u64 {
        self.cache.usage() as u64
    }

    /// How many values there are.
    pub fn records(&self) -> u64 {
        self.cache.entries() as u64
    }
}

/// Who is told what is evicted.
struct Leaves<F, K, V>(F, PhantomData<fn(K, V)>);

impl<F, K, V> EventListener for Leaves<F, K, V>
where
    F: Fn(&K, &V) + Send + Sync + 'static,
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    type Key = K;
    type Value = V;

    fn on_leave(&self, reason: Event, key: &K, value: &V) {
        match reason {
            Event::Evict => (self.0)(key, value),
            // Whoever replaces or removes it knows.
            Event::Replace | Event::Remove | Event::Clear => {}
        }
    }
}

impl<K, V> fmt::Debug for Memory<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Memory({} records, {} bytes)",
            self.records(),
            self.bytes()
        )
    }
}

/// How many shards: four a core so that hits seldom meet on a lock, fewer where a shard would get
/// smaller than `shard_bytes`. A power of two.
fn shards(capacity_bytes: u64, shard_bytes: u64, cores: usize) -> usize {
    let room = usize::try_from(capacity_bytes / shard_bytes.max(1)).unwrap_or(usize::MAX);
    let wanted = cores.saturating_mul(4).min(room).clamp(1, 1024);
    1 << wanted.ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_replaced_and_removed() {
        let memory = Memory::new(1 << 20, |_: &u32, value: &String| value.len());
        memory.insert(1, "mill".to_owned());
        memory.insert(1, "pond".to_owned());
        assert_eq!(memory.get(&1).as_deref(), Some("pond"));
        memory.remove(&1);
        assert_eq!(memory.get(&1), None);
    }

    #[test]
    fn capacity_is_kept() {
        let memory = Memory::new(100_000, |_: &u32, value: &Vec<u8>| value.len());
        for key in 0..1_000 {
            memory.insert(key, vec![0; 1_000]);
        }
        assert!(memory.bytes() <= 100_000, "{memory:?}");
        assert!(memory.records() >= 90, "{memory:?}");
    }

    #[test]
    fn a_value_beyond_a_shard_is_not_kept_and_evicts_nothing() {
        let memory = Memory::new(10_000, |_: &u32, value: &Vec<u8>| value.len());
        memory.insert(1, vec![1; 100]);
        memory.insert(2, vec![2; 100]);
        memory.insert(2, vec![2; 10_001]);
        assert_eq!(
            memory.get(&2),
            None,
            "neither the new value nor the one it replaces"
        );
        assert_eq!(memory.get(&1), Some(vec![1; 100]));
        assert_eq!(memory.records(), 1);
    }

    #[test]
    fn what_makes_room_is_told_and_what_is_removed_or_replaced_is_not() {
        let told = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let memory = Memory::telling(1_000, 1_000, |_: &u32, value: &Vec<u8>| value.len(), {
            let told = Arc::clone(&told);
            move |key, _| told.lock().push(*key)
        });
        memory.insert(1, vec![0; 400]);
        memory.insert(1, vec![1; 400]);
        memory.insert(2, vec![0; 400]);
        memory.remove(&2);
        assert!(told.lock().is_empty());
        memory.insert(3, vec![0; 700]);
        assert_eq!(*told.lock(), [1]);
        memory.insert(4, vec![0; 1_001]);
        assert_eq!(*told.lock(), [1, 4], "what is not kept at all");
    }

    #[test]
    fn shards_are_a_power_of_two_and_hold_the_largest_record() {
        assert_eq!(shards(1 << 40, 32 << 20, 6), 16);
        assert_eq!(shards(100 << 20, 32 << 20, 6), 2);
        assert_eq!(shards(0, 32 << 20, 6), 1);
    }
}
