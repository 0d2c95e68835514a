//! The record layer against clients that are not ours: rustls, `OpenSSL`, `GnuTLS`.

#[cfg(test)]
mod foreign;
#[cfg(test)]
mod kernel;
#[cfg(test)]
mod rustls_client;
#[cfg(test)]
mod support;
