//! What an earlier run left on a disk.
//!
//! A sealed segment tells by its footer, any other is scanned from its start: header by header, and
//! where there is none, from the next block on, to the segment's end. A gap does not end the scan
//! because batches that were never synced may have reached the disk in any order. Payloads are not
//! read: they are checked when they are served.

use std::{collections::VecDeque, sync::Arc};

use disk::Buffer;
use tokio::task::{JoinHandle, JoinSet};

use super::Disk;
use crate::format::{
    BLOCK,
    record::{HEADER_BYTES, Header, span},
    segment::{Entry, Footer, decode_footer, decode_opening, footer_bytes},
};

/// Read from a segment's end at first: the footer of 84 records. What is longer is read again.
const TAIL_BYTES: u64 = 4 * 1024;
/// Read at a time while scanning.
const WINDOW_BYTES: u64 = 64 * 1024;
/// Segments looked at together.
const TOGETHER: usize = 64;
/// Openings looked at by one task.
const OPENINGS: usize = 256;

/// What a segment holds.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) segment: usize,
    pub(crate) generation: u64,
    /// Whether its footer lists all of it.
    pub(crate) sealed: bool,
    pub(crate) entries: Vec<Entry>,
}

/// The segments of a disk that hold something, and which of them is looked at next.
pub(crate) struct Recovery {
    disk: Arc<Disk>,
    /// The newest first: what is found first of a key is what counts.
    segments: std::vec::IntoIter<(u64, usize)>,
    looking: VecDeque<JoinHandle<Result<Contents, disk::Error>>>,
    newest: Option<usize>,
    /// Segments that could not be read.
    pub(crate) failed: u64,
}

impl Recovery {
    /// Looks at the opening of every segment, and notes their generations with the disk.
    pub(crate) async fn begin(disk: &Arc<Disk>) -> Self {
        let mut looking = JoinSet::new();
        for first in (0..disk.segments()).step_by(OPENINGS) {
            let disk = Arc::clone(disk);
            looking.spawn(async move { openings(&disk, first).await });
        }
        let (mut segments, mut failed) = (Vec::new(), 0);
        while let Some(looked) = looking.join_next().await {
            let (found, unread) = looked.unwrap_or((Vec::new(), OPENINGS as u64));
            segments.extend(found);
            failed += unread;
        }
        segments.sort_unstable_by(|one, other| other.cmp(one));
        for (generation, segment) in &segments {
            disk.set_generation(*segment, *generation);
        }
        Self {
            disk: Arc::clone(disk),
            newest: segments.first().map(|(_, segment)| *segment),
            segments: segments.into_iter(),
            looking: VecDeque::new(),
            failed,
        }
    }

    /// The segment that was opened last.
    pub(crate) fn newest(&self) -> Option<usize> {
        self.newest
    }

    /// What the next segment holds, from the newest to the oldest; nothing when all were told.
    pub(crate) async fn next(&mut self) -> Option<Contents> {
        loop {
            while self.looking.len() < TOGETHER
                && let Some((generation, segment)) = self.segments.next()
            {
                let disk = Arc::clone(&self.disk);
                let look = async move { contents(&disk, segment, generation).await };
                self.looking.push_back(tokio::spawn(look));
            }
            match self.looking.pop_front()?.await {
                Ok(Ok(contents)) => return Some(contents),
                Ok(Err(error)) => {
                    tracing::warn!(disk = %self.disk.path.display(), %error, "segment is skipped");
                    self.failed += 1;
                }
                Err(_lost) => self.failed += 1,
            }
        }
    }
}

impl Drop for Recovery {
    fn drop(&mut self) {
        self.looking.iter().for_each(JoinHandle::abort);
    }
}

