//! The edge node: signed URLs in front of the cache, shields behind it.
//!
//! `app.rs` is the list of rooms in request order; `gate` decides who may have what.

mod app;
mod config;
mod countries;
mod fill;
mod gate;
mod popularity;
mod timing;
mod tokens;

use std::{ffi::OsString, process::ExitCode};

pub use app::{App, Edge};
pub use config::Config;

/// The command line of `millpond-edge`.
pub fn command(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    node::command::<Config>(arguments)
}
