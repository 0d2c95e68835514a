//! Putting and getting on both tiers.

use crate::oracle::{Place, STAMP, body, content, key, open, until};
use bytes::Bytes;
use disk::{Fault, Operation, Rule};
use store::{Config, DiskState, Key, Tier};

#[tokio::test]
async fn a_put_is_in_ram_at_once() {
    let opened = open(Config {
        ram_bytes: 1 << 20,
        ..Config::default()
    })
    .await;
    assert_eq!(opened.store.tier(&key(1)), None);
    opened.store.put(key(1), STAMP, body(1));
    assert_eq!(opened.store.tier(&key(1)), Some(Tier::Ram));
    assert_eq!(opened.store.get_ram(&key(1)).unwrap().bytes, body(1));
    assert_eq!(opened.get(1).await.unwrap().1, Tier::Ram);
    opened.store.remove(&key(1));
    assert_eq!(opened.store.get_ram(&key(1)), None);
    assert_eq!(
        opened.counter("unadmitted_records_total", None),
        0,
        "no disk was asked for"
    );
}

#[tokio::test]
async fn records_of_every_length_come_back_from_disk_byte_for_byte() {
    let mut place = Place::new(64 << 20);
    place.config.segment_bytes = 8 << 20;
    let lengths = [
        0,
        1,
        55,
        56,
        57,
        4023,
        4024,
        4025,
        16_384,
        16_385,
        1 << 20,
        (1 << 20) + 1,
        4 << 20,
    ];
    let opened = place.open().await;
    let epoch = opened.store.purge(9).await.unwrap();
    for (number, length) in (0..).zip(lengths) {
        opened
            .store
            .put(key(number), epoch, content(&key(number), 1, length));
    }
    opened.store.flush().await;
    for round in ["before", "after"] {
        let opened = if round == "before" {
            opened.store.clone()
        } else {
            place.crashed().open().await.store
        };
        for (number, length) in (0..).zip(lengths) {
            let (record, tier) = opened.get(&key(number)).await.unwrap();
            assert_eq!(
                record.bytes,
                content(&key(number), 1, length),
                "{length} {round} a restart"
            );
            assert_eq!((record.stamp, tier), (epoch, Tier::Disk));
        }
    }
}

#[tokio::test]
async fn a_closed_store_is_whole_after_a_restart() {
    let place = Place::new(16 << 20);
    let opened = place.open().await;
    opened.put_all(0..1_000).await;
    opened.close().await;
    let opened = place.open().await;
    assert_eq!(opened.count_held(0..1_000).await, 1_000);
    assert_eq!(opened.counter("recovered_records_total", None), 1_000);
    assert_eq!(opened.store.stats().disks[0].records, 1_000);
}

#[tokio::test]
async fn a_disk_hit_is_in_ram_from_then_on_and_ram_hits_leave_the_disk_alone() {
    let mut place = Place::new(16 << 20);
    place.open().await.put_all(0..1).await;
    let place = {
        place.config.ram_bytes = 8 << 20;
        place.crashed()
    };
    let opened = place.open().await;
    assert_eq!(opened.store.tier(&key(0)), Some(Tier::Disk));
    assert_eq!(opened.get(0).await.unwrap().1, Tier::Disk);
    let operations = || {
        [Operation::Read, Operation::Write, Operation::Sync].map(|what| place.faults.count(what))
    };
    let before = operations();
    for _ in 0..100 {
        assert_eq!(opened.get(0).await.unwrap().1, Tier::Ram);
        assert_eq!(opened.store.get_ram(&key(0)).unwrap().bytes, body(0));
    }
    opened.store.flush().await;
    assert_eq!(operations(), before);
}

#[tokio::test]
async fn concurrent_gets_of_one_key_are_one_disk_read() {
    let place = Place::new(16 << 20);
    place.open().await.put_all(0..8).await;
    let place = place.crashed();
    let opened = place.open().await;
    let before = place.faults.count(Operation::Read);
    place.faults.add(Rule::always(Operation::Read, Fault::Hang));
    let gets: Vec<_> = (0..32)
        .map(|_| {
            let store = opened.store.clone();
            tokio::spawn(async move { store.get(&key(3)).await })
        })
        .collect();
    until("collapsing", || {
        opened.counter("disk_reads_total", Some("collapsed")) == 31
    })
    .await;
    place.faults.clear();
    for get in gets {
        let (record, tier) = get.await.unwrap().unwrap();
        assert_eq!((record.bytes, tier), (body(3), Tier::Disk));
    }
    assert_eq!(place.faults.count(Operation::Read) - before, 1);
}

