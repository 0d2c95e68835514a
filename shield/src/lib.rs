//! The shield node: mutual TLS in front of the cache, object storage behind it.
//!
//! `app.rs` is the list of rooms in request order; `gate.rs` says what an edge may ask for.

mod app;
mod config;
mod gate;
mod origins;

use std::{ffi::OsString, process::ExitCode};

pub use app::{App, Shield};
pub use config::Config;

/// The command line of `millpond-shield`.
pub fn command(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    node::command::<Config>(arguments)
}
