//! What is found on a disk after a crash, after damage, and when it is not the disk it was.

use std::{fs, os::unix::fs::FileExt, path::Path};

use disk::{Fault, Operation, Rule};
use rand::{Rng, SeedableRng, rngs::StdRng};
use store::{DiskConfig, DiskState};

use crate::oracle::{Opened, Place, STAMP, body, key};

const SUPERBLOCKS: u64 = 8192;
const SEGMENT: u64 = 128 << 10;

fn flip(path: &Path, at: u64, mask: u8) {
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ mask], at).unwrap();
}

/// A place whose disk holds records 0 to 400 in a dozen segments.
async fn filled() -> Place {
    let place = Place::new(4 << 20);
    let opened = place.open().await;
    opened.put_all(0..400).await;
    opened.close().await;
    place
}

fn absent(opened: &Opened) -> String {
    let state = opened.store.stats().disks[0].state.clone();
    assert!(matches!(state, DiskState::Absent(_)), "{state}");
    state.to_string()
}

#[tokio::test]
async fn what_was_flushed_survives_a_crash() {
    let place = Place::new(32 << 20);
    let opened = place.open().await;
    for end in [1, 10, 100, 1_000, 2_000] {
        opened.put_all(end / 10..end).await;
        let again = place.crashed().open().await;
        assert_eq!(again.count_held(0..end).await, end);
    }
}

#[tokio::test]
async fn a_store_goes_on_writing_after_a_crash() {
    let mut place = Place::new(32 << 20);
    for round in 0..8 {
        let opened = place.open().await;
        assert_eq!(opened.count_held(0..round * 100).await, round * 100);
        opened.put_all(round * 100..(round + 1) * 100).await;
        place = place.crashed();
    }
}

#[tokio::test]
async fn flipped_bytes_anywhere_are_misses_and_never_wrong_bytes() {
    let whole = filled().await;
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let mut draw = StdRng::seed_from_u64(seed);
    for _ in 0..20 {
        let place = whole.crashed();
        let used = 8 * SEGMENT;
        for _ in 0..24 {
            flip(
                &place.path("disk"),
                SUPERBLOCKS + draw.random_range(0..used),
                draw.random_range(1..=255),
            );
        }
        let held = place.open().await.count_held(0..400).await;
        assert!(held < 400, "nothing noticed");
    }
}

#[tokio::test]
async fn a_flipped_byte_in_a_payload_is_a_miss_of_that_record_alone() {
    let place = filled().await;
    let bytes = fs::read(place.path("disk")).unwrap();
    let victim = (0..400).find(|number| body(*number).len() > 1_000).unwrap();
    let wanted = &body(victim)[..64];
    let at = bytes
        .windows(64)
        .position(|window| window == wanted)
        .unwrap();
    flip(&place.path("disk"), at as u64 + 9, 0x10);
    let opened = place.open().await;
    assert!(!opened.holds(victim).await);
    assert_eq!(opened.counter("disk_reads_total", Some("corrupt")), 1);
    assert_eq!(
        opened.store.tier(&key(victim)),
        None,
        "forgotten once it was found out"
    );
    assert_eq!(opened.count_held(0..400).await, 399);
}

#[tokio::test]
async fn a_damaged_footer_costs_nothing_but_a_scan() {
    let place = filled().await;
    for segment in 0..10 {
        let end = SUPERBLOCKS + (segment + 1) * SEGMENT;
        flip(&place.path("disk"), end - 40 - segment, 1);
    }
    let opened = place.open().await;
    assert_eq!(opened.count_held(0..400).await, 400);
    opened.close().await;
    assert_eq!(
        place.open().await.count_held(0..400).await,
        400,
        "sealed again"
    );
}

#[tokio::test]
async fn a_damaged_opening_loses_its_segment_alone() {
    let place = filled().await;
    flip(&place.path("disk"), SUPERBLOCKS + 3 * SEGMENT + 9, 1);
    let held = place.open().await.count_held(0..400).await;
    assert!((300..400).contains(&held), "{held}");
}

