//! The way to the disks: what comes in, and what leaves RAM, is offered to the one that its key
//! likes best, if the policy says so.
//!
//! What comes in is written at once where the policy wants it: while a disk is cold or roomy, and
//! what was asked for before. Anything else has until it leaves RAM to prove itself. So a hit in
//! RAM never writes, and what is asked for once never gets onto a disk that has something better.

use std::sync::Arc;

use crate::{
    Key, Record, Refused,
    directory::{Directory, Put},
    judge::Judge,
    leaving::Evicted,
    log::{Disk, queue::Why},
    metrics::{Metrics, Unadmitted},
    policy::Admission as Verdict,
};

/// The way to the disks of a store.
pub(crate) struct Admission {
    pub(crate) directory: Arc<Directory>,
    pub(crate) judge: Arc<Judge>,
    pub(crate) disks: Vec<Arc<Disk>>,
    /// Whether any disk is configured: without one there is nothing to report.
    pub(crate) wanted: bool,
    pub(crate) payload_bytes_max: u64,
    pub(crate) metrics: Arc<Metrics>,
}

impl Admission {
    /// Takes in what came from upstream.
    pub(crate) fn put(&self, key: Key, record: Record) {
        let length = record.bytes.len() as u64;
        if !key.is_head() {
            self.judge.missed(length);
        }
        let mut refused = None;
        let queue = |sequence| {
            let offered = self.offer(&key, length, sequence);
            offered.map_err(|reason| refused = Some(reason)).ok()
        };
        let bury = |sequence, but| self.bury(key, sequence, Why::Replaced, but);
        let (outcome, mut evicted) = self.directory.put(key, record, queue, bury);
        if outcome == Put::RamOnly {
            self.count(refused);
        }
        // If RAM has no room for it, that was decided just now.
        evicted.records.retain(|(other, _)| *other != key);
        self.left_ram(evicted);
    }

    /// Takes in what a plan wants on disk, where nobody waits for it.
    pub(crate) fn put_planned(&self, key: Key, record: Record) -> Result<(), Refused> {
        let length = record.bytes.len() as u64;
        let mut refused = None;
        let queue = |sequence| {
            let offered = self.offer_planned(&key, length, sequence);
            offered.map_err(|reason| refused = Some(reason)).ok()
        };
        let bury = |sequence, but| self.bury(key, sequence, Why::Replaced, but);
        if self.directory.plant(key, record, queue, bury) {
            return Ok(());
        }
        self.count(refused);
        Err(refused.map_or(Refused::Fault, Refused::from))
    }

    /// Takes what had to make room in RAM: its last chance.
    pub(crate) fn left_ram(&self, evicted: Evicted) {
        let Evicted { records, moment } = evicted;
        for (key, record) in records {
            let length = record.bytes.len() as u64;
            let mut refused = None;
            let queue = |sequence| {
                let offered = self.offer(&key, length, sequence);
                offered.map_err(|reason| refused = Some(reason)).is_ok()
            };
            self.directory.offer(key, record, moment, queue);
            self.count(refused);
        }
    }

    /// Has what the disks hold of a key forgotten, but for one of them. Any may hold some of it.
    pub(crate) fn bury(&self, key: Key, sequence: u64, why: Why, but: Option<u8>) {
        for disk in &self.disks {
            if Some(disk.number) != but {
                disk.queue.bury(key, sequence, why);
            }
        }
    }

    fn count(&self, refused: Option<Unadmitted>) {
        if let (Some(reason), true) = (refused, self.wanted) {
            self.metrics.unadmitted(reason, 1);
        }
    }

    /// Queues the record for its disk, and says which. Called with the lock of the key's shard: it must not block.
    fn offer(&self, key: &Key, length: u64, sequence: u64) -> Result<u8, Unadmitted> {
        let tag = self.directory.tag(key);
        let disk = self.target(tag, length)?;
        // A head takes a few hundred bytes, and without it no slice of its object is found after
        // a restart until upstream was asked.
        if !key.is_head() {
            match self.judge.admits(tag) {
                Verdict::Write => {}
                Verdict::Unproven => return Err(Unadmitted::Unproven),
                Verdict::BudgetSpent => return Err(Unadmitted::BudgetSpent),
            }
        }
        queue(disk, key, length, sequence)?;
        self.judge.wrote(length);
        self.metrics.admitted_records.inc();
        Ok(disk.number)
    }

    /// The same for what a plan wants: that is proof enough, but the budget holds.
    fn offer_planned(&self, key: &Key, length: u64, sequence: u64) -> Result<u8, Unadmitted> {
        let tag = self.directory.tag(key);
        let disk = self.target(tag, length)?;
        match self.judge.admits_planned() {
            Verdict::Write => {}
            Verdict::Unproven => return Err(Unadmitted::Unproven),
            Verdict::BudgetSpent => return Err(Unadmitted::BudgetSpent),
        }
        queue(disk, key, length, sequence)?;
        self.judge.wrote_planned(tag, length);
        self.metrics.planned_records.inc();
        Ok(disk.number)
    }

    /// Whether there is a disk of which a tenth was never written to.
    pub(crate) fn has_room(&self) -> bool {
        let mut disks = self.disks.iter();
        disks.any(|disk| disk.may_write() && disk.unused_segments() * 10 > disk.segments())
    }

    /// The disk for a key: of those that are fit to be written to, the one that the key's hash
    /// likes best, so that keys spread evenly and a lost disk moves its own keys only.
    fn target(&self, tag: u64, bytes: u64) -> Result<&Arc<Disk>, Unadmitted> {
        if bytes > self.payload_bytes_max {
            return Err(Unadmitted::TooLarge);
        }
        if self.directory.room() == 0 {
            return Err(Unadmitted::Index);
        }
        let fit = self.disks.iter().filter(|disk| disk.may_write());
        fit.max_by(|one, other| one.preference(tag).total_cmp(&other.preference(tag)))
            .ok_or(Unadmitted::Faulty)
    }
}

fn queue(disk: &Disk, key: &Key, length: u64, sequence: u64) -> Result<(), Unadmitted> {
    let taken = u32::try_from(length).is_ok_and(|length| disk.queue.offer(*key, sequence, length));
    if taken {
        Ok(())
    } else if disk.queue.is_closed() {
        Err(Unadmitted::Closed)
    } else {
        Err(Unadmitted::Full)
    }
}
