//! Events for operators, and the queue that keeps a slow log from slowing anything else.
//!
//! Neither events nor access lines are ever written by the one who has something to say: lines go
//! into a bounded queue, and a thread of its own writes them. When the sink is blocked or full,
//! lines are dropped and counted.

mod events;
mod lines;

pub use events::start_events;
pub use lines::{Lines, LogMetrics, Target};
