//! What a keeper counts.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};

#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) refused: IntCounter,
    pub(crate) unsaved: IntCounter,
    pub(crate) delivered: IntCounter,
    pub(crate) failed: IntCounter,
    pub(crate) dropped: IntCounter,
    pub(crate) waiting: IntGauge,
    pub(crate) memory: IntGauge,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let refused = IntCounter::new(
            "millpond_popularity_sketches_refused_total",
            "Sketches on disk that were damaged or foreign: counting began anew.",
        )?;
        let unsaved = IntCounter::new(
            "millpond_popularity_save_failures_total",
            "Sketches that could not be written.",
        )?;
        let reports = IntCounterVec::new(
            Opts::new(
                "millpond_popularity_reports_total",
                "Reports that object storage took, refused for now, or never got.",
            ),
            &["result"],
        )?;
        let waiting = IntGauge::new(
            "millpond_popularity_reports_waiting",
            "Reports that wait for object storage.",
        )?;
        let memory = IntGauge::new(
            "millpond_popularity_memory_bytes_max",
            "What the sketch may take.",
        )?;
        registry.register(Box::new(refused.clone()))?;
        registry.register(Box::new(unsaved.clone()))?;
        registry.register(Box::new(reports.clone()))?;
        registry.register(Box::new(waiting.clone()))?;
        registry.register(Box::new(memory.clone()))?;
        let result = |result| reports.with_label_values(&[result]);
        Ok(Self {
            refused,
            unsaved,
            delivered: result("delivered"),
            failed: result("failed"),
            dropped: result("dropped"),
            waiting,
            memory,
        })
    }
}
