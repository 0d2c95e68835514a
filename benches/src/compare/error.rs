//! Why there is no comparison.

use std::{fmt, io};

/// Why there is no comparison.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file, a socket or a program.
    #[error("{what}: {source}")]
    Io {
        /// What was to be done, or to which file.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// The edge, the shield, nginx or the generator does not do what it should.
    #[error("{0}")]
    Broken(String),
    /// A certificate could not be made.
    #[error("making a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A token could not be made.
    #[error("making a token: {0}")]
    Signing(#[from] signing::Error),
    /// The shield did not start.
    #[error("the shield did not start: {0}")]
    Node(#[from] node::Error),
    /// A config of ours is refused.
    #[error("a config is refused\n{0}")]
    Config(daemon::config::Report),
    /// TLS as the checking client has it.
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
}

impl Error {
    /// Makes an I/O error tell what was to be done.
    pub(crate) fn io(what: impl fmt::Display) -> impl FnOnce(io::Error) -> Self {
        let what = what.to_string();
        move |source| Self::Io { what, source }
    }
}
