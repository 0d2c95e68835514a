//! What was used lately, kept over restarts in the state folder: without it all that lies on the
//! disks would be cold at every start, and the turnovers after it would keep none of it.
//!
//! A file for each disk has the tags of its records that were used since they were written. It is
//! written when the store is closed, and every few minutes for the case that it is killed.

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use tokio::task::AbortHandle;

use crate::{
    directory::Directory,
    keepsake::{self, Chunk},
    log::Disk,
    recovery::Recovered,
};

/// How long to wait after one time of writing before the next. Ten million records in use are
/// 80 MB: a quarter of a MB a second, or 23 GB a day, beside the writing of 10 TB of disks.
const PAUSE: Duration = Duration::from_mins(5);

/// The files of one store. A clone writes the same.
#[derive(Debug, Clone)]
pub(crate) struct Recency {
    folder: Option<PathBuf>,
    /// Held by whoever writes.
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
    /// Without a folder nothing is kept.
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        let writing = Arc::default();
        Self { folder, writing }
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
            match read {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let path = path.display();
                    tracing::warn!(%path, %error, "what was used before the start is forgotten");
                }
            }
        });
        // An error is that of a runtime that ends.
        let _ = reading.await;
    }

    /// Writes what was used of a disk. Cancel safe: it is written all the same.
    pub(crate) async fn save(&self, disk: &Arc<Disk>, directory: &Arc<Directory>) {
        let Some(path) = self.path(disk) else { return };
        let (owner, number) = (owner(disk), disk.number);
        let (directory, alone) = (Arc::clone(directory), Arc::clone(&self.writing));
        let writing = tokio::task::spawn_blocking(move || {
            let _alone = alone.lock();
            if let Err(error) = keepsake::write(&path, &owner, chunks(&directory, number)) {
                let path = path.display();
                tracing::warn!(%path, %error, "what is used will be forgotten at a restart");
            }
        });
        let _ = writing.await;
    }

    /// Writes it every few minutes once all was found, for as long as the store lives.
    pub(crate) fn keep_saving(
        &self,
        disks: &[Arc<Disk>],
        directory: &Arc<Directory>,
        recovered: Recovered,
    ) -> Option<Routine> {
        self.folder.as_ref()?;
        let (recency, directory) = (self.clone(), Arc::downgrade(directory));
        let disks: Vec<_> = disks.iter().map(Arc::downgrade).collect();
        let routine = tokio::spawn(async move {
            recovered.done().await;
            loop {
                tokio::time::sleep(PAUSE).await;
                let Some(directory) = Weak::upgrade(&directory) else {
                    return;
                };
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
}

/// Only the disk itself knows its secret: a file of a disk that was emptied since is another's.
fn owner(disk: &Disk) -> [u8; 16] {
    let check = disk.secret.check(&[b"used"]);
    let mut owner = [0; 16];
    owner[..8].copy_from_slice(&check.to_le_bytes());
    owner
}

/// A shard of the index at a time, by how often.
fn chunks(directory: &Directory, disk: u8) -> impl Iterator<Item = Chunk> {
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
