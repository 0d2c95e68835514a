//! The one who writes to a disk.
//!
//! ```text
//! queue ▶ batch ▶ open segment ▶ full? seal it, open the oldest (which was emptied ahead of time),
//!                                empty the next oldest: what is worth it is written again, the
//!                                rest leaves the index
//! ```
//!
//! Trouble never stops it: what could not be written stays in RAM only, the disk is left alone for
//! a while, and the next batch goes to where the last one failed, so no space is lost. A removal
//! that could not be written is noted in the journal, as a line that has the disk's content
//! forgotten at the next start.

use std::{sync::Arc, time::Duration};

use super::{
    Disk,
    batch::{Job, Open, batch_bytes, encode},
    queue::{Item, Next, Why},
    recover::Contents,
};
use crate::{
    directory::Directory,
    format::{
        BLOCK,
        record::Kind,
        segment::{Entry, encode_footer, encode_opening, footer_bytes},
    },
    journal::keeper::Keeper,
    judge::Judge,
    metrics::{Metrics, Unadmitted},
    recovery::Crew,
};

/// The writer of one disk, and what it knows of the segments.
pub(crate) struct Writer {
    pub(crate) disk: Arc<Disk>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) keeper: Keeper,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) judge: Arc<Judge>,
    pub(crate) batch_bytes: u64,
    /// When each segment was opened, if in this run.
    pub(crate) opened: Vec<Option<Duration>>,
    open: Option<Open>,
    /// The segment to be opened next: the oldest.
    next: usize,
    /// Whether nothing in the index points into `next`.
    next_is_empty: bool,
    /// Room that records kept from an older segment leave in the open one, so that what waits to
    /// be written fits behind them.
    pub(crate) reserved: u64,
    /// Whether what is pinned leaves that room as well: the log has gone round for what waits, and found none.
    pub(crate) pins_make_room: bool,
    /// Whether removals were written that are not durable yet.
    removals_unsynced: bool,
}

/// Says that the writer has ended, however it did.
pub(crate) struct Ended(pub(crate) Arc<Disk>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.queue.ended();
    }
}

impl Writer {
    /// A writer that goes on after the segment that was opened last.
    pub(crate) fn new(disk: Arc<Disk>, crew: Crew, newest: Option<usize>) -> Self {
        let segments = disk.segments();
        let next = newest.map_or(0, |newest| (newest + 1) % segments);
        let used = (0..segments).filter(|segment| disk.generation(*segment) > 0);
        crew.judge.found(used.count() as u64 * disk.segment_bytes);
        Self {
            disk,
            directory: crew.directory,
            keeper: crew.keeper,
            metrics: crew.metrics,
            judge: crew.judge,
            batch_bytes: crew.batch_bytes,
            opened: vec![None; segments],
            open: None,
            next,
            next_is_empty: false,
            reserved: 0,
            pins_make_room: false,
            removals_unsynced: false,
        }
    }

    /// Seals what an earlier run left open, then writes until the queue ends.
    pub(crate) async fn run(mut self, unsealed: Vec<Contents>, _ended: Ended) {
        for Contents {
            segment,
            generation,
            entries,
            ..
        } in unsealed
        {
            // If it fails the segment is scanned again after the next start.
            let _ = self.write_footer(segment, generation, &entries).await;
        }
        loop {
            match self.disk.queue.next(self.batch_bytes).await {
                Next::Write { items, .. } => {
                    self.write(items).await;
                    // A removal does not wait for others to ask: it is as good as durable soon.
                    if self.removals_unsynced && self.disk.queue.is_idle() {
                        self.sync().await;
                    }
                }
                Next::Lost(sequence) => self.forget(sequence).await,
                Next::Sync { upto } => {
                    self.sync().await;
                    self.disk.queue.settle(upto);
                }
                Next::Close => {
                    self.seal().await;
                    self.sync().await;
                    return;
                }
                Next::Abandon => return,
            }
        }
    }

