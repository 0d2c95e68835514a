//! Memory that slices may take, and what happens when it is all held.

use std::time::Duration;

use store::{Exhausted, INDEX_RECORD_BYTES, Tier};

use crate::oracle::{Place, STAMP, content, key};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_record_without_memory_is_refused_and_there_once_others_let_go() {
    let mut place = Place::new(64 << 20);
    place.config.segment_bytes = 8 << 20;
    place.config.held_bytes = 5 << 19;
    place.config.memory_wait = Duration::from_millis(50);
    let opened = place.open().await;
    let numbers = [1, 2, 3];
    for number in numbers {
        let bytes = content(&key(number), 0, MIB);
        opened.store.put(key(number), STAMP, bytes);
    }
    opened.store.flush().await;
    let held = [opened.get(1).await.unwrap(), opened.get(2).await.unwrap()];
    assert!(held.iter().all(|(_, tier)| *tier == Tier::Disk));
    let refused = opened.store.fetch(&key(3)).await;
    assert_eq!(refused.err(), Some(Exhausted));
    let used = opened.store.budget().used_bytes();
    assert!((2 << 20..=5 << 19).contains(&used), "{used}");
    drop(held);
    let (record, _) = opened.store.fetch(&key(3)).await.unwrap().unwrap();
    assert_eq!(record.bytes, content(&key(3), 0, MIB));
    drop(record);
    assert_eq!(opened.store.budget().used_bytes(), 0);
    assert_eq!(opened.counter("disk_reads_total", Some("no_memory")), 1);
}

#[tokio::test]
async fn who_holds_one_record_twice_counts_once() {
    let mut place = Place::new(64 << 20);
    place.config.segment_bytes = 8 << 20;
    place.config.ram_bytes = 32 << 20;
    let opened = place.open().await;
    opened.store.put(key(1), STAMP, content(&key(1), 0, MIB));
    opened.store.flush().await;
    let opened = place.crashed().open().await;
    let (first, _) = opened.get(1).await.unwrap();
    let once = opened.store.budget().used_bytes();
    let again: Vec<_> = (0..100).map(|_| first.bytes.clone()).collect();
    assert_eq!(opened.store.get_ram(&key(1)).unwrap().bytes, again[0]);
    assert_eq!(opened.store.budget().used_bytes(), once);
}

#[tokio::test]
async fn what_does_not_fit_into_the_index_stays_in_ram_only() {
    let mut place = Place::new(64 << 20);
    place.config.ram_bytes = 32 << 20;
    place.config.disk_records_max = 100;
    let opened = place.open().await;
    for number in 0..300 {
        opened.put_all(number..number + 1).await;
    }
    let stats = opened.store.stats();
    assert_eq!(stats.disks[0].records, 100);
    assert_eq!(
        opened.counter("unadmitted_records_total", Some("index_full")),
        200
    );
    let bytes = stats.index_bytes;
    // 64 tables, each with a little of its own.
    assert!(bytes <= 100 * INDEX_RECORD_BYTES + 64 * 200, "{bytes}");
    assert_eq!(opened.count_held(0..300).await, 300);
}

#[tokio::test]
async fn a_restart_finds_no_more_than_fits_into_the_index() {
    let mut place = Place::new(64 << 20);
    place.open().await.put_all(0..300).await;
    place.config.disk_records_max = 100;
    let opened = place.crashed().open().await;
    assert_eq!(opened.store.stats().disks[0].records, 100);
}
