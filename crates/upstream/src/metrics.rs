//! What is counted.

use std::sync::Arc;

use message::{Error, Response};
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

use crate::breaker::Position;

/// First bytes come from the next rack (1 ms) or from a cold bucket far away (seconds).
const FIRST_BYTE_BUCKETS_S: [f64; 12] = [
    0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
];

/// The room's metrics. Made once for a node and lent to each upstream, which has its own label.
#[derive(Debug, Clone)]
pub struct Metrics {
    requests: IntCounterVec,
    body_failures: IntCounterVec,
    body_bytes: IntCounterVec,
    retries: IntCounterVec,
    breaker: IntGaugeVec,
    in_flight: IntGaugeVec,
    waiting: IntGaugeVec,
    first_byte: HistogramVec,
}

impl Metrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When a name is taken, which is when this is called twice for one registry.
    pub fn new(registry: &Registry) -> Result<Self, crate::Error> {
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            let gauges = IntGaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(gauges.clone()))?;
            Ok::<_, prometheus::Error>(gauges)
        };
        let first_byte = HistogramOpts::new(
            "millpond_upstream_first_byte_seconds",
            "Time from the fetch to the response head, retries included.",
        );
        let first_byte = HistogramVec::new(
            first_byte.buckets(FIRST_BYTE_BUCKETS_S.to_vec()),
            &["upstream"],
        )?;
        registry.register(Box::new(first_byte.clone()))?;
        Ok(Self {
            requests: counters(
                "millpond_upstream_requests_total",
                "Fetches by their result: a class of status, or an error's RFC 9209 name.",
                &["upstream", "result"],
            )?,
            body_failures: counters(
                "millpond_upstream_body_failures_total",
                "Bodies that ended with an error, by its RFC 9209 name.",
                &["upstream", "result"],
            )?,
            body_bytes: counters(
                "millpond_upstream_body_bytes_total",
                "Body bytes received.",
                &["upstream"],
            )?,
            retries: counters(
                "millpond_upstream_retries_total",
                "Tries after the first, by why: unreachable, broken, useless, status.",
                &["upstream", "reason"],
            )?,
            breaker: gauges(
                "millpond_upstream_breaker_state",
                "0 closed, 1 half-open, 2 open.",
                &["upstream", "hop"],
            )?,
            in_flight: gauges(
                "millpond_upstream_requests_in_flight",
                "Fetches from their start to the end of their body.",
                &["upstream"],
            )?,
            waiting: gauges(
                "millpond_upstream_requests_waiting",
                "Fetches that wait for their turn.",
                &["upstream"],
            )?,
            first_byte,
        })
    }

    /// The metrics of one upstream.
    pub(crate) fn meter(&self, upstream: &Arc<str>) -> Meter {
        let label = &[upstream.as_ref()];
        Meter {
            upstream: Arc::clone(upstream),
            body_bytes: self.body_bytes.with_label_values(label),
            in_flight: self.in_flight.with_label_values(label),
            waiting: self.waiting.with_label_values(label),
            first_byte: self.first_byte.with_label_values(label),
            all: self.clone(),
        }
    }
}

/// One upstream's part of the metrics.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    upstream: Arc<str>,
    all: Metrics,
    pub(crate) body_bytes: IntCounter,
    pub(crate) in_flight: IntGauge,
    pub(crate) waiting: IntGauge,
    pub(crate) first_byte: Histogram,
}

impl Meter {
    pub(crate) fn result(&self, result: &Result<Response, Error>) {
        let label = match result {
            Ok(response) => match response.status().as_u16() {
                200..=299 => "2xx",
                300..=399 => "3xx",
                400..=499 => "4xx",
                _ => "5xx",
            },
            Err(error) => error.kind().proxy_status(),
        };
        self.all
            .requests
            .with_label_values(&[self.upstream.as_ref(), label])
            .inc();
    }

    pub(crate) fn body_failure(&self, error: &Error) {
        let label = error.kind().proxy_status();
        self.all
            .body_failures
            .with_label_values(&[self.upstream.as_ref(), label])
            .inc();
    }

    pub(crate) fn retry(&self, reason: &str) {
        self.all
            .retries
            .with_label_values(&[self.upstream.as_ref(), reason])
            .inc();
    }

    pub(crate) fn breaker(&self, hop: &str, position: Position) {
        let value = match position {
            Position::Closed => 0,
            Position::HalfOpen => 1,
            Position::Open => 2,
        };
        self.all
            .breaker
            .with_label_values(&[self.upstream.as_ref(), hop])
            .set(value);
    }
}

/// Counts one in a gauge until it is dropped.
#[derive(Debug)]
pub(crate) struct Present(IntGauge);

impl Present {
    pub(crate) fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.dec();
    }
}
