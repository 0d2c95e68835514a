//! Towards the next hop: shields, object storage and HTTP origins.
//!
//! Every kind implements [`message::Upstream`]. A request towards the next hop is built from a
//! [`message::Fetch`] alone, and every answer is checked against what was asked before a byte of
//! it is handed on: a next hop that lies about ranges, lengths or versions is an error
//! (`http_protocol_error`), never a body.
//!
//! # Reading order
//! [`Shields`], [`HttpOrigin`] and [`ObjectStorage`] say where bytes come from; `dispatch` is what
//! they share: one way of trying hops in order, obeying `plan`, `breaker` and `budget`, which are
//! pure. `answer` holds the rules that an answer must keep; `pool` and `dial` the connections;
//! `flow` the body on its way.
//!
//! # What it does not do
//! It caches nothing, follows no redirect, decompresses nothing, resumes no body (whoever reads
//! asks again with `If-Match`), and adds nothing of a viewer's to a request.

mod address;
mod answer;
mod breaker;
mod budget;
mod by_site;
mod dial;
mod directory;
mod dispatch;
mod fault;
mod flow;
mod gate;
mod hop;
mod http_origin;
mod lease;
mod limits;
mod media_type;
mod metrics;
mod object_storage;
mod place;
mod plan;
mod pool;
mod question;
mod ring;
mod s3;
mod s3_client;
mod s3_hop;
mod shields;
mod wire;
mod wire_body;
mod witness;
mod writer;

pub use breaker::BreakerLimits;
pub use by_site::BySite;
pub use http_origin::{Closes, HttpOrigin, HttpOriginConfig};
pub use limits::Limits;
pub use metrics::Metrics;
pub use object_storage::{ObjectStorage, ObjectStorageConfig, Store};
pub use s3::{Credentials, S3};
pub use shields::{Shield, Shields, ShieldsConfig};
pub use writer::Writer;

/// Why an upstream cannot be built from its configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A list that needs at least one entry has none.
    #[error("{0} needs at least one entry")]
    Empty(&'static str),
    /// A list is longer than its bound.
    #[error("{what} has {count} entries, at most {max} are allowed")]
    TooMany {
        /// Which list.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// An address that is not `host:port`.
    #[error("address {0:?} is not host:port")]
    Address(String),
    /// A URL that is not `http[s]://host[:port][/path]`.
    #[error("url {0:?} is not http[s]://host[:port][/path]")]
    Url(String),
    /// A name that cannot stand in a certificate.
    #[error("{0:?} is not a server name")]
    ServerName(String),
    /// A node name that is not an RFC 9110 token.
    #[error("node name {0:?} is not a token")]
    Node(String),
    /// A name that occurs twice.
    #[error("name {0:?} occurs twice")]
    Duplicate(String),
    /// An `https` URL without a TLS configuration.
    #[error("{0:?} needs a tls configuration")]
    TlsMissing(String),
    /// A plain `http` URL where the configuration does not allow one.
    #[error("{0:?} is plain http, which allow_http does not allow")]
    PlainHttp(String),
    /// A limit that is zero or absurd.
    #[error("limit {name} is {value}, allowed is {allowed}")]
    Limit {
        /// The limit's name.
        name: &'static str,
        /// Its value.
        value: String,
        /// What is allowed.
        allowed: &'static str,
    },
    /// The store refused its configuration.
    #[error("object store configuration")]
    Store(#[source] object_store::Error),
    /// The root directory cannot be used.
    #[error("directory {path:?}")]
    Root {
        /// The directory.
        path: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The metrics could not be registered.
    #[error("metrics")]
    Metrics(#[from] prometheus::Error),
}