#[tokio::test]
async fn a_damaged_superblock_is_read_from_its_copy() {
    let place = filled().await;
    flip(&place.path("disk"), 50, 1);
    assert_eq!(place.open().await.count_held(0..400).await, 400);
}

#[tokio::test]
async fn a_truncated_disk_loses_what_was_cut_off_and_is_used_again() {
    for kept in [0, 4096, 100_000, 1_000_001] {
        let place = filled().await.crashed();
        fs::OpenOptions::new()
            .write(true)
            .open(place.path("disk"))
            .unwrap()
            .set_len(kept)
            .unwrap();
        let opened = place.open().await;
        let held = opened.count_held(0..400).await;
        assert!(held < 400, "{held} of 400 held with {kept} bytes kept");
        assert_eq!(held > 0, kept >= 100_000);
        opened.put_all(400..500).await;
        assert_eq!(opened.count_held(400..500).await, 100);
    }
}

#[tokio::test]
async fn a_disk_that_shrinks_while_it_is_used_yields_misses() {
    let place = Place::new(4 << 20);
    let opened = place.open().await;
    opened.put_all(0..400).await;
    let disk = fs::OpenOptions::new()
        .write(true)
        .open(place.path("disk"))
        .unwrap();
    disk.set_len(SUPERBLOCKS + 2 * SEGMENT).unwrap();
    let held = opened.count_held(0..400).await;
    assert!(held < 200, "{held}");
}

#[tokio::test]
async fn a_torn_write_loses_that_batch_alone() {
    let place = Place::new(4 << 20);
    let opened = place.open().await;
    opened.put_all(0..100).await;
    place
        .faults
        .add(Rule::times(Operation::Write, Fault::Short, 1));
    opened.put_all(100..120).await;
    let again = place.crashed().open().await;
    assert_eq!(again.count_held(0..100).await, 100);
    let _ = again.count_held(100..120).await;
}

#[tokio::test]
async fn a_write_that_was_lost_in_silence_is_a_miss() {
    let place = Place::new(4 << 20);
    let opened = place.open().await;
    opened.put_all(0..10).await;
    place
        .faults
        .add(Rule::times(Operation::Write, Fault::Lost, 1));
    opened.store.put(key(11), STAMP, body(11));
    opened.store.flush().await;
    assert!(!opened.holds(11).await);
    assert_eq!(opened.counter("disk_reads_total", Some("mismatch")), 1);
    assert_eq!(opened.store.tier(&key(11)), None);
    assert_eq!(opened.count_held(0..10).await, 10);
}

#[tokio::test]
async fn a_disk_with_something_else_on_it_is_refused_and_left_untouched() {
    let thesis = "chapter one. ".repeat(100_000);
    let image = {
        let mut image = vec![0; 3 << 20];
        image[65_600] = 0x5f;
        image
    };
    for content in [thesis.as_bytes(), b"x", &image] {
        let place = Place::new(4 << 20);
        fs::write(place.path("disk"), content).unwrap();
        let opened = place.open().await;
        assert!(absent(&opened).contains("not ours"), "{}", absent(&opened));
        opened.put(1);
        opened.close().await;
        assert!(fs::read(place.path("disk")).unwrap() == content);
    }
}

#[tokio::test]
async fn a_blank_file_that_was_made_beforehand_is_used() {
    let place = Place::new(4 << 20);
    fs::write(place.path("disk"), vec![0; 2 << 20]).unwrap();
    let opened = place.open().await;
    opened.put_all(0..10).await;
    assert_eq!(opened.count_held(0..10).await, 10);
}

#[tokio::test]
async fn a_disk_whose_purges_are_lost_is_emptied() {
    let place = filled().await;
    fs::remove_file(place.path("state/purges")).unwrap();
    assert_eq!(place.open().await.count_held(0..400).await, 0);
    let place = filled().await;
    flip(&place.path("state/purges"), 70, 1);
    assert_eq!(place.open().await.count_held(0..400).await, 0);
}

