//! Exact block reads and writes.
//!
//! A [`Device`] is a file or a partition, read and written in whole blocks of [`BLOCK`] bytes past
//! the page cache where the filesystem lets us. What is asked for is done completely or fails: a
//! short read or write is an error. Reads land in pooled aligned buffers ([`Pool`]) that become
//! `Bytes` without a copy and go back to the pool when the last reference is dropped.
//!
//! Blocks are moved by `io_uring`, or where that is refused by threads that block ([`Engine`]).
//! Either way nothing runs while nothing is asked for.
//!
//! [`Faults`] makes a device fail on command, so that every room above can be tested on a bad
//! disk. Nothing here knows what the blocks mean.

mod blocking;
mod buffer;
mod device;
mod engine;
mod error;
mod extents;
mod faults;
mod file;
mod gate;
mod registry;
mod seats;
mod uring;

pub use buffer::{BLOCK, Buffer, Pool};
pub use device::{Device, Options, Registration};
pub use engine::Engine;
pub use error::{Error, Operation};
pub use faults::{Fault, Faults, Rule};
pub use file::{Shortage, shortage};
