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

use super::{BLOCK, Secret, VERSION, checksum::crc32c, put_all, take};

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
    /// It is of another store: leave it alone.
    AnotherStore,
    /// It is of another version of the format: leave it alone.
    AnotherVersion(u8),
    /// It holds something else: leave it alone.
    Foreign,
}

/// Who judges a disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judge {
    /// The store's id, from the purge journal.
    pub(crate) store: [u8; 16],
    /// Whether the journal was made just now. A disk of another store is then most likely our own,
    /// of which the purges were lost, and is emptied.
    pub(crate) is_new: bool,
    /// The geometry that is configured.
    pub(crate) segment_bytes: u64,
    pub(crate) segments: u64,
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
            let crc = crc32c(&block[..80]);
            put_all(&mut block[80..], &[&crc.to_le_bytes()]);
        }
    }

    fn decode(block: &[u8]) -> Option<Self> {
        let (mut fields, mut crc) = block.split_at_checked(80)?;
        if crc32c(fields).to_le_bytes() != take(&mut crc)? {
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

impl Judge {
    /// Judges a disk by its first [`BLANK_BYTES`], or all of it, if it is smaller.
    pub(crate) fn judge(&self, start: &[u8]) -> Verdict {
        let mut copies = start.chunks(disk::BLOCK).take(2);
        if let Some(found) = copies.find_map(Superblock::decode) {
            return self.judge_ours(found);
        }
        let mut ours = start
            .chunks(disk::BLOCK)
            .take(2)
            .filter_map(|block| block.strip_prefix(&MAGIC))
            .filter_map(|rest| rest.first())
            .peekable();
        if ours.peek().is_some() {
            ours.find(|version| **version != VERSION)
                .map_or(Verdict::Stale("its superblock is damaged"), |version| {
                    Verdict::AnotherVersion(*version)
                })
        } else if start.iter().all(|byte| *byte == 0) {
            Verdict::Blank
        } else {
            Verdict::Foreign
        }
    }

    fn judge_ours(&self, found: Superblock) -> Verdict {
        let geometry = (self.segment_bytes, self.segments);
        if found.store != self.store {
            if self.is_new {
                Verdict::Stale("the purge journal that knows its past was lost")
            } else {
                Verdict::AnotherStore
            }
        } else if (found.segment_bytes, found.segments) == geometry {
            Verdict::Ours(found)
        } else {
            Verdict::Stale("its size or its segments' size was changed")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JUDGE: Judge = Judge {
        store: [2; 16],
        is_new: false,
        segment_bytes: 1 << 20,
        segments: 9,
    };

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

    fn judge(start: &[u8]) -> Verdict {
        JUDGE.judge(start)
    }

    fn verdict(start: &[u8]) -> &'static str {
        match judge(start) {
            Verdict::Ours(found) => {
                assert!(found == superblock());
                "ours"
            }
            Verdict::Blank => "blank",
            Verdict::Stale(why) => why,
            Verdict::AnotherStore => "another store",
            Verdict::AnotherVersion(_) => "another version",
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
    fn another_version_is_refused() {
        let mut start = written();
        for block in start.chunks_exact_mut(disk::BLOCK).take(2) {
            block[8] = VERSION + 1;
            let crc = crc32c(&block[..80]);
            block[80..84].copy_from_slice(&crc.to_le_bytes());
        }
        assert!(
            matches!(judge(&start), Verdict::AnotherVersion(version) if version == VERSION + 1)
        );
    }

    #[test]
    fn another_store_s_disk_is_refused_unless_our_own_journal_is_new() {
        let other = Judge {
            store: [9; 16],
            ..JUDGE
        };
        assert!(matches!(other.judge(&written()), Verdict::AnotherStore));
        let new = Judge {
            is_new: true,
            ..other
        };
        assert!(matches!(new.judge(&written()), Verdict::Stale(why) if why.contains("journal")));
    }

    #[test]
    fn another_geometry_is_emptied() {
        let larger = Judge {
            segments: 10,
            ..JUDGE
        };
        assert!(matches!(larger.judge(&written()), Verdict::Stale(_)));
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
