//! Request traces: synthetic ones that look like video on demand, and recorded ones in files.
//!
//! A trace is a sequence of [`Request`]s in order of time. [`Synthetic`] makes one up from a
//! [`Preset`] and a seed, always the same from the same; [`Reader`] and [`Writer`] know three
//! formats of files (see [`Format`]). Nothing here knows caches: what to learn from a trace is the
//! business of who reads it.

mod draw;
mod error;
mod format;
mod request;
mod synthetic;

pub use error::Error;
pub use format::{Format, Reader, Writer};
pub use request::Request;
pub use synthetic::{Asset, BEGIN_UNIX_MS, Preset, Settings, Synthetic, catalogue};
