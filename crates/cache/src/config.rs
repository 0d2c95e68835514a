//! What a node may set, with the reason for each default.

use std::{sync::Arc, time::Duration};

/// Limits and times of the cache.
#[derive(Debug, Clone)]
pub struct Config {
    /// The node's name in `Cache-Status`.
    pub node: Arc<str>,
    /// Memory for parsed object heads; one costs about 1 KiB.
    pub heads_bytes: u64,
    /// Upstream reads at the same time. Each holds at most one slice (4 MiB), so this bounds the
    /// memory of fills: 256 is at most 1 GiB, and in practice a tenth of it.
    pub fills_max: usize,
    /// Answers that may not be stored, on their way at the same time. They go at the viewer's
    /// pace, so they have places of their own: a slow viewer must not keep others from filling.
    pub passes_max: usize,
    /// How long a fill may queue for one of those places before it fails with 503.
    pub fill_queue_wait: Duration,
    /// A fill without a byte for this long is replaced by one that resumes where it stopped.
    pub stall: Duration,
    /// How often one fill may be resumed; hardening allows two retries.
    pub resumes_max: u32,
    /// Slices filled ahead of a reader, within the range that it asked for.
    pub read_ahead_slices: u32,
    /// How long an object whose answers may not be stored is asked for without collapsing.
    pub pass_ttl: Duration,
    /// After a failed revalidation the next one waits for so long, and in between what is stale
    /// and may stand in for an error is served at once.
    pub revalidation_pause: Duration,
}

impl Config {
    /// The defaults, for a node named `node`.
    pub fn named(node: impl Into<Arc<str>>) -> Self {
        Self {
            node: node.into(),
            heads_bytes: 64 << 20,
            fills_max: 256,
            passes_max: 64,
            fill_queue_wait: Duration::from_secs(2),
            stall: Duration::from_secs(2),
            resumes_max: 2,
            read_ahead_slices: 3,
            pass_ttl: Duration::from_secs(10),
            revalidation_pause: Duration::from_secs(1),
        }
    }
}

impl Config {
    /// The same with room for `fills_max` fills, and a quarter of that for passes.
    #[must_use]
    pub fn with_fills(self, fills_max: usize) -> Self {
        Self {
            fills_max,
            passes_max: fills_max.div_ceil(4),
            ..self
        }
    }
}
