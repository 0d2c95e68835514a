//! HTTP/2: hyper and h2 behind a meter, each stream watched.

mod cork;
mod frames;
mod meter;
mod serve;
mod streams;

pub(crate) use serve::serve;