#[tokio::test]
async fn a_disk_of_another_version_is_refused_and_left_untouched() {
    let place = filled().await;
    for block in [0, 4096] {
        flip(&place.path("disk"), block + 8, 3);
    }
    let before = fs::read(place.path("disk")).unwrap();
    let opened = place.open().await;
    let why = absent(&opened);
    assert!(why.contains("version 2") && why.contains("delete"), "{why}");
    opened.put(1);
    opened.close().await;
    assert!(fs::read(place.path("disk")).unwrap() == before);
}

#[tokio::test]
async fn a_disk_of_another_size_is_emptied() {
    let mut place = filled().await;
    place.config.disks[0].bytes = 6 << 20;
    let opened = place.open().await;
    assert_eq!(opened.count_held(0..400).await, 0);
    opened.put_all(0..10).await;
    assert_eq!(opened.count_held(0..10).await, 10);
}

#[tokio::test]
async fn disks_that_swapped_places_are_read_as_before() {
    let mut place = Place::new(8 << 20);
    place.config.disks.push(place.disk("second", 8 << 20));
    let opened = place.open().await;
    opened.put_all(0..400).await;
    opened.close().await;
    place.config.disks.reverse();
    assert_eq!(place.open().await.count_held(0..400).await, 400);
}

#[tokio::test]
async fn one_disk_replaced_by_a_blank_one_leaves_the_other() {
    let mut place = Place::new(8 << 20);
    place.config.disks.push(place.disk("second", 8 << 20));
    let opened = place.open().await;
    opened.put_all(0..400).await;
    opened.close().await;
    fs::remove_file(place.path("disk")).unwrap();
    let opened = place.open().await;
    let held = opened.count_held(0..400).await;
    assert!((100..300).contains(&held), "{held}");
    opened.put_all(0..400).await;
    assert_eq!(opened.count_held(0..400).await, 400);
}

#[tokio::test]
async fn a_disk_that_cannot_be_opened_is_left_out() {
    let mut place = Place::new(8 << 20);
    fs::create_dir(place.path("folder")).unwrap();
    place
        .config
        .disks
        .insert(0, DiskConfig::new(place.path("folder"), 8 << 20));
    place
        .config
        .disks
        .push(DiskConfig::new(place.path("huge"), 8 << 40));
    let opened = place.open().await;
    let states: Vec<_> = opened
        .store
        .stats()
        .disks
        .into_iter()
        .map(|disk| disk.state)
        .collect();
    assert!(matches!(&states[0], DiskState::Absent(reason) if reason.contains("directory")));
    assert_eq!(states[1], DiskState::Serving);
    assert!(
        matches!(&states[2], DiskState::Absent(why) if why.contains("are free")),
        "{}",
        states[2]
    );
    opened.put_all(0..50).await;
    assert_eq!(opened.count_held(0..50).await, 50);
}

/// A place with 400 records, opened while its disk does not answer beyond the first MiB.
async fn opened_while_the_disk_hangs() -> (Place, Opened) {
    let mut place = filled().await;
    place.config.recovery_wait = std::time::Duration::ZERO;
    place.config.ram_bytes = 1 << 20;
    let rule = Rule::always(Operation::Read, Fault::Hang);
    place.faults.add(Rule {
        within: 1 << 20..u64::MAX,
        ..rule
    });
    let opened = place.open().await;
    assert!(opened.store.stats().disks[0].recovering);
    (place, opened)
}

#[tokio::test]
async fn a_store_serves_while_what_lies_on_its_disks_is_being_found() {
    let (place, opened) = opened_while_the_disk_hangs().await;
    assert_eq!(opened.count_held(0..400).await, 0, "nothing is known yet");
    opened.put(1_000);
    assert!(opened.holds(1_000).await);
    opened.store.purge(9).await.unwrap();
    place.faults.clear();
    opened.store.recovered().await;
    assert!(!opened.store.stats().disks[0].recovering);
    assert_eq!(opened.count_held(0..400).await, 400);
    assert!(opened.holds(1_000).await);
    opened.close().await;
    let again = place.open().await;
    again.store.recovered().await;
    assert!(again.holds(1_000).await, "it was written after all");
}

