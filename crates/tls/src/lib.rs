//! Certificates, SNI, ALPN, mutual TLS and hot swap over rustls.
//!
//! Both directions take the aws-lc-rs provider explicitly, never the process-wide default.
//! TLS 1.3 only unless a listener opts in to 1.2; 0-RTT is off everywhere. No clock is read here:
//! `now` is an argument wherever a certificate's dates are judged at loading.

mod client;
mod error;
mod peer;
mod pem;
mod provider;
pub mod record;
mod resolver;
mod server;

pub use client::ClientConfig;
pub use error::{Error, Warning};
pub use peer::peer_identity;
pub use pem::Identity;
pub use server::{MinVersion, Server, ServerConfig};
