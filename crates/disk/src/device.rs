//! The face of a device, whatever engine moves its blocks.

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{BLOCK, Buffer, Error, Fault, Faults, Operation, Pool, blocking::Blocking};

/// How to open a device.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many reads are worked on at one time; the others wait their turn.
    pub reads_in_flight: usize,
    /// Where buffers come from.
    pub pool: Pool,
    /// Faults to inject.
    pub faults: Option<Faults>,
}

/// An open file or partition. A clone is the same device.
///
/// It is locked against other processes as long as it is open. Offsets and lengths are whole
/// blocks of [`BLOCK`] bytes. Every operation is done completely, or is an error.
///
/// Cancel safety: a dropped read leaves no trace; a dropped write or sync may be done all the
/// same, or not, or in part.
#[derive(Clone)]
pub struct Device(Arc<Inner>);

struct Inner {
    path: PathBuf,
    engine: Engine,
    bytes: AtomicU64,
    pool: Pool,
    faults: Option<Faults>,
}

/// Who moves the blocks. A second one, on `io_uring`, fits behind the same four calls.
enum Engine {
    Blocking(Blocking),
}

impl Device {
    /// Opens a file or partition; a file that is absent is created empty.
    pub async fn open(path: impl Into<PathBuf>, options: Options) -> Result<Self, Error> {
        let path = path.into();
        let Options {
            reads_in_flight,
            pool,
            faults,
        } = options;
        let (place, buffers) = (path.clone(), pool.clone());
        let opened = tokio::task::spawn_blocking(move || {
            let engine = Blocking::open(&place, reads_in_flight.max(1), &buffers)?;
            let bytes = engine.measure()?;
            Ok((Engine::Blocking(engine), AtomicU64::new(bytes)))
        });
        let failed = Error::ShuttingDown {
            operation: Operation::Open,
        };
        let (engine, bytes) = opened.await.unwrap_or(Err(failed))?;
        Ok(Self(Arc::new(Inner {
            path,
            engine,
            bytes,
            pool,
            faults,
        })))
    }

    /// What was opened.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The size in bytes, as it was when the device was opened or resized.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Whether it is a partition, whose size is given.
    pub fn is_partition(&self) -> bool {
        match &self.0.engine {
            Engine::Blocking(engine) => engine.partition,
        }
    }

    /// Whether reads and writes go past the page cache.
    pub fn is_direct(&self) -> bool {
        match &self.0.engine {
            Engine::Blocking(engine) => engine.direct,
        }
    }

    /// Where buffers to write come from.
    pub fn pool(&self) -> &Pool {
        &self.0.pool
    }

    /// Makes a file `bytes` long and reserves the space where the filesystem can. What is added
    /// reads as zeros.
    pub async fn resize(&self, bytes: u64) -> Result<(), Error> {
        match &self.0.engine {
            Engine::Blocking(engine) => engine.resize(bytes).await?,
        }
        self.0.bytes.store(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Reads `length` bytes from `offset` into a pooled buffer.
    pub async fn read_at(&self, offset: u64, length: usize) -> Result<Buffer, Error> {
        let range = whole_blocks(Operation::Read, offset, length)?;
        let fault = self.strike(Operation::Read, range).await;
        if let Some(error) = fault.and_then(|fault| fault.error(Operation::Read, offset, length)) {
            return Err(error);
        }
        let buffer = self.0.pool.take(length);
        let mut buffer = match &self.0.engine {
            Engine::Blocking(engine) => engine.read_at(offset, buffer).await?,
        };
        if let Some(fault) = fault {
            fault.flip(offset, &mut buffer);
        }
        Ok(buffer)
    }

    /// Writes a buffer at `offset`. It is durable after the next [`Self::sync`].
    pub async fn write_at(&self, offset: u64, mut buffer: Buffer) -> Result<(), Error> {
        let wanted = buffer.len();
        let range = whole_blocks(Operation::Write, offset, wanted)?;
        let fault = self.strike(Operation::Write, range).await;
        let mut length = wanted;
        if let Some(fault) = fault {
            fault.flip(offset, &mut buffer);
            length = match fault {
                Fault::Errno(_) | Fault::Lost => 0,
                Fault::Short => wanted / 2 / BLOCK * BLOCK,
                Fault::Flip { .. } | Fault::Delay(_) | Fault::Hang => wanted,
            };
        }
        match &self.0.engine {
            Engine::Blocking(engine) => engine.write_at(offset, buffer, length).await?,
        }
        let failure = fault.and_then(|fault| fault.error(Operation::Write, offset, wanted));
        failure.map_or(Ok(()), Err)
    }

    /// Makes all that was written durable.
    pub async fn sync(&self) -> Result<(), Error> {
        let fault = self.strike(Operation::Sync, 0..0).await;
        if let Some(error) = fault.and_then(|fault| fault.error(Operation::Sync, 0, 0)) {
            return Err(error);
        }
        match &self.0.engine {
            Engine::Blocking(engine) => engine.sync().await,
        }
    }

    async fn strike(&self, operation: Operation, range: Range<u64>) -> Option<Fault> {
        self.0.faults.as_ref()?.strike(operation, range).await
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Device({}, {} bytes)",
            self.path().display(),
            self.bytes()
        )
    }
}

fn whole_blocks(operation: Operation, offset: u64, length: usize) -> Result<Range<u64>, Error> {
    let aligned = offset.is_multiple_of(BLOCK as u64) && length.is_multiple_of(BLOCK);
    match offset.checked_add(length as u64) {
        Some(end) if aligned && length > 0 => Ok(offset..end),
        _ => Err(Error::Misaligned {
            operation,
            offset,
            length,
        }),
    }
}
