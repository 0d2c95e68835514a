//! What can fail in a way that a caller must know of. Disk trouble is not among it: that is a
//! miss, a counter and a state in [`crate::Stats`].

use std::{io, path::PathBuf};

/// Why the store could not be opened, or a purge not be made durable.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration makes no sense.
    #[error("store configuration: {0}")]
    Config(String),
    /// The purge journal could not be read or written: the purge that asked is not in force.
    #[error("purge journal {path}: {source}")]
    Journal {
        /// The journal's file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The purge journal is gone: the store was closed, or an earlier failure took it.
    #[error("purge journal is closed")]
    JournalClosed,
    /// A metric could not be registered: two stores share a registry.
    #[error("store metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}
