//! A batch of records: what fits into a segment, and how it is laid out. Pure.

use bytes::Bytes;

use crate::{
    Epoch, Key, Record,
    format::{
        BLOCK, Secret,
        checksum::crc32c,
        put_all,
        record::{HEADER_BYTES, Header, Kind, span},
        segment::{Entry, footer_bytes},
    },
    index::Place,
};

/// A record to be written.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) kind: Kind,
    pub(crate) key: Key,
    pub(crate) sequence: u64,
    /// Nothing, of a tombstone.
    pub(crate) record: Record,
    /// Where it lies already, if it is kept from a segment that is emptied.
    pub(crate) from: Option<Place>,
    /// Whether it is a removal, which must not be lost.
    pub(crate) is_removal: bool,
}

impl Job {
    pub(crate) fn tombstone(key: Key, sequence: u64, is_removal: bool) -> Self {
        Self {
            kind: Kind::Tombstone,
            key,
            sequence,
            record: Record {
                bytes: Bytes::new(),
                stamp: Epoch::ZERO,
                by_plan: false,
            },
            from: None,
            is_removal,
        }
    }

    pub(crate) fn length(&self) -> u32 {
        // Longer payloads were refused when they were put.
        u32::try_from(self.record.bytes.len()).unwrap_or(u32::MAX)
    }
}

/// An open segment.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) segment: usize,
    pub(crate) generation: u64,
    /// Where the next batch starts, from the segment's start: a multiple of a block.
    pub(crate) cursor: u64,
    /// What was written so far.
    pub(crate) entries: Vec<Entry>,
}

impl Open {
    pub(crate) fn new(segment: usize, generation: u64) -> Self {
        Self {
            segment,
            generation,
            cursor: BLOCK,
            entries: Vec::new(),
        }
    }

    /// How much room there is before the footer for so many records more, in so many batches.
    pub(crate) fn room(&self, records: usize, batches: u64, segment_bytes: u64) -> u64 {
        let footer = footer_bytes(self.entries.len() + records);
        let taken = self.cursor + footer + batches * BLOCK;
        segment_bytes.saturating_sub(taken)
    }

    /// How many of `jobs`, from the first on, fit before the footer.
    pub(crate) fn fitting(&self, jobs: &[Job], segment_bytes: u64) -> usize {
        let mut end = self.cursor;
        let fits = |(index, job): (usize, &Job)| {
            end += span(job.length());
            let footer = footer_bytes(self.entries.len() + index + 1);
            end.next_multiple_of(BLOCK) + footer <= segment_bytes
        };
        jobs.iter()
            .enumerate()
            .map(fits)
            .take_while(|fits| *fits)
            .count()
    }
}

/// The longest payload that a segment can take.
pub(crate) fn payload_bytes_max(segment_bytes: u64) -> u64 {
    segment_bytes - BLOCK - footer_bytes(1) - BLOCK
}

/// How many bytes a batch of `jobs` takes.
pub(crate) fn batch_bytes(jobs: &[Job]) -> u64 {
    let bytes: u64 = jobs.iter().map(|job| span(job.length())).sum();
    bytes.next_multiple_of(BLOCK)
}

/// Lays `jobs` out in `blocks`, which have exactly [`batch_bytes`] and go to `cursor` in their
/// segment. One pass for the checksum and one copy: the device wants one aligned piece.
pub(crate) fn encode(
    blocks: &mut [u8],
    jobs: &[Job],
    cursor: u64,
    generation: u64,
    secret: &Secret,
) -> Vec<Entry> {
    let mut entries = Vec::with_capacity(jobs.len());
    let (mut place, mut start) = (blocks, cursor);
    for job in jobs {
        let header = Header {
            kind: job.kind,
            by_plan: job.record.by_plan,
            key: job.key,
            length: job.length(),
            stamp: job.record.stamp,
            sequence: job.sequence,
            generation,
            payload_crc: crc32c(&job.record.bytes),
        };
        entries.push(Entry {
            kind: job.kind,
            key: job.key,
            length: job.length(),
            stamp: job.record.stamp,
            sequence: job.sequence,
            start,
        });
        let used = span(job.length());
        let gap = used - HEADER_BYTES as u64 - u64::from(job.length());
        place = put_all(
            place,
            &[&header.encode(secret), &job.record.bytes, zeros(gap)],
        );
        start += used;
    }
    // The buffer was used before.
    place.fill(0);
    entries
}

/// Less than a granule of zeros.
fn zeros(count: u64) -> &'static [u8] {
    const ZEROS: [u8; 64] = [0; 64];
    ZEROS
        .get(..usize::try_from(count).unwrap_or_default())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: u64 = 64 * 1024;

    fn job(length: usize) -> Job {
        Job {
            kind: Kind::Payload,
            key: Key::slice([1; 16], 2),
            sequence: 3,
            record: Record {
                bytes: Bytes::from(vec![5; length]),
                stamp: Epoch::new(4),
                by_plan: false,
            },
            from: None,
            is_removal: false,
        }
    }

    #[test]
    fn the_longest_payload_fits_an_empty_segment_and_nothing_longer() {
        let open = Open::new(0, 1);
        let longest = usize::try_from(payload_bytes_max(SEGMENT)).unwrap();
        assert_eq!(open.fitting(&[job(longest)], SEGMENT), 1);
        assert_eq!(open.fitting(&[job(longest + disk::BLOCK)], SEGMENT), 0);
    }

    #[test]
    fn a_batch_never_reaches_into_the_footer() {
        let jobs: Vec<_> = (0..1000).map(|_| job(300)).collect();
        let mut open = Open::new(0, 1);
        let mut fit = open.fitting(&jobs, SEGMENT);
        assert!(fit > 100, "{fit}");
        while fit > 0 {
            open.entries.extend(encode(
                &mut vec![0; usize::try_from(batch_bytes(&jobs[..fit])).unwrap()],
                &jobs[..fit],
                open.cursor,
                1,
                &Secret([0; 16]),
            ));
            open.cursor += batch_bytes(&jobs[..fit]);
            assert!(open.cursor + footer_bytes(open.entries.len()) <= SEGMENT);
            fit = open.fitting(&jobs, SEGMENT);
        }
        assert!(open.entries.iter().all(|entry| entry.end() <= open.cursor));
    }

    #[test]
    fn records_are_packed_and_the_rest_of_the_block_is_zero() {
        let jobs = [
            job(300),
            Job::tombstone(Key::head([7; 16]), 9, true),
            job(10),
        ];
        let mut blocks = vec![0xff; usize::try_from(batch_bytes(&jobs)).unwrap()];
        assert_eq!(blocks.len(), disk::BLOCK);
        let secret = Secret([2; 16]);
        let entries = encode(&mut blocks, &jobs, 8192, 77, &secret);
        assert_eq!(
            entries.iter().map(|entry| entry.start).collect::<Vec<_>>(),
            [8192, 8576, 8704]
        );
        for (entry, job) in entries.iter().zip(&jobs) {
            let at = usize::try_from(entry.start - 8192).unwrap();
            let header = Header::decode(&blocks[at..], &secret).unwrap();
            assert_eq!((header.key, header.generation), (job.key, 77));
            let payload = &blocks[at + HEADER_BYTES..][..job.record.bytes.len()];
            assert_eq!(payload, job.record.bytes);
            assert_eq!(header.payload_crc, crc32c(payload));
        }
        assert!(blocks[640 + HEADER_BYTES..].iter().all(|byte| *byte == 0));
    }
}
