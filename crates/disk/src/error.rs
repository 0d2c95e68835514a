//! What can fail on a device.

use std::{fmt, io, time::Duration};

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Opening, locking, measuring or preallocating.
    Open,
    /// Reading blocks.
    Read,
    /// Writing blocks.
    Write,
    /// Making written blocks durable.
    Sync,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Read => "read",
            Self::Write => "write",
            Self::Sync => "sync",
        })
    }
}

/// Why an operation was not done, or not completely.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system refused.
    #[error("{operation} at {offset}: {source}")]
    Io {
        /// What was being done.
        operation: Operation,
        /// Where on the device, in bytes.
        offset: u64,
        /// What the system said.
        source: io::Error,
    },
    /// Fewer bytes were moved than asked for.
    #[error("{operation} at {offset}: {done} of {wanted} bytes")]
    Short {
        /// What was being done.
        operation: Operation,
        /// Where on the device, in bytes.
        offset: u64,
        /// Bytes asked for.
        wanted: usize,
        /// Bytes moved.
        done: usize,
    },
    /// It took longer than it may.
    #[error("{operation} at {offset}: not done after {after:?}")]
    TimedOut {
        /// What was being done.
        operation: Operation,
        /// Where on the device, in bytes.
        offset: u64,
        /// How long it may take.
        after: Duration,
        /// Whether the device is to blame, and not the number of those who want something of it.
        stuck: bool,
    },
    /// The offset or the length is no multiple of [`crate::BLOCK`]: a mistake of the caller.
    #[error("{operation} at {offset} of {length} bytes: not whole blocks")]
    Misaligned {
        /// What was being done.
        operation: Operation,
        /// Where on the device, in bytes.
        offset: u64,
        /// Bytes asked for.
        length: usize,
    },
    /// Another process, or another part of this one, has the device open and kept it for the two
    /// seconds that a process may take to end.
    #[error("in use by another process")]
    InUse,
    /// The runtime is shutting down.
    #[error("{operation}: the runtime is shutting down")]
    ShuttingDown {
        /// What was being done.
        operation: Operation,
    },
}

impl Error {
    /// Whether the device, or a quota on it, is full.
    pub fn is_no_space(&self) -> bool {
        match self {
            Self::Io { source, .. } => {
                matches!(
                    source.kind(),
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
                )
            }
            Self::Short { .. }
            | Self::TimedOut { .. }
            | Self::Misaligned { .. }
            | Self::InUse
            | Self::ShuttingDown { .. } => false,
        }
    }

    pub(crate) fn io(operation: Operation, offset: u64, source: io::Error) -> Self {
        Self::Io {
            operation,
            offset,
            source,
        }
    }
}
