//! Getting a record: from RAM, or by one disk read for all who want it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::watch;

use crate::{
    Budget, Exhausted, Key, Record, Tier,
    admission::Admission,
    config::DISKS_MAX,
    directory::{Directory, Outcome, Route, Told},
    ejection::Ejections,
    format::BLOCK,
    index::Entry,
    log::{
        Disk,
        read::{COPIED_BYTES_MAX, Failure, Stored, Wanted, read},
    },
    metrics::{DiskRead, Metrics},
};

/// Reads from disk, a bounded number at a time.
pub(crate) struct Fetcher {
    pub(crate) admission: Arc<Admission>,
    pub(crate) directory: Arc<Directory>,
    pub(crate) budget: Budget,
    pub(crate) memory_wait: Duration,
    /// By number in the index.
    pub(crate) disks: [Option<Arc<Disk>>; DISKS_MAX],
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) timeout: Duration,
    pub(crate) reads_max: usize,
    pub(crate) reads: Arc<AtomicUsize>,
    pub(crate) ejections: Ejections,
}

/// A read under way. Whatever becomes of it, it is unhooked and its waiters are told.
struct Read {
    admission: Arc<Admission>,
    directory: Arc<Directory>,
    metrics: Arc<Metrics>,
    key: Key,
    entry: Entry,
    tell: watch::Sender<Told>,
    ended: bool,
    budget: Budget,
    memory_wait: Duration,
    reads: Arc<AtomicUsize>,
    ejections: Ejections,
}

impl Fetcher {
    pub(crate) async fn get(&self, key: &Key) -> Result<Option<(Record, Tier)>, Exhausted> {
        if let Some(record) = self.directory.ram().get(key) {
            return Ok(Some((record, Tier::Ram)));
        }
        let mut waiting = match self.directory.route(key) {
            Route::Here(record) => return Ok(Some((record, Tier::Ram))),
            Route::Absent => return Ok(None),
            Route::Join(waiting) => {
                self.metrics.disk_read(DiskRead::Collapsed);
                waiting
            }
            Route::Lead(entry, tell) => {
                let waiting = tell.subscribe();
                self.lead(*key, entry, tell);
                waiting
            }
        };
        let told = waiting.wait_for(|told| !matches!(told, Told::Wait)).await;
        // A channel that closed without a word was a read's whose runtime is shutting down.
        let told = told.map_or(Told::Nothing, |told| told.clone());
        if let Told::Record(record) = told {
            return Ok(Some((record, Tier::Disk)));
        }
        // Perhaps there is no record because a newer one was put meanwhile.
        let newer = self.directory.ram().get(key);
        match (newer, told) {
            (Some(record), _) => Ok(Some((record, Tier::Ram))),
            (None, Told::Full) => Err(Exhausted),
            (None, Told::Wait | Told::Record(_) | Told::Nothing) => Ok(None),
        }
    }

    /// Starts the read in a task of its own, which its waiters wait for: it outlives the caller.
    fn lead(&self, key: Key, entry: Entry, tell: watch::Sender<Told>) {
        let busy = self.reads.fetch_add(1, Ordering::Relaxed) >= self.reads_max;
        let read = Read {
            admission: Arc::clone(&self.admission),
            directory: Arc::clone(&self.directory),
            metrics: Arc::clone(&self.metrics),
            key,
            entry,
            tell,
            ended: false,
            budget: self.budget.clone(),
            memory_wait: self.memory_wait,
            reads: Arc::clone(&self.reads),
            ejections: self.ejections.clone(),
        };
        let disk = self
            .disks
            .get(usize::from(entry.place().disk))
            .and_then(Option::as_ref);
        match disk.filter(|disk| !busy && disk.may_read()) {
            Some(disk) => {
                tokio::spawn(read.run(Arc::clone(disk), self.timeout));
            }
            None => read.end(DiskRead::Refused, Outcome::Failed),
        }
    }
}

impl Read {
    async fn run(self, disk: Arc<Disk>, timeout: Duration) {
        let bytes = memory_for(self.entry.length());
        let Ok(room) = self.budget.reserve(bytes, self.memory_wait).await else {
            return self.end(DiskRead::Full, Outcome::Failed);
        };
        let wanted = Wanted::new(&disk, self.key, &self.entry);
        let done = read(&disk, &wanted, timeout).await;
        let ejected = is_good(&done).and_then(|good| disk.tell_read(good));
        let (directory, ejections) = (Arc::clone(&self.directory), self.ejections.clone());
        let done = done.map(|mut stored| {
            stored.record.bytes = room.hold(stored.record.bytes);
            stored
        });
        self.judge(&disk, done);
        if let Some(why) = ejected {
            ejections.eject(&disk, &directory, &why).await;
        }
    }

    /// Ends the read by what it brought.
    fn judge(self, disk: &Disk, done: Result<Stored, Failure>) {
        match done {
            Ok(stored) if self.entry.is_of(stored.sequence) => {
                self.end(DiskRead::Hit, Outcome::Read(stored.record));
            }
            Ok(_) | Err(Failure::Mismatch) => self.end(DiskRead::Mismatch, Outcome::Lost),
            Err(Failure::Corrupt) => self.end(DiskRead::Corrupt, Outcome::Lost),
            Err(Failure::Disk(disk::Error::TimedOut { .. })) => {
                self.end(DiskRead::Timeout, Outcome::Failed);
            }
            Err(Failure::Disk(error)) => {
                tracing::warn!(disk = %disk.path.display(), %error, "a read failed");
                self.end(DiskRead::Error, Outcome::Lost);
            }
        }
    }

    fn end(mut self, how: DiskRead, outcome: Outcome) {
        let record = self.finish(outcome);
        match (how, &record) {
            (DiskRead::Hit, Some(record)) => {
                self.metrics.disk_read(DiskRead::Hit);
                self.metrics.served_from_disk(record.bytes.len());
            }
            (DiskRead::Hit, None) => self.metrics.disk_read(DiskRead::Superseded),
            _ => self.metrics.disk_read(how),
        }
        let nothing = if how == DiskRead::Full {
            Told::Full
        } else {
            Told::Nothing
        };
        self.tell.send_replace(record.map_or(nothing, Told::Record));
    }

    fn finish(&mut self, outcome: Outcome) -> Option<Record> {
        self.ended = true;
        let ended = self
            .directory
            .end_read(&self.key, &self.entry, &self.tell, outcome);
        let (record, evicted) = ended?;
        self.admission.left_ram(evicted);
        Some(record)
    }
}

impl Drop for Read {
    fn drop(&mut self) {
        self.reads.fetch_sub(1, Ordering::Relaxed);
        // The runtime is shutting down, or the task panicked: the waiters see a closed channel.
        if !self.ended {
            self.finish(Outcome::Failed);
        }
    }
}

/// What a read says about its disk. What is wrong with the content says nothing about the disk's manners,
/// nor does a queue that is long because many want something.
pub(crate) fn is_good(done: &Result<Stored, Failure>) -> Option<bool> {
    match done {
        Ok(_) => Some(true),
        Err(
            Failure::Disk(disk::Error::TimedOut { stuck: false, .. })
            | Failure::Mismatch
            | Failure::Corrupt,
        ) => None,
        Err(Failure::Disk(_)) => Some(false),
    }
}

/// What a record takes while somebody holds it: see `disk::Pool` for how buffers are rounded up.
pub(crate) fn memory_for(length: u32) -> u64 {
    let length = u64::from(length);
    if length <= COPIED_BYTES_MAX as u64 {
        return length;
    }
    length + length / 16 + 2 * BLOCK
}
