//! A record's header.
//!
//! ```text
//!  0 magic "MPRC"     4
//!  4 version          1
//!  5 kind             1   1 = payload, 2 = tombstone
//!  6 by plan          1   1 = a plan put it here; a program that did not know of it wrote 0
//!  7 zero             1
//!  8 key: id         16
//! 24 key: part        4
//! 28 payload length   4
//! 32 stamp            8   purge epoch at the start of the fill
//! 40 sequence         8   the store's order of puts and removals, over all disks and restarts
//! 48 generation       8   of the segment's use that the record belongs to
//! 56 payload crc32c   4
//! 60 zero             4
//! 64 check            8   of all above
//! 72
//! ```

use super::{GRANULE, Secret, VERSION, put_all, take};
use crate::{Epoch, Key};

pub(crate) const HEADER_BYTES: usize = 72;
const MAGIC: [u8; 4] = *b"MPRC";

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The key has this payload.
    Payload,
    /// The key was removed: nothing older of it may be served.
    Tombstone,
}

impl Kind {
    pub(crate) const fn as_u8(self) -> u8 {
        match self {
            Self::Payload => 1,
            Self::Tombstone => 2,
        }
    }

    pub(crate) const fn from_u8(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Payload),
            2 => Some(Self::Tombstone),
            _ => None,
        }
    }
}

/// A record's header, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) by_plan: bool,
    pub(crate) key: Key,
    pub(crate) length: u32,
    pub(crate) stamp: Epoch,
    pub(crate) sequence: u64,
    pub(crate) generation: u64,
    pub(crate) payload_crc: u32,
}

impl Header {
    pub(crate) fn encode(&self, secret: &Secret) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        put_all(
            &mut bytes,
            &[
                &MAGIC,
                &[VERSION, self.kind.as_u8(), self.by_plan.into(), 0],
                &self.key.id,
                &self.key.part.to_le_bytes(),
                &self.length.to_le_bytes(),
                &self.stamp.as_u64().to_le_bytes(),
                &self.sequence.to_le_bytes(),
                &self.generation.to_le_bytes(),
                &self.payload_crc.to_le_bytes(),
                &[0; 4],
            ],
        );
        let check = secret.check(&[&bytes[..64]]);
        put_all(&mut bytes[64..], &[&check.to_le_bytes()]);
        bytes
    }

    /// `None` for anything but a header that was written to this disk, unharmed.
    pub(crate) fn decode(bytes: &[u8], secret: &Secret) -> Option<Self> {
        let (mut fields, mut check) = bytes.get(..HEADER_BYTES)?.split_at_checked(64)?;
        // The magic first: scanning meets far more payload than headers.
        if !fields.starts_with(&MAGIC) || secret.check(&[fields]).to_le_bytes() != take(&mut check)?
        {
            return None;
        }
        let [_, _, _, _, version, kind, by_plan, _] = take(&mut fields)?;
        if version != VERSION {
            return None;
        }
        Some(Self {
            kind: Kind::from_u8(kind)?,
            by_plan: by_plan == 1,
            key: Key {
                id: take(&mut fields)?,
                part: u32::from_le_bytes(take(&mut fields)?),
            },
            length: u32::from_le_bytes(take(&mut fields)?),
            stamp: Epoch::new(u64::from_le_bytes(take(&mut fields)?)),
            sequence: u64::from_le_bytes(take(&mut fields)?),
            generation: u64::from_le_bytes(take(&mut fields)?),
            payload_crc: u32::from_le_bytes(take(&mut fields)?),
        })
    }
}

/// How many bytes a record with a payload of `length` takes in a batch.
pub(crate) const fn span(length: u32) -> u64 {
    (HEADER_BYTES as u64 + length as u64).next_multiple_of(GRANULE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    prop_compose! {
        fn any_header()(
            payload: bool, by_plan: bool, id: [u8; 16], part: u32, length: u32, stamp: u64,
            sequence: u64, generation: u64, payload_crc: u32,
        ) -> Header {
            Header {
                kind: if payload { Kind::Payload } else { Kind::Tombstone },
                by_plan,
                key: Key { id, part },
                length,
                stamp: Epoch::new(stamp),
                sequence,
                generation,
                payload_crc,
            }
        }
    }

    proptest! {
        #[test]
        fn a_header_comes_back_as_it_was(header in any_header(), secret: [u8; 16]) {
            let secret = Secret(secret);
            prop_assert_eq!(Header::decode(&header.encode(&secret), &secret), Some(header));
        }

        #[test]
        fn a_flipped_bit_is_refused(
            header in any_header(), secret: [u8; 16], at in 0..HEADER_BYTES, bit in 0..8u8,
        ) {
            let mut bytes = header.encode(&Secret(secret));
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(Header::decode(&bytes, &Secret(secret)), None);
        }

        #[test]
        fn another_disk_s_header_is_refused(
            header in any_header(), secret: [u8; 16], other: [u8; 16],
        ) {
            prop_assume!(secret != other);
            prop_assert_eq!(Header::decode(&header.encode(&Secret(secret)), &Secret(other)), None);
        }

        #[test]
        fn noise_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Header::decode(&bytes, &Secret([7; 16])), None);
        }
    }

    #[test]
    fn a_head_of_300_bytes_takes_six_granules() {
        assert_eq!(span(300), 384);
        assert_eq!(span(0), 128);
        assert_eq!(span(u32::MAX) % GRANULE, 0);
    }
}
