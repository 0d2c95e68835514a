//! What the engine, the keeper and whoever asks have in common.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use manifest::{Keys, Signed};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore, watch};

use crate::{
    active::Active, config::Config, config::Parts, failures::Failures, metrics::Metrics,
    schedule::Why, window::At, yielding::Share,
};

pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) parts: Parts,
    pub(crate) metrics: Metrics,
    /// Whose manifests are taken: those of the config, until others are told.
    pub(crate) keys: watch::Sender<Arc<Keys>>,
    /// The plan in force; replaced as a whole.
    pub(crate) active: ArcSwap<Active>,
    /// Places for plans that are there at a time.
    pub(crate) seats: Arc<Semaphore>,
    /// Rung when the plan, or a wish of an operator, has changed.
    pub(crate) changed: Notify,
    pub(crate) is_draining: AtomicBool,
    pub(crate) is_repair_wanted: AtomicBool,
    /// Something that the plan wants was purged, or was found damaged.
    pub(crate) is_some_lost: AtomicBool,
    pub(crate) pulse: Mutex<Pulse>,
    pub(crate) failures: Mutex<Failures>,
}

/// How it stands, as the engine last told.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pulse {
    pub(crate) at: At,
    pub(crate) why: Why,
    pub(crate) share: Share,
    /// What it may use now.
    pub(crate) rate_bytes_per_s: u64,
    /// What has come in of late, by the second.
    pub(crate) measured_bytes_per_s: u64,
    pub(crate) window_bytes: u64,
    pub(crate) running: usize,
    pub(crate) told_at: Duration,
}

impl Shared {
    /// Whether these are the bytes of the manifest that is in force.
    pub(crate) fn is_in_force(&self, file: &[u8]) -> bool {
        let active = self.active.load();
        let digest = active.in_force.state.digest;
        active.in_force.told.is_some()
            && Signed::parse(file).is_ok_and(|signed| Some(signed.digest) == digest)
    }

    /// What the plan's hints and the config leave of rate, window and concurrency.
    pub(crate) fn clamped(&self, active: &Active, now_s: u64) -> manifest::Clamped {
        let told = active.in_force.told.unwrap_or_default();
        let hints = manifest::Hints {
            bytes_per_s: told.bytes_per_s,
            bytes_per_window: told.bytes_per_window,
            concurrency: told.concurrency,
            deadline_s: told.deadline_s,
        };
        let config = &self.config;
        let most = u32::try_from(config.concurrency).unwrap_or(u32::MAX);
        let least = crate::rate::BYTES_PER_S_MIN;
        let bounds = manifest::Bounds {
            bytes_per_s: (least, config.bytes_per_s.max(least)),
            bytes_per_window: (0, config.allowance.window_bytes),
            concurrency: (1, most.max(1)),
        };
        hints.clamped(&bounds, now_s)
    }
}

/// The plan, as the cache asks for it at every fill.
pub(crate) struct Planned {
    pub(crate) active: Arc<Active>,
    /// What the engine's last look at the clock showed: pins end while a plan is in force.
    pub(crate) now_s: Arc<AtomicU64>,
}

impl cache::Plan for Planned {
    fn of(&self, object: cache::ObjectId) -> Option<cache::Expected> {
        let now_s = self.now_s.load(Ordering::Relaxed);
        self.active.expected_of(object, now_s)
    }
}
