//! What the store counts.

use prometheus::{
    IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use std::{sync::Weak, time::Duration};

use crate::{DiskState, Stats, store::Inner};

/// Counters, shared by all who count.
pub(crate) struct Metrics {
    pub(crate) evicted_segments: IntCounter,
    pub(crate) recovered_records: IntCounter,
    pub(crate) skipped_segments: IntCounter,
    pub(crate) purges: IntCounter,
    pub(crate) admitted_records: IntCounter,
    pub(crate) planned_records: IntCounter,
    pub(crate) reinserted_records: IntCounter,
    pub(crate) refused_pins: IntCounter,
    eviction_age: IntGaugeVec,
    reads: IntCounterVec,
    read_bytes: IntCounter,
    written_bytes: IntCounterVec,
    unadmitted: IntCounterVec,
    write_errors: IntCounterVec,
}

/// How an attempt to get a record from disk ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiskRead {
    Hit,
    /// Answered by somebody else's read.
    Collapsed,
    /// Something else lies there.
    Mismatch,
    /// The payload failed its checksum.
    Corrupt,
    Error,
    Timeout,
    /// Too many reads are under way, or the disk is suspended.
    Refused,
    /// There was no memory for the record in time.
    Full,
    /// Something newer happened to the key meanwhile.
    Superseded,
}

/// Why a put stayed in RAM only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unadmitted {
    /// The disk's queue is full.
    Full,
    /// Longer than a segment can take.
    TooLarge,
    /// No disk is fit to be written to.
    Faulty,
    /// The store was closed.
    Closed,
    /// The disks hold as many records as the index may.
    Index,
    /// Not asked for often enough, so far.
    Unproven,
    /// The disks' write budget is spent.
    BudgetSpent,
}

impl Metrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(format!("millpond_store_{name}"), help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let by = |name: &str, help: &str, label: &str| {
            let options = Opts::new(format!("millpond_store_{name}"), help);
            let counters = IntCounterVec::new(options, &[label])?;
            registry.register(Box::new(counters.clone()))?;
            Ok::<_, prometheus::Error>(counters)
        };
        let options = Opts::new(
            "millpond_store_eviction_age_seconds",
            "How long ago the segment was begun that was emptied last.",
        );
        let eviction_age = IntGaugeVec::new(options, &["disk"])?;
        registry.register(Box::new(eviction_age.clone()))?;
        Ok(Self {
            evicted_segments: counter("evicted_segments_total", "Segments emptied for new use.")?,
            recovered_records: counter("recovered_records_total", "Records found at start.")?,
            skipped_segments: counter(
                "skipped_segments_total",
                "Segments that could not be read at start.",
            )?,
            purges: counter("purges_total", "Purges made durable.")?,
            planned_records: counter(
                "planned_records_total",
                "Records queued for a disk because a plan wants them there.",
            )?,
            admitted_records: counter("admitted_records_total", "Records queued for a disk.")?,
            reinserted_records: counter(
                "reinserted_records_total",
                "Records that were written once more because they are hot.",
            )?,
            refused_pins: counter(
                "pins_refused_total",
                "Pins that were refused: what is pinned already takes all that it may.",
            )?,
            eviction_age,
            reads: by(
                "disk_reads_total",
                "Attempts to get a record from disk.",
                "outcome",
            )?,
            read_bytes: counter("disk_read_bytes_total", "Payload bytes served from disk.")?,
            written_bytes: by(
                "disk_written_bytes_total",
                "Bytes written to disk.",
                "reason",
            )?,
            unadmitted: by(
                "unadmitted_records_total",
                "Records that stayed in RAM only.",
                "reason",
            )?,
            write_errors: by(
                "write_errors_total",
                "Writes and syncs that failed.",
                "reason",
            )?,
        })
    }

    pub(crate) fn disk_read(&self, outcome: DiskRead) {
        let label = match outcome {
            DiskRead::Hit => "hit",
            DiskRead::Collapsed => "collapsed",
            DiskRead::Mismatch => "mismatch",
            DiskRead::Corrupt => "corrupt",
            DiskRead::Error => "error",
            DiskRead::Timeout => "timeout",
            DiskRead::Refused => "refused",
            DiskRead::Full => "no_memory",
            DiskRead::Superseded => "superseded",
        };
        self.reads.with_label_values(&[label]).inc();
    }

    pub(crate) fn served_from_disk(&self, bytes: usize) {
        self.read_bytes.inc_by(bytes as u64);
    }

    pub(crate) fn written(&self, bytes: u64, kept: bool) {
        let reason = if kept { "kept" } else { "admitted" };
        self.written_bytes
            .with_label_values(&[reason])
            .inc_by(bytes);
    }

    pub(crate) fn unadmitted(&self, reason: Unadmitted, records: u64) {
        let label = match reason {
            Unadmitted::Full => "queue_full",
            Unadmitted::TooLarge => "too_large",
            Unadmitted::Faulty => "disk_fault",
            Unadmitted::Closed => "closed",
            Unadmitted::Index => "index_full",
            Unadmitted::Unproven => "unproven",
            Unadmitted::BudgetSpent => "budget_spent",
        };
        self.unadmitted.with_label_values(&[label]).inc_by(records);
    }

    pub(crate) fn evicted(&self, disk: &str, age: Option<Duration>) {
        self.evicted_segments.inc();
        if let Some(age) = age {
            let seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
            self.eviction_age.with_label_values(&[disk]).set(seconds);
        }
    }

    pub(crate) fn write_failed(&self, no_space: bool) {
        let reason = if no_space { "no_space" } else { "error" };
        self.write_errors.with_label_values(&[reason]).inc();
    }
}

