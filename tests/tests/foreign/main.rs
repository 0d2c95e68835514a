//! Programs of others against the whole way: clients, players in a browser, an S3 server, a web server. Each is
//! found, or its test says that it was skipped.

#![expect(clippy::unwrap_used, reason = "a helper fails its test by panicking")]

mod browser;
mod clients;
mod low_latency;
mod planned;
mod pulled;
mod steering;
mod storage;
mod tokens;
mod weed;
