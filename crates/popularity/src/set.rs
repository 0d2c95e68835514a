//! A few named objects whose hashes chose the same place.

use crate::hash::Tag;

/// With what is known of all of them, tags are a cache line and plays the next one.
pub(crate) const WAYS: usize = 7;

/// Two cache lines, which is all that an object that is not named needs besides the front's.
#[derive(Clone, Copy, Default)]
#[repr(C, align(128))]
pub(crate) struct Set {
    /// Zero is a free slot.
    pub(crate) tags: [u64; WAYS],
    /// No slot has fewer plays, and a free one has none. What the least has may have grown since.
    least: f64,
    pub(crate) plays: [f64; WAYS],
    /// The most plays that were ever turned away, decayed.
    pub(crate) floor: f64,
}

impl Set {
    /// Looks at all of them, for a branch at each would be guessed wrong for every object found.
    pub(crate) fn find(&self, tag: Tag) -> Option<usize> {
        let ways = self.tags.iter().zip(0_u32..);
        let found = ways.fold(0_u32, |found, (known, way)| {
            found | u32::from(*known == tag.0) << way
        });
        (found != 0).then(|| found.trailing_zeros() as usize)
    }

    /// Whether a slot has fewer plays. Nearly always [`Self::least`] tells, without a look at them.
    pub(crate) fn is_above_least(&mut self, plays: f64) -> bool {
        if plays > self.least {
            self.least = self.plays.iter().copied().fold(f64::INFINITY, f64::min);
        }
        plays > self.least
    }

    pub(crate) fn turn_away(&mut self, plays: f64) {
        self.floor = self.floor.max(plays);
    }

    pub(crate) fn decay(&mut self, factor: f64) {
        self.plays.iter_mut().for_each(|plays| *plays *= factor);
        // Rounded as the plays are, so that it stays below them.
        self.least *= factor;
        self.floor *= factor;
    }

    /// Empties a slot, and tells the tag and the plays that it had.
    pub(crate) fn empty(&mut self, way: usize) -> (u64, f64) {
        self.least = 0.0;
        let tag = std::mem::take(&mut self.tags[way]);
        (tag, std::mem::take(&mut self.plays[way]))
    }
}
