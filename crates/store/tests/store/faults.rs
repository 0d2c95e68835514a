//! Disks in trouble: misses and counters, never an answer, and back to work afterwards.

use std::{collections::HashMap, time::Duration};

use disk::{Fault, Operation, Rule};
use store::{Checked, DiskState, Tier};

use crate::oracle::{Opened, Place, body, key, until};

fn state(opened: &Opened) -> DiskState {
    opened.store.stats().disks[0].state.clone()
}

#[tokio::test]
async fn a_full_disk_keeps_serving_and_admits_again_when_there_is_room() {
    let mut place = Place::new(4 << 20);
    place.config.ram_bytes = 16 << 20;
    place.config.retry_after = Duration::from_millis(20);
    let opened = place.open().await;
    opened.put_all(0..50).await;
    place
        .faults
        .add(Rule::always(Operation::Write, Fault::Errno(libc::ENOSPC)));
    opened.put_all(50..100).await;
    assert_eq!(state(&opened), DiskState::ReadOnly);
    assert!(opened.counter("write_errors_total", Some("no_space")) >= 1);
    assert!(opened.counter("unadmitted_records_total", Some("disk_fault")) >= 1);
    assert_eq!(
        opened.count_held(0..100).await,
        100,
        "RAM and what was written before"
    );
    assert_eq!(place.crashed().open().await.count_held(0..50).await, 50);
    place.faults.clear();
    let mut number = 100;
    while state(&opened) != DiskState::Serving {
        opened.put_all(number..number + 1).await;
        number += 1;
        assert!(number < 1_000_000, "the disk is not tried again");
    }
    opened.put_all(1_000_000..1_000_050).await;
    assert_eq!(
        place
            .crashed()
            .open()
            .await
            .count_held(1_000_000..1_000_050)
            .await,
        50
    );
}

#[tokio::test]
async fn replacing_records_on_a_full_disk_does_not_cost_the_others() {
    let mut place = Place::new(4 << 20);
    place.config.ram_bytes = 16 << 20;
    let opened = place.open().await;
    opened.put_all(0..50).await;
    place
        .faults
        .add(Rule::always(Operation::Write, Fault::Errno(libc::ENOSPC)));
    opened.put_all(0..10).await;
    assert_eq!(place.crashed().open().await.count_held(0..50).await, 50);
}

#[tokio::test]
async fn failing_writes_leak_no_space() {
    let mut place = Place::new(2 << 20);
    place.config.retry_after = Duration::ZERO;
    let opened = place.open().await;
    opened.put_all(0..100).await;
    place
        .faults
        .add(Rule::always(Operation::Write, Fault::Errno(libc::EIO)));
    for number in 100..600 {
        opened.put(number);
        opened.store.flush().await;
    }
    assert_eq!(
        opened.count_held(0..100).await,
        100,
        "nothing was evicted for nothing"
    );
    place.faults.clear();
    opened.put_all(600..3_000).await;
    let bytes = opened.store.stats().disks[0].bytes;
    assert!(bytes > (2 << 20) * 7 / 10, "{bytes} of 2 MiB in use");
    assert_eq!(opened.count_held(2_900..3_000).await, 100);
}

#[tokio::test]
async fn a_failed_read_is_a_miss_and_the_record_is_forgotten() {
    let place = Place::new(4 << 20);
    let opened = place.open().await;
    opened.put_all(0..10).await;
    place
        .faults
        .add(Rule::times(Operation::Read, Fault::Errno(libc::EIO), 1));
    assert!(!opened.holds(1).await);
    assert_eq!(opened.counter("disk_reads_total", Some("error")), 1);
    assert_eq!(opened.store.tier(&key(1)), None);
    assert_eq!(
        state(&opened),
        DiskState::Serving,
        "one bad sector is not a bad disk"
    );
    assert!(opened.holds(2).await);
}

#[tokio::test]
async fn a_short_read_is_a_miss() {
    let place = Place::new(4 << 20);
    let opened = place.open().await;
    opened.put_all(0..10).await;
    place
        .faults
        .add(Rule::times(Operation::Read, Fault::Short, 1));
    assert!(!opened.holds(1).await);
}

