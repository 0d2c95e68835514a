//! How often what was asked for, of late: held or not.
//!
//! ```text
//! bucket    8 slots of 32 bits; a tag's upper bits choose it
//! slot      fingerprint 16, the tag's lowest bits | level 16
//! level     log2 of the decayed count, plus `now` in half-lives, in 256ths, modulo 2^16
//! ```
//!
//! A level does not change while nothing happens, as everything decays alike. A slice that finds its
//! bucket full takes the place of the least. So the table forgets what came once long ago, at the
//! pace at which other things come, as a ghost list does. It counts wrong where two slices of a
//! bucket share a fingerprint, which one in eight thousand does: that is a wrong guess about a
//! slice's worth, and nothing else. Races lose a count.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use super::worth::{Worth, half_lives};

const WAYS: usize = 8;
/// Slots for each record that the disks can hold: for those, and for three times as many that are
/// not held.
const SLOTS_PER_RECORD: u64 = 4;
/// 2^32 bytes of slots: more than 250 TB of 1 MiB records fill.
const BUCKETS_MAX: u64 = 1 << 27;
const STEPS: f64 = 256.0;
/// A level that is so far from now is of another turn of the numbers: 64 half-lives.
const STALE: i16 = -(64 * 256);

pub(super) struct Frequencies {
    /// Zero is free.
    slots: Vec<AtomicU32>,
    buckets: u64,
}

impl Frequencies {
    pub(super) fn new(capacity_bytes: u64, record_bytes: u64) -> Self {
        let records = capacity_bytes / record_bytes.max(1);
        let buckets = (records * SLOTS_PER_RECORD / WAYS as u64).clamp(128, BUCKETS_MAX);
        let slots = usize::try_from(buckets).unwrap_or(1) * WAYS;
        Self {
            slots: (0..slots).map(|_| AtomicU32::new(0)).collect(),
            buckets,
        }
    }

    /// Counts a reference, and says what the slice was worth before and is worth now.
    pub(super) fn count(&self, tag: u64, now: Duration) -> (Worth, Worth) {
        let (at, clock) = (half_lives(now), clock(now));
        let (mut place, mut least) = (None, (i16::MAX, &self.slots[0], 0));
        for slot in self.bucket(tag) {
            let held = slot.load(Ordering::Relaxed);
            let age = age(held, clock);
            if held != 0 && fingerprint_of(held) == fingerprint(tag) && age > STALE {
                place = Some((slot, held, Worth::new(f64::from(age) / STEPS)));
                break;
            }
            let rank = if held == 0 || age <= STALE {
                i16::MIN
            } else {
                age
            };
            if rank < least.0 {
                least = (rank, slot, held);
            }
        }
        let (slot, held, before) = place.unwrap_or((least.1, least.2, Worth::NOTHING));
        let after = (before.log2().exp2() + 1.0).log2();
        let level = level(at + after);
        let changed = u32::from(fingerprint(tag)) << 16 | u32::from(level);
        // Whoever is quicker counts.
        let _lost = slot.compare_exchange(held, changed, Ordering::Relaxed, Ordering::Relaxed);
        (before, Worth::new(after))
    }

    pub(super) fn worth(&self, tag: u64, now: Duration) -> Worth {
        let clock = clock(now);
        let held = self
            .bucket(tag)
            .iter()
            .map(|slot| slot.load(Ordering::Relaxed));
        let mut of_tag =
            held.filter(|held| *held != 0 && fingerprint_of(*held) == fingerprint(tag));
        let age = of_tag.next().map(|held| age(held, clock));
        age.filter(|age| *age > STALE)
            .map_or(Worth::NOTHING, |age| Worth::new(f64::from(age) / STEPS))
    }

    pub(super) fn memory_bytes(&self) -> usize {
        self.slots.len() * size_of::<AtomicU32>()
    }

    fn bucket(&self, tag: u64) -> &[AtomicU32] {
        let bucket = (u128::from(tag) * u128::from(self.buckets)) >> 64;
        let start = usize::try_from(bucket).unwrap_or_default() * WAYS;
        &self.slots[start..start + WAYS]
    }
}

