//! What viewers have asked for: a bit for each object of a plan.

use std::sync::atomic::{AtomicU64, Ordering};

const BITS: usize = 64;

/// Places that somebody has asked for. Shared, without a lock.
#[derive(Debug)]
pub(crate) struct Asked(Box<[AtomicU64]>);

impl Asked {
    /// Of so many places none.
    pub(crate) fn none_of(count: usize) -> Self {
        let words = (0..count.div_ceil(BITS)).map(|_| AtomicU64::new(0));
        Self(words.collect())
    }

    /// Somebody asks for what is at `place`.
    pub(crate) fn note(&self, place: u32) {
        let Some((word, bit)) = self.at(place) else {
            return;
        };
        // Most are asked for again and again.
        if word.load(Ordering::Relaxed) & bit == 0 {
            word.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Whether somebody has since this was asked last.
    pub(crate) fn take(&self, place: u32) -> bool {
        self.at(place).is_some_and(|(word, bit)| {
            let is_noted = word.load(Ordering::Relaxed) & bit != 0;
            is_noted && word.fetch_and(!bit, Ordering::Relaxed) & bit != 0
        })
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
    fn what_was_asked_for_is_told_once() {
        let asked = Asked::none_of(130);
        let taken = || {
            (0..200)
                .filter(|place| asked.take(*place))
                .collect::<Vec<_>>()
        };
        assert!(taken().is_empty());
        for place in [129, 0, 64, 64, 200] {
            asked.note(place);
        }
        assert_eq!(taken(), [0, 64, 129]);
        assert!(taken().is_empty());
    }
}
