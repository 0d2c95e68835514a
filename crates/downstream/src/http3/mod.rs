//! HTTP/3: quinn below, h3 above, and our own transport between them.

mod endpoint;
mod fields;
mod priority_update;
mod request;
mod serve;
mod socket;
mod transport;
mod updates;
mod window;

pub(crate) use endpoint::Endpoint;
pub use socket::KEPT_BYTES_MAX;
pub(crate) use socket::Keepers;
