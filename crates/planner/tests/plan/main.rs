//! Plans that were worked out by hand, and what holds for any plan.

#![expect(clippy::unwrap_used, reason = "a helper fails its test by panicking")]

mod bad_input;
mod broken_off;
mod by_hand;
mod command;
mod folders;
mod launches;
mod parity;
mod previous;
mod promises;
mod reported;
mod run;
mod spark;
mod world;
