//! Finding what earlier runs left on the disks, while the store serves already.
//!
//! ```text
//! disk ──▶ tasks, each with some segments: read, check, decode ──▶ a few thousand lines ──▶ index
//!                                                  both disks have the key ──▶ disputed, judged last
//! ```
//!
//! Segments are looked at in the order of the disk, and what is found can be served at once; which
//! record of a key counts is decided as it is entered: see [`crate::directory::found`]. A disk's
//! writer starts when its disk has been read; until then puts wait in the queue.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{sync::watch, task::JoinSet, time::timeout};

use crate::{
    directory::{
        Directory,
        found::{Entered, Found},
    },
    format::segment::Entry,
    journal::keeper::Keeper,
    judge::Judge,
    log::{
        Disk,
        read::{Wanted, read_behind},
        recover::{Contents, Search, can_be_sealed},
        writer::{Ended, Writer},
    },
    metrics::Metrics,
    recency::Recency,
    store::Slot,
};

/// Tasks that look through one disk. While some wait for it, others decode.
const TASKS: usize = 64;
/// Lines that are entered together: 64 for each shard of the index.
const LINES: usize = 4096;
/// Lines that may wait to be judged by a look at another disk, for each disk. There are that many
/// only where disks were in trouble by turns.
const DISPUTED_MAX: usize = 1 << 16;
/// Segments that are sealed after the fact. A crash leaves one that is not; more are found where
/// footers were damaged, and stay to be scanned at every start.
const UNSEALED_MAX: usize = 64;
/// How long reading a record for its sequence number may take.
const READ_TIME: Duration = Duration::from_secs(5);

/// What the writers need.
#[derive(Clone)]
pub(crate) struct Crew {
    pub(crate) directory: Arc<Directory>,
    pub(crate) keeper: Keeper,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) recency: Recency,
    pub(crate) judge: Arc<Judge>,
    pub(crate) batch_bytes: u64,
}

/// Tells when all was found: the sender is gone then.
#[derive(Clone)]
pub(crate) struct Recovered(watch::Receiver<()>);

impl Recovered {
    /// One that is done when the sender is gone.
    pub(crate) fn pending() -> (watch::Sender<()>, Self) {
        let (running, ended) = watch::channel(());
        (running, Self(ended))
    }

    pub(crate) fn is_running(&self) -> bool {
        self.0.has_changed().is_ok()
    }

    /// Cancel safe.
    pub(crate) async fn done(&self) {
        let mut ended = self.0.clone();
        while ended.changed().await.is_ok() {}
    }
}

/// Starts to find what lies on the disks, and the writers after that.
pub(crate) fn start(slots: &[Slot], forgotten: HashMap<u64, u64>, crew: Crew) -> Recovered {
    let disks = slots.iter().filter_map(|slot| match slot {
        Slot::Open(disk) => Some(Arc::clone(disk)),
        Slot::LeftOut { .. } => None,
    });
    let disks: Arc<[_]> = disks.collect();
    let (running, recovered) = Recovered::pending();
    if !disks.is_empty() {
        crew.directory.begin_recovery();
        let asked = crew.recency.recall_asked(&crew.judge);
        tokio::spawn(async move {
            recover(&disks, &forgotten, &asked, &crew).await;
            crew.directory.end_recovery();
            drop(running);
        });
    }
    recovered
}

async fn recover(
    disks: &Arc<[Arc<Disk>]>,
    forgotten: &HashMap<u64, u64>,
    asked: &Recovered,
    crew: &Crew,
) {
    let mut reading = JoinSet::new();
    for disk in disks.iter() {
        let finder = Finder {
            search: Search::new(disk),
            forgotten: forgotten.get(&disk.id).copied(),
            asked: asked.clone(),
            crew: crew.clone(),
            disputed: Mutex::default(),
        };
        reading.spawn(recover_disk(Arc::new(finder)));
    }
    let mut disputed = Vec::new();
    while let Some(read) = reading.join_next().await {
        disputed.extend(read.unwrap_or_default());
    }
    for line in disputed {
        settle(disks, line, crew).await;
    }
    // What is saved from now on must not be less than what was kept.
    asked.done().await;
}

/// What the tasks that look through one disk share.
struct Finder {
    search: Search,
    /// What the disk holds of up to this sequence number is dead.
    forgotten: Option<u64>,
    /// Until it is done the policy does not know what was asked for before.
    asked: Recovered,
    crew: Crew,
    disputed: Mutex<Vec<Found>>,
}

/// What a task learnt of its segments besides what they hold.
#[derive(Default)]
struct Learnt {
    /// The generation and the number of the segment that was opened last.
    newest: Option<(u64, usize)>,
    unsealed: Vec<Contents>,
    /// Segments that could not be read.
    failed: u64,
}

impl Learnt {
    fn add(&mut self, other: Self) {
        self.newest = self.newest.max(other.newest);
        self.failed += other.failed;
        self.unsealed.extend(other.unsealed);
        self.unsealed.truncate(UNSEALED_MAX);
    }
}

