//! A record layer of our own for TLS 1.3 servers, beneath an HTTP engine.
//!
//! rustls shakes hands. After that its traffic secrets seal and open records here, so that a body
//! goes from where it is cached to the socket with nothing between but the cipher: slices are
//! sealed out of place into a pooled buffer of 512 KiB of plaintext, a buffer leaves in one write
//! when it is full or when the connection's task goes idle, and returns when the socket has taken
//! it. An idle connection holds no buffer in either direction.
//!
//! ```text
//! caller's slices ─▶ Sealer ─▶ Unsent (pooled) ─▶ socket        records of 16 KiB, KeyUpdate,
//! reader ◀─ plain ◀─ Opener ◀─ input ◀─────────── socket        alerts, close_notify
//! ```
//!
//! **Deferred flush.** An engine flushes after every frame. [`Stream::defer`] makes those calls do
//! nothing and gives a [`Deferred`], which polls the connection's future and, whenever that poll
//! ends, gives the socket all that is sealed: what it does not take then wakes the task. So
//! nothing is unsent while the task sleeps, unless the socket is full. A stream that was not
//! deferred flushes when it is told to.
//!
//! **What is refused** (RFC 8446): see `open`. The client is told why by a fatal alert, behind
//! what was already written.
//!
//! TLS 1.2, and suites not named in `keys`, stay with rustls; so does everything under
//! [`RecordLayer::Rustls`]. Under [`RecordLayer::Kernel`] the kernel seals, see `kernel`; a connection
//! that it does not take is as under [`RecordLayer::Own`].

mod accept;
mod error;
mod input;
mod kernel;
mod keys;
mod layer;
mod open;
mod pool;
mod seal;
mod stream;
#[cfg(test)]
mod tests;

pub use accept::{Session, Settings, accept};
pub use error::{Alert, Error};
pub use kernel::{Socket, kernel_missing};
pub use pool::Pool;
pub use stream::{Deferred, Stream};

/// Who seals and opens records after the handshake.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RecordLayer {
    /// This module, for TLS 1.3.
    #[default]
    Own,
    /// rustls.
    Rustls,
    /// The kernel seals, this module opens: for TLS 1.3, where the kernel has it. Not tested on a
    /// kernel that has it.
    Kernel,
}

impl RecordLayer {
    /// As the config calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Rustls => "rustls",
            Self::Kernel => "kernel",
        }
    }
}

/// RFC 8446 section 5.1.
const PLAINTEXT_BYTES_MAX: usize = 1 << 14;
const HEADER_BYTES: usize = 5;
/// Header, the byte of the inner kind, tag.
const OVERHEAD_BYTES: usize = HEADER_BYTES + 1 + 16;
/// Room that data leaves at the end of every buffer: for one alert.
const TAIL_BYTES: usize = 64;

/// RFC 8446 section 5.1: kinds of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Alert = 21,
    Handshake = 22,
    Data = 23,
}
