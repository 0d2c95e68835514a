//! HTTP caching rules as pure decisions.
//!
//! Headers and facts go in, an enum or a number comes out. Nothing here does I/O, waits, reads a
//! clock or keeps state: `now` is always an argument, wall time as a [`Duration`] since the Unix
//! epoch. Field values come from the network and are hostile: a rule ignores, clamps or refuses
//! them as its standard says, and never panics.
//!
//! | module | decides | standard |
//! |---|---|---|
//! | [`freshness`] | what may be stored and how long it may be served | RFC 9111, 5861, 9213 |
//! | [`wish`] | what a request's own directives ask for | RFC 9111 section 5.2.1, 8246 |
//! | [`forward`], [`vary`] | which request fields go upstream and choose a response | RFC 9111 section 4.1 |
//! | [`validator`] | which validators are strong and which match | RFC 9110 section 8.8 |
//! | [`conditional`] | 304, 412 or go on | RFC 9110 section 13 |
//! | [`range`], [`content_range`] | which bytes are wanted, which bytes came | RFC 9110 section 14 |
//! | [`key`] | one canonical name for one object | design |
//! | [`fields`] | which fields are stored, refreshed, sent with 304; `Via`, `CDN-Loop` | RFC 9110, 9111, 8586 |
//! | [`cache_status`] | how a cache tells what it did | RFC 9211 |
//! | [`live`] | which live segments there are, who may wait for the next | RFC 8216 |
//! | [`relative`] | where a relative reference leads | RFC 3986 section 5 |
//! | [`cors`], [`media`] | what players need | Fetch, RFC 8216 |
//! | [`cmcd`], [`cmsd`] | what players and servers tell each other | CTA-5004, CTA-5006 |
//! | [`reading`] | who reads on, and is worth fetching ahead for | design |
//!
//! [`Duration`]: std::time::Duration

pub mod cache_status;
pub mod cmcd;
pub mod cmsd;
pub mod conditional;
pub mod content_range;
pub mod cors;
mod date;
mod directives;
pub mod fields;
pub mod forward;
pub mod freshness;
pub mod key;
mod lines;
pub mod live;
mod malformed;
pub mod media;
pub mod range;
pub mod reading;
pub mod relative;
mod structured;
pub mod validator;
pub mod vary;
pub mod wish;

pub use malformed::Malformed;
