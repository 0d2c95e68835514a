//! The face of a device, whatever engine moves its blocks.

use std::{
    fmt,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

use crate::{
    BLOCK, Buffer, Error, Fault, Faults, Operation, Pool,
    engine::{Engine, Motor},
    file::Opened,
    gate::{Gate, Permit, Turn},
    uring::{BATCH_MAX, DEPTH_MAX},
};

/// How to open a device.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who moves the blocks.
    pub engine: Engine,
    /// How many reads are worked on at one time; the others wait their turn. Reads behind, at most
    /// half as many, have places besides.
    pub reads_in_flight: usize,
    /// How long a read may take, the wait for its turn included. One that takes longer is an error
    /// at once; its place and its buffer are free again when the device lets go of them.
    pub read_deadline: Duration,
    /// How many operations `io_uring` is told of in one call at most, of those that one turn of a
    /// runtime brings while the device has much to do: see [`Self::BATCH_MAX`]. With 1 each is told of
    /// at once.
    pub batch_max: usize,
    /// Whether `io_uring` has the pool's memory registered.
    pub registration: Registration,
    /// Where buffers come from.
    pub pool: Pool,
    /// Faults to inject.
    pub faults: Option<Faults>,
}

/// When regions of a pool (32 MiB) are registered with the rings that read into it, which saves them
/// from looking up and holding the pages of each read. A region that is registered stays in memory as a
/// whole, so only those are that the pool holds anyway, or may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Registration {
    /// Never.
    Off,
    /// Where the kernel grants it, as soon as what was read into a region was worth it.
    #[default]
    Auto,
    /// As [`Self::Auto`], with the first read: for tests and measurements.
    Always,
}

impl Options {
    /// A good bound for [`Self::batch_max`]: `crates/disk/README.md` has what it was measured to save.
    pub const BATCH_MAX: usize = BATCH_MAX;
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
    opened: Opened,
    gate: Gate,
    motor: Motor,
    read_deadline: Duration,
    bytes: AtomicU64,
    pool: Pool,
    faults: Option<Faults>,
}

