//! The engine that works everywhere: positioned reads and writes on threads of the runtime's
//! blocking pool, as many at a time as the device's depth allows.

use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

use tokio::sync::Semaphore;

use crate::{BLOCK, Buffer, Error, Operation, Pool};

/// A file, and the permits of those who work on it.
pub(crate) struct Blocking {
    file: Arc<File>,
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
}

impl Blocking {
    pub(crate) fn new(file: Arc<File>, depth: usize) -> Self {
        Self {
            file,
            reads: Arc::new(Semaphore::new(depth)),
            // One that moves data and one that syncs: a disk has one writer.
            writes: Arc::new(Semaphore::new(2)),
        }
    }

    /// Reads `length` bytes from `offset`. The buffer is taken when it is the read's turn: those
    /// who wait hold no memory.
    pub(crate) async fn read_at(
        &self,
        offset: u64,
        length: usize,
        pool: &Pool,
    ) -> Result<Buffer, Error> {
        let (file, pool) = (Arc::clone(&self.file), pool.clone());
        self.on_thread(Operation::Read, move || {
            let mut buffer = pool.take(length);
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
