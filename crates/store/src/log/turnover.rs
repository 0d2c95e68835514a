//! Emptying the oldest segment for its next use: first in, first out, but what was used since it
//! was written is written once more.

use super::{
    batch::Job,
    open::READ_DEADLINE,
    read::{Failure, Wanted, read},
    recover::footer,
    writer::Writer,
};
use crate::{
    format::{
        record::{Kind, span},
        segment::Entry,
    },
    index,
};

impl Writer {
    /// Takes a segment's records out of the index. With `keep`, those that were used go on to the
    /// open segment, up to half of it: so much of each segment is for new content at least.
    pub(crate) async fn empty(&mut self, segment: usize, keep: bool) {
        let generation = self.disk.generation(segment);
        if generation == 0 {
            return;
        }
        let entries = footer(&self.disk, segment, generation).await;
        let listed = entries.is_some();
        let mut kept = Vec::new();
        let mut budget = if keep { self.disk.segment_bytes / 2 } else { 0 };
        for entry in entries.unwrap_or_default() {
            let place = self.disk.place(segment, entry.start);
            let used = entry.kind == Kind::Payload && self.directory.is_used(&entry.key, place);
            if used && span(entry.length) <= budget {
                budget -= span(entry.length);
                kept.push(entry);
            } else {
                self.directory.evict(&entry.key, place);
            }
        }
        self.keep(segment, kept).await;
        if !listed {
            let base = self.disk.base(segment);
            self.directory
                .evict_range(self.disk.number, &(base..base + self.disk.segment_bytes));
        }
        self.metrics.evicted_segments.inc();
    }

    /// Writes records to the open segment once more, a batch at a time. What cannot be kept leaves
    /// the index.
    async fn keep(&mut self, segment: usize, entries: Vec<Entry>) {
        let (mut jobs, mut bytes) = (Vec::new(), 0);
        for entry in &entries {
            if let Some(job) = self.reread(segment, entry).await {
                bytes += span(entry.length);
                jobs.push(job);
            }
            if bytes >= self.batch_bytes {
                self.append_kept(std::mem::take(&mut jobs)).await;
                bytes = 0;
            }
        }
        self.append_kept(jobs).await;
        for entry in &entries {
            // Where it was moved it has another place by now.
            self.directory
                .evict(&entry.key, self.disk.place(segment, entry.start));
        }
    }

    async fn append_kept(&mut self, mut jobs: Vec<Job>) {
        jobs.truncate(self.fitting(&jobs, self.reserved));
        if !jobs.is_empty()
            && self.disk.may_write()
            && let Err(error) = self.append(&jobs).await
        {
            self.trouble(&error, "used records could not be kept");
        }
    }

    /// The record that `entry` lists, read and checked.
    async fn reread(&self, segment: usize, entry: &Entry) -> Option<Job> {
        let from = self.disk.place(segment, entry.start);
        let (key, length) = (entry.key, entry.length);
        let known = index::Entry::new(0, from, entry.sequence, length);
        let wanted = Wanted::new(&self.disk, key, &known);
        match read(&self.disk, &wanted, READ_DEADLINE).await {
            Ok(stored) => Some(Job {
                kind: Kind::Payload,
                key,
                sequence: stored.sequence,
                stamp: stored.stamp,
                bytes: stored.bytes,
                from: Some(from),
                is_removal: false,
            }),
            Err(Failure::Disk(_) | Failure::Mismatch | Failure::Corrupt) => None,
        }
    }
}
