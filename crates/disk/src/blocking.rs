//! The engine that works everywhere: positioned reads and writes on threads of the runtime's
//! blocking pool, as many at a time as the device's gate lets in.

use std::{io, os::unix::fs::FileExt};

use crate::{BLOCK, Buffer, Error, Operation, file::Opened, gate::Permit};

/// A file that is worked on by threads.
pub(crate) struct Blocking(Opened);

impl Blocking {
    pub(crate) fn new(opened: Opened) -> Self {
        Self(opened)
    }

    /// Fills `buffer` from `offset`.
    pub(crate) async fn read_at(
        &self,
        permit: Permit,
        offset: u64,
        mut buffer: Buffer,
    ) -> Result<Buffer, Error> {
        drop(buffer.take_landing());
        let opened = self.0.clone();
        on_thread(permit, Operation::Read, move || {
            let wanted = buffer.len();
            let mut done = 0;
            while done < wanted {
                match opened
                    .file
                    .read_at(&mut buffer[done..], offset + done as u64)
                {
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
        permit: Permit,
        offset: u64,
        buffer: Buffer,
        length: usize,
    ) -> Result<(), Error> {
        let opened = self.0.clone();
        on_thread(permit, Operation::Write, move || {
            let mut done = 0;
            while done < length {
                match opened
                    .file
                    .write_at(&buffer[done..length], offset + done as u64)
                {
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
    pub(crate) async fn sync(&self, permit: Permit) -> Result<(), Error> {
        let opened = self.0.clone();
        on_thread(permit, Operation::Sync, move || {
            opened
                .file
                .sync_data()
                .map_err(|error| Error::io(Operation::Sync, 0, error))
        })
        .await
    }
}

/// Runs `work` on a thread that may block.
async fn on_thread<T: Send + 'static>(
    permit: Permit,
    operation: Operation,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let work = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(permit);
        done
    });
    work.await.unwrap_or(Err(Error::ShuttingDown { operation }))
}

fn short(operation: Operation, offset: u64, wanted: usize, done: usize) -> Error {
    Error::Short {
        operation,
        offset,
        wanted,
        done,
    }
}
