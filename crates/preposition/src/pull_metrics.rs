//! What pulls count.

use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

use crate::pull::Came;

pub(crate) struct PullMetrics {
    outcomes: IntCounterVec,
    failures: IntGauge,
    reached: IntGauge,
}

impl PullMetrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let options = Opts::new(
            "millpond_fill_pulls_total",
            "Pulls of a manifest by their outcome.",
        );
        let metrics = Self {
            outcomes: IntCounterVec::new(options, &["outcome"])?,
            failures: IntGauge::new(
                "millpond_fill_pull_failures",
                "Pulls in a row that have failed by now.",
            )?,
            reached: IntGauge::new(
                "millpond_fill_pulled_timestamp_seconds",
                "When the place of manifests last answered with one; 0 for never.",
            )?,
        };
        registry.register(Box::new(metrics.outcomes.clone()))?;
        registry.register(Box::new(metrics.failures.clone()))?;
        registry.register(Box::new(metrics.reached.clone()))?;
        Ok(metrics)
    }

    /// What became of a pull, so many of which have failed in a row.
    pub(crate) fn count(&self, came: &Came, failures: u32, now_s: u64) {
        let now_s = i64::try_from(now_s).unwrap_or(i64::MAX);
        match came {
            Came::Taken | Came::Unchanged | Came::Refused(_) => self.reached.set(now_s),
            Came::Failed(..) => {}
        }
        self.failures.set(failures.into());
        // Last: who waits for this one sees all the others.
        self.outcomes.with_label_values(&[came.name()]).inc();
    }
}
