//! The scenarios: one promise each, on the whole way of a request, with every byte of every body
//! checked against the oracle.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a helper fails its test by panicking"
)]

mod case;
mod collapse;
mod conditional;
mod config;
mod fields;
mod fill;
mod fill_keys;
mod fill_night;
mod fill_peers;
mod fill_pull;
mod fill_yields;
mod hygiene;
mod lies;
mod live;
mod malformed;
mod manifests;
mod mutual_tls;
mod outage;
mod popularity;
mod purge;
mod ranges;
mod recovery;
mod serving;
mod signed;
mod steering;
mod tokens;
mod trigger_lists;
mod triggers;
mod versions;
mod viewers;
