//! Metrics of requests, with labels from short closed lists.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use arc_swap::ArcSwap;
use http::StatusCode;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    core::Metric as _,
};

use super::record::End;

/// Names that become labels, at most; a site beyond them counts as `other`.
const SITES_MAX: usize = 10_000;

/// The last of each list is for what is in none of the others' places.
const OUTCOMES: [&str; 9] = [
    "hit",
    "miss",
    "collapsed",
    "stale",
    "revalidated",
    "negative",
    "pass",
    NONE,
    OTHER,
];
const SOURCES: [&str; 5] = ["ram", "disk", "upstream", NONE, OTHER];
const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", NONE];

const NONE: &str = "none";
const OTHER: &str = "other";

/// From a RAM hit, well under a millisecond, to a client on a slow line.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];

/// Counts requests; clones count into the same metrics.
#[derive(Debug, Clone)]
pub struct RequestMetrics(Arc<Metrics>);

#[derive(Debug)]
struct Metrics {
    /// Replaced as a whole, so that a request looks its site up without a lock.
    sites: ArcSwap<HashMap<Arc<str>, Arc<Site>>>,
    no_site: Site,
    other_site: Site,
    requests: IntCounterVec,
    active: IntGauge,
    bytes: BySource<IntCounter>,
    broken: IntCounterVec,
    first_byte: BySource<Histogram>,
    duration: BySource<Histogram>,
}

/// The counters of one site's requests by class of status and outcome, each made when it is first
/// needed: a look into the vector hashes three labels under a lock that all cores share.
#[derive(Debug, Default)]
struct Site([[OnceLock<IntCounter>; OUTCOMES.len()]; CLASSES.len()]);

/// A metric for each source; they are few, and made at once.
#[derive(Debug)]
struct BySource<M>([M; SOURCES.len()]);

impl<M> BySource<M> {
    fn of(&self, source: Option<&str>) -> &M {
        &self.0[place(source, &SOURCES)]
    }
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
        let requests = counters(
            "millpond_daemon_requests_total",
            "Finished requests by site, class of status and cache outcome.",
            &["site", "status", "outcome"],
        )?;
        let bytes = counters(
            "millpond_daemon_body_bytes_total",
            "Body bytes handed to clients, by where the first byte of the body came from.",
            &["source"],
        )?;
        let broken = counters(
            "millpond_daemon_responses_broken_total",
            "Responses without a clean end: cancelled, aborted (client) or failed (ours).",
            &["end"],
        )?;
        let first_byte = histograms(
            "millpond_daemon_first_byte_seconds",
            "From the arrival of a request to the first byte of the body, by its source.",
        )?;
        let duration = histograms(
            "millpond_daemon_duration_seconds",
            "From the arrival of a request to the end of its response, by source.",
        )?;
        Ok(Self(Arc::new(Metrics {
            sites: ArcSwap::default(),
            no_site: Site::default(),
            other_site: Site::default(),
            requests,
            active,
            bytes: BySource(SOURCES.map(|source| bytes.with_label_values(&[source]))),
            broken,
            first_byte: BySource(SOURCES.map(|source| first_byte.with_label_values(&[source]))),
            duration: BySource(SOURCES.map(|source| duration.with_label_values(&[source]))),
        })))
    }

    /// Body bytes handed to clients since the start.
    pub fn body_bytes(&self) -> u64 {
        self.0.bytes.0.iter().map(IntCounter::get).sum()
    }

    /// How many first bytes came from disk within so many seconds since the start, by rising bounds;
    /// the last is all of them.
    pub fn disk_waits(&self) -> Vec<(f64, u64)> {
        let histogram = self.0.first_byte.of(Some("disk")).metric();
        let histogram = histogram.get_histogram();
        let buckets = histogram.get_bucket().iter();
        let buckets = buckets.map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
        let all = (f64::INFINITY, histogram.get_sample_count());
        buckets.chain([all]).collect()
    }

    /// Makes configured names known as labels. Requests of any other site count as `other`.
    pub fn know_sites(&self, names: impl IntoIterator<Item = Arc<str>>) {
        let names: Vec<_> = names.into_iter().collect();
        self.0.sites.rcu(|known| {
            let mut sites = HashMap::clone(known);
            for name in &names {
                if sites.len() < SITES_MAX {
                    sites.entry(Arc::clone(name)).or_default();
                }
            }
            sites
        });
    }

    pub(super) fn begin(&self) {
        self.0.active.inc();
    }

    pub(super) fn sent(&self, source: Option<&str>, bytes: u64) {
        self.0.bytes.of(source).inc_by(bytes);
    }

    pub(super) fn end(&self, finished: &Finished<'_>) {
        let metrics = &*self.0;
        metrics.active.dec();
        metrics.count(finished.site, finished.status, finished.outcome);
        if finished.end != End::Complete {
            metrics
                .broken
                .with_label_values(&[finished.end.word()])
                .inc();
        }
        if let Some(first_byte) = finished.first_byte {
            metrics
                .first_byte
                .of(finished.source)
                .observe(first_byte.as_secs_f64());
        }
        metrics
            .duration
            .of(finished.source)
            .observe(finished.duration.as_secs_f64());
    }
}

impl Metrics {
    fn count(&self, site: Option<&str>, status: Option<StatusCode>, outcome: Option<&str>) {
        let sites = self.sites.load();
        let (name, counters) = match site {
            None => (NONE, &self.no_site),
            Some(site) => match sites.get(site) {
                Some(counters) => (site, &**counters),
                None => (OTHER, &self.other_site),
            },
        };
        let (class, outcome) = (class(status), place(outcome, &OUTCOMES));
        let labels = [name, CLASSES[class], OUTCOMES[outcome]];
        counters.0[class][outcome]
            .get_or_init(|| self.requests.with_label_values(&labels))
            .inc();
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

/// Where a label stands in its closed list, whose last is for all that are not in it.
fn place(value: Option<&str>, labels: &[&str]) -> usize {
    let value = value.unwrap_or(NONE);
    let found = labels.iter().position(|label| *label == value);
    found.unwrap_or(labels.len() - 1)
}

/// Where the class of a status stands in [`CLASSES`].
fn class(status: Option<StatusCode>) -> usize {
    let class = status.map(|status| usize::from(status.as_u16() / 100));
    match class {
        Some(class @ 1..=5) => class - 1,
        Some(_) | None => CLASSES.len() - 1,
    }
}
