//! What is asked for how much: a bounded sketch that decays, and hourly reports of it.
//!
//! An edge [counts](Popularity::count) each answer. [`Popularity::top`] names what is asked for most,
//! [`Popularity::end_hour`] tells what was served in an hour, and [`write_report`] makes a Parquet file
//! of it that a planner reads. A [`Keeper`] does that every hour, and keeps the sketch across restarts. The layout of reports is told in this room's `README.md`.
//!
//! # What it promises
//! In a fixed memory, whatever was asked for in whatever order, with p the true plays of an object
//! (bytes served / size, decayed by half in a half-life, in steps of an hour):
//!
//! - an object that is held: `plays - error <= p <= plays`;
//! - any other: `p <= others_at_most`.
//!
//! # What it does not do
//! It reads no clock but the one that a keeper is given, knows no client, and names nothing that too few viewers asked for.

mod crowd;
mod decay;
mod demand;
mod entry;
mod folders;
mod front;
mod hash;
mod keeper;
mod metrics;
mod popularity;
mod report;
mod row;
mod sessions;
mod set;
mod shard;
mod spool;
mod state;
mod tally;

pub use crowd::Crowd;
pub use decay::{HALF_LIFE, Hour};
pub use demand::Demand;
pub use folders::{folder_of, parent_of};
pub use keeper::{Clock, Keeper, Keeping, Shelf};
pub use popularity::{Config, Popular, Popularity, Top};
pub use report::{Error, SCHEMA, SCHEMA_VERSION, write_report};
pub use row::Row;
pub use sessions::Sessions;
pub use state::StateError;
pub use tally::{FIRST_BYTES, PARTS};
