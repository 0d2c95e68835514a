//! Who may work on a device: a bounded number of operations at one time, in order of arrival.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Error, Operation};

/// One that moves data and one that syncs: a disk has one writer.
const WRITES: usize = 2;

/// The gate of one device. A clone is the same gate.
#[derive(Clone)]
pub(crate) struct Gate {
    depth: usize,
    reads: Arc<Semaphore>,
    writes: Arc<Semaphore>,
    landed: Arc<AtomicU64>,
}

/// A place among the operations in flight. It goes with the operation, so that a caller who gave
/// up does not let more work onto a slow device.
pub(crate) struct Permit {
    _place: OwnedSemaphorePermit,
    landed: Arc<AtomicU64>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.landed.fetch_add(1, Ordering::Relaxed);
    }
}

impl Gate {
    pub(crate) fn new(depth: usize) -> Self {
        Self {
            depth,
            reads: Arc::new(Semaphore::new(depth)),
            writes: Arc::new(Semaphore::new(WRITES)),
            landed: Arc::default(),
        }
    }

    /// Waits for a place. Cancel safe.
    pub(crate) async fn enter(&self, operation: Operation) -> Result<Permit, Error> {
        let places = if operation == Operation::Read {
            &self.reads
        } else {
            &self.writes
        };
        let place = Arc::clone(places).acquire_owned().await;
        Ok(Permit {
            _place: place.map_err(|_closed| Error::ShuttingDown { operation })?,
            landed: Arc::clone(&self.landed),
        })
    }

    /// How many operations may be in flight.
    pub(crate) fn flights_max(&self) -> usize {
        self.depth + WRITES
    }

    /// How many operations have ended so far.
    pub(crate) fn landed(&self) -> u64 {
        self.landed.load(Ordering::Relaxed)
    }

    /// Whether nothing is in flight.
    pub(crate) fn is_idle(&self) -> bool {
        self.reads.available_permits() == self.depth && self.writes.available_permits() == WRITES
    }
}
