//! What prepositioning counts.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::{active::Active, entry::ENTRIES};

pub(crate) struct Metrics {
    pub(crate) bytes: IntCounter,
    /// By the reach of the source that had it.
    pub(crate) filled: IntCounterVec,
    pub(crate) failed: IntCounterVec,
    /// By the manifest's refusal.
    pub(crate) refused: IntCounterVec,
    pub(crate) applied: IntCounter,
    /// By the way on which manifests come.
    pub(crate) quarantined: IntGaugeVec,
    pub(crate) repaired: IntCounter,
    pub(crate) pulls_failed: IntCounter,
    entries: IntGaugeVec,
    bytes_left: IntGauge,
    generation: IntGauge,
    degraded: IntGauge,
    pub(crate) rate: IntGauge,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(format!("millpond_fill_{name}"), help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let counters = |name: &str, help: &str, label: &str| {
            let options = Opts::new(format!("millpond_fill_{name}"), help);
            let counters = IntCounterVec::new(options, &[label])?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(format!("millpond_fill_{name}"), help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let options = Opts::new("millpond_fill_objects", "Objects of the plan by state.");
        let entries = IntGaugeVec::new(options, &["state"])?;
        registry.register(Box::new(entries.clone()))?;
        let what = "1 while no manifest is taken that comes this way.";
        let options = Opts::new("millpond_fill_quarantined", what);
        let quarantined = IntGaugeVec::new(options, &["way"])?;
        registry.register(Box::new(quarantined.clone()))?;
        Ok(Self {
            quarantined,
            bytes: counter("bytes_total", "Bytes that came in by plan.")?,
            filled: counters("filled_total", "Objects filled by plan.", "source")?,
            failed: counters("failed_total", "Attempts that failed.", "reason")?,
            refused: counters("manifests_refused_total", "Manifests refused.", "reason")?,
            applied: counter("manifests_applied_total", "Manifests taken into force.")?,
            repaired: counter("repaired_total", "Objects that were here and are not.")?,
            pulls_failed: counter("pulls_failed_total", "Pulls of a manifest that failed.")?,
            entries,
            bytes_left: gauge("left_bytes", "Bytes that the plan still lacks.")?,
            generation: gauge("generation", "Generation of the manifest in force.")?,
            degraded: gauge("degraded", "1 if more than 1 % of the plan failed.")?,
            rate: gauge("rate_bytes_per_second", "Rate that filling is given now.")?,
        })
    }

    pub(crate) fn show(&self, active: &Active) {
        for entry in ENTRIES {
            let gauge = self.entries.with_label_values(&[entry.name()]);
            gauge.set(signed(active.count(entry)));
        }
        let (wanted, held) = active.bytes();
        self.bytes_left.set(signed(wanted.saturating_sub(held)));
        self.generation
            .set(signed(active.in_force.state.generation));
        self.degraded.set(active.is_degraded().into());
    }
}

pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
