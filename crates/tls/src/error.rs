//! What can be wrong with certificates, keys and authorities.

use std::{fmt, io, path::PathBuf};

/// Why a TLS configuration was refused. The one that was in force stays.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A file is larger than any certificate chain or key should be.
    #[error("{path} is larger than {max_bytes} bytes", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        max_bytes: u64,
    },
    /// A file is not well-formed PEM.
    #[error("{path} is not PEM: {detail}", path = path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        detail: String,
    },
    /// A file that should hold certificates holds none.
    #[error("no certificate in {path}", path = path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A chain is longer than any that verifies.
    #[error("{count} certificates in {path}, at most {max} make a chain", path = path.display())]
    ChainTooLong {
        /// The file.
        path: PathBuf,
        /// How many it holds.
        count: usize,
        /// The limit.
        max: usize,
    },
    /// A file that should hold a private key holds none.
    #[error("no private key in {path}", path = path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// A private key of a kind that cannot sign.
    #[error("unusable private key in {path}", path = path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// The provider's reason.
        #[source]
        source: rustls::Error,
    },
    /// The key is not the certificate's.
    #[error("the key in {key} does not belong to the certificate in {cert}",
            key = key.display(), cert = cert.display())]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A certificate whose structure cannot be read.
    #[error("unreadable certificate in {path}: {detail}", path = path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        detail: String,
    },
    /// The certificate is past its end.
    #[error("the certificate in {path} expired at unix time {not_after_unix_s}", path = path.display())]
    Expired {
        /// The file.
        path: PathBuf,
        /// Its last second.
        not_after_unix_s: i64,
    },
    /// The certificate's time has not come.
    #[error("the certificate in {path} is not valid before unix time {not_before_unix_s}",
            path = path.display())]
    NotYetValid {
        /// The file.
        path: PathBuf,
        /// Its first second.
        not_before_unix_s: i64,
    },
    /// A listener without any certificate.
    #[error("a TLS listener needs at least one certificate")]
    NoIdentity,
    /// The authorities for client certificates cannot make a verifier.
    #[error("unusable client authorities in {path}: {detail}", path = path.display())]
    ClientAuthorities {
        /// The file.
        path: PathBuf,
        /// What the verifier said.
        detail: String,
    },
    /// rustls refused the configuration.
    #[error("rustls refused the configuration")]
    Rustls(#[from] rustls::Error),
}

/// Something that works but should be put right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// The private key can be read by more than its owner.
    KeyReadableByOthers {
        /// The key's file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The kernel is to make the records and cannot; our own record layer does.
    NoKernelTls {
        /// Why it cannot.
        reason: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyReadableByOthers { path, mode } => write!(
                f,
                "private key {} has mode {mode:03o} and can be read by others than its owner; \
                 set it to 600",
                path.display()
            ),
            Self::NoKernelTls { reason } => write!(
                f,
                "record_layer is \"kernel\", and the kernel cannot: {reason}; \
                 \"own\" makes the records instead"
            ),
        }
    }
}