#[tokio::test]
async fn what_happens_while_a_disk_is_being_read_wins_over_what_lies_on_it() {
    let (place, opened) = opened_while_the_disk_hangs().await;
    let newer = crate::oracle::content(&key(2), 7, 500);
    opened.store.remove(&key(1));
    opened.store.put(key(2), STAMP, newer.clone());
    opened.store.put(key(3), STAMP, newer.clone());
    opened.store.remove(&key(3));
    place.faults.clear();
    opened.store.recovered().await;
    let check = async |opened: &Opened, when: &str| {
        assert!(!opened.holds(1).await, "removed {when}");
        assert!(!opened.holds(3).await, "replaced and removed {when}");
        assert_eq!(opened.get(2).await.unwrap().0.bytes, newer, "{when}");
        assert_eq!(opened.count_held(4..400).await, 396, "{when}");
    };
    check(&opened, "at once").await;
    opened.store.flush().await;
    let again = place.crashed().open().await;
    again.store.recovered().await;
    check(&again, "after a restart").await;
}

#[tokio::test]
async fn what_was_refused_by_a_full_queue_during_recovery_does_not_leave_the_older_one_behind() {
    let mut place = filled().await;
    place.config.write_queue_bytes = 1;
    place.config.recovery_wait = std::time::Duration::ZERO;
    let rule = Rule::always(Operation::Read, Fault::Hang);
    place.faults.add(Rule {
        within: 1 << 20..u64::MAX,
        ..rule
    });
    let opened = place.open().await;
    let newer = crate::oracle::content(&key(2), 7, 500);
    opened.store.put(key(2), STAMP, newer);
    place.faults.clear();
    opened.store.recovered().await;
    assert!(
        opened.get(2).await.is_none(),
        "there is no RAM tier to hold it"
    );
    opened.store.flush().await;
    let again = place.crashed().open().await;
    again.store.recovered().await;
    assert!(again.get(2).await.is_none());
}

#[tokio::test]
async fn a_store_that_is_closed_or_dropped_while_it_recovers_ends() {
    let (place, opened) = opened_while_the_disk_hangs().await;
    drop(opened);
    place.faults.clear();
    let (place, opened) = opened_while_the_disk_hangs().await;
    let closing = tokio::spawn(async move { opened.close().await });
    place.faults.clear();
    closing.await.unwrap();
}

/// A disk that was in trouble left its keys to the other; both have them now.
#[tokio::test]
async fn of_two_disks_that_have_a_key_the_newer_record_counts() {
    let mut place = Place::new(8 << 20);
    let healthy = DiskConfig::new(place.path("second"), 8 << 20);
    place.config.disks.push(healthy);
    place.config.retry_after = std::time::Duration::from_hours(1);
    let opened = place.open().await;
    opened.put_all(0..200).await;
    place
        .faults
        .add(Rule::always(Operation::Write, Fault::Errno(libc::EROFS)));
    // The first of these finds out that the disk is in trouble, and is lost.
    opened.put_all(1_000..1_200).await;
    for number in 0..200 {
        let newer = crate::oracle::content(&key(number), 7, 500);
        opened.store.put(key(number), STAMP, newer);
    }
    opened.store.flush().await;
    assert_eq!(opened.store.stats().disks[0].state, DiskState::ReadOnly);
    let again = place.crashed().open().await;
    assert_eq!(again.store.stats().disks[1].state, DiskState::Serving);
    for number in 0..200 {
        let newer = crate::oracle::content(&key(number), 7, 500);
        assert_eq!(again.get(number).await.unwrap().0.bytes, newer, "{number}");
    }
}
