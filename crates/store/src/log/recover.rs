//! What an earlier run left on a disk.
//!
//! A sealed segment tells by its footer, any other is scanned from its start: header by header, and
//! where there is none, from the next block on, to the segment's end. A gap does not end the scan
//! because batches that were never synced may have reached the disk in any order. Payloads are not
//! read: they are checked when they are served.

use std::sync::Arc;

use disk::Buffer;
use tokio::task::JoinSet;

use super::Disk;
use crate::format::{
    BLOCK,
    record::{HEADER_BYTES, Header, span},
    segment::{Entry, Footer, decode_footer, decode_opening, footer_bytes},
};

/// Read from a segment's end at first: the footer of a thousand records.
const TAIL_BYTES: u64 = 64 * 1024;
/// Read at a time while scanning.
const WINDOW_BYTES: u64 = 64 * 1024;
/// Segments looked at together.
const TOGETHER: usize = 16;

/// What a segment holds.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) segment: usize,
    pub(crate) generation: u64,
    /// Whether its footer lists all of it.
    pub(crate) sealed: bool,
    pub(crate) entries: Vec<Entry>,
}

/// All segments that hold something, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    pub(crate) contents: Vec<Contents>,
    /// Segments that could not be read.
    pub(crate) failed: u64,
}

/// Looks at every segment of a disk, and notes their generations with it.
pub(crate) async fn recover(disk: &Arc<Disk>) -> Recovered {
    let mut recovered = Recovered::default();
    let mut looking = JoinSet::new();
    for segment in 0..disk.segments() {
        if looking.len() >= TOGETHER {
            recovered.note(looking.join_next().await);
        }
        let disk = Arc::clone(disk);
        looking.spawn(async move { contents(&disk, segment).await });
    }
    while !looking.is_empty() {
        recovered.note(looking.join_next().await);
    }
    recovered
        .contents
        .sort_by_key(|contents| contents.generation);
    for contents in &recovered.contents {
        disk.set_generation(contents.segment, contents.generation);
    }
    recovered
}

type Looked = Result<Result<Option<Contents>, disk::Error>, tokio::task::JoinError>;

impl Recovered {
    fn note(&mut self, looked: Option<Looked>) {
        match looked {
            Some(Ok(Ok(Some(contents)))) => self.contents.push(contents),
            Some(Ok(Ok(None))) | None => {}
            Some(Ok(Err(error))) => {
                tracing::warn!(%error, "segment is skipped");
                self.failed += 1;
            }
            Some(Err(_lost)) => self.failed += 1,
        }
    }
}

/// What a segment holds; nothing if it was never opened on this disk.
async fn contents(disk: &Disk, segment: usize) -> Result<Option<Contents>, disk::Error> {
    let opening = disk.device.read_at(disk.base(segment), disk::BLOCK).await?;
    let Some(generation) = decode_opening(&opening, &disk.secret) else {
        return Ok(None);
    };
    drop(opening);
    let (sealed, entries) = match footer(disk, segment, generation).await {
        Some(entries) => (true, entries),
        None => (false, scan(disk, segment, generation).await?),
    };
    Ok(Some(Contents {
        segment,
        generation,
        sealed,
        entries,
    }))
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
