//! The engine that works everywhere: positioned reads and writes on threads of the runtime's
//! blocking pool, as many at a time as the device's depth allows.

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
};

use tokio::sync::Semaphore;

use crate::{BLOCK, Buffer, Error, Operation, Pool};

/// An open file or partition, and the permits of those who work on it.
pub(crate) struct Blocking {
    file: Arc<File>,
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
    pub(crate) direct: bool,
    pub(crate) partition: bool,
}

impl Blocking {
    /// Opens and locks. Blocks the thread.
    pub(crate) fn open(path: &Path, depth: usize, pool: &Pool) -> Result<Self, Error> {
        let failed = |error| Error::io(Operation::Open, 0, error);
        let (file, direct) = open_file(path, pool).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::InUse),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let partition = file
            .metadata()
            .map_err(failed)?
            .file_type()
            .is_block_device();
        Ok(Self {
            file: Arc::new(file),
            reads: Arc::new(Semaphore::new(depth)),
            // One that moves data and one that syncs: a disk has one writer.
            writes: Arc::new(Semaphore::new(2)),
            direct,
            partition,
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
        self.on_thread(Operation::Open, move || {
            let done = set_length(&file, bytes);
            done.map_err(|error| Error::io(Operation::Open, 0, error))
        })
        .await
    }

    /// Fills `buffer` from `offset`.
    pub(crate) async fn read_at(&self, offset: u64, mut buffer: Buffer) -> Result<Buffer, Error> {
        let file = Arc::clone(&self.file);
        self.on_thread(Operation::Read, move || {
            let wanted = buffer.len();
            let mut done = 0;
            while done < wanted {
                match file.read_at(&mut buffer[done..], offset + done as u64) {
                    // A direct read may stop at the end of the file only.
                    Ok(0) => return Err(short(Operation::Read, offset, wanted, done)),
                    Ok(count) => done += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(Error::io(Operation::Read, offset, error)),
                }
                if done % BLOCK != 0 {
                    return Err(short(Operation::Read, offset, wanted, done));
                }
            }
            Ok(buffer)
        })
        .await
    }

    /// Writes the first `length` bytes of `buffer` at `offset`.
    pub(crate) async fn write_at(
        &self,
        offset: u64,
        buffer: Buffer,
        length: usize,
    ) -> Result<(), Error> {
        let file = Arc::clone(&self.file);
        self.on_thread(Operation::Write, move || {
            let mut done = 0;
            while done < length {
                match file.write_at(&buffer[done..length], offset + done as u64) {
                    Ok(0) => return Err(short(Operation::Write, offset, length, done)),
                    Ok(count) => done += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(Error::io(Operation::Write, offset, error)),
                }
                if done % BLOCK != 0 {
                    return Err(short(Operation::Write, offset, length, done));
                }
            }
            Ok(())
        })
        .await
    }

    /// Makes what was written durable.
    pub(crate) async fn sync(&self) -> Result<(), Error> {
        let file = Arc::clone(&self.file);
        self.on_thread(Operation::Sync, move || {
            file.sync_data()
                .map_err(|error| Error::io(Operation::Sync, 0, error))
        })
        .await
    }

    /// Runs `work` on a thread that may block. The permit goes with the work, so that a caller who
    /// gave up does not let more work onto a slow device.
    async fn on_thread<T: Send + 'static>(
        &self,
        operation: Operation,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let gate = if operation == Operation::Read {
            &self.reads
        } else {
            &self.writes
        };
        let Ok(permit) = Arc::clone(gate).acquire_owned().await else {
            return Err(Error::ShuttingDown { operation });
        };
        let work = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        work.await.unwrap_or(Err(Error::ShuttingDown { operation }))
    }
}

fn short(operation: Operation, offset: u64, wanted: usize, done: usize) -> Error {
    Error::Short {
        operation,
        offset,
        wanted,
        done,
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
