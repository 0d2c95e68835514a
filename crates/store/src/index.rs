//! The index of the disks: 20 bytes a record, in a table of open addressing. Pure.
//!
//! ```text
//! tag     64 bits   keyed hash of the key; the full key is on the record's header
//! place   64 bits   disk 4 | start in granules of 64 B 38 (16 TiB a disk) | sequence 20 | uses 2
//! length  32 bits   of the payload
//! ```
//!
//! With a byte of the table's own and a load between 7/16 and 7/8 that is 24 to 48 bytes a record.

use hashbrown::{HashTable, hash_table};

use crate::format::GRANULE;

/// Bytes of a disk that the index can point into.
pub(crate) const DISK_BYTES_MAX: u64 = (1 << START_BITS) * GRANULE;

const START_BITS: u32 = 38;
const SEQUENCE_BITS: u32 = 20;
const USES_BITS: u32 = 2;
/// More uses are not counted.
pub(crate) const USES_MAX: u64 = mask(USES_BITS);

/// Where a record starts: the disk's number and the offset on it, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) disk: u8,
    pub(crate) start: u64,
}

/// What the index knows of a record. Halves, so that it packs to 20 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    tag: [u32; 2],
    place: [u32; 2],
    length: u32,
}

impl Entry {
    pub(crate) fn new(tag: u64, place: Place, sequence: u64, length: u32) -> Self {
        let start = (place.start / GRANULE) & mask(START_BITS);
        let packed = u64::from(place.disk) << (START_BITS + SEQUENCE_BITS + USES_BITS)
            | start << (SEQUENCE_BITS + USES_BITS)
            | (sequence & mask(SEQUENCE_BITS)) << USES_BITS;
        Self {
            tag: halves(tag),
            place: halves(packed),
            length,
        }
    }

    pub(crate) fn tag(&self) -> u64 {
        whole(self.tag)
    }

    pub(crate) fn place(&self) -> Place {
        let packed = whole(self.place);
        let start = (packed >> (SEQUENCE_BITS + USES_BITS)) & mask(START_BITS);
        let disk = packed >> (START_BITS + SEQUENCE_BITS + USES_BITS);
        Place {
            disk: disk.to_le_bytes()[0],
            start: start * GRANULE,
        }
    }

    pub(crate) fn length(&self) -> u32 {
        self.length
    }

    /// Whether `sequence` ends in the bits that are kept here.
    pub(crate) fn is_of(&self, sequence: u64) -> bool {
        self.sequence_bits() == sequence & mask(SEQUENCE_BITS)
    }

    /// Whether two entries of one key tell of the same put, wherever it lies now.
    pub(crate) fn is_same_put(&self, other: &Self) -> bool {
        self.sequence_bits() == other.sequence_bits() && self.length == other.length
    }

    /// How often it was read from disk since it was written, up to 3.
    pub(crate) fn uses(&self) -> u64 {
        whole(self.place) & mask(USES_BITS)
    }

    fn used(&mut self) {
        self.add_uses(1);
    }

    fn add_uses(&mut self, uses: u64) {
        let uses = uses.min(USES_MAX - self.uses());
        self.place = halves(whole(self.place) + uses);
    }

    fn sequence_bits(&self) -> u64 {
        whole(self.place) >> USES_BITS & mask(SEQUENCE_BITS)
    }
}

const fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

/// The lower half first.
const fn halves(number: u64) -> [u32; 2] {
    #[expect(clippy::cast_possible_truncation, reason = "the halves of a number")]
    [number as u32, (number >> 32) as u32]
}

fn whole([low, high]: [u32; 2]) -> u64 {
    u64::from(low) | u64::from(high) << 32
}

/// Entries by tag.
#[derive(Default)]
pub(crate) struct Index(HashTable<Entry>);

impl Index {
    pub(crate) fn find(&self, tag: u64) -> Option<Entry> {
        self.0.find(tag, |entry| entry.tag() == tag).copied()
    }

    /// Keeps `entry` in place of one with its tag, which is returned.
    pub(crate) fn insert(&mut self, entry: Entry) -> Option<Entry> {
        let tag = entry.tag();
        match self.0.entry(tag, |known| known.tag() == tag, Entry::tag) {
            hash_table::Entry::Occupied(mut known) => {
                Some(std::mem::replace(known.get_mut(), entry))
            }
            hash_table::Entry::Vacant(place) => {
                place.insert(entry);
                None
            }
        }
    }

