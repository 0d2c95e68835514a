//! The harness, the oracle and the scenarios.
//!
//! - [`oracle`]: content of test objects is a keyed function, so every byte of every body is checked;
//! - [`pki`]: authorities and certificates made on the spot;
//! - [`origin`]: a directory of objects, and an HTTP origin that does what a test tells it;
//! - [`relay`]: a wire that can be cut;
//! - [`client`]: one face for HTTP/1.1, 2 and 3, and a raw connection for malformed requests;
//! - [`node`]: edges and shields, in this process or as children that can be killed;
//! - [`keys`]: signing keys and signed URLs; [`signers`]: those of other vendors;
//! - [`world`]: origin, shield, edge and clients, ready for a scenario;
//! - [`foreign`]: programs of others, or a word that they are missing.
//!
//! A harness fails its test by panicking with the reason; it returns errors only where a test
//! wants to see them.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a harness fails its test by panicking with the reason"
)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "sizes of test objects, and bytes of hand-made frames that are masked on the spot"
)]

pub mod client;
pub mod foreign;
pub mod keys;
pub mod node;
pub mod oracle;
pub mod origin;
pub mod pki;
pub mod planner;
pub mod relay;
pub mod reports;
pub mod signers;
pub mod world;

mod bounded;

pub use bounded::{eventually, perhaps, within};
