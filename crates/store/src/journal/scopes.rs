//! Which scope was purged when. Pure.

use std::collections::HashMap;

use crate::Epoch;

/// Purges by scope, bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scopes {
    /// How many scopes are told apart.
    bound: usize,
    /// The last purge.
    epoch: Epoch,
    /// Everything older than this is dead, whatever its scope.
    floor: Epoch,
    by_scope: HashMap<u64, Epoch>,
}

impl Scopes {
    pub(crate) fn new(scopes_max: usize) -> Self {
        Self {
            bound: scopes_max,
            epoch: Epoch::ZERO,
            floor: Epoch::ZERO,
            by_scope: HashMap::new(),
        }
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(crate) fn floor(&self) -> Epoch {
        self.floor
    }

    pub(crate) fn purged_at(&self, scope: u64) -> Epoch {
        self.by_scope
            .get(&scope)
            .map_or(self.floor, |at| self.floor.max(*at))
    }

    /// The purge of `scope` numbered `at`. Where there are too many scopes to remember, the older
    /// half becomes a purge of everything of its age: too much is purged, never too little.
    pub(crate) fn purge(&mut self, scope: u64, at: Epoch) {
        self.epoch = self.epoch.max(at);
        let known = self.by_scope.entry(scope).or_default();
        *known = at.max(*known);
        if self.by_scope.len() > self.bound {
            let mut epochs: Vec<_> = self.by_scope.values().copied().collect();
            let (_, median, _) = epochs.select_nth_unstable(self.bound / 2);
            let floor = *median;
            self.raise_floor(floor);
        }
    }

    /// Everything older than `floor` is dead.
    pub(crate) fn raise_floor(&mut self, floor: Epoch) {
        self.epoch = self.epoch.max(floor);
        self.floor = self.floor.max(floor);
        self.by_scope.retain(|_, at| *at > floor);
    }

    /// Every scope that is remembered.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, Epoch)> {
        self.by_scope.iter().map(|(scope, at)| (*scope, *at))
    }

    /// How many scopes are remembered.
    pub(crate) fn len(&self) -> usize {
        self.by_scope.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purge_is_of_its_scope() {
        let mut scopes = Scopes::new(10);
        scopes.purge(1, Epoch::new(5));
        scopes.purge(2, Epoch::new(6));
        scopes.purge(1, Epoch::new(4));
        assert_eq!(scopes.purged_at(1), Epoch::new(5));
        assert_eq!(scopes.purged_at(2), Epoch::new(6));
        assert_eq!(scopes.purged_at(3), Epoch::ZERO);
        assert_eq!(scopes.epoch(), Epoch::new(6));
    }

    #[test]
    fn too_many_scopes_purge_too_much_and_never_too_little() {
        let mut scopes = Scopes::new(100);
        for number in 1..=1_000 {
            scopes.purge(number, Epoch::new(number));
            assert!(scopes.len() <= 100);
        }
        for number in 1..=1_000 {
            assert!(scopes.purged_at(number) >= Epoch::new(number), "{number}");
        }
        assert!(
            scopes.purged_at(5_000) < Epoch::new(1_000),
            "the newest are told apart"
        );
    }
}