    /// Keeps `entry` where there is none with its tag, or where `replaces` says so of the one that
    /// there is, which is returned then.
    pub(crate) fn insert_if(
        &mut self,
        entry: Entry,
        replaces: impl FnOnce(&Entry) -> bool,
    ) -> Option<Entry> {
        let tag = entry.tag();
        match self.0.entry(tag, |known| known.tag() == tag, Entry::tag) {
            hash_table::Entry::Occupied(mut known) if replaces(known.get()) => {
                Some(std::mem::replace(known.get_mut(), entry))
            }
            hash_table::Entry::Occupied(_) => None,
            hash_table::Entry::Vacant(place) => {
                place.insert(entry);
                None
            }
        }
    }

    pub(crate) fn remove(&mut self, tag: u64) -> Option<Entry> {
        let known = self.0.find_entry(tag, |entry| entry.tag() == tag).ok()?;
        Some(known.remove().0)
    }

    /// Counts a use.
    pub(crate) fn used(&mut self, tag: u64) {
        if let Some(entry) = self.0.find_mut(tag, |entry| entry.tag() == tag) {
            entry.used();
        }
    }

    /// Counts what an earlier run counted.
    pub(crate) fn recall_uses(&mut self, tag: u64, uses: u64) {
        if let Some(entry) = self.0.find_mut(tag, |entry| entry.tag() == tag) {
            entry.add_uses(uses);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.iter()
    }

    /// Drops what `goes`, telling each.
    pub(crate) fn drop_if(&mut self, mut goes: impl FnMut(&Entry) -> bool) {
        self.0.retain(|entry| !goes(entry));
    }

    /// Bytes of memory that the table takes.
    pub(crate) fn allocated_bytes(&self) -> usize {
        self.0.allocation_size()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_entry_packs_what_it_is_told(
            tag: u64, disk in 0..16u8, granule in 0..1u64 << 38, sequence: u64, length: u32,
            uses in 0..6usize,
        ) {
            let place = Place { disk, start: granule * GRANULE };
            let mut entry = Entry::new(tag, place, sequence, length);
            for _ in 0..uses {
                entry.used();
            }
            prop_assert_eq!(entry.tag(), tag);
            prop_assert_eq!(entry.place(), place);
            prop_assert_eq!(entry.length(), length);
            prop_assert!(entry.is_of(sequence));
            prop_assert!(!entry.is_of(sequence.wrapping_add(1)));
            prop_assert_eq!(entry.uses(), uses.min(3) as u64);
            entry.add_uses(sequence);
            prop_assert!(entry.uses() <= USES_MAX);
            prop_assert_eq!(entry.place(), place);
        }
    }

    #[test]
    fn one_entry_a_tag() {
        let mut index = Index::default();
        let entry = |start| Entry::new(7, Place { disk: 1, start }, 9, 100);
        assert_eq!(index.insert(entry(64)), None);
        assert_eq!(index.insert(entry(128)), Some(entry(64)));
        assert_eq!(index.insert_if(entry(192), |_| false), None);
        assert_eq!(index.find(7), Some(entry(128)));
        assert_eq!(
            index.insert_if(entry(64), |known| *known == entry(128)),
            Some(entry(128))
        );
        assert_eq!(index.insert(entry(128)), Some(entry(64)));
        assert_eq!(index.find(7), Some(entry(128)));
        assert_eq!(index.remove(7), Some(entry(128)));
        assert_eq!(index.find(7), None);
    }

    #[test]
    fn a_record_takes_at_most_48_bytes_of_index() {
        assert_eq!(size_of::<Entry>(), 20);
        let mut index = Index::default();
        let mut most = 0;
        for number in 1..=500_000_u64 {
            let tag = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            index.insert(Entry::new(
                tag,
                Place {
                    disk: 0,
                    start: number * 64,
                },
                number,
                1,
            ));
            if number > 10_000 {
                let bytes = index.allocated_bytes() as u64 * 100 / number;
                most = most.max(bytes);
            }
        }
        // Just after the table doubled; a constant of the table's own comes on top.
        assert!(most <= 48_10, "{most} hundredths of a byte");
    }
}