    async fn write(&mut self, items: Vec<Item>) {
        let jobs: Vec<_> = items
            .into_iter()
            .filter_map(|item| self.job(item))
            .collect();
        if self.disk.may_write() {
            self.write_all(jobs).await;
        } else {
            self.give_up(&jobs).await;
        }
    }

    /// What an item is about, unless something newer happened to its key.
    fn job(&self, item: Item) -> Option<Job> {
        match item {
            Item::Bury { key, sequence, why } => {
                Some(Job::tombstone(key, sequence, why == Why::Removed))
            }
            Item::Put { key, sequence, .. } => {
                let record = self.directory.wanted(&key, sequence)?;
                Some(Job {
                    kind: Kind::Payload,
                    key,
                    sequence,
                    record,
                    from: None,
                    is_removal: false,
                })
            }
        }
    }

    async fn write_all(&mut self, mut jobs: Vec<Job>) {
        let mut turns = 0;
        while !jobs.is_empty() {
            let fitting = self.fitting(&jobs, 0);
            if fitting == 0 {
                self.pins_make_room = turns >= self.disk.segments();
                turns += 1;
                self.reserved = batch_bytes(&jobs[..1]) + BLOCK;
                if let Err(error) = self.turn_over().await {
                    self.failed(&jobs, &error).await;
                    return;
                }
                continue;
            }
            turns = 0;
            let rest = jobs.split_off(fitting);
            let removals = jobs.iter().any(|job| job.is_removal);
            if let Err(error) = self.append(&jobs).await {
                jobs.extend(rest);
                self.failed(&jobs, &error).await;
                return;
            }
            self.removals_unsynced |= removals;
            jobs = rest;
        }
    }

    /// How many of `jobs` fit into the open segment and leave `reserved` bytes of it.
    pub(crate) fn fitting(&self, jobs: &[Job], reserved: u64) -> usize {
        let room = self.disk.segment_bytes.saturating_sub(reserved);
        self.open
            .as_ref()
            .map_or(0, |open| open.fitting(jobs, room))
    }

    /// How much room the open segment has for so many records that are kept, beside `reserved` bytes.
    pub(crate) fn room_beside(&self, reserved: u64, records: usize) -> u64 {
        // Those that are pinned, the others, and what is left of each.
        let batches = self.disk.segment_bytes / self.batch_bytes.max(1) + 2;
        let segment_bytes = self.disk.segment_bytes.saturating_sub(reserved);
        let open = self.open.as_ref();
        open.map_or(0, |open| open.room(records, batches, segment_bytes))
    }

    /// Writes `jobs`, which fit, as one batch, and tells the directory where they lie.
    pub(crate) async fn append(&mut self, jobs: &[Job]) -> Result<(), disk::Error> {
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        let bytes = batch_bytes(jobs);
        let mut blocks = self
            .disk
            .device
            .pool()
            .take(usize::try_from(bytes).unwrap_or_default());
        let (cursor, generation) = (open.cursor, open.generation);
        let entries = encode(&mut blocks, jobs, cursor, generation, &self.disk.secret);
        let written = self
            .disk
            .device
            .write_at(self.disk.base(open.segment) + cursor, blocks)
            .await;
        self.disk.tell_write(written.is_ok());
        written?;
        for (job, entry) in jobs.iter().zip(&entries) {
            let place = self.disk.place(open.segment, entry.start);
            match (job.kind, job.from) {
                (Kind::Tombstone, _) => {}
                (Kind::Payload, None) => {
                    self.directory
                        .landed(&job.key, job.sequence, place, entry.length);
                }
                (Kind::Payload, Some(from)) => {
                    self.directory.moved(&job.key, from, place, job.sequence);
                }
            }
        }
        open.cursor += bytes;
        open.entries.extend(entries);
        self.metrics
            .written(bytes, jobs.iter().any(|job| job.from.is_some()));
        Ok(())
    }

