//! What was used lately, kept over restarts in the state folder: without it all that lies on the
//! disks would be cold at every start, and the turnovers after it would keep none of it.
//!
//! - `used-<disk>` has the tags of a disk's records that were read from it since they were written.
//! - `asked` has what the policy counted, wherever it was served from, held or not: see
//!   [`crate::asked`].
//!
//! They are written when the store is closed, and every few minutes for the case that it is killed.
//! What is missing or damaged is cold, and no byte depends on it: it only says what is worth keeping.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::task::AbortHandle;

use crate::{
    asked,
    directory::Directory,
    format::Secret,
    judge::Judge,
    keepsake::{self, Chunk},
    log::Disk,
    recovery::Recovered,
};

/// How long to wait after one time of writing before the next. Ten million records in use are
/// 80 MB: a quarter of a MB a second, or 23 GB a day, beside the writing of 10 TB of disks.
const PAUSE: Duration = Duration::from_mins(5);
/// So much of the policy's table is written for each pause: 39 GB a day at most, whatever the
/// state folder is on. A table of 10 TB of disks has less; that of 100 TB is written every
/// three quarters of an hour.
const ASKED_BYTES_PER_PAUSE: u64 = 128 << 20;

/// The files of one store. A clone writes the same.
#[derive(Debug, Clone)]
pub(crate) struct Recency {
    folder: Option<PathBuf>,
    /// Whose `asked` is: another store has other tags.
    owner: [u8; 16],
    /// Held by whoever writes, in a thread that may wait.
    writing: Arc<Mutex<()>>,
}

/// Something that is done again and again until this is dropped.
pub(crate) struct Routine(AbortHandle);

impl Drop for Routine {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Recency {
    /// Without a folder nothing is kept. `store` is the store's id, on which all tags depend.
    pub(crate) fn new(folder: Option<PathBuf>, store: [u8; 16]) -> Self {
        Self {
            folder,
            owner: padded(Secret(store).check(&[b"asked"])),
            writing: Arc::default(),
        }
    }

    /// Starts to tell the policy what was asked for before, in a thread of its own.
    pub(crate) fn recall_asked(&self, judge: &Arc<Judge>) -> Recovered {
        let (running, recalled) = Recovered::pending();
        if let Some(path) = self.asked_path() {
            let (owner, judge) = (self.owner, Arc::clone(judge));
            // Nobody waits for the thread itself: what it holds tells when it ends.
            drop(tokio::task::spawn_blocking(move || {
                let read = keepsake::read(&path, &owner, |chunk| asked::recall(&judge, chunk));
                tell_failure(
                    read,
                    &path,
                    "what was asked for before the start is forgotten",
                );
                drop(running);
            }));
        }
        recalled
    }

    /// Writes what was asked for. Cancel safe: it is written all the same.
    pub(crate) async fn save_asked(&self, judge: &Arc<Judge>) {
        let Some(path) = self.asked_path() else {
            return;
        };
        let (owner, judge) = (self.owner, Arc::clone(judge));
        self.write(path, owner, move || asked::chunks(judge)).await;
    }

    /// Tells the index, which knows what lies on the disk, what of it an earlier run used. Dropped,
    /// it goes on in its thread.
    pub(crate) async fn recall(&self, disk: &Arc<Disk>, directory: &Arc<Directory>) {
        let Some(path) = self.path(disk) else { return };
        let (owner, directory) = (owner(disk), Arc::clone(directory));
        let reading = tokio::task::spawn_blocking(move || {
            let read = keepsake::read(&path, &owner, |chunk| {
                let tags = chunk.payload.as_chunks().0.iter().copied();
                directory.recall_uses(tags.map(u64::from_le_bytes), chunk.mark);
            });
            tell_failure(read, &path, "what was used before the start is forgotten");
        });
        // An error is that of a runtime that ends.
        let _ = reading.await;
    }

    /// Writes what was used of a disk. Cancel safe: it is written all the same.
    pub(crate) async fn save(&self, disk: &Arc<Disk>, directory: &Arc<Directory>) {
        let Some(path) = self.path(disk) else { return };
        let (number, directory) = (disk.number, Arc::clone(directory));
        self.write(path, owner(disk), move || chunks(directory, number))
            .await;
    }

    async fn write<C: Iterator<Item = Chunk>>(
        &self,
        path: PathBuf,
        owner: [u8; 16],
        chunks: impl FnOnce() -> C + Send + 'static,
    ) {
        let alone = Arc::clone(&self.writing);
        let writing = tokio::task::spawn_blocking(move || {
            let _alone = alone.lock();
            let written = keepsake::write(&path, &owner, chunks());
            tell_failure(
                written,
                &path,
                "what is used will be forgotten at a restart",
            );
        });
        // An error is that of a runtime that ends.
        let _ = writing.await;
    }

    /// Writes it every few minutes once all was found, for as long as the store lives.
    pub(crate) fn keep_saving(
        &self,
        disks: &[Arc<Disk>],
        directory: &Arc<Directory>,
        judge: &Arc<Judge>,
        recovered: Recovered,
    ) -> Option<Routine> {
        if self.folder.is_none() || disks.is_empty() {
            return None;
        }
        let recency = self.clone();
        let (directory, judge) = (Arc::downgrade(directory), Arc::downgrade(judge));
        let disks: Vec<_> = disks.iter().map(Arc::downgrade).collect();
        let routine = tokio::spawn(async move {
            recovered.done().await;
            for pause in 1_u64.. {
                tokio::time::sleep(PAUSE).await;
                let (Some(directory), Some(judge)) = (directory.upgrade(), judge.upgrade()) else {
                    return;
                };
                if pause.is_multiple_of(asked_pauses(judge.table_bytes())) {
                    recency.save_asked(&judge).await;
                }
                for disk in disks.iter().filter_map(Weak::upgrade) {
                    recency.save(&disk, &directory).await;
                }
            }
        });
        Some(Routine(routine.abort_handle()))
    }

    fn path(&self, disk: &Disk) -> Option<PathBuf> {
        let name = format!("used-{:016x}", disk.id);
        Some(self.folder.as_ref()?.join(name))
    }

    fn asked_path(&self) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join("asked"))
    }
}

/// How many pauses there are from one time of writing a table of so many bytes to the next.
const fn asked_pauses(table_bytes: u64) -> u64 {
    let pauses = table_bytes.div_ceil(ASKED_BYTES_PER_PAUSE);
    if pauses == 0 { 1 } else { pauses }
}

fn tell_failure(done: io::Result<()>, path: &Path, what: &str) {
    match done {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => tracing::warn!(path = %path.display(), %error, "{what}"),
    }
}

/// Only the disk itself knows its secret: a file of a disk that was emptied since is another's.
fn owner(disk: &Disk) -> [u8; 16] {
    padded(disk.secret.check(&[b"used"]))
}

fn padded(check: u64) -> [u8; 16] {
    let mut owner = [0; 16];
    owner[..8].copy_from_slice(&check.to_le_bytes());
    owner
}

/// A shard of the index at a time, by how often.
fn chunks(directory: Arc<Directory>, disk: u8) -> impl Iterator<Item = Chunk> {
    let shards = 0..directory.shards();
    shards.flat_map(move |shard| {
        let by_uses = directory.used(shard, disk);
        by_uses
            .into_iter()
            .filter(|(_, tags)| !tags.is_empty())
            .map(|(uses, tags)| Chunk {
                mark: uses,
                payload: tags.into_iter().flat_map(u64::to_le_bytes).collect(),
            })
    })
}
