//! The engine on `io_uring`: one thread a device owns a ring and sleeps in it.
//!
//! ```text
//! read_at ▶ gate ▶ desk ▶ (a wake-up, if the thread sleeps) ▶ ring ▶ kernel
//!    ▲                                                                  │
//!    └──────────────── oneshot ◀── thread ◀── completion ◀──────────────┘
//! ```
//!
//! - While something is in flight the thread waits in the ring, for completions and for an event
//!   counter at one time; while nothing is, it is parked. An idle device costs nothing, and a busy
//!   one is told of a batch of orders with one system call.
//! - An order's buffer is with the ring until the kernel has answered, whoever stops waiting
//!   meanwhile; so is its permit, so a device that hangs holds a bounded amount of memory.
//! - The ring, its thread and the lock on the file end when the device is dropped and the last
//!   operation has landed.
//!
//! The file is registered, buffers are not. It would spare the pinning of their pages, about a tenth
//! of a read's CPU, but buffers leave the pool as the bytes of a RAM tier of any size, and there is
//! room for 16,384 in the kernel's table and, with the usual limit on locked memory, for seven.

mod desk;
mod ring;
mod wake;

use std::{fs::File, io, sync::Arc, thread};

use crate::{
    Buffer, Error, Operation,
    file::Opened,
    gate::{Gate, Permit, WRITES},
};
use desk::{Desk, Work};
use ring::Ring;
use wake::Wake;

/// A ring has a limit to its entries, of which an operation takes two.
pub(crate) const DEPTH_MAX: usize = 8192;

/// The handle of the engine. Dropped, it has the thread end.
pub(crate) struct Uring {
    lock: Arc<File>,
    gate: Gate,
    desk: Arc<Desk>,
}

impl Uring {
    /// Makes a ring and starts its thread, or says why the kernel will not. Blocks the thread for
    /// as long as that takes.
    pub(crate) fn start(opened: &Opened, gate: Gate) -> io::Result<Self> {
        let flights = gate.depth() + WRITES;
        let wake = Arc::new(Wake::new()?);
        let desk = Arc::new(Desk::new(Arc::clone(&wake)));
        let (told, outcome) = std::sync::mpsc::sync_channel(1);
        let (place, device) = (Arc::clone(&desk), opened.clone());
        let work = move || match Ring::new(&device.file, wake, flights) {
            Ok(ring) => {
                // The receiver waits right below.
                let _ = told.send(Ok(()));
                if run(ring, &place).is_ok() {
                    let _ = device.lock.unlock();
                }
            }
            Err(error) => {
                let _ = told.send(Err(error));
            }
        };
        thread::Builder::new()
            .name("disk-uring".to_owned())
            .spawn(work)?;
        outcome.recv().map_err(io::Error::other)??;
        Ok(Self {
            lock: Arc::clone(&opened.lock),
            gate,
            desk,
        })
    }

    /// Fills `buffer` from `offset`.
    pub(crate) async fn read_at(
        &self,
        permit: Permit,
        offset: u64,
        buffer: Buffer,
    ) -> Result<Buffer, Error> {
        let done = self.desk.order(Work::Read { offset, buffer }, permit);
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
        self.desk.order(work, permit).await.map(drop)
    }

    /// Makes what was written durable.
    pub(crate) async fn sync(&self, permit: Permit) -> Result<(), Error> {
        self.desk.order(Work::Sync, permit).await.map(drop)
    }
}

impl Drop for Uring {
    fn drop(&mut self) {
        if self.gate.is_idle() {
            // Whoever opens the device next need not wait for the thread.
            let _ = self.lock.unlock();
        }
        self.desk.close();
    }
}

/// Refuses what is on the desk when the thread ends, however it does.
struct Ended<'a>(&'a Desk);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// What the thread does until nobody is left to order and the last operation has landed. An error
/// is that of a kernel that may still hold on to buffers, which are leaked.
fn run(mut ring: Ring, desk: &Desk) -> io::Result<()> {
    let _ended = Ended(desk);
    desk.attend();
    let mut orders = Vec::new();
    loop {
        let taken = desk.take(&mut orders);
        orders.drain(..).for_each(|order| ring.start(order));
        if taken.abandoned {
            ring.cancel_abandoned();
        }
        if taken.closed {
            return ring.settle();
        }
        if ring.is_idle() {
            desk.doze();
        } else if ring.wait().is_err() {
            return ring.settle();
        }
        desk.awake();
    }
}
