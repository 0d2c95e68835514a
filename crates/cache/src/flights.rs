//! Collapsing: one leader per key, and followers who share what it learns.
//!
//! A [`Lease`] frees its key when it is dropped, however that comes about: a leader that ends, is
//! cancelled or panics never leaves a key stuck and never leaves followers waiting.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::Arc,
};

use parking_lot::Mutex;

/// Enough that two cores rarely meet on one lock; each is held for one map operation.
const SHARDS: usize = 64;

/// Something that followers wait on.
pub(crate) trait Flight: Send + Sync + 'static {
    /// The leader is gone. A flight that has not ended by then fails.
    fn abandon(&self);
}

/// Who is in the air, by key.
pub(crate) struct Flights<K, F> {
    shards: Box<[Shard<K, F>]>,
    hasher: RandomState,
}

type Shard<K, F> = Mutex<HashMap<K, Arc<F>>>;

/// What became of an attempt to lead.
pub(crate) enum Joined<K: Hash + Eq + Copy, F: Flight> {
    /// Nobody was there: this caller leads.
    Leader(Lease<K, F>),
    /// Somebody leads already.
    Follower(Arc<F>),
}

/// The right to lead one key.
pub(crate) struct Lease<K: Hash + Eq + Copy, F: Flight> {
    flights: Arc<Flights<K, F>>,
    key: K,
    flight: Arc<F>,
}

impl<K: Hash + Eq + Copy, F: Flight> Flights<K, F> {
    pub(crate) fn new() -> Arc<Self> {
        let shards = (0..SHARDS).map(|_| Mutex::new(HashMap::new())).collect();
        Arc::new(Self {
            shards,
            hasher: RandomState::new(),
        })
    }

    pub(crate) fn follow(&self, key: &K) -> Option<Arc<F>> {
        self.shard(key).lock().get(key).cloned()
    }

    /// Leads `key` with the flight that `start` makes, or follows who already does.
    pub(crate) fn join(self: &Arc<Self>, key: K, start: impl FnOnce() -> F) -> Joined<K, F> {
        let mut shard = self.shard(&key).lock();
        match shard.get(&key) {
            Some(flight) => Joined::Follower(Arc::clone(flight)),
            None => Joined::Leader(self.lead(&mut shard, key, start())),
        }
    }

    /// The same, but nobody leads what is needless: `None` then.
    ///
    /// That is decided under the key's lock. A leader that finds out afterwards would abandon
    /// those who began to follow it in between.
    pub(crate) fn join_unless(
        self: &Arc<Self>,
        key: K,
        needless: impl FnOnce() -> bool,
        start: impl FnOnce() -> F,
    ) -> Option<Joined<K, F>> {
        let mut shard = self.shard(&key).lock();
        if let Some(flight) = shard.get(&key) {
            return Some(Joined::Follower(Arc::clone(flight)));
        }
        (!needless()).then(|| Joined::Leader(self.lead(&mut shard, key, start())))
    }

    fn lead(self: &Arc<Self>, shard: &mut HashMap<K, Arc<F>>, key: K, flight: F) -> Lease<K, F> {
        let flight = Arc::new(flight);
        shard.insert(key, Arc::clone(&flight));
        Lease {
            flights: Arc::clone(self),
            key,
            flight,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    fn shard(&self, key: &K) -> &Shard<K, F> {
        let hash = self.hasher.hash_one(key);
        &self.shards[usize::try_from(hash % SHARDS as u64).unwrap_or(0)]
    }
}

impl<K: Hash + Eq + Copy, F: Flight> Lease<K, F> {
    pub(crate) fn key(&self) -> K {
        self.key
    }

    pub(crate) fn flight(&self) -> &Arc<F> {
        &self.flight
    }
}

impl<K: Hash + Eq + Copy, F: Flight> Drop for Lease<K, F> {
    fn drop(&mut self) {
        self.flights.shard(&self.key).lock().remove(&self.key);
        self.flight.abandon();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[derive(Default)]
    struct Plane {
        abandoned: AtomicBool,
    }

    impl Flight for Plane {
        fn abandon(&self) {
            self.abandoned.store(true, Ordering::Relaxed);
        }
    }

    fn lead(flights: &Arc<Flights<u8, Plane>>) -> Lease<u8, Plane> {
        match flights.join(1, Plane::default) {
            Joined::Leader(lease) => lease,
            Joined::Follower(_) => panic!("somebody else leads"),
        }
    }

    #[test]
    fn the_second_to_come_follows_the_first() {
        let flights = Flights::new();
        let lease = lead(&flights);
        let Joined::Follower(seen) = flights.join(1, Plane::default) else {
            panic!("two leaders")
        };
        assert!(Arc::ptr_eq(&seen, lease.flight()));
    }

    #[test]
    fn nobody_can_follow_what_nobody_needs() {
        let flights: Arc<Flights<u8, Plane>> = Flights::new();
        assert!(flights.join_unless(1, || true, Plane::default).is_none());
        assert_eq!(flights.len(), 0);
        let lease = lead(&flights);
        let joined = flights.join_unless(1, || true, Plane::default);
        assert!(
            matches!(joined, Some(Joined::Follower(_))),
            "whoever is there is followed"
        );
        drop(lease);
    }

    #[test]
    fn a_panicking_leader_frees_its_key_and_its_followers() {
        let flights = Flights::new();
        let lease = lead(&flights);
        let follower = flights.follow(&1).unwrap();
        let panicked = std::thread::spawn(move || {
            let _lease = lease;
            panic!("on purpose");
        });
        assert!(panicked.join().is_err());
        assert!(follower.abandoned.load(Ordering::Relaxed));
        assert_eq!(flights.len(), 0);
        drop(lead(&flights));
    }
}
