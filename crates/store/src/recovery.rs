//! Finding what earlier runs left on the disks, while the store serves already.
//!
//! Each disk is read on its own, the newest segment first and each from its end, so that the first
//! that is found of a key is what counts and nothing older is ever served. A disk's writer starts
//! when its disk has been read; until then puts wait in the queue.
//!
//! A key has one disk that it likes best. What lies on another (written there because that one was
//! in trouble, or before a disk was added) waits until all disks have been read; where both have
//! the key the sequence numbers decide, for which the record in the index is read.

use std::{
    collections::{HashMap, hash_map},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::watch, task::JoinSet};

use crate::{
    Key,
    directory::Directory,
    format::{record::Kind, segment::Entry},
    index::Place,
    journal::keeper::Keeper,
    log::{
        Disk,
        read::{Wanted, read},
        recover::{Contents, Recovery, can_be_sealed},
        writer::{Ended, Writer},
    },
    metrics::Metrics,
    store::Slot,
};

/// How long reading a record for its sequence number may take.
const READ_TIME: Duration = Duration::from_secs(5);

/// What the writers need.
#[derive(Clone)]
pub(crate) struct Crew {
    pub(crate) directory: Arc<Directory>,
    pub(crate) keeper: Keeper,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) batch_bytes: u64,
}

/// Tells when all was found: the sender is gone then.
#[derive(Clone)]
pub(crate) struct Recovered(watch::Receiver<()>);

impl Recovered {
    pub(crate) fn is_running(&self) -> bool {
        self.0.has_changed().is_ok()
    }

    /// Cancel safe.
    pub(crate) async fn done(&self) {
        let mut ended = self.0.clone();
        while ended.changed().await.is_ok() {}
    }
}

/// A record on a disk that is not the one its key likes best.
struct Stray {
    key: Key,
    sequence: u64,
    place: Place,
    length: u32,
    kind: Kind,
}

type Strays = HashMap<u64, Stray>;

/// Starts to find what lies on the disks, and the writers after that.
pub(crate) fn start(slots: &[Slot], forgotten: HashMap<u64, u64>, crew: Crew) -> Recovered {
    let disks = slots.iter().filter_map(|slot| match slot {
        Slot::Open(disk) => Some(Arc::clone(disk)),
        Slot::LeftOut { .. } => None,
    });
    let disks: Arc<[_]> = disks.collect();
    let (running, ended) = watch::channel(());
    if !disks.is_empty() {
        crew.directory.begin_recovery();
        tokio::spawn(async move {
            recover(&disks, &forgotten, &crew).await;
            crew.directory.end_recovery();
            drop(running);
        });
    }
    Recovered(ended)
}

async fn recover(disks: &Arc<[Arc<Disk>]>, forgotten: &HashMap<u64, u64>, crew: &Crew) {
    let mut reading = JoinSet::new();
    for number in 0..disks.len() {
        let (disks, crew) = (Arc::clone(disks), crew.clone());
        let upto = disks.get(number).and_then(|disk| forgotten.get(&disk.id));
        let upto = upto.copied();
        reading.spawn(async move { recover_disk(&disks, number, upto, crew).await });
    }
    let mut strays = Strays::new();
    while let Some(read) = reading.join_next().await {
        for (tag, stray) in read.unwrap_or_default() {
            newest(&mut strays, tag, stray);
        }
    }
    for (tag, stray) in strays {
        settle(disks, tag, &stray, crew).await;
    }
}

/// Finds what lies on one disk and starts its writer. Returns what lies there though its key likes
/// another better.
async fn recover_disk(
    disks: &[Arc<Disk>],
    number: usize,
    forgotten: Option<u64>,
    crew: Crew,
) -> Strays {
    let mut strays = Strays::new();
    let Some(disk) = disks.get(number) else {
        return strays;
    };
    // Should this task end in the middle, nobody may wait for the writer.
    let ended = Ended(Arc::clone(disk));
    let mut recovery = Recovery::begin(disk).await;
    let mut unsealed = Vec::new();
    while let Some(contents) = recovery.next().await {
        if disk.queue.is_abandoned() {
            return Strays::new();
        }
        let found = enter(disks, disk, &contents, forgotten, &crew, &mut strays);
        crew.metrics.recovered_records.inc_by(found);
        if !contents.sealed && can_be_sealed(&contents.entries, disk.segment_bytes) {
            unsealed.push(contents);
        }
    }
    crew.metrics.skipped_segments.inc_by(recovery.failed);
    let Crew {
        directory,
        keeper,
        metrics,
        batch_bytes,
    } = crew;
    let newest = recovery.newest();
    let disk = Arc::clone(disk);
    let writer = Writer::new(disk, directory, keeper, metrics, batch_bytes, newest);
    tokio::spawn(writer.run(unsealed, ended));
    strays
}

/// Enters a segment's records into the index, the last written first; returns how many.
fn enter(
    disks: &[Arc<Disk>],
    disk: &Arc<Disk>,
    contents: &Contents,
    forgotten: Option<u64>,
    crew: &Crew,
    strays: &mut Strays,
) -> u64 {
    let directory = &crew.directory;
    let mut found = 0;
    let wanted = |entry: &&Entry| forgotten.is_none_or(|upto| entry.sequence > upto);
    for entry in contents.entries.iter().rev().filter(wanted) {
        let tag = directory.tag(&entry.key);
        let place = disk.place(contents.segment, entry.start);
        let best = disks.iter().max_by_key(|disk| disk.preference(tag));
        if best.is_none_or(|best| Arc::ptr_eq(best, disk)) {
            match entry.kind {
                Kind::Payload => {
                    let counts = directory.recovered(tag, place, entry.sequence, entry.length);
                    found += u64::from(counts);
                }
                Kind::Tombstone => directory.recovered_removal(tag),
            }
        } else {
            let stray = Stray {
                key: entry.key,
                sequence: entry.sequence,
                place,
                length: entry.length,
                kind: entry.kind,
            };
            newest(strays, tag, stray);
        }
    }
    found
}

/// Keeps the newer of two. A record that was kept lies in two places: the later use of a segment,
/// which is found first, is the better.
fn newest(strays: &mut Strays, tag: u64, stray: Stray) {
    match strays.entry(tag) {
        hash_map::Entry::Vacant(place) => {
            place.insert(stray);
        }
        hash_map::Entry::Occupied(mut known) => {
            if known.get().sequence < stray.sequence {
                known.insert(stray);
            }
        }
    }
}

/// Enters a stray into the index unless what is there is newer.
async fn settle(disks: &[Arc<Disk>], tag: u64, stray: &Stray, crew: &Crew) {
    let directory = &crew.directory;
    if let Some(known) = directory.found(tag) {
        let at = known.place();
        let disk = disks.iter().find(|disk| disk.number == at.disk);
        let stored = match disk {
            Some(disk) => {
                let wanted = Wanted::new(disk, stray.key, &known);
                read(disk, &wanted, READ_TIME).await.ok()
            }
            None => None,
        };
        if stored.is_some_and(|stored| stored.sequence >= stray.sequence) {
            return;
        }
        directory.evict(&stray.key, at);
    }
    if stray.kind == Kind::Payload
        && directory.recovered(tag, stray.place, stray.sequence, stray.length)
    {
        crew.metrics.recovered_records.inc();
    }
}

#[cfg(test)]
#[path = "recovery_scale.rs"]
mod scale;
