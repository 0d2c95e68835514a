//! Entering what earlier runs left, in whatever order it is found.
//!
//! Of one key only the latest counts. Which that is, is told
//! - within a disk by the order of its log: a later use of a segment is later, and within a segment
//!   what starts further behind;
//! - of a removal and a record that is found after it by their sequence numbers;
//! - of records on two disks by their sequence numbers, of which the index has the lowest bits
//!   only: these are told to the caller, who reads what lies there and calls again.
//!
//! What happens in this run is later than anything that is found.

use std::collections::HashMap;

use super::{Directory, SHARDS, Shard, shard_number, usage::Change};
use crate::{
    Key,
    format::record::Kind,
    index::{self, Place},
};

/// Bars that a shard remembers while recovery goes on: 64 shards of about 2 MiB.
const BARS_MAX: usize = 1 << 16;
/// The bar of what happened in this run.
const THIS_RUN: u64 = u64::MAX;

/// What a shard knows of what is still to be found.
#[derive(Default)]
pub(super) enum Recovery {
    /// All was found.
    #[default]
    Done,
    /// By tag, the sequence number of the latest removal: what is older is dead.
    Running(HashMap<u64, u64>),
    /// There were too many: what is still to come is forgotten.
    Full,
}

impl Recovery {
    /// What was before `sequence` is dead.
    fn bar(&mut self, tag: u64, sequence: u64) {
        if let Self::Running(bars) = self {
            let bar = bars.entry(tag).or_default();
            *bar = sequence.max(*bar);
            if bars.len() > BARS_MAX {
                *self = Self::Full;
            }
        }
    }

    /// Something happened to a tag in this run.
    pub(super) fn supersede(&mut self, tag: u64) {
        self.bar(tag, THIS_RUN);
    }

    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    fn wants(&self, tag: u64, sequence: u64) -> bool {
        match self {
            Self::Running(bars) => bars.get(&tag).is_none_or(|bar| sequence >= *bar),
            Self::Done | Self::Full => false,
        }
    }

    /// Whether what the index has of a tag may be from an earlier run.
    fn may_know(&self, tag: u64) -> bool {
        match self {
            Self::Running(bars) => bars.get(&tag).is_none_or(|bar| *bar != THIS_RUN),
            Self::Done | Self::Full => true,
        }
    }
}

/// A line of the log that was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) tag: u64,
    pub(crate) key: Key,
    pub(crate) sequence: u64,
    pub(crate) place: Place,
    /// Of the segment that it lies in.
    pub(crate) generation: u64,
    pub(crate) length: u32,
    pub(crate) kind: Kind,
}

/// What became of some lines.
#[derive(Default)]
pub(crate) struct Entered {
    /// How many more records there are now.
    pub(crate) records: i64,
    /// Those that it takes a look at another disk to judge.
    pub(crate) disputed: Vec<Found>,
}

impl Directory {
    /// From now until [`Self::end_recovery`] what earlier runs left is found.
    pub(crate) fn begin_recovery(&self) {
        for shard in &self.shards {
            shard.lock().recovery = Recovery::Running(HashMap::new());
        }
    }

    pub(crate) fn end_recovery(&self) {
        for shard in &self.shards {
            shard.lock().recovery = Recovery::Done;
        }
    }

    /// Enters what was found on `disk`, whose segments are of the generations that are told by a
    /// place's start: a shard at a time, each locked once.
    pub(crate) fn enter_found(
        &self,
        disk: u8,
        lines: &[Found],
        generation_at: impl Fn(u64) -> u64,
    ) -> Entered {
        let mut entered = Entered::default();
        let mut change = Change::default();
        let room = i64::try_from(self.room()).unwrap_or(i64::MAX);
        for (shard, lines) in self.shards.iter().zip(&by_shard(lines)) {
            if lines.is_empty() {
                continue;
            }
            let mut shard = shard.lock();
            for found in lines {
                if room <= change.records && shard.turn_away(found) {
                    continue;
                }
                if shard.enter_found(found, &generation_at, &mut change) == Verdict::Disputed {
                    entered.disputed.push(**found);
                }
            }
        }
        entered.records = change.records;
        self.change(disk, &change);
        entered
    }

    /// What the index has of a tag, unless something happened to it in this run.
    pub(crate) fn found(&self, tag: u64) -> Option<index::Entry> {
        let shard = self.shard(tag).lock();
        let known = shard.index.find(tag)?;
        shard.recovery.may_know(tag).then_some(known)
    }

    /// Nothing that was or will be found of a tag is to be believed.
    pub(crate) fn disbelieve(&self, tag: u64) {
        let mut shard = self.shard(tag).lock();
        if shard.recovery.may_know(tag) {
            shard.recovery.supersede(tag);
            if let Some(entry) = shard.index.remove(tag) {
                self.forget(&entry);
            }
        }
    }
}