/// Never zero, so that no slot in use is.
fn fingerprint(tag: u64) -> u16 {
    let [low, high, ..] = tag.to_le_bytes();
    u16::from_le_bytes([low, high]).max(1)
}

const fn fingerprint_of(held: u32) -> u16 {
    let [_, _, low, high] = held.to_le_bytes();
    u16::from_le_bytes([low, high])
}

/// The level of one reference just now.
fn clock(now: Duration) -> u16 {
    level(half_lives(now))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "levels are numbers modulo 2^16"
)]
fn level(half_lives: f64) -> u16 {
    (half_lives * STEPS).round() as i64 as u16
}

/// How far a slot's level is from that of one reference just now.
const fn age(held: u32, clock: u16) -> i16 {
    let [low, high, _, _] = held.to_le_bytes();
    u16::from_le_bytes([low, high])
        .wrapping_sub(clock)
        .cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn tag(number: u64) -> u64 {
        number
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(29)
            .wrapping_mul(0xd6e8_feb8_6659_fd93)
    }

    fn frequencies() -> Frequencies {
        Frequencies::new(1 << 30, 1 << 20)
    }

    fn near(worth: Worth, log2: f64) -> bool {
        (worth.log2() - log2).abs() < 0.02
    }

    #[test]
    fn references_add_up_and_decay_by_half_in_four_days() {
        let frequencies = frequencies();
        assert_eq!(frequencies.worth(tag(1), DAY), Worth::NOTHING);
        for _ in 0..8 {
            frequencies.count(tag(1), DAY);
        }
        assert!(near(frequencies.worth(tag(1), DAY), 3.0));
        assert!(near(frequencies.worth(tag(1), DAY * 5), 2.0));
        let (before, after) = frequencies.count(tag(1), DAY * 9);
        assert!(
            near(before, 1.0) && near(after, 3_f64.log2()),
            "{before:?} {after:?}"
        );
    }

    #[test]
    fn a_steady_slice_is_worth_its_rate() {
        let frequencies = frequencies();
        let hour = Duration::from_hours(1);
        for number in 0..24 * 60 {
            frequencies.count(tag(1), hour * number);
        }
        // Once an hour, remembered for 4 days / ln 2.
        let expected = (96.0 / std::f64::consts::LN_2).log2();
        let worth = frequencies.worth(tag(1), hour * 24 * 60);
        assert!(
            (worth.log2() - expected).abs() < 0.15,
            "{worth:?}, not {expected}"
        );
    }

    #[test]
    fn what_comes_once_never_pushes_out_what_comes_often() {
        let frequencies = frequencies();
        for _ in 0..3 {
            for number in 0..500 {
                frequencies.count(tag(number), DAY);
            }
        }
        for number in 500..200_000 {
            frequencies.count(tag(number), DAY);
        }
        let known =
            (0..500).filter(|number| near(frequencies.worth(tag(*number), DAY), 3_f64.log2()));
        assert!(known.count() > 480);
    }

    #[test]
    fn strangers_are_seldom_mistaken() {
        let frequencies = frequencies();
        for number in 0..4000 {
            frequencies.count(tag(number), DAY);
        }
        let mistaken = (1_000_000..1_100_000)
            .filter(|number| frequencies.worth(tag(*number), DAY) != Worth::NOTHING)
            .count();
        assert!(mistaken < 30, "{mistaken} of 100,000");
    }

    #[test]
    fn what_is_stale_does_not_come_back_as_hot() {
        let frequencies = frequencies();
        frequencies.count(tag(1), DAY);
        for days in [300, 500, 700, 1000] {
            let worth = frequencies.worth(tag(1), DAY * days);
            assert!(worth < Worth::ONCE || days >= 600, "{days} days: {worth:?}");
        }
    }

    #[test]
    fn it_takes_16_bytes_a_record() {
        assert_eq!(frequencies().memory_bytes(), 16 << 10);
    }
}
