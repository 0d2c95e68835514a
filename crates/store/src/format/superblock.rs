//! A disk's superblock, written once when the disk is taken into use.
//!
//! ```text
//!  0 magic "MILLPOND"   8
//!  8 version            1, zero 7
//! 16 disk's id         16
//! 32 store's id        16   the purge journal that knows this disk's past
//! 48 secret            16   key of the checks
//! 64 segment_bytes      8
//! 72 segments           8
//! 80 crc32c of all above 4
//! ```
//!
//! A second copy stands in the next block, for the day when the first one rots.

use super::{BLOCK, Secret, VERSION, put_all, take};

const MAGIC: [u8; 8] = *b"MILLPOND";
/// Both copies.
pub(crate) const SUPERBLOCKS_BYTES: u64 = 2 * BLOCK;
/// How much of a disk that is not ours must be zero for it to count as blank. Partition tables and
/// the signatures of common filesystems, volume managers and RAID sets all lie within.
pub(crate) const BLANK_BYTES: u64 = 1 << 20;

/// What a disk says about itself.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Superblock {
    pub(crate) disk: [u8; 16],
    pub(crate) store: [u8; 16],
    pub(crate) secret: Secret,
    pub(crate) segment_bytes: u64,
    pub(crate) segments: u64,
}

/// What to do with a disk, from its first bytes.
pub(crate) enum Verdict {
    /// It is ours and fits: recover it.
    Ours(Superblock),
    /// It is blank: take it into use.
    Blank,
    /// It was ours but cannot be used as it is: empty it. Says why.
    Stale(&'static str),
    /// It holds something else: leave it alone.
    Foreign,
}

impl Superblock {
    /// Both copies, for the first two blocks.
    pub(crate) fn encode(&self, blocks: &mut [u8]) {
        blocks.fill(0);
        for block in blocks.chunks_exact_mut(disk::BLOCK) {
            let fields: [&[u8]; 7] = [
                &MAGIC,
                &[VERSION, 0, 0, 0, 0, 0, 0, 0],
                &self.disk,
                &self.store,
                &self.secret.0,
                &self.segment_bytes.to_le_bytes(),
                &self.segments.to_le_bytes(),
            ];
            put_all(block, &fields);
            let crc = crc32c::crc32c(&block[..80]);
            put_all(&mut block[80..], &[&crc.to_le_bytes()]);
        }
    }

    fn decode(block: &[u8]) -> Option<Self> {
        let (mut fields, mut crc) = block.split_at_checked(80)?;
        if crc32c::crc32c(fields).to_le_bytes() != take(&mut crc)? {
            return None;
        }
        let magic = take::<8>(&mut fields)?;
        let [version, ..] = take::<8>(&mut fields)?;
        if magic != MAGIC || version != VERSION {
            return None;
        }
        Some(Self {
            disk: take(&mut fields)?,
            store: take(&mut fields)?,
            secret: Secret(take(&mut fields)?),
            segment_bytes: u64::from_le_bytes(take(&mut fields)?),
            segments: u64::from_le_bytes(take(&mut fields)?),
        })
    }
}

/// Judges a disk by its first [`BLANK_BYTES`] (or all of it, if it is smaller), the store that
/// wants it and the geometry that is configured.
pub(crate) fn judge(start: &[u8], store: &[u8; 16], segment_bytes: u64, segments: u64) -> Verdict {
    let mut copies = start.chunks(disk::BLOCK).take(2);
    if let Some(found) = copies.find_map(Superblock::decode) {
        return if found.store != *store {
            Verdict::Stale("it belongs to another store, or the purge journal was lost")
        } else if (found.segment_bytes, found.segments) != (segment_bytes, segments) {
            Verdict::Stale("its size or its segments' size was changed")
        } else {
            Verdict::Ours(found)
        };
    }
    let ours = start
        .chunks(disk::BLOCK)
        .take(2)
        .any(|block| block.starts_with(&MAGIC));
    if ours {
        Verdict::Stale("its superblock is of another version, or damaged")
    } else if start.iter().all(|byte| *byte == 0) {
        Verdict::Blank
    } else {
        Verdict::Foreign
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn superblock() -> Superblock {
        Superblock {
            disk: [1; 16],
            store: [2; 16],
            secret: Secret([3; 16]),
            segment_bytes: 1 << 20,
            segments: 9,
        }
    }

    fn written() -> Vec<u8> {
        let mut start = vec![0; 4 * disk::BLOCK];
        superblock().encode(&mut start[..2 * disk::BLOCK]);
        start
    }

    fn verdict(start: &[u8]) -> &'static str {
        match judge(start, &[2; 16], 1 << 20, 9) {
            Verdict::Ours(found) => {
                assert!(found == superblock());
                "ours"
            }
            Verdict::Blank => "blank",
            Verdict::Stale(why) => why,
            Verdict::Foreign => "foreign",
        }
    }

    #[test]
    fn a_superblock_comes_back_and_so_does_its_copy() {
        let mut start = written();
        assert_eq!(verdict(&start), "ours");
        start[20] ^= 1;
        assert_eq!(verdict(&start), "ours", "from the copy");
        start[disk::BLOCK + 20] ^= 1;
        assert!(verdict(&start).contains("damaged"));
    }

    #[test]
    fn another_version_is_emptied() {
        let mut start = written();
        for block in start.chunks_exact_mut(disk::BLOCK).take(2) {
            block[8] = VERSION + 1;
            let crc = crc32c::crc32c(&block[..80]);
            block[80..84].copy_from_slice(&crc.to_le_bytes());
        }
        assert!(verdict(&start).contains("another version"));
    }

    #[test]
    fn another_store_s_disk_is_emptied() {
        assert!(matches!(
            judge(&written(), &[9; 16], 1 << 20, 9),
            Verdict::Stale(_)
        ));
        assert!(matches!(
            judge(&written(), &[2; 16], 1 << 20, 10),
            Verdict::Stale(_)
        ));
    }

    #[test]
    fn zeros_are_blank_and_anything_else_is_left_alone() {
        assert_eq!(verdict(&[]), "blank");
        assert_eq!(verdict(&[0; 9000]), "blank");
        let mut ext4 = vec![0; 9000];
        ext4[1080] = 0x53;
        assert_eq!(verdict(&ext4), "foreign");
        assert_eq!(verdict(b"my thesis"), "foreign");
    }
}
