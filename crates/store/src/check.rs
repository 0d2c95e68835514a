//! Whether a record on disk is still what was written: for who goes over all that is held, while nobody
//! waits.

use crate::{
    Key, Record,
    fetch::{Fetcher, is_good, memory_for},
    log::read::{Failure, Wanted, read_behind},
};

/// What a look at a record on disk has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// It is what was written.
    Sound,
    /// It is not, or the disk cannot read it: it is forgotten, and has to be put again.
    Lost,
    /// It lies on no disk, or not where it lay when the look began: there is nothing to tell.
    Absent,
    /// The disk did not answer in time, or is left alone for its failures: nobody knows.
    Unread,
    /// Others need the memory more.
    Busy,
}

impl Fetcher {
    /// Reads a record as [`Self::check`] does.
    pub(crate) async fn peek(&self, key: &Key) -> Option<Record> {
        if let Some(record) = self.directory.ram().get(key) {
            return Some(record);
        }
        let entry = self.directory.lies(key)?;
        let disk = self.disks.get(usize::from(entry.place().disk))?;
        let disk = disk.as_ref().filter(|disk| disk.may_read())?;
        let _room = self.budget.spare(memory_for(entry.length()))?;
        let wanted = Wanted::new(disk, *key, &entry);
        let stored = read_behind(disk, &wanted).await.ok()?;
        entry.is_of(stored.sequence).then_some(stored.record)
    }

    /// Reads a record where it lies, behind all that viewers want, and forgets it if it is not what was
    /// written. It counts as no use of it, and nothing goes into RAM.
    pub(crate) async fn check(&self, key: &Key) -> Checked {
        let Some(entry) = self.directory.lies(key) else {
            return Checked::Absent;
        };
        let disk = self.disks.get(usize::from(entry.place().disk));
        let Some(disk) = disk.and_then(Option::as_ref).filter(|it| it.may_read()) else {
            return Checked::Unread;
        };
        let Some(_room) = self.budget.spare(memory_for(entry.length())) else {
            return Checked::Busy;
        };
        let wanted = Wanted::new(disk, *key, &entry);
        let done = read_behind(disk, &wanted).await;
        let ejected = is_good(&done).and_then(|good| disk.tell_read(good));
        let checked = match done {
            Ok(stored) if entry.is_of(stored.sequence) => Checked::Sound,
            Err(Failure::Disk(disk::Error::TimedOut { .. })) => Checked::Unread,
            Ok(_) | Err(Failure::Mismatch | Failure::Corrupt | Failure::Disk(_)) => {
                if self.directory.evict(key, entry.place()) {
                    Checked::Lost
                } else {
                    Checked::Absent
                }
            }
        };
        if let Some(why) = ejected {
            self.ejections.eject(disk, &self.directory, &why).await;
        }
        checked
    }
}
