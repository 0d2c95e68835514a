//! A segment's opening and its footer.
//!
//! ```text
//! opening, the first block         footer, the last blocks: zeros, then
//!  0 magic "MPSG"   4              entries       48 each
//!  4 version        1                 0 key: id          16
//!  5 zero           3                16 key: part         4
//!  8 generation     8                20 payload length    4
//! 16 check          8                24 stamp             8
//! 24 zeros                           32 sequence          8
//!                                    40 start in the segment, in granules 4
//!                                    44 kind 1, zero      3
//!                                  trailer       32, ends with the segment
//!                                     0 magic "MPFT"      4
//!                                     4 version 1, zero   3
//!                                     8 generation        8
//!                                    16 count of entries  4
//!                                    20 zero              4
//!                                    24 check of entries and trailer  8
//! ```

use super::{
    BLOCK, GRANULE, Secret, VERSION, put_all,
    record::{Kind, span},
    take,
};
use crate::{Epoch, Key};

const OPENING_MAGIC: [u8; 4] = *b"MPSG";
const TRAILER_MAGIC: [u8; 4] = *b"MPFT";
const ENTRY_BYTES: usize = 48;
const TRAILER_BYTES: usize = 32;

/// A record's line in the footer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) key: Key,
    pub(crate) length: u32,
    pub(crate) stamp: Epoch,
    pub(crate) sequence: u64,
    /// Start of the record's header, in bytes from the segment's start.
    pub(crate) start: u64,
}

impl Entry {
    /// The first byte after the record, from the segment's start.
    pub(crate) fn end(&self) -> u64 {
        self.start + span(self.length)
    }

    fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        // A segment has at most 1 GiB: its granules fit.
        let start = u32::try_from(self.start / GRANULE).unwrap_or(u32::MAX);
        put_all(
            &mut bytes,
            &[
                &self.key.id,
                &self.key.part.to_le_bytes(),
                &self.length.to_le_bytes(),
                &self.stamp.as_u64().to_le_bytes(),
                &self.sequence.to_le_bytes(),
                &start.to_le_bytes(),
                &[self.kind.as_u8()],
            ],
        );
        bytes
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let bytes = &mut bytes;
        let key = Key {
            id: take(bytes)?,
            part: u32::from_le_bytes(take(bytes)?),
        };
        let length = u32::from_le_bytes(take(bytes)?);
        let stamp = Epoch::new(u64::from_le_bytes(take(bytes)?));
        let sequence = u64::from_le_bytes(take(bytes)?);
        let start = u64::from(u32::from_le_bytes(take(bytes)?)) * GRANULE;
        let [kind] = take(bytes)?;
        Some(Self {
            kind: Kind::from_u8(kind)?,
            key,
            length,
            stamp,
            sequence,
            start,
        })
    }
}

/// Writes the opening into the segment's first block.
pub(crate) fn encode_opening(block: &mut [u8], generation: u64, secret: &Secret) {
    block.fill(0);
    put_all(
        block,
        &[
            &OPENING_MAGIC,
            &[VERSION, 0, 0, 0],
            &generation.to_le_bytes(),
        ],
    );
    let check = secret.check(&[&block[..16]]);
    put_all(&mut block[16..], &[&check.to_le_bytes()]);
}

/// The generation of a segment that was opened on this disk.
pub(crate) fn decode_opening(block: &[u8], secret: &Secret) -> Option<u64> {
    let (mut fields, mut check) = block.split_at_checked(16)?;
    if secret.check(&[fields]).to_le_bytes() != take(&mut check)? {
        return None;
    }
    let magic = take::<4>(&mut fields)?;
    let [version, ..] = take::<4>(&mut fields)?;
    let generation = u64::from_le_bytes(take(&mut fields)?);
    (magic == OPENING_MAGIC && version == VERSION).then_some(generation)
}

/// How many bytes the footer of `count` records takes, in whole blocks.
pub(crate) fn footer_bytes(count: usize) -> u64 {
    ((count * ENTRY_BYTES + TRAILER_BYTES) as u64).next_multiple_of(BLOCK)
}

/// Writes a footer into blocks of exactly [`footer_bytes`].
pub(crate) fn encode_footer(
    blocks: &mut [u8],
    entries: &[Entry],
    generation: u64,
    secret: &Secret,
) {
    blocks.fill(0);
    let used = entries.len() * ENTRY_BYTES + TRAILER_BYTES;
    let start = blocks.len().saturating_sub(used);
    let mut place = &mut blocks[start..];
    for entry in entries {
        place = put_all(place, &[&entry.encode()]);
    }
    let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let fields: [&[u8]; 5] = [
        &TRAILER_MAGIC,
        &[VERSION, 0, 0, 0],
        &generation.to_le_bytes(),
        &count.to_le_bytes(),
        &[0; 4],
    ];
    put_all(place, &fields);
    let end = blocks.len();
    let check = secret.check(&[&blocks[start..end - 8]]);
    put_all(&mut blocks[end - 8..], &[&check.to_le_bytes()]);
}

