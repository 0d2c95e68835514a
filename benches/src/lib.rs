//! What the criterion benches stand on: known bodies, and a cache that holds them.
//!
//! The whole-node comparison is the binary of this package; see its `compare` subcommand.

pub mod bodies;
pub mod warm;
