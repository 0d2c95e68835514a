//! What the cache counts.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use store::Tier;

/// Where the bytes of a body came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Ram,
    Disk,
    Upstream,
}

impl Source {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ram => "ram",
            Self::Disk => "disk",
            Self::Upstream => "upstream",
        }
    }

    /// As RFC 9211's `detail` has it.
    pub(crate) fn detail(self) -> &'static str {
        match self {
            Self::Ram => "RAM",
            Self::Disk => "NVME",
            Self::Upstream => "FILL",
        }
    }
}

impl From<Tier> for Source {
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::Ram => Self::Ram,
            Tier::Disk => Self::Disk,
        }
    }
}

/// How an answer can come about.
const OUTCOMES: [&str; 7] = [
    "hit",
    "miss",
    "collapsed",
    "stale",
    "revalidated",
    "negative",
    "pass",
];

pub(crate) struct Metrics {
    /// By outcome, found once: an answer takes no lock to be counted.
    answers: [(&'static str, IntCounter); OUTCOMES.len()],
    ram_bytes: IntCounter,
    disk_bytes: IntCounter,
    upstream_bytes: IntCounter,
    pub(crate) fills: IntCounter,
    pub(crate) predating: IntCounter,
    pub(crate) fill_bytes: IntCounter,
    /// By plan, before anybody asked.
    pub(crate) prefilled_served_bytes: IntCounter,
    pub(crate) fill_failures: IntCounter,
    pub(crate) fill_resumes: IntCounter,
    pub(crate) fills_running: IntGauge,
    pub(crate) collapsed: IntCounter,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let answers = IntCounterVec::new(
            Opts::new("millpond_cache_answers_total", "Answers by outcome."),
            &["outcome"],
        )?;
        registry.register(Box::new(answers.clone()))?;
        let bodies = IntCounterVec::new(
            Opts::new(
                "millpond_cache_body_bytes_total",
                "Body bytes by the tier they came from.",
            ),
            &["source"],
        )?;
        registry.register(Box::new(bodies.clone()))?;
        let fills_running =
            IntGauge::new("millpond_cache_fills_running", "Upstream reads under way.")?;
        registry.register(Box::new(fills_running.clone()))?;
        Ok(Self {
            answers: OUTCOMES.map(|outcome| (outcome, answers.with_label_values(&[outcome]))),
            ram_bytes: bodies.with_label_values(&["ram"]),
            disk_bytes: bodies.with_label_values(&["disk"]),
            upstream_bytes: bodies.with_label_values(&["upstream"]),
            fills: counter("millpond_cache_fills_total", "Upstream reads begun.")?,
            predating: counter(
                "millpond_cache_predating_total",
                "Answers that may be older than a purge, and were asked for again.",
            )?,
            fill_bytes: counter(
                "millpond_cache_fill_bytes_total",
                "Bytes read from upstream.",
            )?,
            prefilled_served_bytes: counter(
                "millpond_fill_served_bytes_total",
                "Body bytes that viewers had of slices that a plan had put on disk.",
            )?,
            fill_failures: counter("millpond_cache_fill_failures_total", "Fills that failed.")?,
            fill_resumes: counter("millpond_cache_fill_resumes_total", "Fills that resumed.")?,
            fills_running,
            collapsed: counter(
                "millpond_cache_collapsed_total",
                "Requests that waited for a question to upstream that another request had begun.",
            )?,
        })
    }

    pub(crate) fn answered(&self, outcome: &'static str) {
        let counter = self.answers.iter().find(|(known, _)| *known == outcome);
        if let Some((_, counter)) = counter {
            counter.inc();
        }
    }

    pub(crate) fn body_bytes(&self, source: Source, bytes: u64) {
        match source {
            Source::Ram => self.ram_bytes.inc_by(bytes),
            Source::Disk => self.disk_bytes.inc_by(bytes),
            Source::Upstream => self.upstream_bytes.inc_by(bytes),
        }
    }
}