/// The lines of each shard, in the order in which they were found.
fn by_shard(lines: &[Found]) -> Vec<Vec<&Found>> {
    let expected = lines.len() / SHARDS + lines.len() / SHARDS / 4 + 1;
    let mut shards: Vec<_> = (0..SHARDS).map(|_| Vec::with_capacity(expected)).collect();
    for found in lines {
        shards[shard_number(found.tag)].push(found);
    }
    shards
}

/// How a line stands to what is known of its key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Something later is known.
    Late,
    /// Nothing later is known.
    Counts,
    /// Another disk has something of the key.
    Disputed,
}

fn judge(found: &Found, known: &index::Entry, generation_at: impl Fn(u64) -> u64) -> Verdict {
    let at = known.place();
    // A put has what other disks may hold of its key buried under its own number.
    let own = found.kind == Kind::Tombstone && known.is_of(found.sequence);
    if at.disk != found.place.disk && !own {
        Verdict::Disputed
    } else if at.disk == found.place.disk
        && (generation_at(at.start), at.start) < (found.generation, found.place.start)
    {
        Verdict::Counts
    } else {
        Verdict::Late
    }
}

impl Shard {
    /// Whether the index, which is full, does without a record that it does not know. Nothing else
    /// of its key is to take its place, should there be room again: it might be older.
    fn turn_away(&mut self, found: &Found) -> bool {
        let unknown = found.kind == Kind::Payload && self.index.find(found.tag).is_none();
        if unknown {
            self.recovery.supersede(found.tag);
        }
        unknown
    }

    fn enter_found(
        &mut self,
        found: &Found,
        generation_at: impl Fn(u64) -> u64,
        change: &mut Change,
    ) -> Verdict {
        match found.kind {
            Kind::Payload => self.enter_record(found, generation_at, change),
            Kind::Tombstone => self.enter_removal(found, generation_at, change),
        }
    }

    fn enter_record(
        &mut self,
        found: &Found,
        generation_at: impl Fn(u64) -> u64,
        change: &mut Change,
    ) -> Verdict {
        // What is wanted has not happened to anything in this run.
        if !self.recovery.wants(found.tag, found.sequence) {
            return Verdict::Late;
        }
        let entry = index::Entry::new(found.tag, found.place, found.sequence, found.length);
        let mut verdict = Verdict::Counts;
        let older = self.index.insert_if(entry, |known| {
            verdict = judge(found, known, generation_at);
            verdict == Verdict::Counts
        });
        if verdict == Verdict::Counts {
            change.comes(&entry);
        }
        if let Some(older) = older {
            change.goes(&older);
        }
        verdict
    }

    fn enter_removal(
        &mut self,
        found: &Found,
        generation_at: impl Fn(u64) -> u64,
        change: &mut Change,
    ) -> Verdict {
        let may_know = self.recovery.may_know(found.tag);
        self.recovery.bar(found.tag, found.sequence);
        let Some(known) = self.index.find(found.tag).filter(|_| may_know) else {
            return Verdict::Late;
        };
        let verdict = judge(found, &known, generation_at);
        if verdict == Verdict::Counts {
            self.index.remove(found.tag);
            change.goes(&known);
        }
        verdict
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Memory, Record, placement::Tags};

    const SEGMENT: u64 = 1 << 20;
    const LINES: usize = 6;
    const SEGMENTS: usize = 12;
    const KEYS: usize = 5;

    fn directory() -> Directory {
        let ram = Memory::new(1 << 20, |_: &Key, record: &Record| record.bytes.len());
        let directory = Directory::new(ram, Tags::new(&[1; 16]), 1 << 40);
        directory.begin_recovery();
        directory
    }

    fn key(part: usize) -> Key {
        Key::slice([9; 16], u32::try_from(part).unwrap())
    }

    fn line(directory: &Directory, part: usize, kind: Kind, sequence: u64, place: Place) -> Found {
        Found {
            tag: directory.tag(&key(part)),
            key: key(part),
            sequence,
            place,
            generation: generation_at(place.start),
            length: 100,
            kind,
        }
    }

    /// The segments of these tests were used from the last to the first.
    fn generation_at(start: u64) -> u64 {
        100 - start / SEGMENT
    }

    fn place(disk: u8, start: u64) -> Place {
        Place { disk, start }
    }

    fn enter(directory: &Directory, lines: &[Found]) -> Entered {
        let disk = lines.first().map_or(0, |line| line.place.disk);
        directory.enter_found(disk, lines, generation_at)
    }

    fn lies(directory: &Directory, part: usize) -> Option<Place> {
        let entry = directory.found(directory.tag(&key(part)));
        entry.map(|entry| entry.place())
    }