    /// Seals the open segment and opens the next, then empties the one after it.
    async fn turn_over(&mut self) -> Result<(), disk::Error> {
        self.seal().await;
        if !self.next_is_empty {
            self.empty(self.next, false).await;
            self.next_is_empty = true;
        }
        let (segment, generation) = (self.next, self.directory.next_sequence());
        self.write_opening(segment, generation).await?;
        self.disk.set_generation(segment, generation);
        self.opened[segment] = Some(self.judge.now());
        self.open = Some(Open::new(segment, generation));
        self.removals_unsynced = false;
        self.next = (segment + 1) % self.disk.segments();
        self.next_is_empty = false;
        self.empty(self.next, true).await;
        self.next_is_empty = true;
        Ok(())
    }

    /// Makes the segment's old content invalid, durably, before anything new is written to it.
    async fn write_opening(&self, segment: usize, generation: u64) -> Result<(), disk::Error> {
        let mut block = self.disk.device.pool().take(disk::BLOCK);
        encode_opening(&mut block, generation, &self.disk.secret);
        let device = &self.disk.device;
        let written = match device.write_at(self.disk.base(segment), block).await {
            Ok(()) => device.sync().await,
            Err(error) => Err(error),
        };
        self.disk.tell_write(written.is_ok());
        written
    }

    /// Writes the open segment's footer. It is synced with the next opening, or the next flush; if
    /// it gets lost the segment is scanned.
    async fn seal(&mut self) {
        if let Some(open) = self.open.take() {
            let written = self
                .write_footer(open.segment, open.generation, &open.entries)
                .await;
            if let Err(error) = written {
                self.trouble(&error, "a segment could not be sealed");
            }
        }
    }

    async fn write_footer(
        &self,
        segment: usize,
        generation: u64,
        entries: &[Entry],
    ) -> Result<(), disk::Error> {
        let bytes = footer_bytes(entries.len());
        let mut blocks = self
            .disk
            .device
            .pool()
            .take(usize::try_from(bytes).unwrap_or_default());
        encode_footer(&mut blocks, entries, generation, &self.disk.secret);
        let end = self.disk.base(segment) + self.disk.segment_bytes;
        self.disk.device.write_at(end - bytes, blocks).await
    }

    /// Makes what was written durable. If that fails it is not known what is lost: records will be
    /// missed when they are read, but removals must not be.
    async fn sync(&mut self) {
        let synced = self.disk.device.sync().await;
        if let Err(error) = &synced {
            self.disk.tell_write(false);
            self.trouble(error, "a sync failed");
            if self.removals_unsynced {
                self.forget(self.directory.next_sequence()).await;
            }
        }
        self.removals_unsynced = false;
    }

    async fn failed(&self, jobs: &[Job], error: &disk::Error) {
        self.trouble(error, "records stay in RAM only");
        self.give_up(jobs).await;
    }

    async fn give_up(&self, jobs: &[Job]) {
        let payloads = jobs.iter().filter(|job| job.kind == Kind::Payload);
        for job in payloads.clone() {
            self.directory.given_up(&job.key, job.sequence);
        }
        self.metrics
            .unadmitted(Unadmitted::Faulty, payloads.count() as u64);
        let removals = jobs.iter().filter(|job| job.is_removal);
        let removal = removals.map(|job| job.sequence).max();
        if let Some(sequence) = removal {
            self.forget(sequence).await;
        }
    }

    /// Has the disk's content of up to `sequence` forgotten at the next start.
    async fn forget(&self, sequence: u64) {
        let path = self.disk.path.display();
        match self.keeper.forget(self.disk.id, sequence).await {
            Ok(()) => tracing::warn!(disk = %path, "removals could not be written: the disk's \
                content will be forgotten at the next start"),
            Err(error) => tracing::error!(disk = %path, %error, "removals are lost: what was \
                removed may come back at the next start"),
        }
    }

    pub(crate) fn trouble(&self, error: &disk::Error, what: &str) {
        self.metrics.write_failed(error.is_no_space());
        tracing::warn!(disk = %self.disk.path.display(), %error, "{what}");
    }
}
