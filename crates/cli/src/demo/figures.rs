//! The live line: what both nodes have counted so far.

use std::fmt;

use prometheus::{Registry, proto::Metric};

/// Counters of the edge, and what the shield read from the origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Figures {
    hits: u64,
    misses: u64,
    collapsed: u64,
    ram_bytes: u64,
    disk_bytes: u64,
    shield_bytes: u64,
    origin_bytes: u64,
}

impl Figures {
    pub(crate) fn of(edge: &Registry, shield: &Registry) -> Self {
        let answers = |outcome| sum(edge, "millpond_cache_answers_total", Some(outcome));
        let bodies = |source| sum(edge, "millpond_cache_body_bytes_total", Some(source));
        Self {
            hits: answers("hit") + answers("stale") + answers("revalidated"),
            misses: answers("miss"),
            collapsed: answers("collapsed"),
            ram_bytes: bodies("ram"),
            disk_bytes: bodies("disk"),
            shield_bytes: sum(edge, "millpond_cache_fill_bytes_total", None),
            origin_bytes: sum(shield, "millpond_cache_fill_bytes_total", None),
        }
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "hits {}  misses {}  collapsed {}  |  RAM {}  disk {}  from shield {}  from origin {}",
            self.hits,
            self.misses,
            self.collapsed,
            Bytes(self.ram_bytes),
            Bytes(self.disk_bytes),
            Bytes(self.shield_bytes),
            Bytes(self.origin_bytes)
        )
    }
}

struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes @ 0..1024 => write!(f, "{bytes} B"),
            bytes @ 1024..1_048_576 => write!(f, "{} KiB", bytes / 1024),
            bytes => write!(f, "{}.{} MiB", bytes >> 20, ((bytes & 0xF_FFFF) * 10) >> 20),
        }
    }
}

/// The sum of a counter over its labels, or of those whose one label has `value`.
pub(super) fn sum(registry: &Registry, name: &str, value: Option<&str>) -> u64 {
    let family = registry
        .gather()
        .into_iter()
        .find(|family| family.name() == name);
    let Some(family) = family else { return 0 };
    let wanted = |metric: &&Metric| {
        value.is_none_or(|value| {
            metric
                .get_label()
                .iter()
                .any(|label| label.value() == value)
        })
    };
    let total: f64 = family
        .get_metric()
        .iter()
        .filter(wanted)
        .map(|metric| metric.get_counter().get_value())
        .sum();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a counter of ours is a whole number that f64 holds exactly up to 2^53"
    )]
    let total = total as u64;
    total
}
