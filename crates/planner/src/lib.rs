//! The planner: from what a fleet's viewers watched to what each box should hold tomorrow.
//!
//! [`prepare`] reads what an owner tells (the fleet, the catalogue, what boxes hold) and writes
//! tables; [`solve`] runs SQL over them and the popularity reports; [`Job`] and the rows of the plan
//! then become manifests. The SQL is the same text on this machine and on a distributed engine: a
//! step is a file in `sql/`, whose rows are the table of its name.

mod bucket;
mod budget;
mod catalog;
mod day;
mod delta;
mod engine;
mod error;
mod fleet;
mod held;
mod hold;
mod job;
mod knobs;
mod manifests;
mod objects;
mod passes;
mod placement;
mod prepare;
mod quantity;
mod reports;
mod rows;
mod sample;
mod source;
mod steps;
mod tables;

pub use bucket::fetch;
pub use catalog::Entry;
pub use day::Day;
pub use delta::{Taken, delta};
pub use engine::{Limits, Progress, solve};
pub use error::Error;
pub use fleet::{Appliance, Cluster, Fleet};
pub use hold::Hold;
pub use job::{Audience, Job, Sql};
pub use knobs::Knobs;
pub use manifests::{Stamp, Summary, collect};
pub use placement::order;
pub use prepare::{Inputs, prepare};
pub use rows::{Action, Row, digest, read_rows};
pub use sample::Sample;

/// Reads a number of bytes as `--memory` takes it: `4GiB`, `1500MB`.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    match text.parse()? {
        quantity::Quantity::Bytes(bytes) => Ok(bytes),
        quantity::Quantity::Share(_) => Err("a share of what?".to_owned()),
    }
}