#[tokio::test]
async fn a_get_that_is_given_up_does_not_take_the_others_with_it() {
    let place = Place::new(16 << 20);
    place.open().await.put_all(0..8).await;
    let place = place.crashed();
    let opened = place.open().await;
    place.faults.add(Rule::always(Operation::Read, Fault::Hang));
    let reads = place.faults.count(Operation::Read);
    let first = tokio::spawn({
        let store = opened.store.clone();
        async move { store.get(&key(3)).await }
    });
    until("the read", || place.faults.count(Operation::Read) > reads).await;
    let second = tokio::spawn({
        let store = opened.store.clone();
        async move { store.get(&key(3)).await }
    });
    until("collapsing", || {
        opened.counter("disk_reads_total", Some("collapsed")) == 1
    })
    .await;
    first.abort();
    assert!(first.await.is_err());
    place.faults.clear();
    assert_eq!(second.await.unwrap().unwrap().0.bytes, body(3));
}

#[tokio::test]
async fn a_full_queue_leaves_records_in_ram_and_counts_them() {
    let mut place = Place::new(64 << 20);
    place.config.write_queue_bytes = 1 << 20;
    place.config.ram_bytes = 64 << 20;
    let opened = place.open().await;
    place
        .faults
        .add(Rule::always(Operation::Write, Fault::Hang));
    for number in 0..200 {
        opened
            .store
            .put(key(number), STAMP, content(&key(number), 0, 20_000));
    }
    let refused = opened.counter("unadmitted_records_total", Some("queue_full"));
    assert!(
        (140..160).contains(&refused),
        "{refused} of 200 x 20 kB did not fit into 1 MiB"
    );
    assert!(opened.store.stats().disks[0].queued_bytes <= 1 << 20);
    for number in 0..200 {
        let record = opened.store.get_ram(&key(number)).unwrap();
        assert_eq!(record.bytes, content(&key(number), 0, 20_000));
    }
    place.faults.clear();
    opened.store.flush().await;
    assert_eq!(opened.store.stats().disks[0].records, 200 - refused);
}

#[tokio::test]
async fn what_waits_to_be_written_can_be_read() {
    let place = Place::new(16 << 20);
    let opened = place.open().await;
    place
        .faults
        .add(Rule::always(Operation::Write, Fault::Hang));
    opened.put(1);
    assert_eq!(opened.store.tier(&key(1)), Some(Tier::Ram));
    assert!(opened.holds(1).await);
    place.faults.clear();
}

#[tokio::test]
async fn a_record_too_long_for_a_segment_stays_in_ram() {
    let mut place = Place::new(16 << 20);
    place.config.ram_bytes = 8 << 20;
    let opened = place.open().await;
    opened
        .store
        .put(key(1), STAMP, content(&key(1), 0, 128 << 10));
    assert_eq!(
        opened.counter("unadmitted_records_total", Some("too_large")),
        1
    );
    assert_eq!(opened.store.tier(&key(1)), Some(Tier::Ram));
}

#[tokio::test]
async fn the_last_put_of_a_key_wins() {
    let place = Place::new(16 << 20);
    let opened = place.open().await;
    for version in 0..50 {
        opened
            .store
            .put(key(1), STAMP, content(&key(1), version, 500));
        if version % 7 == 0 {
            opened.store.flush().await;
        }
    }
    opened.store.flush().await;
    let last = content(&key(1), 49, 500);
    assert_eq!(opened.get(1).await.unwrap().0.bytes, last);
    let again = place.crashed().open().await;
    assert_eq!(again.get(1).await.unwrap().0.bytes, last);
    assert_eq!(again.store.stats().disks[0].records, 1);
}

