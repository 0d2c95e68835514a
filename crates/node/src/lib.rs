//! What an edge and a shield have in common: config sections, store, cache, listeners and life.
//!
//! The two nodes differ in their gate and their upstream; everything else is here, once.

mod bucket;
mod command;
mod effective;
mod embedded;
mod engine;
mod error;
mod gauges;
mod memory;
mod node;
mod origin;
mod plan;
mod popularity;
mod rules;
mod sections;
mod tags;
mod upstreams;
mod warnings;

pub use bucket::{Bucket, client_tls};
pub use command::{NodeConfig, command, rehearsal};
pub use effective::changed;
pub use embedded::Embedded;
pub use engine::{Planes, Sites};
pub use error::Error;
pub use memory::{Part, Plans, Split};
pub use node::{Base, Node, tell};
pub use origin::Origin;
pub use popularity::{PopularitySection, Reports};
pub use rules::read_rules;
pub use sections::{Clients, Listen, Sections};
pub use upstreams::read_upstream_limits;
pub use warnings::checked;
