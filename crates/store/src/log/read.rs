//! Reading a record back: one read into a pooled buffer, which becomes the record's bytes.

use std::time::Duration;

use bytes::Bytes;
use disk::Buffer;

use super::Disk;
use crate::{
    Key, Record,
    format::{
        BLOCK,
        checksum::crc32c,
        record::{HEADER_BYTES, Header, Kind},
    },
    index::{Entry, Place},
};

/// Payloads up to this size are copied out of their block, so that a head of a few hundred bytes
/// does not hold on to pages of RAM.
pub(crate) const COPIED_BYTES_MAX: usize = 16 * 1024;

/// A record as it lies on the disk, checked.
pub(crate) struct Stored {
    pub(crate) record: Record,
    pub(crate) sequence: u64,
}

/// Why a record could not be read.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The disk failed.
    Disk(disk::Error),
    /// Something else lies there, or lay there when it was written over.
    Mismatch,
    /// The record lies there, but its payload is not what was written.
    Corrupt,
}

/// Whether a header is the one that is looked for.
pub(crate) struct Wanted {
    pub(crate) key: Key,
    pub(crate) place: Place,
    pub(crate) length: u32,
    /// Of the segment, read when the place was looked up.
    pub(crate) generation: u64,
}

impl Wanted {
    pub(crate) fn new(disk: &Disk, key: Key, entry: &Entry) -> Self {
        let place = entry.place();
        let generation = disk.generation_at(place.start);
        Self {
            key,
            place,
            length: entry.length(),
            generation,
        }
    }

    /// Where the blocks that hold it start on the disk, and how many bytes they are.
    fn blocks(&self) -> (u64, usize) {
        let start = self.place.start;
        let from = start - start % BLOCK;
        let end = start + HEADER_BYTES as u64 + u64::from(self.length);
        let length = usize::try_from(end.next_multiple_of(BLOCK) - from).unwrap_or(usize::MAX);
        (from, length)
    }

    fn is(&self, header: &Header) -> bool {
        header.kind == Kind::Payload
            && header.key == self.key
            && header.length == self.length
            && header.generation == self.generation
    }
}

/// Reads what a viewer wants, within `time`. Cancel safe.
pub(crate) async fn read(disk: &Disk, wanted: &Wanted, time: Duration) -> Result<Stored, Failure> {
    let (from, length) = wanted.blocks();
    let blocks = disk.device.read_within(time, from, length).await;
    check(disk, wanted, blocks.map_err(Failure::Disk)?)
}

/// Reads what the log itself wants, behind what viewers want. Cancel safe.
pub(crate) async fn read_behind(disk: &Disk, wanted: &Wanted) -> Result<Stored, Failure> {
    let (from, length) = wanted.blocks();
    let blocks = disk.device.read_behind(from, length).await;
    check(disk, wanted, blocks.map_err(Failure::Disk)?)
}

/// The record in the blocks that were read. The checksum is the first to touch the body, by the
/// thread that sends it next, which then finds it in the CPU's cache.
fn check(disk: &Disk, wanted: &Wanted, buffer: Buffer) -> Result<Stored, Failure> {
    let (from, _length) = wanted.blocks();
    let at = usize::try_from(wanted.place.start - from).unwrap_or(usize::MAX);
    let header = buffer
        .get(at..)
        .and_then(|bytes| Header::decode(bytes, &disk.secret));
    let header = header
        .filter(|header| wanted.is(header))
        .ok_or(Failure::Mismatch)?;
    let payload = at + HEADER_BYTES..at + HEADER_BYTES + wanted.length as usize;
    let bytes = buffer.get(payload.clone()).ok_or(Failure::Mismatch)?;
    if crc32c(bytes) != header.payload_crc {
        return Err(Failure::Corrupt);
    }
    let bytes = if bytes.len() <= COPIED_BYTES_MAX {
        Bytes::copy_from_slice(bytes)
    } else {
        buffer.freeze().slice(payload)
    };
    Ok(Stored {
        record: Record {
            bytes,
            stamp: header.stamp,
            by_plan: header.by_plan,
        },
        sequence: header.sequence,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Config, DiskConfig, Epoch,
        format::segment,
        log::{
            batch::{Job, batch_bytes, encode},
            open::{Wish, open},
        },
    };

    fn job(part: u32, length: usize) -> Job {
        Job {
            kind: Kind::Payload,
            key: Key::slice([1; 16], part),
            sequence: u64::from(part),
            record: Record {
                bytes: vec![9; length].into(),
                stamp: Epoch::new(5),
                by_plan: true,
            },
            from: None,
            is_removal: false,
        }
    }

    /// A disk with two records and a tombstone in its first segment.
    async fn written(folder: &std::path::Path) -> (Disk, Vec<segment::Entry>) {
        let config = DiskConfig::new(folder.join("disk"), 1 << 20);
        let settings = Config {
            segment_bytes: 128 << 10,
            ..Config::default()
        };
        let wish = Wish {
            number: 0,
            config: &config,
            store: [7; 16],
            store_is_new: false,
            settings: &settings,
        };
        let disk = open(wish).await.unwrap();
        let jobs = [
            job(1, 300),
            job(2, 40_000),
            Job::tombstone(job(3, 0).key, 3, true),
        ];
        let mut blocks = disk
            .device
            .pool()
            .take(usize::try_from(batch_bytes(&jobs)).unwrap());
        let entries = encode(&mut blocks, &jobs, BLOCK, 77, &disk.secret);
        disk.device
            .write_at(disk.base(0) + BLOCK, blocks)
            .await
            .unwrap();
        disk.set_generation(0, 77);
        (disk, entries)
    }

    fn wanted(disk: &Disk, entry: &segment::Entry) -> Wanted {
        let place = disk.place(0, entry.start);
        Wanted {
            key: entry.key,
            place,
            length: entry.length,
            generation: 77,
        }
    }

    #[tokio::test]
    async fn what_is_wanted_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (disk, entries) = written(folder.path()).await;
        for (entry, length) in entries.iter().zip([300, 40_000]) {
            let stored = read(&disk, &wanted(&disk, entry), Duration::from_mins(1))
                .await
                .ok()
                .unwrap();
            assert_eq!(stored.record, job(0, length).record);
            assert_eq!(stored.sequence, entry.sequence);
        }
    }

    /// A key whose tag is another's, a segment's older or newer use, a wrong length, a tombstone.
    #[tokio::test]
    async fn what_is_not_exactly_wanted_is_a_mismatch() {
        let folder = tempfile::tempdir().unwrap();
        let (disk, entries) = written(folder.path()).await;
        let right = || wanted(&disk, &entries[0]);
        let strangers = [
            Wanted {
                key: Key::slice([1; 16], 2),
                ..right()
            },
            Wanted {
                generation: 76,
                ..right()
            },
            Wanted {
                generation: 78,
                ..right()
            },
            Wanted {
                length: 299,
                ..right()
            },
            Wanted {
                place: disk.place(0, entries[0].start + 64),
                ..right()
            },
            Wanted {
                place: disk.place(3, entries[0].start),
                ..right()
            },
            wanted(&disk, &entries[2]),
        ];
        for (index, stranger) in strangers.iter().enumerate() {
            let failure = read(&disk, stranger, Duration::from_mins(1)).await.err();
            assert!(
                matches!(failure, Some(Failure::Mismatch)),
                "{index}: {failure:?}"
            );
        }
    }
}
