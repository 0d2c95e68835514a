//! What the parts of the memory budget take, beside what each may take.

use cache::{Cache, MemoryUse};
use prometheus::{
    IntGaugeVec, Opts, Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};
use tls::record::RecordLayer;

use crate::Split;

/// Registers `millpond_memory_bytes_max` by part, and `millpond_memory_bytes` of the parts that
/// are counted; `process_resident_memory_bytes` is what the kernel counts of all.
pub(crate) fn register(
    split: Split,
    cache: &Cache,
    registry: &Registry,
) -> Result<(), prometheus::Error> {
    let by_part = |name, help| IntGaugeVec::new(Opts::new(name, help), &["part"]);
    let most = by_part(
        "millpond_memory_bytes_max",
        "What a part of the memory budget may take.",
    )?;
    most.with_label_values(&["budget"])
        .set(signed(split.budget_bytes));
    for part in split.parts {
        most.with_label_values(&[part.name])
            .set(signed(part.bytes_max));
    }
    registry.register(Box::new(most))?;
    registry.register(Box::new(Gauges {
        memory_use: cache.memory_use(),
        used: by_part(
            "millpond_memory_bytes",
            "What a part of the memory budget takes.",
        )?,
    }))
}

/// Registers `millpond_tls_record_layer`, 1 for the layer in use: not always the one configured.
pub(crate) fn register_records(
    layer: RecordLayer,
    registry: &Registry,
) -> Result<(), prometheus::Error> {
    let gauge = IntGaugeVec::new(
        Opts::new(
            "millpond_tls_record_layer",
            "1 for what makes the records of TLS 1.3 over TCP.",
        ),
        &["layer"],
    )?;
    gauge.with_label_values(&[layer.name()]).set(1);
    registry.register(Box::new(gauge))
}

struct Gauges<F> {
    memory_use: F,
    used: IntGaugeVec,
}

impl<F> Collector for Gauges<F>
where
    F: Fn() -> Option<MemoryUse> + Send + Sync,
{
    fn desc(&self) -> Vec<&Desc> {
        self.used.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Some(memory) = (self.memory_use)() else {
            return Vec::new();
        };
        let store = memory.store;
        let parts = [
            ("ram", store.ram_bytes),
            // What waits for a disk is in the RAM tier as well, as a rule.
            (
                "write_queue",
                store.disks.iter().map(|disk| disk.queued_bytes).sum(),
            ),
            (
                "in_flight",
                memory.slices_bytes.saturating_sub(store.ram_bytes),
            ),
            ("index", store.index_bytes),
            ("heads", memory.heads_bytes),
        ];
        for (part, bytes) in parts {
            self.used.with_label_values(&[part]).set(signed(bytes));
        }
        self.used.collect()
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
