//! What tomorrow asks for, what a box should hold for it, and what that would have brought.
//!
//! ```text
//! days seen ──▶ roll-up ──▶ estimate ──▶ plan ──▶ model of a box ──▶ the next day, from upstream or not
//!  catalogue ──────┴───────────┘          budget, floor    └▶ the node's own policy decides
//! ```
//!
//! Pure but for [`command`], which reads a trace and writes a plot: no clock, no I/O. The same numbers are the same plan, on every machine:
//! what is estimated is whole numbers.

pub mod catalogue;
pub mod command;
pub mod estimate;
pub mod model;
pub mod plan;
pub mod replay;
pub mod series;
pub mod show;