    /// What a disk holds after some puts, removals and records that were kept, and where the latest
    /// record of each key lies.
    fn log(directory: &Directory, acts: &[(u8, usize)]) -> (Vec<Found>, [Option<Place>; KEYS]) {
        let (mut lines, mut live) = (Vec::new(), [None; KEYS]);
        for (at, (act, part)) in acts.iter().enumerate() {
            let segment = (SEGMENTS - 1 - at / LINES) as u64;
            let place = place(0, segment * SEGMENT + (at % LINES) as u64 * 128 + 4096);
            let fresh = 500 + at as u64;
            let (kind, sequence) = match (act, live[*part]) {
                (0, _) => (Kind::Tombstone, fresh),
                (1, Some((sequence, _))) => (Kind::Payload, sequence),
                (_, _) => (Kind::Payload, fresh),
            };
            live[*part] = (kind == Kind::Payload).then_some((sequence, place));
            lines.push(line(directory, *part, kind, sequence, place));
        }
        (lines, live.map(|live| live.map(|(_, place)| place)))
    }

    proptest! {
        #[test]
        fn the_order_of_finding_does_not_matter(
            acts in proptest::collection::vec((0..5_u8, 0..KEYS), 1..SEGMENTS * LINES),
            order in Just((0..SEGMENTS * LINES).collect::<Vec<_>>()).prop_shuffle(),
            together in 1..20_usize,
        ) {
            let directory = directory();
            let (lines, live) = log(&directory, &acts);
            let order = order.into_iter().filter_map(|at| lines.get(at).copied());
            let lines: Vec<_> = order.collect();
            for lines in lines.chunks(together) {
                prop_assert!(enter(&directory, lines).disputed.is_empty());
            }
            for (part, live) in live.iter().enumerate() {
                prop_assert_eq!(lies(&directory, part), *live, "key {}", part);
            }
            let records = live.iter().flatten().count() as u64;
            prop_assert_eq!(directory.usage(0), (records, records * 100));
        }
    }

    #[test]
    fn what_happens_in_this_run_is_later_than_anything_found() {
        let directory = directory();
        directory.remove(&key(1), |_| {});
        let record = Record {
            bytes: b"new".as_slice().into(),
            stamp: crate::Epoch::ZERO,
            by_plan: false,
        };
        directory.put(key(2), record, |_| Some(0), |_, _| {});
        let lines = [1, 2, 3].map(|part| {
            let at = place(0, 4096 + part as u64 * 128);
            line(&directory, part, Kind::Payload, 7, at)
        });
        assert_eq!(enter(&directory, &lines).records, 1);
        assert_eq!(lies(&directory, 1), None);
        assert_eq!(lies(&directory, 2), None);
        assert!(lies(&directory, 3).is_some());
    }

    #[test]
    fn records_of_a_key_on_two_disks_are_disputed() {
        let directory = directory();
        let (one, other) = (place(0, 4096), place(1, 4096));
        let entered = enter(&directory, &[line(&directory, 1, Kind::Payload, 7, one)]);
        assert!(entered.disputed.is_empty());
        let entered = enter(&directory, &[line(&directory, 1, Kind::Payload, 9, other)]);
        assert_eq!(entered.disputed.len(), 1);
        assert_eq!(lies(&directory, 1), Some(one));
    }

    #[test]
    fn a_removal_on_one_disk_bars_what_is_older_on_another_and_nothing_newer() {
        let directory = directory();
        let buried = place(1, 4096);
        enter(
            &directory,
            &[
                line(&directory, 1, Kind::Tombstone, 8, buried),
                line(&directory, 2, Kind::Tombstone, 8, buried),
            ],
        );
        let lines = [
            line(&directory, 1, Kind::Payload, 7, place(0, 4096)),
            // A put has what other disks may hold of its key buried under its own number.
            line(&directory, 2, Kind::Payload, 8, place(0, 8192)),
        ];
        let entered = enter(&directory, &lines);
        assert!(entered.disputed.is_empty());
        assert_eq!(lies(&directory, 1), None);
        assert_eq!(lies(&directory, 2), Some(place(0, 8192)));
    }

    #[test]
    fn a_put_is_not_disputed_by_the_burial_of_what_it_replaced() {
        let directory = directory();
        enter(
            &directory,
            &[line(&directory, 1, Kind::Payload, 8, place(0, 4096))],
        );
        let burial = line(&directory, 1, Kind::Tombstone, 8, place(1, 4096));
        assert!(enter(&directory, &[burial]).disputed.is_empty());
        assert_eq!(lies(&directory, 1), Some(place(0, 4096)));
    }

    #[test]
    fn beyond_the_bars_that_fit_nothing_more_is_believed() {
        let directory = directory();
        let removed = 64 * BARS_MAX + 64 * 4096;
        for part in 0..removed {
            directory.remove(&key(part), |_| {});
        }
        let lines = [line(&directory, 3, Kind::Payload, 7, place(0, 4096))];
        assert_eq!(enter(&directory, &lines).records, 0);
    }
}