/// Finds what lies on one disk and starts its writer. Returns what is disputed.
async fn recover_disk(finder: Arc<Finder>) -> Vec<Found> {
    let disk = Arc::clone(finder.search.disk());
    // Should this task end in the middle, nobody may wait for the writer.
    let ended = Ended(Arc::clone(&disk));
    let mut looking = JoinSet::new();
    for _ in 0..TASKS.min(disk.segments()) {
        let finder = Arc::clone(&finder);
        looking.spawn(async move { finder.look().await });
    }
    let mut learnt = Learnt::default();
    while let Some(looked) = looking.join_next().await {
        learnt.add(looked.unwrap_or_default());
    }
    let crew = finder.crew.clone();
    // Before anything is turned over.
    crew.recency.recall(&disk, &crew.directory).await;
    finder.asked.done().await;
    if disk.queue.is_abandoned() {
        return Vec::new();
    }
    crew.metrics.skipped_segments.inc_by(learnt.failed);
    let newest = learnt.newest.map(|(_, segment)| segment);
    let writer = Writer::new(disk, crew, newest);
    tokio::spawn(writer.run(learnt.unsealed, ended));
    std::mem::take(&mut *finder.disputed.lock())
}

impl Finder {
    /// Looks at segments until all have been looked at.
    async fn look(&self) -> Learnt {
        let disk = self.search.disk();
        let (mut learnt, mut lines) = (Learnt::default(), Vec::new());
        while let Some(mut stretch) = self.search.stretch() {
            while let Some(looked) = stretch.next().await {
                if disk.queue.is_abandoned() {
                    return learnt;
                }
                match looked {
                    Ok(contents) => {
                        self.take_down(&contents, &mut lines);
                        learnt.note(contents, disk.segment_bytes);
                    }
                    Err(error) => {
                        let path = disk.path.display();
                        tracing::warn!(disk = %path, %error, "segment is skipped");
                        learnt.failed += 1;
                    }
                }
                if lines.len() >= LINES {
                    self.enter(&mut lines);
                }
            }
        }
        self.enter(&mut lines);
        learnt
    }

    /// Notes a segment's lines, to be entered.
    fn take_down(&self, contents: &Contents, lines: &mut Vec<Found>) {
        let (disk, directory) = (self.search.disk(), &self.crew.directory);
        let wanted = |entry: &&Entry| self.forgotten.is_none_or(|upto| entry.sequence > upto);
        let line = |entry: &Entry| Found {
            tag: directory.tag(&entry.key),
            key: entry.key,
            sequence: entry.sequence,
            place: disk.place(contents.segment, entry.start),
            generation: contents.generation,
            length: entry.length,
            kind: entry.kind,
        };
        lines.extend(contents.entries.iter().filter(wanted).map(line));
    }

    fn enter(&self, lines: &mut Vec<Found>) {
        let entered = enter(self.search.disk(), lines, &self.crew);
        lines.clear();
        let mut disputed = self.disputed.lock();
        for line in entered.disputed {
            if disputed.len() < DISPUTED_MAX {
                disputed.push(line);
            } else {
                self.crew.directory.disbelieve(line.tag);
            }
        }
    }
}

impl Learnt {
    fn note(&mut self, contents: Contents, segment_bytes: u64) {
        self.newest = self
            .newest
            .max(Some((contents.generation, contents.segment)));
        let seal = !contents.sealed && can_be_sealed(&contents.entries, segment_bytes);
        if seal && self.unsealed.len() < UNSEALED_MAX {
            self.unsealed.push(contents);
        }
    }
}

fn enter(disk: &Disk, lines: &[Found], crew: &Crew) -> Entered {
    let generation_at = |start| disk.generation_at(start);
    let entered = crew
        .directory
        .enter_found(disk.number, lines, generation_at);
    let records = u64::try_from(entered.records).unwrap_or_default();
    crew.metrics.recovered_records.inc_by(records);
    entered
}

/// Judges a line on one disk by what lies on another.
async fn settle(disks: &[Arc<Disk>], line: Found, crew: &Crew) {
    let of = |number| disks.iter().find(move |disk| disk.number == number);
    if let Some(known) = crew.directory.found(line.tag) {
        let at = known.place();
        let stored = match of(at.disk) {
            Some(disk) => {
                let wanted = Wanted::new(disk, line.key, &known);
                let read = timeout(READ_TIME, read_behind(disk, &wanted));
                read.await.ok().and_then(Result::ok)
            }
            None => None,
        };
        if stored.is_some_and(|stored| stored.sequence >= line.sequence) {
            return;
        }
        crew.directory.evict(&line.key, at);
    }
    // Its disk's writer may have used the segment for something else by now.
    let disk = of(line.place.disk);
    if let Some(disk) = disk.filter(|disk| disk.generation_at(line.place.start) == line.generation)
    {
        enter(disk, &[line], crew);
    }
}

#[cfg(test)]
#[path = "recovery_scale.rs"]
mod scale;
