//! What is counted, with every label value known beforehand.

use http::StatusCode;
use message::Protocol;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

/// Why a connection or a request was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rejected {
    /// Too many connections in all.
    Connections,
    /// Too many connections from one place.
    Place,
    /// New connections from one place too fast.
    Rate,
    /// Nobody new is let in.
    Resting,
    /// Too many handshakes in progress.
    Handshakes,
    /// A request that was not admitted.
    Request,
    /// A client that did not take its response.
    Stalled,
    /// Frames or bytes beyond what a well-meaning client sends.
    Flood,
    /// A socket could not be accepted.
    Accept,
    /// The HTTP/1 gate and parser saw different requests. Never, or there is a bug.
    Disagreement,
}

impl Rejected {
    const ALL: [(Self, &'static str); 10] = [
        (Self::Connections, "connections"),
        (Self::Place, "place"),
        (Self::Rate, "rate"),
        (Self::Resting, "resting"),
        (Self::Handshakes, "handshakes"),
        (Self::Request, "request"),
        (Self::Stalled, "stalled"),
        (Self::Flood, "flood"),
        (Self::Accept, "accept"),
        (Self::Disagreement, "disagreement"),
    ];
}

/// Why a handshake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Not done in time.
    Timeout,
    /// The client went away.
    Gone,
    /// What came is not TLS, such as plain HTTP.
    NotTls,
    /// No version, cipher or application protocol in common.
    NoCommonGround,
    /// The client's certificate was missing or refused.
    ClientCertificate,
    /// The client refused, mostly our certificate.
    Alert,
    /// Anything else.
    Other,
}

impl Failure {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Timeout, "timeout"),
        (Self::Gone, "gone"),
        (Self::NotTls, "not_tls"),
        (Self::NoCommonGround, "no_common_ground"),
        (Self::ClientCertificate, "client_certificate"),
        (Self::Alert, "alert"),
        (Self::Other, "other"),
    ];
}

const PROTOCOLS: [Protocol; 3] = [Protocol::Http1, Protocol::Http2, Protocol::Http3];
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counters with their labels resolved, so that the hot path adds and hashes nothing.
pub(crate) struct Metrics {
    connections: [IntGauge; 3],
    accepted: [IntCounter; 3],
    requests: [[IntCounter; 5]; 3],
    body_bytes: [IntCounter; 3],
    failures: [IntCounter; 7],
    rejected: [IntCounter; 10],
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let connections = gauges(registry, "connections", "Open connections.")?;
        let accepted = counters(
            registry,
            "accepted_total",
            "Connections that shook hands.",
            &["protocol"],
        )?;
        let requests = counters(
            registry,
            "requests_total",
            "Responses begun.",
            &["protocol", "status"],
        )?;
        let body_bytes = counters(
            registry,
            "body_bytes_total",
            "Response body bytes.",
            &["protocol"],
        )?;
        let failures = counters(
            registry,
            "handshake_failures_total",
            "Failed handshakes.",
            &["reason"],
        )?;
        let rejected = counters(
            registry,
            "rejected_total",
            "Connections and requests turned away.",
            &["reason"],
        )?;
        Ok(Self {
            connections: PROTOCOLS.map(|p| connections.with_label_values(&[p.alpn()])),
            accepted: PROTOCOLS.map(|p| accepted.with_label_values(&[p.alpn()])),
            requests: PROTOCOLS
                .map(|p| CLASSES.map(|class| requests.with_label_values(&[p.alpn(), class]))),
            body_bytes: PROTOCOLS.map(|p| body_bytes.with_label_values(&[p.alpn()])),
            failures: Failure::ALL.map(|(_, label)| failures.with_label_values(&[label])),
            rejected: Rejected::ALL.map(|(_, label)| rejected.with_label_values(&[label])),
        })
    }

    /// Counts a connection as open until the guard is dropped.
    pub(crate) fn opened(&self, protocol: Protocol) -> Open {
        let gauge = self.connections[protocol as usize].clone();
        gauge.inc();
        self.accepted[protocol as usize].inc();
        Open(gauge)
    }

    /// Connections that are open, and body bytes sent so far.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        let open = self.connections.iter().map(IntGauge::get).sum::<i64>();
        let sent = self.body_bytes.iter().map(IntCounter::get).sum();
        (u64::try_from(open).unwrap_or(0), sent)
    }

    pub(crate) fn responded(&self, protocol: Protocol, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        self.requests[protocol as usize][class].inc();
    }

    pub(crate) fn body_bytes(&self, protocol: Protocol) -> IntCounter {
        self.body_bytes[protocol as usize].clone()
    }

    pub(crate) fn failed(&self, failure: Failure) {
        self.failures[failure as usize].inc();
    }

    pub(crate) fn rejected(&self, rejected: Rejected) {
        self.rejected[rejected as usize].inc();
    }
}

/// An open connection in the gauge.
pub(crate) struct Open(IntGauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn options(name: &str, help: &str) -> Opts {
    Opts::new(format!("millpond_downstream_{name}"), help)
}

fn gauges(registry: &Registry, name: &str, help: &str) -> Result<IntGaugeVec, prometheus::Error> {
    let vec = IntGaugeVec::new(options(name, help), &["protocol"])?;
    registry.register(Box::new(vec.clone()))?;
    Ok(vec)
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    let vec = IntCounterVec::new(options(name, help), labels)?;
    registry.register(Box::new(vec.clone()))?;
    Ok(vec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_stands_at_its_variant() {
        for (at, (rejected, _)) in Rejected::ALL.into_iter().enumerate() {
            assert_eq!(rejected as usize, at);
        }
        for (at, (failure, _)) in Failure::ALL.into_iter().enumerate() {
            assert_eq!(failure as usize, at);
        }
        for (at, protocol) in PROTOCOLS.into_iter().enumerate() {
            assert_eq!(protocol as usize, at);
        }
    }

    #[test]
    fn an_open_connection_is_in_the_gauge_until_it_closes() {
        let metrics = Metrics::new(&Registry::new()).unwrap();
        let open = metrics.opened(Protocol::Http2);
        assert_eq!(metrics.connections[1].get(), 1);
        drop(open);
        assert_eq!(metrics.connections[1].get(), 0);
        assert_eq!(metrics.accepted[1].get(), 1);
    }
}
