//! What gets onto the disks: what has proven itself, once there is a choice to make.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use store::{Admit, Clock, Key, Tier, WritesPerDay};

use crate::oracle::{Opened, Place, STAMP, content};

pub(crate) const SLICE: usize = 20_000;
const DISK: u64 = 2 << 20;
/// RAM for one slice: it leaves when another comes.
const ONE: u64 = 30_000;

/// A disk whose log takes what the policy admits, and a clock that is set by hand.
pub(crate) struct Bench {
    pub(crate) place: Place,
    pub(crate) seconds: Arc<AtomicU64>,
}

impl Bench {
    pub(crate) fn new(ram_bytes: u64) -> Self {
        let (mut place, seconds) = (Place::new(DISK), Arc::new(AtomicU64::new(0)));
        place.config.ram_bytes = ram_bytes;
        place.config.admit = Admit::Proven;
        place.config.clock = Clock::new({
            let seconds = Arc::clone(&seconds);
            move || Duration::from_secs(seconds.load(Ordering::Relaxed))
        });
        Self { place, seconds }
    }

    pub(crate) async fn open(&self) -> Opened {
        self.place.open().await
    }

    pub(crate) fn pass(&self, time: Duration) {
        self.seconds.fetch_add(time.as_secs(), Ordering::Relaxed);
    }
}

pub(crate) fn slice(number: u32) -> Key {
    Key::slice([7; 16], number)
}

/// As a node does: the reference, the look, and the fill.
pub(crate) async fn ask(opened: &Opened, number: u32, viewer: u64) -> Option<Tier> {
    let key = slice(number);
    opened.store.reference(&key, Some(viewer));
    let body = content(&key, 0, SLICE);
    if let Some((record, tier)) = opened.store.get(&key).await {
        assert_eq!(record.bytes, body, "WRONG BYTES for slice {number}");
        return Some(tier);
    }
    opened.store.put(key, STAMP, body);
    None
}

/// Has the disk filled with slices that nobody asks for again, and its first rush be over.
pub(crate) async fn warm(bench: &Bench, opened: &Opened) {
    for number in 100_000..102_000 {
        ask(opened, number, 1).await;
        bench.pass(Duration::from_mins(1));
        if number % 16 == 0 {
            opened.store.flush().await;
        }
    }
    opened.store.flush().await;
}

pub(crate) fn written(opened: &Opened) -> u64 {
    opened.counter("admitted_records_total", None)
}

#[tokio::test]
async fn an_empty_disk_takes_whatever_comes() {
    let bench = Bench::new(1 << 20);
    let opened = bench.open().await;
    for number in 0..60 {
        ask(&opened, number, 1).await;
    }
    opened.store.flush().await;
    assert_eq!(written(&opened), 60);
}

#[tokio::test]
async fn what_is_asked_for_once_does_not_get_onto_a_warm_disk() {
    let bench = Bench::new(1 << 20);
    let opened = bench.open().await;
    warm(&bench, &opened).await;
    let before = written(&opened);
    for number in 0..500 {
        ask(&opened, number, 1).await;
    }
    opened.store.flush().await;
    let once = written(&opened) - before;
    assert!(once < 25, "{once} of 500 written");
    assert!(opened.counter("unadmitted_records_total", Some("unproven")) > 475);
}

#[tokio::test]
async fn what_is_asked_for_again_and_again_gets_onto_a_warm_disk_and_stays() {
    let bench = Bench::new(200_000);
    let opened = bench.open().await;
    warm(&bench, &opened).await;
    // Thirty slices that many want, between others that nobody wants again.
    for round in 0..40_u32 {
        for number in 0..30 {
            ask(&opened, number, u64::from(round)).await;
        }
        for number in 0..30 {
            ask(&opened, 1_000 + round * 30 + number, 1).await;
        }
        opened.store.flush().await;
        bench.pass(Duration::from_mins(30));
    }
    let mut held = 0;
    for number in 0..30 {
        held += u32::from(ask(&opened, number, 99).await.is_some());
    }
    assert!(held >= 28, "{held} of 30");
}

#[tokio::test]
async fn a_hit_in_ram_never_writes() {
    let bench = Bench::new(8 << 20);
    let opened = bench.open().await;
    warm(&bench, &opened).await;
    for number in 0..20 {
        ask(&opened, number, 1).await;
    }
    opened.store.flush().await;
    let before = written(&opened);
    for viewer in 0..50 {
        for number in 0..20 {
            assert_eq!(ask(&opened, number, viewer).await, Some(Tier::Ram));
        }
    }
    opened.store.flush().await;
    assert_eq!(written(&opened), before);
}

#[tokio::test]
async fn what_proved_itself_in_ram_is_written_when_it_leaves() {
    let bench = Bench::new(ONE);
    let opened = bench.open().await;
    warm(&bench, &opened).await;
    let before = written(&opened);
    for viewer in 0..50 {
        ask(&opened, 1, viewer).await;
    }
    opened.store.flush().await;
    assert_eq!(written(&opened), before, "it is in RAM");
    ask(&opened, 2, 1).await;
    opened.store.flush().await;
    assert_eq!(opened.store.tier(&slice(1)), Some(Tier::Disk));
}

#[tokio::test]
async fn a_viewer_who_comes_back_within_a_minute_proves_nothing() {
    let bench = Bench::new(ONE);
    let opened = bench.open().await;
    warm(&bench, &opened).await;
    for _ in 0..50 {
        ask(&opened, 1, 42).await;
    }
    ask(&opened, 2, 1).await;
    opened.store.flush().await;
    assert_eq!(opened.store.tier(&slice(1)), None);
}

#[tokio::test]
async fn no_more_is_written_than_the_budget_allows() {
    let mut bench = Bench::new(0);
    bench.place.config.disks[0].writes_per_day = WritesPerDay::Bytes(100_000);
    let opened = bench.open().await;
    for number in 0..200 {
        ask(&opened, number, 1).await;
        opened.store.flush().await;
    }
    // A week of it, and the one that overdrew it.
    assert_eq!(written(&opened), 700_000 / SLICE as u64);
    assert!(opened.counter("unadmitted_records_total", Some("budget_spent")) > 100);
    bench.pass(Duration::from_hours(24));
    ask(&opened, 1_000, 1).await;
    opened.store.flush().await;
    assert_eq!(
        opened.store.stats().write_budget_bytes,
        100_000 - SLICE as u64
    );
}