#[tokio::test]
async fn an_older_version_does_not_come_back_when_the_newer_one_could_not_be_queued() {
    let mut place = Place::new(16 << 20);
    place.config.write_queue_bytes = 40_000;
    let opened = place.open().await;
    opened.store.put(key(1), STAMP, content(&key(1), 1, 100));
    opened.store.flush().await;
    place
        .faults
        .add(Rule::always(Operation::Write, Fault::Hang));
    opened.store.put(key(2), STAMP, content(&key(2), 1, 30_000));
    opened.store.put(key(1), STAMP, content(&key(1), 2, 30_000));
    assert_eq!(
        opened.counter("unadmitted_records_total", Some("queue_full")),
        1
    );
    assert_eq!(
        opened.get(1).await,
        None,
        "there is no RAM tier here to hold it"
    );
    place.faults.clear();
    opened.store.flush().await;
    assert_eq!(place.crashed().open().await.get(1).await, None);
}

#[tokio::test]
async fn keys_spread_over_all_disks_and_are_found_again() {
    let mut place = Place::new(16 << 20);
    place.config.disks.push(place.disk("second", 16 << 20));
    place.config.disks.push(place.disk("third", 16 << 20));
    let opened = place.open().await;
    opened.put_all(0..900).await;
    for disk in &opened.store.stats().disks {
        assert!(
            (200..400).contains(&disk.records),
            "{} of 900",
            disk.records
        );
    }
    let place = place.crashed();
    let opened = place.open().await;
    assert_eq!(opened.count_held(0..900).await, 900);
    for number in 0..900 {
        opened.store.remove(&key(number));
    }
    opened.store.flush().await;
    assert_eq!(place.crashed().open().await.count_held(0..900).await, 0);
}

#[tokio::test]
async fn a_record_on_disk_takes_less_than_100_bytes_of_ram() {
    let mut place = Place::new(64 << 20);
    place.config.segment_bytes = 4 << 20;
    let opened = place.open().await;
    let records = 60_000;
    for number in 0..records {
        opened
            .store
            .put(key(number), STAMP, Bytes::from_static(b"x"));
        if number % 8192 == 0 {
            opened.store.flush().await;
        }
    }
    opened.store.flush().await;
    let stats = opened.store.stats();
    assert_eq!(stats.disks[0].records, records);
    let hundredths = stats.index_bytes * 100 / records;
    println!("{hundredths} hundredths of a byte a record");
    assert!(
        hundredths <= 48_50,
        "{hundredths} hundredths of a byte a record"
    );
}

#[tokio::test]
async fn a_closed_store_serves_and_takes_nothing_more_to_disk() {
    let mut place = Place::new(16 << 20);
    place.config.ram_bytes = 1 << 20;
    let opened = place.open().await;
    opened.put(1);
    opened.store.close().await;
    opened.store.close().await;
    opened.store.flush().await;
    opened.put(2);
    assert!(opened.holds(1).await && opened.holds(2).await);
    assert_eq!(
        opened.counter("unadmitted_records_total", Some("closed")),
        1
    );
    assert_eq!(opened.store.stats().disks[0].state, DiskState::Closed);
    assert!(opened.store.purge(1).await.is_err());
    drop(opened);
    let opened = place.open().await;
    assert!(opened.holds(1).await && !opened.holds(2).await);
}

#[tokio::test]
async fn two_stores_do_not_share_a_disk() {
    let place = Place::new(16 << 20);
    let opened = place.open().await;
    opened.put_all(0..10).await;
    let other = place.open().await;
    assert!(matches!(
        other.store.stats().disks[0].state,
        DiskState::Absent(_)
    ));
    assert_eq!(opened.count_held(0..10).await, 10);
}

#[tokio::test]
async fn one_registry_has_one_store() {
    let place = Place::new(16 << 20);
    let opened = place.open().await;
    let again = store::Store::open(Config::default(), &opened.registry).await;
    assert!(matches!(again, Err(store::Error::Metrics(_))));
}

#[test]
fn keys_of_the_oracle_differ() {
    let keys: std::collections::HashSet<Key> = (0..10_000).map(key).collect();
    assert_eq!(keys.len(), 10_000);
}
