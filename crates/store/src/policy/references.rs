//! One reference a viewer and slice in a minute.
//!
//! A player that reads a slice in small ranges asks for it many times. Counted each time, whatever
//! is read in order looks popular: simulated, that doubled what was written. A small table of
//! fingerprints tells most repeats; one that it has forgotten is counted once more.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// 4 MiB: as many pairs as a hundred Gbit/s of 1 MiB slices name in a minute.
const SLOTS: usize = 1 << 20;
const MINUTE: u8 = 60 / UNIT_S;
const UNIT_S: u8 = 4;

pub(super) struct References(Vec<AtomicU32>);

impl References {
    pub(super) fn new() -> Self {
        Self((0..SLOTS).map(|_| AtomicU32::new(0)).collect())
    }

    /// Whether this viewer did not ask for this slice within the last minute that counted.
    pub(super) fn is_first(&self, viewer: u64, tag: u64, now: Duration) -> bool {
        let pair = mix(mix(viewer) ^ tag);
        // Never zero, so that an empty slot is nobody's.
        let fingerprint = u32::try_from(pair >> 40).unwrap_or(u32::MAX) | 1;
        let [time, ..] = (now.as_secs() / u64::from(UNIT_S)).to_le_bytes();
        let slot = &self.0[usize::try_from(pair).unwrap_or_default() % SLOTS];
        let held = slot.load(Ordering::Relaxed);
        let [then, ..] = held.to_le_bytes();
        if held >> 8 == fingerprint && time.wrapping_sub(then) < MINUTE {
            return false;
        }
        slot.store(fingerprint << 8 | u32::from(time), Ordering::Relaxed);
        true
    }

    pub(super) const fn memory_bytes() -> u64 {
        (SLOTS * size_of::<AtomicU32>()) as u64
    }
}

const fn mix(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_viewer_counts_once_a_minute_and_slice() {
        let references = References::new();
        let at = |seconds| Duration::from_secs(seconds);
        assert!(references.is_first(1, 7, at(0)));
        for second in 1..56 {
            assert!(!references.is_first(1, 7, at(second)), "second {second}");
        }
        assert!(references.is_first(2, 7, at(30)), "another viewer");
        assert!(references.is_first(1, 8, at(30)), "another slice");
        assert!(references.is_first(1, 7, at(60)), "another minute");
    }

    #[test]
    fn many_viewers_are_told_apart() {
        let references = References::new();
        let first = (0..100_000).filter(|viewer| references.is_first(*viewer, 7, Duration::ZERO));
        assert!(first.count() > 99_990);
        let again = (0..100_000).filter(|viewer| references.is_first(*viewer, 7, Duration::ZERO));
        assert!(
            again.count() < 15_000,
            "a table of a million forgets a tenth of these"
        );
    }
}
