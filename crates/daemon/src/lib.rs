//! A good process: config loading, logs, metrics, admin listener, systemd, signals and drain.
//!
//! Nothing here knows how to cache. A node reads its [`config`], hands what every node has to
//! `start` and brings the rest itself.

pub mod access;
pub mod config;
pub mod logs;