#[tokio::test]
async fn a_byte_that_flips_on_its_way_is_a_miss() {
    let place = Place::new(4 << 20);
    let opened = place.open().await;
    opened.put_all(0..60).await;
    // In the first segment's records, behind the superblocks and the opening.
    let at = 8192 + 4096 + 20_000;
    place
        .faults
        .add(Rule::always(Operation::Read, Fault::Flip { at, mask: 2 }));
    let held = opened.count_held(0..60).await;
    assert_eq!(
        held, 59,
        "the one record that the byte belongs to is missed"
    );
}

#[tokio::test]
async fn who_goes_over_all_that_is_held_finds_the_one_record_that_is_not_what_was_written() {
    let place = Place::new(4 << 20);
    let opened = place.open().await;
    opened.put_all(0..60).await;
    let at = 8192 + 4096 + 20_000;
    let flip = || Rule::always(Operation::Read, Fault::Flip { at, mask: 2 });
    let counted = async || {
        let mut counts = HashMap::new();
        for number in 0..60 {
            let checked = opened.store.check(&key(number)).await;
            *counts.entry(format!("{checked:?}")).or_insert(0) += 1;
        }
        counts
    };
    assert_eq!(counted().await, HashMap::from([("Sound".to_owned(), 60)]));
    place.faults.add(flip());
    let (sound, lost) = (("Sound".to_owned(), 59), ("Lost".to_owned(), 1));
    assert_eq!(
        counted().await,
        HashMap::from([sound.clone(), lost]),
        "the record that the byte belongs to"
    );
    let absent = ("Absent".to_owned(), 1);
    assert_eq!(
        counted().await,
        HashMap::from([sound, absent]),
        "it is gone"
    );
    assert_eq!(
        opened.counter("disk_reads_total", None),
        0,
        "nobody's reads"
    );
}

#[tokio::test]
async fn a_disk_that_hangs_says_nothing_of_what_lies_on_it() {
    let place = Place::new(4 << 20);
    let opened = place.open().await;
    opened.put_all(0..10).await;
    let failing = Fault::Errno(libc::EIO);
    place
        .faults
        .add(Rule::times(Operation::Read, Fault::Hang, 1));
    tokio::time::pause();
    assert_eq!(opened.store.check(&key(1)).await, Checked::Unread);
    tokio::time::resume();
    place.faults.add(Rule::times(Operation::Read, failing, 1));
    assert_eq!(opened.store.check(&key(1)).await, Checked::Lost);
    assert_eq!(
        opened.store.tier(&key(1)),
        None,
        "a bad sector is not read again"
    );
}

#[tokio::test]
async fn a_slow_read_is_a_miss_in_time_and_the_record_stays() {
    let mut place = Place::new(4 << 20);
    place.config.read_timeout = Duration::from_millis(50);
    let opened = place.open().await;
    opened.put_all(0..10).await;
    place
        .faults
        .add(Rule::times(Operation::Read, Fault::Hang, 1));
    assert!(!opened.holds(1).await);
    assert_eq!(opened.counter("disk_reads_total", Some("timeout")), 1);
    assert_eq!(opened.store.tier(&key(1)), Some(Tier::Disk));
    // A busy machine may make a good read late as well.
    let mut tries = 0;
    while !opened.holds(1).await {
        tries += 1;
        assert!(tries < 1_000, "the record is gone");
    }
}

#[tokio::test]
async fn a_disk_whose_reads_fail_in_a_row_is_left_alone_for_a_while() {
    let mut place = Place::new(4 << 20);
    place.config.retry_after = Duration::from_millis(200);
    let opened = place.open().await;
    opened.put_all(0..100).await;
    place
        .faults
        .add(Rule::always(Operation::Read, Fault::Errno(libc::EIO)));
    assert_eq!(opened.count_held(0..50).await, 0);
    assert_eq!(state(&opened), DiskState::Suspended);
    let asked = place.faults.count(Operation::Read);
    assert!(opened.counter("disk_reads_total", Some("refused")) > 0);
    assert!(!opened.holds(99).await);
    assert!(place.faults.count(Operation::Read) <= asked + 1);
    place.faults.clear();
    until("another try", || {
        opened.store.tier(&key(98)) == Some(Tier::Disk)
    })
    .await;
    let mut tries = 0_u32;
    while !opened.holds(98).await {
        tries += 1;
        assert!(tries < 10_000_000, "the disk is not tried again");
        tokio::task::yield_now().await;
    }
    assert_eq!(state(&opened), DiskState::Serving);
}

