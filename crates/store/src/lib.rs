//! Slices by key on two tiers: RAM and a slice log on disk.

mod config;
mod error;
mod key;
mod memory;
mod stats;
mod store;

pub use config::{
    Config, DISKS_MAX, DiskConfig, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN, SEGMENTS_MIN,
};
pub use error::Error;
pub use key::{Epoch, Key, Record, Tier};
pub use memory::Memory;
pub use stats::{DiskState, DiskStats, Stats};
pub use store::Store;
