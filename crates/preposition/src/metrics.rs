//! What prepositioning counts.

use std::time::Duration;

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};

use crate::{
    active::Active, entry::ENTRIES, pull_metrics::PullMetrics, shared::Pulse, trust::Trusts,
    window::At,
};

pub(crate) struct Metrics {
    pub(crate) bytes: IntCounter,
    /// By the reach of the source that had it.
    pub(crate) filled: IntCounterVec,
    pub(crate) failed: IntCounterVec,
    /// By the manifest's refusal.
    pub(crate) refused: IntCounterVec,
    pub(crate) applied: IntCounter,
    /// Members of those that are in force which this program does not know.
    pub(crate) unknown: IntCounter,
    /// By the way on which manifests come, and who sends them.
    quarantined: IntGaugeVec,
    pub(crate) repaired: IntCounter,
    pub(crate) pulls: PullMetrics,
    entries: IntGaugeVec,
    bytes_wanted: IntGauge,
    bytes_held: IntGauge,
    bytes_left: IntGauge,
    generation: IntGauge,
    issued: IntGauge,
    expires: IntGauge,
    degraded: IntGauge,
    rate: IntGauge,
    window_open: IntGauge,
    waits: IntGaugeVec,
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
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            let options = Opts::new(format!("millpond_fill_{name}"), help);
            let gauges = IntGaugeVec::new(options, labels)?;
            registry.register(Box::new(gauges.clone()))?;
            Ok::<_, prometheus::Error>(gauges)
        };
        let failed = counters("failed_total", "Attempts that failed.", "reason")?;
        // There from the start: the first of a kind is the one to be seen.
        for entry in ENTRIES.into_iter().filter(|entry| entry.is_failure()) {
            failed.with_label_values(&[entry.name()]);
        }
        Ok(Self {
            quarantined: gauges(
                "quarantined",
                "1 while no manifest is taken that comes this way.",
                &["way", "who"],
            )?,
            bytes: counter("bytes_total", "Bytes that came in by plan.")?,
            filled: counters("filled_total", "Objects filled by plan.", "source")?,
            failed,
            refused: counters("manifests_refused_total", "Manifests refused.", "reason")?,
            applied: counter("manifests_applied_total", "Manifests taken into force.")?,
            unknown: counter(
                "unknown_members_total",
                "Members of manifests that were ignored.",
            )?,
            repaired: counter("repaired_total", "Objects that were here and are not.")?,
            pulls: PullMetrics::register(registry)?,
            entries: gauges("objects", "Objects of the plan by state.", &["state"])?,
            bytes_wanted: gauge("wanted_bytes", "Bytes that the plan wants here.")?,
            bytes_held: gauge("held_bytes", "Bytes of them that are here and verified.")?,
            bytes_left: gauge("left_bytes", "Bytes that the plan still lacks.")?,
            generation: gauge("generation", "Generation of the manifest in force.")?,
            issued: gauge(
                "manifest_issued_timestamp_seconds",
                "When the manifest in force was made; 0 without one.",
            )?,
            expires: gauge(
                "manifest_expires_timestamp_seconds",
                "Until when the manifest in force is current; 0 without one.",
            )?,
            window_open: gauge("window_open", "1 while filling may run by its windows.")?,
            waits: gauges(
                "waits",
                "1 for why nothing more is begun just now.",
                &["why"],
            )?,
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
        self.bytes_wanted.set(signed(wanted));
        self.bytes_held.set(signed(held));
        let told = active.in_force.told.unwrap_or_default();
        self.issued.set(signed(told.issued_s));
        self.expires.set(signed(told.expires_s));
        self.bytes_left.set(signed(wanted.saturating_sub(held)));
        self.generation
            .set(signed(active.in_force.state.generation));
        self.degraded.set(active.is_degraded().into());
    }

    /// Who is left alone.
    pub(crate) fn show_trusts(&self, trusts: &Trusts, now: Duration) {
        for (way, is_quarantined) in trusts.iter(now) {
            let labels = [way.name(), way.who()];
            let gauge = self.quarantined.with_label_values(&labels);
            gauge.set(is_quarantined.into());
        }
    }

    /// How it goes on, as the engine tells it.
    pub(crate) fn tell(&self, pulse: &Pulse) {
        self.rate.set(signed(pulse.rate_bytes_per_s));
        let is_open = matches!(pulse.at, At::Open(_));
        self.window_open.set(is_open.into());
        for (name, is_why) in pulse.why.among_all() {
            self.waits.with_label_values(&[name]).set(is_why.into());
        }
    }
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
