//! Why the API did not start.

use std::{io, net::SocketAddr};

/// Why the API did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// As configured.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A certificate, key or authority is unusable.
    #[error("tls")]
    Tls(#[from] tls::Error),
    /// A setting makes no sense.
    #[error("steering: {0}")]
    Config(String),
    /// What was kept of triggers cannot be read.
    #[error("cannot read the triggers")]
    Triggers(#[source] io::Error),
    /// Two metrics have one name.
    #[error("metrics")]
    Metrics(#[from] prometheus::Error),
}
