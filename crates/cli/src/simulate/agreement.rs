//! The model beside what it models: a real store on a real file, fed with the same trace.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use prometheus::Registry;
use store::{Clock, Config, DiskConfig, Epoch, Key, Store, Tier};
use traces::{Preset, Request, Synthetic};

use super::{
    Policy,
    access::{Access, Cut},
    millpond::Millpond,
    replay::Plan,
    tally::{Source, Tally},
};

/// A film's half minutes, made small: a disk of some megabytes holds what one of terabytes would.
const SHRINK: u64 = 200;
const SEGMENT: u64 = 1 << 20;
/// How far the parts of the bytes that were hit may differ. The store rounds batches to blocks,
/// writes footers, and writes a little later than the model.
const APART: f64 = 0.02;

fn accesses() -> Vec<Access> {
    let settings = Preset::A.settings(0.003, 5, 1);
    let mut start = None;
    let shrunk = Synthetic::new(&settings).flat_map(|request| {
        let size = (request.object_size / SHRINK).max(1);
        let small = Request {
            object_size: size,
            offset: 0,
            length: size,
            ..request
        };
        let start = *start.get_or_insert(request.unix_ms);
        Cut::Whole.accesses(&small, start)
    });
    shrunk.collect()
}

/// The clock of a store, set by its user.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicU64>);

impl Hand {
    fn set(&self, at: Duration) {
        let ms = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        self.0.store(ms, Ordering::Relaxed);
    }

    fn clock(&self) -> Clock {
        let hand = self.clone();
        Clock::new(move || Duration::from_millis(hand.0.load(Ordering::Relaxed)))
    }
}

async fn really(plan: &Plan, accesses: &[Access]) -> Tally {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let hand = Hand::default();
    let config = Config {
        ram_bytes: plan.ram_bytes,
        disks: vec![DiskConfig::new(folder.path().join("disk"), plan.disk_bytes)],
        state_dir: Some(folder.path().join("state")),
        segment_bytes: plan.segment_bytes,
        read_timeout: Duration::from_mins(1),
        clock: hand.clock(),
        ..Config::default()
    };
    let store = Store::open(config, &Registry::new())
        .await
        .expect("a store");
    let mut tally = Tally::default();
    for (number, access) in accesses.iter().enumerate() {
        hand.set(access.at);
        let mut id = [0; 16];
        id[..8].copy_from_slice(&access.tag.to_le_bytes());
        let key = Key::slice(id, 0);
        store.reference(&key, Some(access.viewer));
        let source = match store.get(&key).await {
            Some((_, Tier::Ram)) => Source::Ram,
            Some((_, Tier::Disk)) => Source::Disk,
            None => {
                let length = usize::try_from(access.bytes).expect("a small slice");
                store.put(key, Epoch::ZERO, Bytes::from(vec![0; length]));
                Source::Upstream
            }
        };
        tally.count(
            access,
            super::tally::Served { source, written: 0 },
            Duration::ZERO,
        );
        // As fast as a disk is, compared with days.
        if number.is_multiple_of(32) {
            store.flush().await;
        }
    }
    store.close().await;
    tally
}

fn simulated(plan: &Plan, accesses: &[Access]) -> Tally {
    let (mut model, mut tally) = (Millpond::new(plan), Tally::default());
    for access in accesses {
        let served = model.access(access);
        tally.count(access, served, Duration::ZERO);
    }
    tally
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_simulator_and_a_real_store_agree_on_hits() {
    let accesses = accesses();
    let mut sizes: std::collections::HashMap<u64, u64> = std::collections::HashMap::new();
    sizes.extend(accesses.iter().map(|access| (access.tag, access.bytes)));
    let footprint: u64 = sizes.values().sum();
    for part in [10, 4, 2] {
        let disk_bytes = footprint / part;
        let plan = Plan {
            policy: Policy::Millpond,
            ram_bytes: disk_bytes / 50,
            disk_bytes,
            segment_bytes: SEGMENT,
            disk_writes_per_day: disk_bytes,
        };
        let (model, real) = (simulated(&plan, &accesses), really(&plan, &accesses).await);
        let apart = (model.byte_hits() - real.byte_hits()).abs();
        let told = format!(
            "1/{part}: {:.3} and {:.3}",
            model.byte_hits(),
            real.byte_hits()
        );
        println!("{told}");
        assert!(apart < APART, "{told}");
        assert!(model.byte_hits() > 0.2, "{told} shows little");
    }
}
