//! What the ring is asked to do.

use std::io;

use tokio::sync::oneshot;

use crate::{Buffer, Error, Operation, gate::Permit, seats::Landing};

/// What is to be done. It owns the buffer for as long as the kernel may touch it.
pub(super) enum Work {
    /// Fill the buffer.
    Read { offset: u64, buffer: Buffer },
    /// Write the first `length` bytes of the buffer.
    Write {
        offset: u64,
        buffer: Buffer,
        length: usize,
    },
    /// Make all that was written durable.
    Sync,
}

impl Work {
    pub(super) fn operation(&self) -> Operation {
        match self {
            Self::Read { .. } => Operation::Read,
            Self::Write { .. } => Operation::Write,
            Self::Sync => Operation::Sync,
        }
    }

    pub(super) fn offset(&self) -> u64 {
        match self {
            Self::Read { offset, .. } | Self::Write { offset, .. } => *offset,
            Self::Sync => 0,
        }
    }

    /// Bytes to be moved.
    pub(super) fn wanted(&self) -> usize {
        match self {
            Self::Read { buffer, .. } => buffer.len(),
            Self::Write { length, .. } => *length,
            Self::Sync => 0,
        }
    }

    /// Leave to read as into registered memory.
    pub(super) fn take_landing(&mut self) -> Option<Landing> {
        match self {
            Self::Read { buffer, .. } => buffer.take_landing(),
            Self::Write { .. } | Self::Sync => None,
        }
    }

    /// What is told to who waits: all of it was done, or it is an error.
    pub(super) fn outcome(self, moved: io::Result<usize>) -> Done {
        let (operation, offset, wanted) = (self.operation(), self.offset(), self.wanted());
        let done = moved.map_err(|error| Error::io(operation, offset, error))?;
        if done != wanted {
            return Err(Error::Short {
                operation,
                offset,
                wanted,
                done,
            });
        }
        match self {
            Self::Read { buffer, .. } => Ok(Some(buffer)),
            Self::Write { .. } | Self::Sync => Ok(None),
        }
    }
}

/// What a finished order gives back: the buffer of a read.
pub(super) type Done = Result<Option<Buffer>, Error>;

/// Work, who waits for it, and the place that it takes up among the operations in flight.
pub(super) struct Order {
    pub(super) work: Work,
    pub(super) reply: oneshot::Sender<Done>,
    pub(super) permit: Permit,
}
