//! Tokens that are good for one request: a bounded memory of those that were spent.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{Denied, Label};

/// A token's word that it is good once (the `jti` of RFC 9246 section 2.1.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce {
    pub(crate) id: Label,
    /// The first second in which it can have been taken anywhere.
    pub(crate) since_s: u64,
    /// The token's end.
    pub(crate) end_s: u64,
}

/// Which nonces one node has seen since it began to remember, until their tokens end.
///
/// What cannot be known is refused: a token that could have been used before this memory began, or
/// whose end is not after that of one that was forgotten already (a clock that was set back); and
/// any new one while the memory is full of tokens that have not ended. So nobody makes a node
/// forget by filling it, and a restart revives nothing.
///
/// The lock is held for a few map accesses, and for those that ended meanwhile.
#[derive(Debug)]
pub struct Nonces {
    since_s: u64,
    spent: Mutex<Spent>,
}

#[derive(Debug, Default)]
struct Spent {
    ids: HashSet<Label>,
    ends: BinaryHeap<Reverse<(u64, Label)>>,
    /// The latest end of what was forgotten.
    forgotten_s: u64,
}

impl Nonces {
    /// An empty memory that begins at `now_s`.
    pub fn since(now_s: u64) -> Self {
        Self {
            since_s: now_s,
            spent: Mutex::default(),
        }
    }

    /// Spends a nonce, once. At most `nonces_max` are remembered.
    pub(crate) fn spend(&self, nonce: &Nonce, nonces_max: u64, now_s: u64) -> Result<(), Denied> {
        if nonce.since_s < self.since_s {
            return Err(Denied::NonceUnknown);
        }
        let mut spent = self.lock();
        spent.forget_until(now_s);
        if nonce.end_s <= spent.forgotten_s {
            return Err(Denied::NonceUnknown);
        }
        if spent.ids.contains(&nonce.id) {
            return Err(Denied::Replayed);
        }
        if spent.ids.len() as u64 >= nonces_max {
            return Err(Denied::NoncesFull);
        }
        spent.ids.insert(nonce.id.clone());
        spent.ends.push(Reverse((nonce.end_s, nonce.id.clone())));
        Ok(())
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.lock().ids.len()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Spent> {
        // A panic between two accesses leaves at most an id that is never forgotten: refused.
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spent {
    fn forget_until(&mut self, now_s: u64) {
        while let Some(Reverse((end_s, _))) = self.ends.peek()
            && *end_s <= now_s
        {
            let Some(Reverse((end_s, id))) = self.ends.pop() else {
                return;
            };
            self.ids.remove(&id);
            self.forgotten_s = self.forgotten_s.max(end_s);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nonce(id: &str, since_s: u64, end_s: u64) -> Nonce {
        let id = Label::naming(id);
        Nonce { id, since_s, end_s }
    }

    #[test]
    fn a_nonce_is_spent_once_and_remembered_until_its_end() {
        let nonces = Nonces::since(100);
        let first = nonce("a", 100, 200);
        assert_eq!(nonces.spend(&first, 8, 100), Ok(()));
        assert_eq!(nonces.spend(&first, 8, 199), Err(Denied::Replayed));
        assert_eq!(nonces.spend(&nonce("b", 100, 300), 8, 200), Ok(()));
        assert_eq!(nonces.len(), 1, "what has ended is forgotten");
    }

    #[test]
    fn a_memory_that_is_full_refuses_and_forgets_nothing() {
        let nonces = Nonces::since(0);
        for n in 0..4 {
            assert_eq!(nonces.spend(&nonce(&n.to_string(), 0, 100), 4, 1), Ok(()));
        }
        assert_eq!(
            nonces.spend(&nonce("x", 0, 100), 4, 99),
            Err(Denied::NoncesFull)
        );
        assert_eq!(
            nonces.spend(&nonce("0", 0, 100), 4, 99),
            Err(Denied::Replayed)
        );
        assert_eq!(nonces.spend(&nonce("x", 0, 200), 4, 100), Ok(()));
    }

    #[test]
    fn what_may_have_been_used_before_the_memory_began_is_refused() {
        let nonces = Nonces::since(100);
        assert_eq!(
            nonces.spend(&nonce("a", 99, 200), 8, 150),
            Err(Denied::NonceUnknown)
        );
        assert_eq!(nonces.spend(&nonce("a", 100, 200), 8, 150), Ok(()));
    }

    proptest! {
        /// However the clock jumps and whatever is asked again: no nonce passes twice, and the
        /// memory keeps its bound.
        #[test]
        fn no_nonce_passes_twice(
            asked in prop::collection::vec((0_u8..12, 0_u64..60), 1..200),
            nonces_max in 1_u64..10,
        ) {
            let nonces = Nonces::since(0);
            let mut passed = HashSet::new();
            for (id, now_s) in asked {
                let nonce = nonce(&id.to_string(), 0, 5 * (u64::from(id) + 1));
                if now_s < nonce.end_s && nonces.spend(&nonce, nonces_max, now_s).is_ok() {
                    prop_assert!(passed.insert(id), "{id} at {now_s}");
                }
                prop_assert!(nonces.len() as u64 <= nonces_max);
            }
        }
    }
}
