//! A good process: config loading, logs, metrics, admin listener, systemd, signals and drain.
//!
//! Nothing here knows how to cache. A node reads its [`config`], hands what every node has to
//! [`process::start`], and brings the rest as a [`process::Node`]:
//!
//! ```no_run
//! use std::{path::Path, process::ExitCode};
//! use daemon::{config::{self, Common}, process::{self, Node, Sockets}};
//!
//! struct Idle;
//!
//! impl Node for Idle {
//!     async fn reload(&self) -> Result<serde_json::Value, process::BoxError> {
//!         Ok(serde_json::Value::Null)
//!     }
//!     async fn drain(self, _: std::time::Duration) {}
//! }
//!
//! fn main() -> ExitCode {
//!     let sockets = match Sockets::inherit() {
//!         Ok(sockets) => sockets,
//!         Err(_) => return ExitCode::FAILURE,
//!     };
//!     let loaded = match config::load(Path::new("edge.toml"), Common::read) {
//!         Ok(loaded) => loaded,
//!         Err(report) => return report.refuse(),
//!     };
//!     process::start(&loaded.value, loaded.effective, sockets, |_daemon| async { Ok(Idle) })
//! }
//! ```

pub mod access;
pub mod admin;
pub mod config;
pub mod logs;
pub mod process;
pub mod resources;
