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
    ops::{Range, RangeInclusive},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use super::worth::{Worth, half_lives};

const WAYS: usize = 8;
/// Bytes of a bucket as [`super::Policy::tell`] tells it.
pub const TOLD_BYTES: usize = WAYS * size_of::<u32>();
/// Slots for each record that the disks can hold: for those, and for twice as many that are not
/// held. With the index (48 bytes a record at most) that stays below 64 bytes.
const SLOTS_PER_RECORD: u64 = 3;
/// Records are taken to be of this size. Smaller ones share the memory: what was asked for once is
/// forgotten sooner.
const RECORD_BYTES: u64 = 1 << 20;
/// How many buckets a table has: from 64 KiB of slots up to 2^32 bytes, more than 350 TB of 1 MiB
/// records fill.
pub const BUCKETS: RangeInclusive<u64> = 1 << 11..=1 << 27;
const STEPS: f64 = 256.0;
/// A level that is so far from now is of another turn of the numbers: 64 half-lives.
const STALE: i16 = -(64 * 256);
/// Powers of two within which a plan may expect something: sixteen million times a day is more than
/// a disk can serve.
const EXPECTED_MAX: f64 = 32.0;

pub(super) struct Frequencies {
    /// Zero is free.
    slots: Vec<AtomicU32>,
    buckets: u64,
}

impl Frequencies {
    pub(super) fn new(capacity_bytes: u64) -> Self {
        let buckets = buckets_for(capacity_bytes);
        let slots = usize::try_from(buckets).unwrap_or(1) * WAYS;
        Self {
            slots: (0..slots).map(|_| AtomicU32::new(0)).collect(),
            buckets,
        }
    }

    /// Counts a reference.
    pub(super) fn count(&self, tag: u64, now: Duration) {
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
    }

    /// Raises what a tag is worth to `credit`, which decays from now on. Where its bucket is full of
    /// what is worth more it is forgotten.
    pub(super) fn expect(&self, tag: u64, credit: Worth, now: Duration) {
        if let Some(slot) = planned(tag, credit, now) {
            self.remember(self.bucket_of(tag), slot, clock(now));
        }
    }

