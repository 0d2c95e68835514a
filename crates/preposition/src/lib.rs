//! Prepositioning: what a signed manifest wants is here before anybody asks for it.
//!
//! ```text
//! push, pull ──▶ keeper: judge, write, rename ──▶ plan in force ──▶ the cache asks it at every fill
//!                                                     │
//!            windows, rate, allowances ──▶ schedule ◀─┴─▶ queue, best first
//!            viewers' needs ──▶ share ─────────┘ │
//!                                               ▼
//!                              attempts: peer, shield, storage ──▶ cache::prefill ──▶ disk
//!                                               ▲
//!                              repair: what should be here and is not
//!                                               ▲
//!                              scrub: what is here is read and checked
//! ```
//!
//! What decides is pure: [`Window`]s and [`At`], [`Bucket`], [`Ledger`], [`Share`], [`ranked`] and
//! [`Health`], [`Facts::step`], [`Scrub::due`]. What does obeys, in four tasks: the keeper, the engine, the
//! scrub, and pulls.
//!
//! What it promises:
//! - nothing comes in outside a window but the fast track, and nothing faster than the rate;
//! - nothing counts as here that was not compared with its digest, and no viewer meets it before;
//! - what is in force is the old manifest or the new one, whole, whenever the machine stops;
//! - what is here is not fetched again, and what is lost is, also where nobody asked for it.

mod active;
mod answer;
mod applied;
mod attempt;
mod config;
mod engine;
mod entry;
mod errands;
mod failures;
mod fetched;
mod held_file;
mod keeper;
mod lanes;
mod ledger;
mod ledger_file;
mod memory;
mod metrics;
#[cfg(test)]
mod million;
mod orders;
mod pace;
mod pins;
mod places;
mod pull;
mod pull_metrics;
mod rate;
mod rehearsal;
mod repair;
mod room;
mod schedule;
mod scrub;
mod scrubber;
mod seeds;
mod seen;
mod shape;
mod shared;
mod signed;
mod source;
mod trust;
mod underway;
mod upkeep;
mod views;
mod wanted;
mod window;
mod written;
mod yielding;

pub use answer::{Pushed, Rejected};
pub use applied::{InForce, Told, Unkept, load, save};
pub use config::{Config, Parts, Rules, Source};
pub use entry::{ENTRIES, Entry};
pub use errands::{Errand, Undone};
pub use failures::Failure;
pub use ledger::{Allowance, Ledger, Spent};
pub use manifest::Label;
pub use manifest::Refused;
pub use pull::{Pull, next_pull};
pub use rate::{BYTES_PER_S_MIN, Bucket};
pub use rehearsal::{Bounds, Failed, Rehearsal, Unrehearsed, rehearse};
pub use room::{Error, Preposition, Running};
pub use schedule::{Facts, Lane, Step, Why, pause_after};
pub use scrub::{Due, Scrub};
pub use source::{Escalation, Health, Reach, ranked};
pub use views::{Counted, FillState, Hours, Item, PAGE_MAX, Page, Progress, Status};
pub use window::{At, BadWindow, Days, Opening, WINDOWS_MAX, Window};
pub use yielding::{Limits, Load, Share, Strain};
