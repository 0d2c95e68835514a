//! Disks that failed for good: left out at once, remembered in the state folder, told to the
//! operator.
//!
//! A note is a file `ejected-<id>` with the reason as text. Whoever wants the disk used again, say
//! after changing a cable, removes the note and restarts. A new disk in its place has another id.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{directory::Directory, log::Disk};

/// The notes.
#[derive(Debug, Clone)]
pub(crate) struct Ejections {
    folder: Option<PathBuf>,
}

/// A reason is one line for people; the rest of a longer file is not read.
const REASON_BYTES_MAX: usize = 200;

impl Ejections {
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// Why a disk was ejected in an earlier run, and how to have it used again; nothing if it was
    /// not.
    pub(crate) async fn remembered(&self, id: u64) -> Option<String> {
        let note = self.note(id)?;
        let reason = tokio::fs::read(&note).await;
        let reason = match &reason {
            Ok(reason) => String::from_utf8_lossy(&reason[..reason.len().min(REASON_BYTES_MAX)]),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => error.to_string().into(),
        };
        let (reason, note) = (reason.trim().escape_debug(), note.display());
        Some(format!(
            "{reason}: remove {note} and restart to use it again"
        ))
    }

    /// Notes that a disk is ejected, and has what it holds forgotten. The disk itself is neither
    /// read nor written from the moment of the verdict.
    pub(crate) async fn eject(&self, disk: &Disk, directory: &Arc<Directory>, why: &str) {
        let path = disk.path.display().to_string();
        tracing::error!(disk = path, why, "disk is ejected: the others go on");
        directory.evict_range(disk.number, &(0..u64::MAX));
        let Some(note) = self.note(disk.id) else {
            return;
        };
        let text = format!("{path}: {why}\n");
        let written = tokio::task::spawn_blocking(move || write(&note, text.as_bytes()));
        match written.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(disk = path, %error, "the ejection will not be remembered");
            }
            Err(error) => {
                tracing::error!(disk = path, %error, "the ejection will not be remembered");
            }
        }
    }

    fn note(&self, id: u64) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("ejected-{id:016x}")))
    }
}

/// Durable when it returns.
fn write(note: &Path, text: &[u8]) -> io::Result<()> {
    fs::write(note, text)?;
    File::open(note)?.sync_all()?;
    match note.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
