//! The slice log: one disk's records, written in order by one writer, read by anyone.
//!
//! See [`crate::format`] for how it lies on the disk. [`open`] takes a disk into use, [`recover`]
//! finds what an earlier run left, [`queue`] is what waits to be written, [`writer`] writes it and
//! seals and opens segments, [`turnover`] empties the oldest segment for its next use, and [`read`]
//! reads a record back.

pub(crate) mod batch;
pub(crate) mod health;
pub(crate) mod open;
pub(crate) mod queue;
pub(crate) mod read;
pub(crate) mod recover;
pub(crate) mod turnover;
pub(crate) mod writer;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use disk::Device;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    DiskState,
    format::{Secret, superblock::SUPERBLOCKS_BYTES},
    index::Place,
    placement::preference,
};
use health::Health;
use queue::Queue;

/// An open disk.
pub(crate) struct Disk {
    /// Its number in the index.
    pub(crate) number: u8,
    pub(crate) path: PathBuf,
    /// Its name in the journal.
    pub(crate) id: u64,
    pub(crate) device: Device,
    pub(crate) secret: Secret,
    pub(crate) segment_bytes: u64,
    /// Of each segment, the generation of its current use; 0 is never used.
    generations: Vec<AtomicU64>,
    /// How many were never used.
    unused: AtomicUsize,
    pub(crate) queue: Queue,
    health: Mutex<Health>,
}

impl Disk {
    pub(crate) fn segments(&self) -> usize {
        self.generations.len()
    }

    /// Where a segment starts on the device.
    pub(crate) fn base(&self, segment: usize) -> u64 {
        SUPERBLOCKS_BYTES + segment as u64 * self.segment_bytes
    }

    /// The place of what starts `start` bytes into a segment.
    pub(crate) fn place(&self, segment: usize, start: u64) -> Place {
        Place {
            disk: self.number,
            start: self.base(segment) + start,
        }
    }

    pub(crate) fn generation(&self, segment: usize) -> u64 {
        self.generations[segment].load(Ordering::Acquire)
    }

    pub(crate) fn set_generation(&self, segment: usize, generation: u64) {
        if self.generations[segment].swap(generation, Ordering::AcqRel) == 0 {
            self.unused.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn unused_segments(&self) -> usize {
        self.unused.load(Ordering::Relaxed)
    }

    /// The generation of the segment that an offset lies in.
    pub(crate) fn generation_at(&self, start: u64) -> u64 {
        let segment = start.saturating_sub(SUPERBLOCKS_BYTES) / self.segment_bytes;
        let generation = usize::try_from(segment)
            .ok()
            .and_then(|at| self.generations.get(at));
        generation.map_or(0, |generation| generation.load(Ordering::Acquire))
    }

    pub(crate) fn capacity_bytes(&self) -> u64 {
        SUPERBLOCKS_BYTES + self.segments() as u64 * self.segment_bytes
    }

    /// How much a key likes this disk: the larger the disk, the more keys like it best.
    pub(crate) fn preference(&self, tag: u64) -> f64 {
        preference(tag, self.id, self.capacity_bytes())
    }

    pub(crate) fn may_read(&self) -> bool {
        self.health.lock().may_read(Instant::now())
    }

    /// Whether a put may go here.
    pub(crate) fn may_write(&self) -> bool {
        self.health.lock().may_write(Instant::now())
    }

    /// A read ended. The answer is why the disk is ejected, at the moment when it is: see
    /// [`crate::ejection`].
    pub(crate) fn tell_read(&self, succeeded: bool) -> Option<Arc<str>> {
        self.health.lock().read(succeeded, Instant::now())
    }

    pub(crate) fn tell_write(&self, succeeded: bool) {
        self.health.lock().wrote(succeeded, Instant::now());
    }

    pub(crate) fn state(&self) -> DiskState {
        match self.health.lock().state() {
            DiskState::Serving if self.queue.is_closed() => DiskState::Closed,
            state => state,
        }
    }
}
