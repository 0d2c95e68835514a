//! Metrics of requests, with labels from short closed lists.

use std::{collections::HashSet, sync::Arc, time::Duration};

use http::StatusCode;
use parking_lot::RwLock;
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

use super::record::End;

/// Names that become labels, at most; a site beyond them counts as `other`.
const SITES_MAX: usize = 10_000;

const OUTCOMES: [&str; 7] = [
    "hit",
    "miss",
    "collapsed",
    "stale",
    "revalidated",
    "negative",
    "pass",
];

const SOURCES: [&str; 3] = ["ram", "disk", "upstream"];

/// From a RAM hit, well under a millisecond, to a client on a slow line.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];

/// Counts requests; clones count into the same metrics.
#[derive(Debug, Clone)]
pub struct RequestMetrics(Arc<Metrics>);

#[derive(Debug)]
struct Metrics {
    sites: RwLock<HashSet<Arc<str>>>,
    requests: IntCounterVec,
    active: IntGauge,
    bytes: IntCounterVec,
    broken: IntCounterVec,
    first_byte: HistogramVec,
    duration: HistogramVec,
}

impl RequestMetrics {
    /// Registers them.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name, help, labels: &[&str]| {
            let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        let histograms = |name, help| {
            let options = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
            let histograms = HistogramVec::new(options, &["source"])?;
            registry.register(Box::new(histograms.clone()))?;
            Ok::<_, prometheus::Error>(histograms)
        };
        let active = IntGauge::new(
            "millpond_daemon_requests_active",
            "Requests whose response is not yet at its end.",
        )?;
        registry.register(Box::new(active.clone()))?;
        Ok(Self(Arc::new(Metrics {
            sites: RwLock::default(),
            requests: counters(
                "millpond_daemon_requests_total",
                "Finished requests by site, class of status and cache outcome.",
                &["site", "status", "outcome"],
            )?,
            active,
            bytes: counters(
                "millpond_daemon_body_bytes_total",
                "Body bytes handed to clients, by where the first byte of the body came from.",
                &["source"],
            )?,
            broken: counters(
                "millpond_daemon_responses_broken_total",
                "Responses without a clean end: cancelled, aborted (client) or failed (ours).",
                &["end"],
            )?,
            first_byte: histograms(
                "millpond_daemon_first_byte_seconds",
                "From the arrival of a request to the first byte of the body, by its source.",
            )?,
            duration: histograms(
                "millpond_daemon_duration_seconds",
                "From the arrival of a request to the end of its response, by source.",
            )?,
        })))
    }

    /// Makes configured names known as labels. Requests of any other site count as `other`.
    pub fn know_sites(&self, names: impl IntoIterator<Item = Arc<str>>) {
        let mut sites = self.0.sites.write();
        for name in names {
            if sites.len() < SITES_MAX {
                sites.insert(name);
            }
        }
    }

    pub(super) fn begin(&self) {
        self.0.active.inc();
    }

    pub(super) fn bytes_from(&self, source: Option<&'static str>) -> IntCounter {
        self.0.bytes.with_label_values(&[label(source, &SOURCES)])
    }

    pub(super) fn end(&self, finished: &Finished<'_>) {
        let metrics = &*self.0;
        metrics.active.dec();
        let site = match finished.site {
            None => "none",
            Some(site) if metrics.sites.read().contains(site) => site,
            Some(_) => "other",
        };
        let outcome = label(finished.outcome, &OUTCOMES);
        metrics
            .requests
            .with_label_values(&[site, class(finished.status), outcome])
            .inc();
        if finished.end != End::Complete {
            metrics
                .broken
                .with_label_values(&[finished.end.word()])
                .inc();
        }
        let source = label(finished.source, &SOURCES);
        if let Some(first_byte) = finished.first_byte {
            metrics
                .first_byte
                .with_label_values(&[source])
                .observe(first_byte.as_secs_f64());
        }
        metrics
            .duration
            .with_label_values(&[source])
            .observe(finished.duration.as_secs_f64());
    }
}

/// What the metrics need to know of a finished request.
pub(super) struct Finished<'r> {
    pub(super) site: Option<&'r str>,
    pub(super) status: Option<StatusCode>,
    pub(super) outcome: Option<&'static str>,
    pub(super) source: Option<&'static str>,
    pub(super) end: End,
    pub(super) first_byte: Option<Duration>,
    pub(super) duration: Duration,
}

/// A label from its closed list.
fn label(value: Option<&'static str>, known: &[&'static str]) -> &'static str {
    match value {
        None => "none",
        Some(value) if known.contains(&value) => value,
        Some(_) => "other",
    }
}

fn class(status: Option<StatusCode>) -> &'static str {
    match status.map(|status| status.as_u16() / 100) {
        Some(1) => "1xx",
        Some(2) => "2xx",
        Some(3) => "3xx",
        Some(4) => "4xx",
        Some(5) => "5xx",
        Some(_) | None => "none",
    }
}