/// The generations of some segments, and how many could not be read.
async fn openings(disk: &Disk, first: usize) -> (Vec<(u64, usize)>, u64) {
    let (mut found, mut failed) = (Vec::new(), 0);
    for segment in first..disk.segments().min(first + OPENINGS) {
        match disk.device.read_at(disk.base(segment), disk::BLOCK).await {
            Ok(block) => {
                let generation = decode_opening(&block, &disk.secret);
                found.extend(generation.map(|generation| (generation, segment)));
            }
            Err(error) => {
                tracing::warn!(disk = %disk.path.display(), %error, "segment is skipped");
                failed += 1;
            }
        }
    }
    (found, failed)
}

/// What a segment of this generation holds.
async fn contents(disk: &Disk, segment: usize, generation: u64) -> Result<Contents, disk::Error> {
    let (sealed, entries) = match footer(disk, segment, generation).await {
        Some(entries) => (true, entries),
        None => (false, scan(disk, segment, generation).await?),
    };
    Ok(Contents {
        segment,
        generation,
        sealed,
        entries,
    })
}

/// The records that a segment's footer lists, if there is one that can be read.
pub(crate) async fn footer(disk: &Disk, segment: usize, generation: u64) -> Option<Vec<Entry>> {
    let end = disk.base(segment) + disk.segment_bytes;
    let mut length = TAIL_BYTES.min(disk.segment_bytes - BLOCK);
    // A second time if the footer turns out to be longer than what was read.
    for _ in 0..2 {
        let bytes = usize::try_from(length).ok()?;
        let tail = disk.device.read_at(end - length, bytes).await.ok()?;
        match decode_footer(&tail, generation, disk.segment_bytes, &disk.secret) {
            Footer::Entries(entries) => return Some(entries),
            Footer::Needs(needed) => length = needed,
            Footer::Absent => return None,
        }
    }
    None
}

/// Part of a segment, read.
struct Window {
    start: u64,
    buffer: Buffer,
}

impl Window {
    /// What lies at `at`, if all `length` bytes of it were read.
    fn get(&self, at: u64, length: usize) -> Option<&[u8]> {
        let from = usize::try_from(at.checked_sub(self.start)?).ok()?;
        self.buffer.get(from..from.checked_add(length)?)
    }

    async fn read(disk: &Disk, segment: usize, at: u64) -> Result<Self, disk::Error> {
        let start = at - at % BLOCK;
        let length = WINDOW_BYTES.min(disk.segment_bytes - start);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let buffer = disk
            .device
            .read_at(disk.base(segment) + start, length)
            .await?;
        Ok(Self { start, buffer })
    }
}

/// The records of a segment, by their headers.
async fn scan(disk: &Disk, segment: usize, generation: u64) -> Result<Vec<Entry>, disk::Error> {
    let mut entries = Vec::new();
    let mut at = BLOCK;
    let mut window = Window::read(disk, segment, at).await?;
    while at + HEADER_BYTES as u64 <= disk.segment_bytes {
        if window.get(at, HEADER_BYTES).is_none() {
            window = Window::read(disk, segment, at).await?;
        }
        let header = window.get(at, HEADER_BYTES);
        let header = header.and_then(|bytes| Header::decode(bytes, &disk.secret));
        let found = header.filter(|header| {
            header.generation == generation && at + span(header.length) <= disk.segment_bytes
        });
        at = if let Some(header) = found {
            entries.push(entry(&header, at));
            at + span(header.length)
        } else {
            (at + 1).next_multiple_of(BLOCK)
        };
    }
    Ok(entries)
}

fn entry(header: &Header, start: u64) -> Entry {
    Entry {
        kind: header.kind,
        key: header.key,
        length: header.length,
        stamp: header.stamp,
        sequence: header.sequence,
        start,
    }
}

/// Whether a footer for `entries` fits behind them.
pub(crate) fn can_be_sealed(entries: &[Entry], segment_bytes: u64) -> bool {
    let end = entries.iter().map(Entry::end).max().unwrap_or(BLOCK);
    end.next_multiple_of(BLOCK) + footer_bytes(entries.len()) <= segment_bytes
}
