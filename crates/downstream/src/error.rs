//! Why a server could not start.

use std::{io, net::SocketAddr};

/// A failure at start. What goes wrong with a client afterwards is a metric, not an error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address could not be bound.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A bound socket could not be handed to the runtime.
    #[error("cannot serve a bound socket")]
    Socket(#[source] io::Error),
    /// The TLS configuration cannot carry QUIC.
    #[error("the tls configuration cannot carry quic")]
    Quic(#[source] quinn::crypto::rustls::NoInitialCipherSuite),
    /// A metric with our name exists.
    #[error("cannot register metrics")]
    Metrics(#[from] prometheus::Error),
}
