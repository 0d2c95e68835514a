//! What viewers have asked for, or was lost: a bit for each object of a plan.

use std::sync::atomic::{AtomicU64, Ordering};

const BITS: usize = 64;

/// Places that somebody has noted. Shared, without a lock.
#[derive(Debug)]
pub(crate) struct Places(Box<[AtomicU64]>);

impl Places {
    /// Of so many places none.
    pub(crate) fn none_of(count: usize) -> Self {
        let words = (0..count.div_ceil(BITS)).map(|_| AtomicU64::new(0));
        Self(words.collect())
    }

    /// Notes what is at `place`.
    pub(crate) fn note(&self, place: u32) {
        let Some((word, bit)) = self.at(place) else {
            return;
        };
        // Most are asked for again and again.
        if word.load(Ordering::Relaxed) & bit == 0 {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Whether somebody has noted it since this was asked last.
    pub(crate) fn take(&self, place: u32) -> bool {
        self.at(place).is_some_and(|(word, bit)| {
            let is_noted = word.load(Ordering::Relaxed) & bit != 0;
            is_noted && word.fetch_and(!bit, Ordering::Relaxed) & bit != 0
        })
    }

    /// Whether somebody has noted it.
    pub(crate) fn has(&self, place: u32) -> bool {
        let at = self.at(place);
        at.is_some_and(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
    }

    fn at(&self, place: u32) -> Option<(&AtomicU64, u64)> {
        let place = place as usize;
        Some((self.0.get(place / BITS)?, 1 << (place % BITS)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_is_told_once() {
        let asked = Places::none_of(130);
        let taken = || {
            (0..200)
                .filter(|place| asked.take(*place))
                .collect::<Vec<_>>()
        };
        assert!(taken().is_empty());
        for place in [129, 0, 64, 64, 200] {
            asked.note(place);
        }
        assert!(asked.has(64) && !asked.has(65));
        assert_eq!(taken(), [0, 64, 129]);
        assert!(taken().is_empty());
    }
}
