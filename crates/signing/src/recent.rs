//! A bounded, sharded memory of tokens seen before, by digest.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::TokenDigest;

/// Enough that threads seldom meet.
const SHARDS: usize = 16;

/// Remembers about the last `entries_max` digests that were used.
///
/// Each shard has two generations: entries go into the young one; when that is full, it becomes
/// the old one and the old one is dropped. A use of an old entry makes it young. So memory has a
/// bound, every operation is one or two map accesses, and what is used stays. Locks are held for
/// those accesses alone.
#[derive(Debug)]
pub(crate) struct Recent<V> {
    shards: Box<[Mutex<Generations<V>>]>,
    generation_max: usize,
}

#[derive(Debug)]
struct Generations<V> {
    young: HashMap<TokenDigest, V>,
    old: HashMap<TokenDigest, V>,
}

impl<V: Clone> Recent<V> {
    pub(crate) fn new(entries_max: usize) -> Self {
        let empty = || {
            Mutex::new(Generations {
                young: HashMap::new(),
                old: HashMap::new(),
            })
        };
        Self {
            shards: (0..SHARDS).map(|_| empty()).collect(),
            generation_max: (entries_max / (2 * SHARDS)).max(1),
        }
    }

    pub(crate) fn recall(&self, digest: &TokenDigest) -> Option<V> {
        let mut shard = self.shard(digest);
        if let Some(value) = shard.young.get(digest) {
            return Some(value.clone());
        }
        let value = shard.old.remove(digest)?;
        let dropped = self.insert(&mut shard, *digest, value.clone());
        drop(shard);
        drop(dropped);
        Some(value)
    }

    pub(crate) fn remember(&self, digest: TokenDigest, value: V) {
        let mut shard = self.shard(&digest);
        let dropped = self.insert(&mut shard, digest, value);
        drop(shard);
        drop(dropped);
    }

    pub(crate) fn forget(&self, digest: &TokenDigest) {
        let mut shard = self.shard(digest);
        let dropped = (shard.young.remove(digest), shard.old.remove(digest));
        drop(shard);
        drop(dropped);
    }

    /// Returns the generation that fell out, so that it is dropped after the lock is released.
    fn insert(
        &self,
        shard: &mut Generations<V>,
        digest: TokenDigest,
        value: V,
    ) -> HashMap<TokenDigest, V> {
        shard.young.insert(digest, value);
        if shard.young.len() < self.generation_max {
            return HashMap::new();
        }
        mem::replace(&mut shard.old, mem::take(&mut shard.young))
    }

    fn shard(&self, digest: &TokenDigest) -> MutexGuard<'_, Generations<V>> {
        let index = usize::from(digest.as_bytes()[0]) % SHARDS;
        // A panic between two map operations cannot leave a shard inconsistent.
        self.shards[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: u32) -> TokenDigest {
        TokenDigest::of(&n.to_string())
    }

    fn len(recent: &Recent<u32>) -> usize {
        let shards = recent.shards.iter().map(|shard| shard.lock().unwrap());
        shards
            .map(|shard| shard.young.len() + shard.old.len())
            .sum()
    }

    #[test]
    fn memory_has_a_bound_under_a_flood() {
        let recent = Recent::new(1024);
        for n in 0..100_000 {
            recent.remember(digest(n), n);
            assert!(n % 4096 != 0 || len(&recent) <= 1024);
        }
        assert!(len(&recent) <= 1024);
        assert_eq!(recent.recall(&digest(99_999)), Some(99_999));
        assert_eq!(recent.recall(&digest(0)), None);
    }

    #[test]
    fn what_is_used_outlives_what_is_not() {
        let recent = Recent::new(256);
        recent.remember(digest(0), 0);
        for n in 1..10_000 {
            recent.remember(digest(n), n);
            assert_eq!(recent.recall(&digest(0)), Some(0), "after {n}");
        }
    }

    #[test]
    fn what_is_forgotten_is_gone() {
        let recent = Recent::new(256);
        recent.remember(digest(7), 7);
        recent.forget(&digest(7));
        assert_eq!(recent.recall(&digest(7)), None);
    }
}
