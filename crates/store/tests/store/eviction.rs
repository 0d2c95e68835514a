//! A log that goes round: what is evicted is a miss, what is left is right.

use std::collections::HashMap;

use bytes::Bytes;
use rand::{Rng, SeedableRng, rngs::StdRng};
use store::{Record, Store, Tier};

use crate::oracle::{Place, STAMP, content, key};

#[tokio::test]
async fn the_log_goes_round_and_what_is_left_is_right() {
    let place = Place::new(2 << 20);
    let opened = place.open().await;
    opened.put_all(0..3_000).await;
    assert!(
        opened.counter("evicted_segments_total", None) > 30,
        "it went round twice"
    );
    let held = opened.count_held(0..3_000).await;
    let disk = &opened.store.stats().disks[0];
    assert_eq!(held, disk.records);
    assert!(
        disk.bytes <= 2 << 20 && disk.bytes > (2 << 20) * 7 / 10,
        "{}",
        disk.bytes
    );
    assert_eq!(opened.count_held(2_800..3_000).await, 200, "the newest");
    let again = place.crashed().open().await;
    assert!(again.count_held(0..3_000).await >= held);
}

#[tokio::test]
async fn records_that_are_used_outlive_those_that_are_not() {
    let place = Place::new(2 << 20);
    let opened = place.open().await;
    opened.put_all(0..100).await;
    for round in 1..40 {
        assert_eq!(opened.count_held(0..20).await, 20, "round {round}");
        opened.put_all(round * 100..(round + 1) * 100).await;
    }
    assert_eq!(opened.count_held(0..20).await, 20);
    assert_eq!(opened.count_held(20..100).await, 0);
    assert!(opened.counter("disk_written_bytes_total", Some("kept")) > 0);
    assert_eq!(place.crashed().open().await.count_held(0..20).await, 20);
}

#[tokio::test]
async fn records_that_are_touched_outlive_those_that_are_not() {
    let place = Place::new(2 << 20);
    let opened = place.open().await;
    opened.put_all(0..100).await;
    for round in 1..40 {
        for number in 0..20 {
            opened.store.touch(&key(number));
        }
        opened.put_all(round * 100..(round + 1) * 100).await;
    }
    let again = place.crashed();
    let again = again.open().await;
    assert_eq!(again.count_held(0..20).await, 20);
    assert_eq!(again.count_held(20..100).await, 0);
}

#[tokio::test]
async fn used_records_never_keep_new_ones_out() {
    let mut place = Place::new(1 << 20);
    // RAM larger than the disk: everything counts as used.
    place.config.ram_bytes = 64 << 20;
    let opened = place.open().await;
    for number in 0..300 {
        let body = content(&key(number), 0, 60_000);
        opened.store.put(key(number), STAMP, body);
        opened.store.flush().await;
    }
    let again = place.crashed();
    let again = again.open().await;
    let (record, _) = again.get(299).await.unwrap();
    assert_eq!(record.bytes, content(&key(299), 0, 60_000));
    let kept = opened.counter("disk_written_bytes_total", Some("kept"));
    let admitted = opened.counter("disk_written_bytes_total", Some("admitted"));
    assert!(kept <= admitted, "{kept} kept, {admitted} admitted");
}

/// The version that a record says it is, checked byte for byte.
fn version(number: u64, record: &Record) -> u64 {
    let version = u64::from_le_bytes(record.bytes[..8].try_into().unwrap());
    let expected = content(&key(number), version, record.bytes.len());
    assert_eq!(record.bytes, expected, "WRONG BYTES for key {number}");
    version
}

fn versioned(number: u64, version: u64, draw: &mut StdRng) -> Bytes {
    let most = [64, 2_000, 30_000][draw.random_range(0..3)];
    content(&key(number), version, draw.random_range(8..=most))
}

/// A store beside a model of it: every key is absent or at its latest version, and a removed one is
/// absent, through evictions, crashes and restarts.
#[tokio::test]
async fn the_store_is_never_behind_its_model() {
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let mut draw = StdRng::seed_from_u64(seed);
    for _ in 0..6 {
        let mut place = Place::new(1 << 20);
        place.config.segment_bytes = 64 << 10;
        place.config.ram_bytes = [0, 100_000][draw.random_range(0..2)];
        let mut opened = place.open().await;
        let mut latest: HashMap<u64, Option<u64>> = HashMap::new();
        let (mut hits, mut gets) = (0, 0);
        for step in 1..1_500 {
            let number = draw.random_range(0..60);
            match draw.random_range(0..100) {
                0..45 => {
                    let body = versioned(number, step, &mut draw);
                    opened.store.put(key(number), STAMP, body);
                    latest.insert(number, Some(step));
                }
                45..52 => {
                    opened.store.remove(&key(number));
                    latest.insert(number, None);
                }
                52..97 => {
                    let held = opened.get(number).await;
                    let held = held.map(|(record, _)| version(number, &record));
                    let known = latest.get(&number).copied().flatten();
                    assert!(
                        held.is_none() || held == known,
                        "{number}: {held:?}, not {known:?}"
                    );
                    gets += 1;
                    hits += u32::from(held.is_some());
                }
                97..99 => opened.store.flush().await,
                _ => {
                    opened.store.flush().await;
                    place = place.crashed();
                    opened = place.open().await;
                }
            }
        }
        assert!(hits > gets / 5, "{hits} hits of {gets} gets show little");
    }
}

async fn churn(store: Store, owner: u64, owners: u64, seed: u64) -> u32 {
    let mut draw = StdRng::seed_from_u64(seed ^ owner);
    let mut latest: HashMap<u64, Option<u64>> = HashMap::new();
    let mut hits = 0;
    for step in 1..800 {
        let mine = draw.random_range(0..30) * owners + owner;
        match draw.random_range(0..10) {
            0..4 => {
                store.put(key(mine), STAMP, versioned(mine, step, &mut draw));
                latest.insert(mine, Some(step));
            }
            4 => {
                store.remove(&key(mine));
                latest.insert(mine, None);
            }
            5..7 => {
                let held = store.get(&key(mine)).await;
                let held = held.map(|(record, _)| version(mine, &record));
                let known = latest.get(&mine).copied().flatten();
                assert!(
                    held.is_none() || held == known,
                    "{mine}: {held:?}, not {known:?}"
                );
            }
            7..9 => {
                // Somebody else's key: any version, but every byte of it.
                let other = draw.random_range(0..30 * owners);
                if let Some((record, tier)) = store.get(&key(other)).await {
                    version(other, &record);
                    hits += u32::from(tier == Tier::Disk);
                }
            }
            _ => store.flush().await,
        }
    }
    hits
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_of_a_log_that_is_written_over_get_right_bytes_or_nothing() {
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    for ram_bytes in [0, 200_000] {
        let mut place = Place::new(1 << 20);
        place.config.segment_bytes = 64 << 10;
        place.config.ram_bytes = ram_bytes;
        let opened = place.open().await;
        let owners = 8;
        let tasks: Vec<_> = (0..owners)
            .map(|owner| tokio::spawn(churn(opened.store.clone(), owner, owners, seed)))
            .collect();
        let mut hits = 0;
        for task in tasks {
            hits += task.await.unwrap();
        }
        let evicted = opened.counter("evicted_segments_total", None);
        println!("{hits} disk hits, {evicted} segments evicted");
        assert!(hits > 100, "{hits} disk hits show little");
        assert!(evicted > 32, "it did not go round twice");
    }
}
