//! Opening, locking, measuring and preallocating: what every engine needs before blocks move.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Seek, SeekFrom},
    mem::MaybeUninit,
    os::{
        fd::AsRawFd,
        unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt},
    },
    path::Path,
    sync::Arc,
    thread,
    time::Duration,
};

use crate::{BLOCK, Error, Operation, Pool};

/// How long a lock that somebody holds is tried for, and how often.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
const LOCK_STEP: Duration = Duration::from_millis(10);

/// An open and locked file or partition.
#[derive(Clone)]
pub(crate) struct Opened {
    pub(crate) file: Arc<File>,
    /// Holds the lock, and is never given to a ring: the kernel lets go of a ring's files seconds
    /// after its process was killed, which may have been started again by then. An operation that
    /// is still under way at that moment lands in what nobody writes to any more.
    pub(crate) lock: Arc<File>,
    /// Whether reads and writes go past the page cache.
    pub(crate) direct: bool,
    pub(crate) partition: bool,
}

impl Opened {
    /// Opens and locks. Blocks the thread.
    pub(crate) fn open(path: &Path, pool: &Pool) -> Result<Self, Error> {
        let failed = |error| Error::io(Operation::Open, 0, error);
        let (file, direct) = open_file(path, pool).map_err(failed)?;
        let held = File::open(path).map_err(failed)?;
        lock(&held)?;
        let kind = file.metadata().map_err(failed)?.file_type();
        Ok(Self {
            file: Arc::new(file),
            lock: Arc::new(held),
            direct,
            partition: kind.is_block_device(),
        })
    }

    /// The size now, in bytes. Blocks the thread.
    pub(crate) fn measure(&self) -> Result<u64, Error> {
        let mut file = &*self.file;
        file.seek(SeekFrom::End(0))
            .map_err(|error| Error::io(Operation::Open, 0, error))
    }

    /// Grows or shrinks a file to `bytes` and reserves the space where the filesystem can.
    pub(crate) async fn resize(&self, bytes: u64) -> Result<(), Error> {
        let file = Arc::clone(&self.file);
        let work = tokio::task::spawn_blocking(move || {
            let done = set_length(&file, bytes);
            done.map_err(|error| Error::io(Operation::Open, 0, error))
        });
        let failed = Error::ShuttingDown {
            operation: Operation::Open,
        };
        work.await.unwrap_or(Err(failed))
    }
}

/// Locks the file against everybody else. Whoever held it may be about to end, so a lock that is
/// taken gets a while.
fn lock(file: &File) -> Result<(), Error> {
    let mut waited = Duration::ZERO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if waited < LOCK_PATIENCE => {
                thread::park_timeout(LOCK_STEP);
                waited += LOCK_STEP;
            }
            Err(TryLockError::WouldBlock) => return Err(Error::InUse),
            Err(TryLockError::Error(error)) => {
                return Err(Error::io(Operation::Open, 0, error));
            }
        }
    }
}

/// Opens past the page cache, or through it where the filesystem cannot do otherwise. Some say so
/// when the file is opened, some only when it is read.
fn open_file(path: &Path, pool: &Pool) -> io::Result<(File, bool)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    match options.clone().custom_flags(libc::O_DIRECT).open(path) {
        Ok(file) => match file.read_at(&mut pool.take(BLOCK), 0) {
            Ok(_) => return Ok((file, true)),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            Err(error) => return Err(error),
        },
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
        Err(error) => return Err(error),
    }
    Ok((options.open(path)?, false))
}

/// A filesystem with less room than a file needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortage {
    /// What the file still has to grow.
    pub missing_bytes: u64,
    /// What is free.
    pub free_bytes: u64,
}

/// Whether a file at `path`, which may be there already, would find room to be of `bytes`: nothing if
/// so. What is no file, such as a partition, has its room. Creates nothing.
///
/// # Errors
/// When nobody can say, such as where the folder is not there.
pub fn shortage(path: &Path, bytes: u64) -> io::Result<Option<Shortage>> {
    let (there, held_bytes) = match path.metadata() {
        Ok(metadata) if !metadata.is_file() => return Ok(None),
        Ok(metadata) => (path, metadata.blocks() * 512),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            (folder.unwrap_or_else(|| Path::new(".")), 0)
        }
        Err(error) => return Err(error),
    };
    let missing_bytes = bytes.saturating_sub(held_bytes);
    let free_bytes = available(&File::open(there)?)?;
    let short = Shortage {
        missing_bytes,
        free_bytes,
    };
    Ok((missing_bytes > free_bytes).then_some(short))
}

/// Grows or shrinks a file and reserves its space, so that a full filesystem is found at start and
/// not in the middle of the night. A filesystem that cannot reserve leaves a sparse file.
fn set_length(file: &File, bytes: u64) -> io::Result<()> {
    let metadata = file.metadata()?;
    let missing = bytes.saturating_sub(metadata.blocks() * 512);
    // Asked first, because reserving too much takes all there is before it fails.
    if missing > 0 && missing > available(file)? {
        let what = format!("{missing} bytes are needed, {} are free", available(file)?);
        return Err(io::Error::new(io::ErrorKind::StorageFull, what));
    }
    file.set_len(bytes)?;
    let reserved = preallocate(file, bytes);
    if reserved.is_err() {
        // Gives back what was reserved before it failed.
        file.set_len(metadata.len().min(bytes))?;
    }
    reserved
}

fn preallocate(file: &File, bytes: u64) -> io::Result<()> {
    let length = libc::off_t::try_from(bytes).map_err(io::Error::other)?;
    #[expect(
        unsafe_code,
        reason = "the standard library has no call that reserves space"
    )]
    let outcome = {
        // SAFETY: the descriptor is open for the whole call, which takes no pointers.
        unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, length) }
    };
    if outcome == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.kind() {
        io::ErrorKind::Unsupported => Ok(()),
        _ => Err(error),
    }
}

/// Bytes that are free on the file's filesystem for us.
fn available(file: &File) -> io::Result<u64> {
    let mut told = MaybeUninit::<libc::statvfs>::uninit();
    #[expect(
        unsafe_code,
        reason = "the standard library has no call that tells free space"
    )]
    let outcome = {
        // SAFETY: the descriptor is open for the whole call, and `told` has room for what is told.
        unsafe { libc::fstatvfs(file.as_raw_fd(), told.as_mut_ptr()) }
    };
    if outcome != 0 {
        return Err(io::Error::last_os_error());
    }
    #[expect(unsafe_code, reason = "as above")]
    let told = {
        // SAFETY: a call that succeeded has filled it.
        unsafe { told.assume_init() }
    };
    Ok(told.f_bavail.saturating_mul(told.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_filesystem_has_no_room_for_is_told_without_making_anything() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("slices");
        let short = shortage(&path, 1 << 60).unwrap().unwrap();
        assert_eq!(short.missing_bytes, 1 << 60);
        assert_eq!(shortage(&path, 0).unwrap(), None);
        assert!(!path.exists());
        std::fs::write(&path, vec![1; 1 << 20]).unwrap();
        let short = shortage(&path, 1 << 60).unwrap().unwrap();
        assert!(short.missing_bytes < 1 << 60, "what it has is its own");
        assert!(shortage(&folder.path().join("none/slices"), 1).is_err());
        assert_eq!(shortage(Path::new("/dev/null"), 1 << 60).unwrap(), None);
    }
}
