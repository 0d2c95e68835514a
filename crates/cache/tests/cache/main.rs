//! The cache over a real store, with an upstream at the test's command.
#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod ahead;
mod audience;
mod collapse;
mod failing;
mod honest;
mod live;
mod memory;
mod parts;
mod planned;
mod purges;
mod races;
mod serving;
mod support;
mod tags;
mod told;
