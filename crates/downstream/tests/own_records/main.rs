//! All of `tests/loopback` once more, over records of our own.

#[cfg(test)]
#[path = "../loopback/agreement.rs"]
mod agreement;
#[cfg(test)]
#[path = "../loopback/browsers.rs"]
mod browsers;
#[cfg(test)]
#[path = "../loopback/exchange.rs"]
mod exchange;
#[cfg(test)]
#[path = "../loopback/foreign.rs"]
mod foreign;
#[cfg(test)]
#[path = "../loopback/hostile.rs"]
mod hostile;
#[cfg(test)]
#[path = "../loopback/lifecycle.rs"]
mod lifecycle;
#[cfg(test)]
#[path = "../loopback/liveness.rs"]
mod liveness;
#[cfg(test)]
#[path = "../loopback/support/mod.rs"]
mod support;

/// Who makes records here.
#[cfg(test)]
const RECORDS: tls::record::RecordLayer = tls::record::RecordLayer::Own;
