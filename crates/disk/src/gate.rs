//! Who may work on a device: a bounded number of operations at one time, in order of arrival.
//!
//! Viewers' reads, reads that nobody waits for, and writes have places of their own, so that none
//! of them waits for another's turn: a viewer's read finds at most half as many background reads
//! and two writes before it on the device, and recovery goes on however many viewers there are.
//! Places are what holds on every device; a priority in the request itself would be heeded by few
//! schedulers, and not by the one that fast disks have, which is none.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Error, Operation};

/// One that moves data and one that syncs: a disk has one writer.
const WRITES: usize = 2;

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// A read that somebody waits for.
    Read,
    /// A read of recovery, of a copy, of a check.
    ReadBehind,
    Write,
    Sync,
}

impl Turn {
    fn operation(self) -> Operation {
        match self {
            Self::Read | Self::ReadBehind => Operation::Read,
            Self::Write => Operation::Write,
            Self::Sync => Operation::Sync,
        }
    }
}

/// The gate of one device. A clone is the same gate.
#[derive(Clone)]
pub(crate) struct Gate {
    depth: usize,
    reads: Arc<Semaphore>,
    reads_behind: Arc<Semaphore>,
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
            reads_behind: Arc::new(Semaphore::new(behind(depth))),
            writes: Arc::new(Semaphore::new(WRITES)),
            landed: Arc::default(),
        }
    }

    /// Waits for a place. Cancel safe.
    pub(crate) async fn enter(&self, turn: Turn) -> Result<Permit, Error> {
        let places = match turn {
            Turn::Read => &self.reads,
            Turn::ReadBehind => &self.reads_behind,
            Turn::Write | Turn::Sync => &self.writes,
        };
        let operation = turn.operation();
        let place = Arc::clone(places).acquire_owned().await;
        Ok(Permit {
            _place: place.map_err(|_closed| Error::ShuttingDown { operation })?,
            landed: Arc::clone(&self.landed),
        })
    }

    /// How many operations may be in flight.
    pub(crate) fn flights_max(&self) -> usize {
        self.depth + behind(self.depth) + WRITES
    }

    /// How many operations have ended so far.
    pub(crate) fn landed(&self) -> u64 {
        self.landed.load(Ordering::Relaxed)
    }

    /// Whether nothing is in flight.
    pub(crate) fn is_idle(&self) -> bool {
        let free = [&self.reads, &self.reads_behind, &self.writes].map(|of| of.available_permits());
        free == [self.depth, behind(self.depth), WRITES]
    }
}

/// Places for reads that nobody waits for, beside those of `depth` that somebody waits for.
fn behind(depth: usize) -> usize {
    depth.div_ceil(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who gets a place now, without waiting.
    async fn at_once(gate: &Gate, turn: Turn) -> Option<Permit> {
        tokio::select! {
            biased;
            permit = gate.enter(turn) => permit.ok(),
            () = std::future::ready(()) => None,
        }
    }

    async fn fill(gate: &Gate, turn: Turn) -> Vec<Permit> {
        let mut inside = Vec::new();
        while let Some(permit) = at_once(gate, turn).await {
            inside.push(permit);
        }
        inside
    }

    #[tokio::test]
    async fn a_viewers_read_waits_for_no_background_read_and_no_write() {
        let gate = Gate::new(4);
        let (behind, writes) = (fill(&gate, Turn::ReadBehind), fill(&gate, Turn::Write));
        let (behind, writes) = (behind.await, writes.await);
        assert_eq!((behind.len(), writes.len()), (2, WRITES));
        assert_eq!(fill(&gate, Turn::Read).await.len(), 4);
    }

    #[tokio::test]
    async fn background_reads_go_on_however_many_viewers_there_are() {
        let gate = Gate::new(1);
        let _viewers = fill(&gate, Turn::Read).await;
        assert!(at_once(&gate, Turn::ReadBehind).await.is_some());
        assert!(!gate.is_idle());
    }
}
