//! The API over real sockets with certificates on both sides, before an engine that plays along.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod access;
mod cdni_first;
mod cdni_second;
mod changes;
mod document;
mod engine;
mod heartbeat;
mod limits;
mod lists;
mod page;
mod playlists;
mod support;
