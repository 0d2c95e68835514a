//! The engine on `io_uring`: a ring for each runtime that asks, driven by that runtime's own poll.
//!
//! ```text
//! read_at ▶ gate ▶ the runtime's lane ▶ ring ▶ kernel
//!    ▲                                          │
//!    └── oneshot ◀── reaper ◀── epoll ◀── completion
//! ```
//!
//! - No thread of its own: an operation is begun by the thread that asks, at once or at the end of its
//!   turn with others (`batch.rs`), and its completion is one more event of the poll that the runtime
//!   sleeps in. With a runtime a core a read never changes
//!   threads. An idle device costs nothing.
//! - An order's buffer is with the ring until the kernel has answered, whoever stops waiting
//!   meanwhile; so is its permit, so a device that hangs holds a bounded amount of memory.
//! - A ring ends with its runtime or its device, when the last operation has landed; so does the
//!   lock on the file.

mod batch;
mod kernel;
mod lane;
mod order;
mod ring;

use std::{fs::File, io, sync::Arc};

use parking_lot::RwLock;
use tokio::runtime::{Handle, Id};

use crate::{
    Buffer, Error, Operation, Options, Pool, Registration,
    file::Opened,
    gate::{Gate, Permit},
};
pub(crate) use batch::BATCH_MAX;
use lane::Lane;
use order::Work;
use ring::Ring;

/// A ring has a limit to its entries, of which an operation takes two.
pub(crate) const DEPTH_MAX: usize = 8192;

/// The handle of the engine. Dropped, it has the rings end.
pub(crate) struct Uring {
    file: Arc<File>,
    lock: Arc<File>,
    gate: Gate,
    batch_max: usize,
    pool: Pool,
    registration: Registration,
    /// One for each runtime that asked, as long as it lives.
    lanes: RwLock<Vec<(Id, Arc<Lane>)>>,
}

impl Uring {
    /// Makes the current runtime's ring, or says why the kernel will not. Blocks the thread for as
    /// long as that takes.
    pub(crate) fn start(opened: &Opened, options: &Options, gate: Gate) -> io::Result<Self> {
        let uring = Self {
            file: Arc::clone(&opened.file),
            lock: Arc::clone(&opened.lock),
            gate,
            batch_max: options.batch_max,
            pool: options.pool.clone(),
            registration: options.registration,
            lanes: RwLock::default(),
        };
        uring.lane()?;
        Ok(uring)
    }

    /// Fills `buffer` from `offset`.
    pub(crate) async fn read_at(
        &self,
        permit: Permit,
        offset: u64,
        buffer: Buffer,
    ) -> Result<Buffer, Error> {
        let done = self.order(Work::Read { offset, buffer }, permit);
        // A read that succeeds gives its buffer back.
        done.await?.ok_or(Error::ShuttingDown {
            operation: Operation::Read,
        })
    }

    /// Writes the first `length` bytes of `buffer` at `offset`.
    pub(crate) async fn write_at(
        &self,
        permit: Permit,
        offset: u64,
        buffer: Buffer,
        length: usize,
    ) -> Result<(), Error> {
        let work = Work::Write {
            offset,
            buffer,
            length,
        };
        self.order(work, permit).await.map(drop)
    }

    /// Makes what was written durable.
    pub(crate) async fn sync(&self, permit: Permit) -> Result<(), Error> {
        self.order(Work::Sync, permit).await.map(drop)
    }

    async fn order(&self, work: Work, permit: Permit) -> order::Done {
        let lane = self
            .lane()
            .map_err(|error| Error::io(work.operation(), work.offset(), error))?;
        lane.order(work, permit).await
    }

    /// The ring of the current runtime.
    fn lane(&self) -> io::Result<Arc<Lane>> {
        let runtime = Handle::try_current().map_err(io::Error::other)?;
        let id = runtime.id();
        let of = |lanes: &[(Id, Arc<Lane>)]| {
            let mut lanes = lanes.iter();
            lanes
                .find(|(of, lane)| *of == id && !lane.has_ended())
                .map(|(_, lane)| Arc::clone(lane))
        };
        if let Some(lane) = of(&self.lanes.read()) {
            return Ok(lane);
        }
        // Once in a runtime's life. Nobody waits for the lock but who needs what is made under it.
        let mut lanes = self.lanes.write();
        if let Some(lane) = of(&lanes) {
            return Ok(lane);
        }
        lanes.retain(|(_, lane)| !lane.has_ended());
        let lane = match self.start_lane(runtime) {
            Ok(lane) => lane,
            // Out of descriptors or of memory: another runtime's ring serves as well, a change of
            // threads later.
            Err(error) => lanes
                .first()
                .map(|(_, lane)| Arc::clone(lane))
                .ok_or(error)?,
        };
        lanes.push((id, Arc::clone(&lane)));
        Ok(lane)
    }

    fn start_lane(&self, runtime: Handle) -> io::Result<Arc<Lane>> {
        let mut ring = Ring::new(&self.file, self.gate.flights_max(), self.batch_max)?;
        match self.registration {
            Registration::Off => {}
            Registration::Auto => ring.join(self.pool.registry(), false),
            Registration::Always => ring.join(self.pool.registry(), true),
        }
        Lane::start(ring, runtime, Arc::clone(&self.lock))
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        if self.gate.is_idle() {
            // Whoever opens the device next need not wait for the rings' tasks.
            let _ = self.lock.unlock();
        }
        for (_, lane) in self.lanes.get_mut() {
            lane.close();
        }
    }
}