/// What the end of a segment says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Footer {
    /// The footer is whole.
    Entries(Vec<Entry>),
    /// The footer may be whole, but takes this many bytes at the segment's end.
    Needs(u64),
    /// There is no footer of this generation.
    Absent,
}

/// Reads a footer of `generation` from the last bytes of a segment of `segment_bytes`.
pub(crate) fn decode_footer(
    tail: &[u8],
    generation: u64,
    segment_bytes: u64,
    secret: &Secret,
) -> Footer {
    let parsed = parse_footer(tail, generation, segment_bytes, secret);
    parsed.unwrap_or(Footer::Absent)
}

fn parse_footer(
    tail: &[u8],
    generation: u64,
    segment_bytes: u64,
    secret: &Secret,
) -> Option<Footer> {
    let trailer_at = tail.len().checked_sub(TRAILER_BYTES)?;
    let mut trailer = &tail[trailer_at..];
    let magic = take::<4>(&mut trailer)?;
    let [version, ..] = take::<4>(&mut trailer)?;
    let of_generation = u64::from_le_bytes(take(&mut trailer)?);
    let count = u32::from_le_bytes(take(&mut trailer)?) as usize;
    let _: [u8; 4] = take(&mut trailer)?;
    if magic != TRAILER_MAGIC || version != VERSION || of_generation != generation {
        return None;
    }
    let needs = footer_bytes(count);
    if needs > segment_bytes - BLOCK {
        return None;
    }
    if needs > tail.len() as u64 {
        return Some(Footer::Needs(needs));
    }
    let start = trailer_at - count * ENTRY_BYTES;
    if secret.check(&[&tail[start..tail.len() - 8]]).to_le_bytes() != take(&mut trailer)? {
        return None;
    }
    let data = BLOCK..segment_bytes - needs;
    let entries = tail[start..trailer_at]
        .chunks_exact(ENTRY_BYTES)
        .map(|bytes| {
            let entry = Entry::decode(bytes)?;
            (data.contains(&entry.start) && entry.end() <= data.end).then_some(entry)
        });
    Some(Footer::Entries(entries.collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SEGMENT: u64 = 1 << 20;
    const SECRET: Secret = Secret([3; 16]);

    fn entries(count: u32) -> Vec<Entry> {
        let entry = |number: u32| Entry {
            kind: if number % 5 == 4 {
                Kind::Tombstone
            } else {
                Kind::Payload
            },
            key: Key::slice([number.to_le_bytes()[0]; 16], number),
            length: if number % 5 == 4 { 0 } else { 300 },
            stamp: Epoch::new(u64::from(number)),
            sequence: u64::from(number) << 40,
            start: BLOCK + u64::from(number) * 384,
        };
        (0..count).map(entry).collect()
    }

    fn footer(count: u32) -> Vec<u8> {
        let mut blocks = vec![0xff; usize::try_from(footer_bytes(count as usize)).unwrap()];
        encode_footer(&mut blocks, &entries(count), 77, &SECRET);
        blocks
    }

    #[test]
    fn an_opening_comes_back_and_a_flipped_bit_is_refused() {
        let mut block = vec![0xff; disk::BLOCK];
        encode_opening(&mut block, 42, &SECRET);
        assert_eq!(decode_opening(&block, &SECRET), Some(42));
        for at in 0..24 {
            block[at] ^= 1;
            assert_eq!(decode_opening(&block, &SECRET), None, "byte {at}");
            block[at] ^= 1;
        }
        assert_eq!(decode_opening(&[0; disk::BLOCK], &SECRET), None);
    }

    #[test]
    fn a_footer_comes_back() {
        for count in [0, 1, 84, 85, 300] {
            let blocks = footer(count);
            let read = decode_footer(&blocks, 77, SEGMENT, &SECRET);
            assert_eq!(read, Footer::Entries(entries(count)), "{count} entries");
        }
    }

    #[test]
    fn a_long_footer_says_how_long_it_is() {
        let blocks = footer(300);
        let tail = &blocks[blocks.len() - disk::BLOCK..];
        assert_eq!(
            decode_footer(tail, 77, SEGMENT, &SECRET),
            Footer::Needs(blocks.len() as u64)
        );
    }

    #[test]
    fn a_footer_of_another_use_of_the_segment_is_absent() {
        assert_eq!(
            decode_footer(&footer(3), 78, SEGMENT, &SECRET),
            Footer::Absent
        );
    }

    proptest! {
        #[test]
        fn a_flipped_bit_in_a_footer_is_never_believed(at in 0..176usize, bit in 0..8u8) {
            let mut blocks = footer(3);
            let end = blocks.len();
            blocks[end - 1 - at] ^= 1 << bit;
            let read = decode_footer(&blocks, 77, SEGMENT, &SECRET);
            prop_assert!(!matches!(read, Footer::Entries(_)), "{read:?}");
        }

        #[test]
        fn noise_is_no_footer(tail in proptest::collection::vec(any::<u8>(), 0..500)) {
            prop_assert_eq!(decode_footer(&tail, 77, SEGMENT, &SECRET), Footer::Absent);
        }
    }
}
