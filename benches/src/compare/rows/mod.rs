//! The rows of the table, each with what it measures and how it is told.

pub(crate) mod herd;
pub(crate) mod hits;
pub(crate) mod memory;
pub(crate) mod restart;