/// Gauges that are read from the store when they are asked for. They vanish with it.
pub(crate) struct Gauges {
    store: Weak<Inner>,
    bytes: IntGaugeVec,
    records: IntGaugeVec,
    index_bytes: IntGauge,
    policy_bytes: IntGauge,
    write_budget: IntGauge,
    pinned_bytes: IntGauge,
    queued_bytes: IntGaugeVec,
    disk_state: IntGaugeVec,
    disk_engine: IntGaugeVec,
    registered_bytes: IntGaugeVec,
}

impl Gauges {
    pub(crate) fn register(
        store: Weak<Inner>,
        registry: &Registry,
    ) -> Result<(), prometheus::Error> {
        let by = |name: &str, help: &str, labels: &[&str]| {
            IntGaugeVec::new(Opts::new(format!("millpond_store_{name}"), help), labels)
        };
        registry.register(Box::new(Self {
            store,
            bytes: by("bytes", "Bytes held, by tier.", &["tier"])?,
            records: by("records", "Records held, by tier.", &["tier"])?,
            index_bytes: IntGauge::new("millpond_store_index_bytes", "RAM of the disks' index.")?,
            policy_bytes: IntGauge::new(
                "millpond_store_policy_bytes",
                "RAM of what is known about how often slices are asked for.",
            )?,
            write_budget: IntGauge::new(
                "millpond_store_write_budget_bytes",
                "Bytes that may be written to the disks now.",
            )?,
            pinned_bytes: IntGauge::new(
                "millpond_store_pinned_bytes",
                "Bytes of what is kept whatever the traffic, held or not.",
            )?,
            queued_bytes: by("queued_bytes", "Bytes that wait to be written.", &["disk"])?,
            registered_bytes: by(
                "disk_registered_bytes",
                "Bytes of a disk's buffers that are registered with the kernel.",
                &["disk"],
            )?,
            disk_state: by(
                "disk_state",
                "1 for the state that a disk is in.",
                &["disk", "state"],
            )?,
            disk_engine: by(
                "disk_engine",
                "1 for the engine that moves a disk's blocks.",
                &["disk", "engine"],
            )?,
        }))
    }

    fn vectors(&self) -> [&IntGaugeVec; 6] {
        [
            &self.bytes,
            &self.records,
            &self.queued_bytes,
            &self.disk_state,
            &self.disk_engine,
            &self.registered_bytes,
        ]
    }

    fn numbers(&self) -> [&IntGauge; 4] {
        [
            &self.index_bytes,
            &self.policy_bytes,
            &self.write_budget,
            &self.pinned_bytes,
        ]
    }

    fn set(&self, stats: &Stats) {
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let (ram, disk) = (["ram"], ["disk"]);
        self.bytes
            .with_label_values(&ram)
            .set(signed(stats.ram_bytes));
        self.records
            .with_label_values(&ram)
            .set(signed(stats.ram_records));
        let bytes = stats.disks.iter().map(|disk| disk.bytes).sum();
        self.bytes.with_label_values(&disk).set(signed(bytes));
        let records = stats.disks.iter().map(|disk| disk.records).sum();
        self.records.with_label_values(&disk).set(signed(records));
        self.index_bytes.set(signed(stats.index_bytes));
        self.policy_bytes.set(signed(stats.policy_bytes));
        self.write_budget.set(signed(stats.write_budget_bytes));
        self.pinned_bytes.set(signed(stats.pinned_bytes));
        for disk in &stats.disks {
            let path = disk.path.display().to_string();
            self.queued_bytes
                .with_label_values(&[&path])
                .set(signed(disk.queued_bytes));
            self.registered_bytes
                .with_label_values(&[&path])
                .set(signed(disk.registered_bytes));
            if let Some(engine) = disk.engine {
                self.disk_engine
                    .with_label_values(&[path.as_str(), engine.as_str()])
                    .set(1);
            }
            for label in DiskState::LABELS {
                let here = i64::from(label == disk.state.as_str());
                self.disk_state
                    .with_label_values(&[path.as_str(), label])
                    .set(here);
            }
        }
    }
}

impl Collector for Gauges {
    fn desc(&self) -> Vec<&Desc> {
        let mut all: Vec<_> = self
            .vectors()
            .into_iter()
            .flat_map(Collector::desc)
            .collect();
        all.extend(self.numbers().into_iter().flat_map(Collector::desc));
        all
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Some(store) = self.store.upgrade() else {
            return Vec::new();
        };
        self.set(&store.stats());
        let mut all: Vec<_> = self
            .vectors()
            .into_iter()
            .flat_map(Collector::collect)
            .collect();
        all.extend(self.numbers().into_iter().flat_map(Collector::collect));
        all
    }
}