#[tokio::test]
async fn too_many_reads_at_once_are_misses() {
    let mut place = Place::new(4 << 20);
    place.config.reads_in_flight_max = 4;
    let opened = place.open().await;
    opened.put_all(0..20).await;
    let before = place.faults.count(Operation::Read);
    place.faults.add(Rule::always(Operation::Read, Fault::Hang));
    let gets: Vec<_> = (0..4)
        .map(|number| {
            let store = opened.store.clone();
            tokio::spawn(async move { store.get(&key(number)).await })
        })
        .collect();
    until("four reads", || {
        place.faults.count(Operation::Read) == before + 4
    })
    .await;
    assert!(!opened.holds(10).await);
    assert_eq!(opened.counter("disk_reads_total", Some("refused")), 1);
    place.faults.clear();
    for (number, get) in (0..).zip(gets) {
        assert_eq!(get.await.unwrap().unwrap().0.bytes, body(number));
    }
    assert!(opened.holds(10).await);
}

#[tokio::test]
async fn a_disk_in_trouble_leaves_its_puts_to_the_other() {
    let mut place = Place::new(8 << 20);
    let healthy = store::DiskConfig::new(place.path("second"), 8 << 20);
    place.config.disks.push(healthy);
    let opened = place.open().await;
    opened.put_all(0..100).await;
    place
        .faults
        .add(Rule::always(Operation::Write, Fault::Errno(libc::EROFS)));
    opened.put_all(100..200).await;
    opened.put_all(200..300).await;
    assert_eq!(state(&opened), DiskState::ReadOnly);
    assert_eq!(opened.count_held(0..100).await, 100);
    assert_eq!(
        opened.count_held(200..300).await,
        100,
        "all go to the healthy disk"
    );
}

/// A place with two disks, the first of which fails by `fault`; its records are asked for until it
/// is ejected.
async fn ejected(fault: Fault) -> (Place, Opened) {
    let mut place = Place::new(8 << 20);
    let healthy = store::DiskConfig::new(place.path("second"), 8 << 20);
    place.config.disks.push(healthy);
    place.config.retry_after = Duration::from_millis(1);
    place.config.eject_after = Duration::from_millis(20);
    place.config.read_timeout = Duration::from_millis(20);
    let opened = place.open().await;
    opened.put_all(0..400).await;
    place.faults.add(Rule::always(Operation::Read, fault));
    let mut number = 0;
    while !matches!(state(&opened), DiskState::Ejected(_)) {
        opened.get(number % 400).await;
        // Failed records are forgotten: the disk gets new ones.
        if number % 400 == 399 {
            opened.put_all(0..400).await;
        }
        number += 1;
        assert!(number < 100_000, "{}", state(&opened));
    }
    place.faults.clear();
    (place, opened)
}

#[tokio::test]
async fn a_disk_that_goes_on_failing_is_ejected_and_remembered_and_the_other_goes_on() {
    let (mut place, opened) = ejected(Fault::Errno(libc::EIO)).await;
    until("forgetting", || opened.store.stats().disks[0].records == 0).await;
    opened.put_all(400..500).await;
    // The other disk may be slow on a busy machine, which is a miss; what it holds stays.
    assert!((400..500).all(|number| opened.store.tier(&key(number)) == Some(Tier::Disk)));
    let note = || {
        let names = std::fs::read_dir(place.path("state")).unwrap();
        names
            .map(|entry| entry.unwrap().path())
            .find(|path| path.to_string_lossy().contains("ejected-"))
    };
    until("the note", || note().is_some()).await;
    let note = note().unwrap();
    opened.close().await;

    place.config.read_timeout = Duration::from_mins(1);
    let again = place.open().await;
    let DiskState::Ejected(why) = state(&again) else {
        panic!("{}", state(&again))
    };
    assert!(why.contains("remove") && why.contains("ejected-"), "{why}");
    assert_eq!(again.count_held(400..500).await, 100);
    again.close().await;

    std::fs::remove_file(note).unwrap();
    let back = place.open().await;
    assert_eq!(state(&back), DiskState::Serving);
    assert_eq!(back.count_held(400..500).await, 100);
}

#[tokio::test]
async fn a_disk_that_misses_its_deadlines_is_ejected() {
    let (_place, opened) = ejected(Fault::Delay(Duration::from_millis(60))).await;
    assert!(opened.counter("disk_reads_total", Some("timeout")) > 0);
}