    /// The same, but that a tag that is known is worth this and no more.
    pub(super) fn appraise(&self, tag: u64, worth: Worth, now: Duration) {
        let Some(slot) = planned(tag, worth, now) else {
            return;
        };
        let known = self.bucket(tag).iter().find_map(|place| {
            let held = place.load(Ordering::Relaxed);
            (held != 0 && fingerprint_of(held) == fingerprint(tag)).then_some((place, held))
        });
        match known {
            // Whoever is quicker counts.
            Some((place, held)) => {
                let _lost =
                    place.compare_exchange(held, slot, Ordering::Relaxed, Ordering::Relaxed);
            }
            None => self.remember(self.bucket_of(tag), slot, clock(now)),
        }
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

    pub(super) fn buckets(&self) -> u64 {
        self.buckets
    }

    /// Tells what some buckets hold, for [`Self::recall`]: of each slot the fingerprint and how far
    /// its level is from that of one reference just now, so that it does not depend on the clock.
    pub(super) fn tell(&self, buckets: Range<u64>, now: Duration, into: &mut Vec<u8>) {
        let clock = clock(now);
        for slot in buckets.flat_map(|bucket| self.slots_of(bucket)) {
            let held = slot.load(Ordering::Relaxed);
            let age = age(held, clock);
            let told = if held == 0 || age <= STALE {
                0
            } else {
                held & !0xffff | u32::from(age.cast_unsigned())
            };
            into.extend_from_slice(&told.to_le_bytes());
        }
    }

    /// Takes in what a bucket of a table of `of` buckets told. A table of another size has its tags
    /// in other buckets: in each that may be meant it is remembered.
    pub(super) fn recall(&self, bucket: u64, of: u64, told: &[u8], now: Duration) {
        let clock = clock(now);
        let ours = |edge: u64| u128::from(edge) * u128::from(self.buckets);
        let first = ours(bucket) / u128::from(of.max(1));
        let end = ours(bucket.saturating_add(1)).div_ceil(u128::from(of.max(1)));
        let [first, end] = [first, end].map(|edge| u64::try_from(edge).unwrap_or(u64::MAX));
        for told in told.as_chunks::<4>().0 {
            let told = u32::from_le_bytes(*told);
            let level = clock.wrapping_add_signed(age(told, 0));
            if fingerprint_of(told) != 0 && age(told, 0) > STALE {
                for bucket in first..end.min(self.buckets) {
                    self.remember(bucket, told & !0xffff | u32::from(level), clock);
                }
            }
        }
    }

    /// Puts a slot into a bucket, in place of one with its fingerprint or else of the least, if it
    /// is more than that.
    fn remember(&self, bucket: u64, slot: u32, clock: u16) {
        let held = self.slots_of(bucket).iter().map(|place| {
            let held = place.load(Ordering::Relaxed);
            let rank = if held == 0 {
                i16::MIN
            } else {
                age(held, clock)
            };
            let same = held != 0 && fingerprint_of(held) == fingerprint_of(slot);
            (!same, rank, held, place)
        });
        let least = held.min_by_key(|(other, rank, ..)| (*other, *rank));
        if let Some((_, rank, held, place)) = least
            && rank < age(slot, clock)
        {
            // Whoever is quicker counts.
            let _lost = place.compare_exchange(held, slot, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    fn bucket(&self, tag: u64) -> &[AtomicU32] {
        self.slots_of(self.bucket_of(tag))
    }

    fn bucket_of(&self, tag: u64) -> u64 {
        let bucket = (u128::from(tag) * u128::from(self.buckets)) >> 64;
        u64::try_from(bucket).unwrap_or_default()
    }

    /// The slots of a bucket of which there is one.
    fn slots_of(&self, bucket: u64) -> &[AtomicU32] {
        let start = usize::try_from(bucket).unwrap_or_default() * WAYS;
        &self.slots[start..start + WAYS]
    }
}

/// The slot of a tag that a plan knows; nothing for less than the steps can tell, or more than a level
/// can hold.
fn planned(tag: u64, worth: Worth, now: Duration) -> Option<u32> {
    let within = -EXPECTED_MAX..=EXPECTED_MAX;
    let level = level(half_lives(now) + worth.log2());
    let slot = u32::from(fingerprint(tag)) << 16 | u32::from(level);
    within.contains(&worth.log2()).then_some(slot)
}

fn buckets_for(capacity_bytes: u64) -> u64 {
    let records = capacity_bytes / RECORD_BYTES;
    (records * SLOTS_PER_RECORD / WAYS as u64).clamp(*BUCKETS.start(), *BUCKETS.end())
}

/// What a table takes for disks of so many bytes.
pub(super) fn memory_bytes(capacity_bytes: u64) -> u64 {
    buckets_for(capacity_bytes) * TOLD_BYTES as u64
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
        Frequencies::new(8 << 30)
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
        frequencies.count(tag(1), DAY * 9);
        assert!(near(frequencies.worth(tag(1), DAY * 9), 3_f64.log2()));
    }

    #[test]
    fn what_is_expected_counts_as_if_it_had_come_and_decays_alike() {
        let frequencies = frequencies();
        frequencies.expect(tag(1), Worth::steady(2_000), DAY);
        let twice_a_day = (8.0 / std::f64::consts::LN_2).log2();
        assert!(near(frequencies.worth(tag(1), DAY), twice_a_day));
        assert!(near(frequencies.worth(tag(1), DAY * 5), twice_a_day - 1.0));
        frequencies.expect(tag(1), Worth::steady(2_000), DAY * 5);
        assert!(near(frequencies.worth(tag(1), DAY * 5), twice_a_day));
        frequencies.expect(tag(1), Worth::steady(1_000), DAY * 5);
        assert!(
            near(frequencies.worth(tag(1), DAY * 5), twice_a_day),
            "nothing is taken away"
        );
    }

    #[test]
    fn what_is_appraised_is_worth_that_and_counts_on_from_there() {
        let frequencies = frequencies();
        for _ in 0..64 {
            frequencies.count(tag(1), DAY);
        }
        frequencies.appraise(tag(1), Worth::new(1.0), DAY);
        assert!(near(frequencies.worth(tag(1), DAY), 1.0));
        frequencies.count(tag(1), DAY);
        assert!(near(frequencies.worth(tag(1), DAY), 3_f64.log2()));
        frequencies.appraise(tag(2), Worth::new(1.0), DAY);
        assert!(
            near(frequencies.worth(tag(2), DAY), 1.0),
            "also what is new"
        );
    }

    #[test]
    fn what_cannot_be_expected_is_not() {
        let frequencies = frequencies();
        frequencies.expect(tag(1), Worth::steady(0), DAY);
        assert_eq!(frequencies.worth(tag(1), DAY), Worth::NOTHING);
        frequencies.expect(tag(2), Worth::steady(u32::MAX), DAY);
        assert!(frequencies.worth(tag(2), DAY) > Worth::new(20.0));
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

    /// What a table tells another one at another time, which may have another size.
    fn recalled(told: &Frequencies, capacity_bytes: u64, now: Duration) -> Frequencies {
        let other = Frequencies::new(capacity_bytes);
        let mut bytes = Vec::new();
        told.tell(0..told.buckets(), DAY, &mut bytes);
        for (bucket, told_bytes) in (0..).zip(bytes.chunks(TOLD_BYTES)) {
            other.recall(bucket, told.buckets(), told_bytes, now);
        }
        other
    }

    #[test]
    fn what_was_told_is_recalled_by_tables_of_any_size_and_time() {
        let told = frequencies();
        for number in 0..400 {
            for _ in 0..1 << (number % 4) {
                told.count(tag(number), DAY);
            }
        }
        for capacity_bytes in [8 << 30, 4 << 30, 16 << 30, 12 << 30, 56 << 30] {
            for now in [Duration::ZERO, DAY, DAY * 900] {
                let recalled = recalled(&told, capacity_bytes, now);
                let right = (0..400).filter(|number| {
                    let log2 = f64::from(u32::try_from(number % 4).unwrap());
                    near(recalled.worth(tag(*number), now), log2)
                });
                assert!(right.count() > 380, "{capacity_bytes} at {now:?}");
                let strangers = (5_000..15_000)
                    .filter(|number| recalled.worth(tag(*number), now) != Worth::NOTHING);
                assert!(strangers.count() < 10);
            }
        }
    }

    #[test]
    fn what_was_counted_meanwhile_is_not_forgotten_for_what_is_recalled() {
        let (told, other) = (frequencies(), frequencies());
        told.count(tag(1), DAY);
        for _ in 0..8 {
            other.count(tag(1), DAY);
        }
        let mut bytes = Vec::new();
        told.tell(0..told.buckets(), DAY, &mut bytes);
        for (bucket, bytes) in (0..).zip(bytes.chunks(TOLD_BYTES)) {
            other.recall(bucket, told.buckets(), bytes, DAY);
        }
        assert!(near(other.worth(tag(1), DAY), 3.0));
    }

    #[test]
    fn it_takes_12_bytes_a_record() {
        let table = Frequencies::new(1 << 40);
        assert_eq!(memory_bytes(1 << 40), 12 << 20);
        assert_eq!(table.slots.len() * size_of::<AtomicU32>(), 12 << 20);
    }
}
