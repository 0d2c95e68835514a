//! How the slice log lies on a disk. Pure: bytes in, values out.
//!
//! ```text
//! disk      | superblock | superblock's copy | segment 0 | segment 1 | ...
//!             4 KiB        4 KiB               segment_bytes each
//!
//! segment   | opening | batch | batch | ...   unused   ... | footer |
//!             4 KiB     whole blocks of 4 KiB               whole blocks, written when sealed
//!
//! batch     | record | record | ... zeros to the end of the block |
//!
//! record    | header 72 B | payload | zeros to a multiple of 64 B |
//! ```
//!
//! A segment is used in three steps. *Opened*: its opening is overwritten with a new generation and
//! synced, which makes all that lay in it invalid at once. *Filled*: batches are appended, each
//! starting on a fresh block so that no write touches a block that is already durable. *Sealed*:
//! the footer lists its records, so that recovery reads the footer only; a segment without a valid
//! footer of its generation (the open one, or one torn by a crash) is scanned.
//!
//! Records are packed within a batch, so an object's head of 300 bytes takes 384 bytes and not a
//! block of its own.
//!
//! Every structure ends with a check: `SipHash` 1-3 keyed by the disk's secret, which lives in its
//! superblock. A flipped bit, an older use of the segment, another disk's blocks and a payload that
//! was made to look like a record all fail it. The payload has a crc32c (hardware) in its header.
//! Integers are little-endian.

pub(crate) mod checksum;
pub(crate) mod record;
pub(crate) mod segment;
pub(crate) mod superblock;

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// Version of everything below. A disk of another version is refused, never misread.
pub(crate) const VERSION: u8 = 1;
/// Where a record may start: multiples of this many bytes.
pub(crate) const GRANULE: u64 = 64;
/// A block as a file offset.
pub(crate) const BLOCK: u64 = disk::BLOCK as u64;

/// The key of the checks on one disk.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) [u8; 16]);

impl Secret {
    /// The check of `parts`, one after the other.
    pub(crate) fn check(&self, parts: &[&[u8]]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        for part in parts {
            hasher.write(part);
        }
        hasher.finish()
    }
}

/// Takes the first `N` bytes off.
pub(crate) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

/// Writes fields one after the other into a place that has room for them; returns the rest.
pub(crate) fn put_all<'a>(mut place: &'a mut [u8], fields: &[&[u8]]) -> &'a mut [u8] {
    for field in fields {
        let (here, rest) = place.split_at_mut(field.len().min(place.len()));
        here.copy_from_slice(&field[..here.len()]);
        place = rest;
    }
    place
}
