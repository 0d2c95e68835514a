//! The room from outside, over loopback.

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod browsers;
#[cfg(test)]
mod distance;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod hostile_http3;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod liveness;
#[cfg(test)]
mod priority;
#[cfg(test)]
mod priority_update;
#[cfg(test)]
mod support;

/// Who makes records here; `tests/own_records` is all of this with our own.
#[cfg(test)]
const RECORDS: tls::record::RecordLayer = tls::record::RecordLayer::Rustls;
