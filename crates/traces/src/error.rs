//! Why a trace cannot be read or written.

use std::io;

/// Why a trace cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read or written.
    #[error("the trace")]
    Io(#[from] io::Error),
    /// A line or a record that is none.
    #[error("record {number}: {what}")]
    Record {
        /// Which, counted from 1; a line of CSV with the header counted.
        number: u64,
        /// What is wrong with it.
        what: String,
    },
    /// A file that ends in the middle of a record.
    #[error("the trace ends within record {0}")]
    Cut(u64),
    /// A format that can only be read.
    #[error("{0} can be read, not written")]
    ReadOnly(&'static str),
}
