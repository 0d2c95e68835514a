//! What a box does with what it is asked for: the node's own policy and RAM over a model of the disks'
//! log, and beside it least recently used.

mod appliance;
mod lru;
mod tags;

use std::time::Duration;

pub use appliance::{Appliance, Sizes};
pub use lru::Lru;
pub use tags::{Mixed, Tags, mix};

/// A slice that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Since the trace's start.
    pub at: Duration,
    /// Who asks.
    pub viewer: u64,
    /// The slice's name: mixed, as a node's are.
    pub tag: u64,
    /// Bytes of the whole slice: it is fetched and held as a whole.
    pub bytes: u64,
    /// Bytes of it that the viewer wants.
    pub wanted: u64,
}

/// Where a slice came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// From RAM.
    Ram,
    /// From disk, or from either where a cache does not tell them apart.
    Disk,
    /// From the next hop.
    Upstream,
}

/// What a cache did with an access.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Served {
    /// Where the slice came from.
    pub source: Source,
    /// Bytes written to disk because of it.
    pub written: u64,
}
