//! Emptying the oldest segment for its next use: first in, first out, but what is hot is written
//! once more.

use super::{
    batch::Job,
    read::{Failure, Wanted, read_behind},
    recover::footer,
    writer::Writer,
};
use crate::{
    format::{
        record::{Kind, span},
        segment::Entry,
    },
    index,
    policy::Worth,
};

impl Writer {
    /// Takes a segment's records out of the index. With `keep`, those that are worth it go on to
    /// the open segment, as far as that leaves room for new content.
    pub(crate) async fn empty(&mut self, segment: usize, keep: bool) {
        let generation = self.disk.generation(segment);
        if generation == 0 {
            return;
        }
        let entries = footer(&self.disk, segment, generation).await;
        let listed = entries.is_some();
        let entries = entries.unwrap_or_default();
        if keep {
            let (pinned, others) = self.worth_keeping(segment, &entries);
            let reserved = self.reserved;
            let of_pins = if self.pins_make_room { reserved } else { 0 };
            self.keep(segment, &pinned, of_pins).await;
            self.keep(segment, &others, reserved).await;
        }
        for entry in &entries {
            // What was moved has another place by now.
            let place = self.disk.place(segment, entry.start);
            self.directory.evict(&entry.key, place);
        }
        if !listed {
            let base = self.disk.base(segment);
            self.directory
                .evict_range(self.disk.number, &(base..base + self.disk.segment_bytes));
        }
        self.judge.filled();
        let age = self.opened[segment].map(|opened| self.judge.now().saturating_sub(opened));
        self.metrics.evicted(&self.disk.path.to_string_lossy(), age);
    }

    /// The records of a segment that are to be written once more: those that are pinned, and the others.
    fn worth_keeping(&self, segment: usize, entries: &[Entry]) -> (Vec<Entry>, Vec<Entry>) {
        let current = entries.iter().filter_map(|entry| {
            let place = self.disk.place(segment, entry.start);
            let is_payload = entry.kind == Kind::Payload;
            let used = self.directory.is_used(&entry.key, place);
            Some((*entry, used.filter(|_| is_payload)?))
        });
        let current: Vec<_> = current.collect();
        let worth = |(entry, is_used): &(Entry, bool)| {
            let tag = self.directory.tag(&entry.key);
            let worth = if entry.key.is_head() {
                self.judge.worth_of_head(tag, *is_used)
            } else {
                self.judge.worth(tag, *is_used)
            };
            (span(entry.length), worth)
        };
        let worths: Vec<_> = current.iter().map(worth).collect();
        let room = self.room_beside(self.reserved, worths.len());
        let kept = self.judge.kept(&worths, self.disk.segment_bytes, room);
        let (pinned, others): (Vec<_>, Vec<_>) = kept
            .into_iter()
            .partition(|place| worths[*place].1 == Worth::PINNED);
        let entries =
            |places: Vec<usize>| places.into_iter().map(|place| current[place].0).collect();
        (entries(pinned), entries(others))
    }

    /// Writes records to the open segment once more, a batch at a time, as far as there is room beside
    /// `reserved` bytes.
    async fn keep(&mut self, segment: usize, entries: &[Entry], reserved: u64) {
        let (mut jobs, mut bytes) = (Vec::new(), 0);
        for entry in entries {
            if let Some(job) = self.reread(segment, entry).await {
                bytes += span(entry.length);
                jobs.push(job);
            }
            if bytes >= self.batch_bytes {
                self.append_kept(std::mem::take(&mut jobs), reserved).await;
                bytes = 0;
            }
        }
        self.append_kept(jobs, reserved).await;
    }

    async fn append_kept(&mut self, mut jobs: Vec<Job>, reserved: u64) {
        jobs.truncate(self.fitting(&jobs, reserved));
        if jobs.is_empty() || !self.disk.may_write() {
            return;
        }
        if let Err(error) = self.append(&jobs).await {
            self.trouble(&error, "hot records could not be kept");
        }
        let bytes = jobs.iter().map(|job| job.record.bytes.len() as u64).sum();
        self.judge.kept_bytes(bytes);
        self.metrics.reinserted_records.inc_by(jobs.len() as u64);
    }

    /// The record that `entry` lists, read and checked.
    async fn reread(&self, segment: usize, entry: &Entry) -> Option<Job> {
        let from = self.disk.place(segment, entry.start);
        let (key, length) = (entry.key, entry.length);
        let known = index::Entry::new(0, from, entry.sequence, length);
        let wanted = Wanted::new(&self.disk, key, &known);
        match read_behind(&self.disk, &wanted).await {
            Ok(stored) => Some(Job {
                kind: Kind::Payload,
                key,
                sequence: stored.sequence,
                record: stored.record,
                from: Some(from),
                is_removal: false,
            }),
            Err(Failure::Disk(_) | Failure::Mismatch | Failure::Corrupt) => None,
        }
    }
}