impl Device {
    /// Opens a file or partition; a file that is absent is created empty.
    ///
    /// A device is used in any tokio runtime that has its I/O and its time enabled. Each has its
    /// own ring, so that a runtime with one thread reads without a change of threads.
    pub async fn open(path: impl Into<PathBuf>, options: Options) -> Result<Self, Error> {
        let path = path.into();
        let (place, wish) = (path.clone(), options.clone());
        let opening = tokio::task::spawn_blocking(move || {
            let opened = Opened::open(&place, &wish.pool)?;
            let bytes = opened.measure()?;
            let gate = Gate::new(wish.reads_in_flight.clamp(1, DEPTH_MAX));
            let motor = Motor::start(&opened, &wish, &gate)?;
            Ok((opened, gate, motor, AtomicU64::new(bytes)))
        });
        let failed = Error::ShuttingDown {
            operation: Operation::Open,
        };
        let (opened, gate, motor, bytes) = opening.await.unwrap_or(Err(failed))?;
        Ok(Self(Arc::new(Inner {
            path,
            opened,
            gate,
            motor,
            read_deadline: options.read_deadline,
            bytes,
            pool: options.pool,
            faults: options.faults,
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
        self.0.opened.partition
    }

    /// Whether reads and writes go past the page cache.
    pub fn is_direct(&self) -> bool {
        self.0.opened.direct
    }

    /// Who moves the blocks: never [`Engine::Auto`].
    pub fn engine(&self) -> Engine {
        self.0.motor.engine()
    }

    /// Why the blocks are not moved by `io_uring`, where that was the better choice.
    pub fn fallback(&self) -> Option<&str> {
        self.0.motor.fallback()
    }

    /// How many bytes of the pool's memory are registered.
    pub fn registered_bytes(&self) -> u64 {
        self.0.pool.registry().bytes() as u64
    }

    /// Why no more of it is, where more was to be.
    pub fn unregistered(&self) -> Option<String> {
        self.0.pool.registry().refusal()
    }

    /// Where buffers to write come from.
    pub fn pool(&self) -> &Pool {
        &self.0.pool
    }

    /// Makes a file `bytes` long and reserves the space where the filesystem can. What is added
    /// reads as zeros.
    pub async fn resize(&self, bytes: u64) -> Result<(), Error> {
        self.0.opened.resize(bytes).await?;
        self.0.bytes.store(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Reads `length` bytes from `offset` into a pooled buffer, within the deadline of [`Options`].
    pub async fn read_at(&self, offset: u64, length: usize) -> Result<Buffer, Error> {
        self.read_within(self.0.read_deadline, offset, length).await
    }

    /// Reads `length` bytes from `offset` into a pooled buffer, within `after`. The buffer is taken
    /// when it is the read's turn: those who wait hold no memory.
    pub async fn read_within(
        &self,
        after: Duration,
        offset: u64,
        length: usize,
    ) -> Result<Buffer, Error> {
        self.read_in_turn(Turn::Read, after, offset, length).await
    }

    /// As [`Self::read_at`], for what no viewer waits for: recovery, copies, checks. However many
    /// there are, other reads never wait for their places, nor they for those of others.
    pub async fn read_behind(&self, offset: u64, length: usize) -> Result<Buffer, Error> {
        self.read_in_turn(Turn::ReadBehind, self.0.read_deadline, offset, length)
            .await
    }

    async fn read_in_turn(
        &self,
        turn: Turn,
        after: Duration,
        offset: u64,
        length: usize,
    ) -> Result<Buffer, Error> {
        let range = whole_blocks(Operation::Read, offset, length)?;
        let (end, landed) = (Instant::now() + after, self.0.gate.landed());
        let late = |stuck| Error::TimedOut {
            operation: Operation::Read,
            offset,
            after,
            stuck,
        };
        let entered = timeout_at(end, self.0.gate.enter(turn)).await;
        // A queue that moves is a device with much to do; one that does not is a device that hangs.
        let permit = entered.map_err(|_elapsed| late(self.0.gate.landed() == landed))??;
        let read = timeout_at(end, self.read(permit, range)).await;
        read.unwrap_or_else(|_elapsed| Err(late(true)))
    }

    async fn read(&self, permit: Permit, range: Range<u64>) -> Result<Buffer, Error> {
        let offset = range.start;
        let length = usize::try_from(range.end - offset).unwrap_or(usize::MAX);
        let fault = self.strike(Operation::Read, range).await;
        if let Some(error) = fault.and_then(|fault| fault.error(Operation::Read, offset, length)) {
            return Err(error);
        }
        let buffer = self.0.pool.take_to_read(length);
        let mut buffer = self.0.motor.read_at(permit, offset, buffer).await?;
        if let Some(fault) = fault {
            fault.flip(offset, &mut buffer);
        }
        Ok(buffer)
    }

    /// Writes a buffer at `offset`. It is durable after the next [`Self::sync`].
    pub async fn write_at(&self, offset: u64, mut buffer: Buffer) -> Result<(), Error> {
        let wanted = buffer.len();
        let range = whole_blocks(Operation::Write, offset, wanted)?;
        let permit = self.0.gate.enter(Turn::Write).await?;
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
        if length > 0 {
            self.0
                .motor
                .write_at(permit, offset, buffer, length)
                .await?;
        }
        let failure = fault.and_then(|fault| fault.error(Operation::Write, offset, wanted));
        failure.map_or(Ok(()), Err)
    }

    /// Makes all that was written durable.
    pub async fn sync(&self) -> Result<(), Error> {
        let permit = self.0.gate.enter(Turn::Sync).await?;
        let fault = self.strike(Operation::Sync, 0..0).await;
        if let Some(error) = fault.and_then(|fault| fault.error(Operation::Sync, 0, 0)) {
            return Err(error);
        }
        self.0.motor.sync(permit).await
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
