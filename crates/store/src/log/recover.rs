//! What an earlier run left on a disk.
//!
//! A sealed segment tells by its footer, any other is scanned from its start: header by header, and
//! where there is none, from the next block on, to the segment's end. A gap does not end the scan
//! because batches that were never synced may have reached the disk in any order. Payloads are not
//! read: they are checked when they are served.
//!
//! A segment's footer and the opening of the next one lie side by side, so that one read is enough
//! for both: with ten million slices in segments of 64 MiB that is 160,000 reads instead of twice
//! as many. They are made in the order of the disk, many at one time; whoever enters what is found
//! puts it into the order of the log.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use disk::Buffer;

use super::Disk;
use crate::format::{
    BLOCK,
    record::{HEADER_BYTES, Header, span},
    segment::{Entry, Footer, decode_footer, decode_opening, footer_bytes},
};

/// Read from a segment's end at least: the footer of 84 records. What is longer is read again, and
/// so much is read at once of those that follow.
const TAIL_BYTES: u64 = 4 * 1024;
/// Read from a segment's end at most before it is known how long its footer is.
const TAIL_BYTES_MAX: u64 = 64 * 1024;
/// Read at a time while scanning.
const WINDOW_BYTES: u64 = 64 * 1024;
/// Segments that one task looks at, one after the other. The first of them costs a read more.
const STRETCH: usize = 32;

/// What a segment holds.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) segment: usize,
    pub(crate) generation: u64,
    /// Whether its footer lists all of it.
    pub(crate) sealed: bool,
    pub(crate) entries: Vec<Entry>,
}

/// A disk that is looked through by several tasks.
pub(crate) struct Search {
    disk: Arc<Disk>,
    /// The first segment that no task has taken on.
    next: AtomicUsize,
    tail_bytes: AtomicU64,
}

/// Some segments that lie side by side, looked at by one task.
pub(crate) struct Stretch<'a> {
    search: &'a Search,
    segment: usize,
    end: usize,
    /// What the opening of `segment` says, if it was read.
    opening: Option<Opening>,
}

/// What a segment's opening says.
type Opening = Result<Option<u64>, disk::Error>;

impl Search {
    pub(crate) fn new(disk: &Arc<Disk>) -> Self {
        Self {
            disk: Arc::clone(disk),
            next: AtomicUsize::new(0),
            tail_bytes: AtomicU64::new(TAIL_BYTES),
        }
    }

    pub(crate) fn disk(&self) -> &Arc<Disk> {
        &self.disk
    }

    /// Takes on segments that nobody looks at yet.
    pub(crate) fn stretch(&self) -> Option<Stretch<'_>> {
        let first = self.next.fetch_add(STRETCH, Ordering::Relaxed);
        let end = self.disk.segments().min(first.saturating_add(STRETCH));
        (first < end).then_some(Stretch {
            search: self,
            segment: first,
            end,
            opening: None,
        })
    }
}

impl Stretch<'_> {
    /// What the next segment that was ever used holds. Its generation is noted with the disk. An
    /// error is that of a segment that cannot be read; those behind it may be.
    pub(crate) async fn next(&mut self) -> Option<Result<Contents, disk::Error>> {
        while self.segment < self.end {
            let segment = self.segment;
            self.segment += 1;
            let disk = &self.search.disk;
            let opening = match self.opening.take() {
                Some(opening) => opening,
                None => read_opening(disk, segment).await,
            };
            match opening {
                Ok(None) => {}
                Ok(Some(generation)) => {
                    disk.set_generation(segment, generation);
                    return Some(self.contents(segment, generation).await);
                }
                Err(error) => return Some(Err(error)),
            }
        }
        None
    }

    async fn contents(&mut self, segment: usize, generation: u64) -> Result<Contents, disk::Error> {
        let disk = &self.search.disk;
        let (sealed, entries) = match self.footer(segment, generation).await {
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

    /// The segment's footer, read together with the opening of the next one, if that is wanted.
    async fn footer(&mut self, segment: usize, generation: u64) -> Option<Vec<Entry>> {
        let disk = &self.search.disk;
        let tail = self.search.tail_bytes.load(Ordering::Relaxed);
        let tail = tail.min(disk.segment_bytes - BLOCK);
        let more = if self.segment < self.end { BLOCK } else { 0 };
        // If it fails, each is tried on its own.
        let read = read_end(disk, segment, tail, more).await.ok();
        let both = read
            .as_ref()
            .and_then(|both| both.split_at_checked(length(tail)));
        let Some((tail, opening)) = both else {
            return footer(disk, segment, generation).await;
        };
        if more > 0 {
            self.opening = Some(Ok(decode_opening(opening, &disk.secret)));
        }
        match decode_footer(tail, generation, disk.segment_bytes, &disk.secret) {
            Footer::Entries(entries) => Some(entries),
            Footer::Absent => None,
            Footer::Needs(bytes) => {
                let hint = bytes.min(TAIL_BYTES_MAX);
                self.search.tail_bytes.fetch_max(hint, Ordering::Relaxed);
                footer_from(disk, segment, generation, bytes).await
            }
        }
    }
}

async fn read_opening(disk: &Disk, segment: usize) -> Opening {
    let block = disk
        .device
        .read_behind(disk.base(segment), disk::BLOCK)
        .await?;
    Ok(decode_opening(&block, &disk.secret))
}

/// Reads the last `tail` bytes of a segment, and `more` behind it.
async fn read_end(
    disk: &Disk,
    segment: usize,
    tail: u64,
    more: u64,
) -> Result<Buffer, disk::Error> {
    let end = disk.base(segment) + disk.segment_bytes;
    disk.device
        .read_behind(end - tail, length(tail + more))
        .await
}

fn length(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// The records that a segment's footer lists, if there is one that can be read.
pub(crate) async fn footer(disk: &Disk, segment: usize, generation: u64) -> Option<Vec<Entry>> {
    let tail = TAIL_BYTES.min(disk.segment_bytes - BLOCK);
    footer_from(disk, segment, generation, tail).await
}

/// The same, where it is known about how long the footer is.
async fn footer_from(
    disk: &Disk,
    segment: usize,
    generation: u64,
    mut tail: u64,
) -> Option<Vec<Entry>> {
    // A second time if the footer turns out to be longer than what was read.
    for _ in 0..2 {
        let read = read_end(disk, segment, tail, 0).await.ok()?;
        match decode_footer(&read, generation, disk.segment_bytes, &disk.secret) {
            Footer::Entries(entries) => return Some(entries),
            Footer::Needs(needed) => tail = needed,
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
            .read_behind(disk.base(segment) + start, length)
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
