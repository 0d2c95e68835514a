//! Disks that are added, taken out, put elsewhere, or are not ours.

use std::fs;

use disk::{Fault, Operation, Rule};
use store::{DiskConfig, DiskState};

use crate::oracle::{Opened, Place, STAMP, content, key};

const BYTES: u64 = 8 << 20;
const RECORDS: u64 = 600;

/// A place with three disks, which hold records 0 to 600 together.
async fn filled() -> Place {
    let mut place = Place::new(BYTES);
    for name in ["second", "third"] {
        let disk = DiskConfig::new(place.path(name), BYTES);
        place.config.disks.push(disk);
    }
    let opened = place.open().await;
    opened.put_all(0..RECORDS).await;
    opened.close().await;
    place
}

fn state(opened: &Opened, disk: usize) -> String {
    opened.store.stats().disks[disk].state.to_string()
}

#[tokio::test]
async fn a_disk_that_is_taken_out_takes_its_own_share_alone_and_brings_it_back() {
    let mut place = filled().await;
    let taken = place.config.disks.remove(1);
    let opened = place.open().await;
    let held = opened.count_held(0..RECORDS).await;
    assert!((RECORDS / 2..RECORDS * 5 / 6).contains(&held), "{held}");
    opened.put_all(1_000..1_100).await;
    assert_eq!(opened.count_held(1_000..1_100).await, 100);
    opened.close().await;
    place.config.disks.insert(0, taken);
    let opened = place.open().await;
    assert_eq!(opened.count_held(0..RECORDS).await, RECORDS);
    assert_eq!(opened.count_held(1_000..1_100).await, 100);
}

#[tokio::test]
async fn what_was_put_while_a_disk_was_out_wins_over_what_it_brings_back() {
    let mut place = filled().await;
    let taken = place.config.disks.pop().unwrap();
    let opened = place.open().await;
    for number in 0..RECORDS {
        let newer = content(&key(number), 1, 500);
        opened.store.put(key(number), STAMP, newer);
    }
    opened.close().await;
    place.config.disks.push(taken);
    let opened = place.open().await;
    for number in 0..RECORDS {
        let held = opened.get(number).await.unwrap().0;
        assert_eq!(held.bytes, content(&key(number), 1, 500), "{number}");
    }
}

#[tokio::test]
async fn a_fourth_disk_costs_nothing_and_gets_its_share_of_what_is_new() {
    let mut place = filled().await;
    let fourth = DiskConfig::new(place.path("fourth"), BYTES);
    place.config.disks.insert(1, fourth);
    let opened = place.open().await;
    assert_eq!(opened.count_held(0..RECORDS).await, RECORDS);
    assert_eq!(opened.store.stats().disks[1].records, 0);
    opened.put_all(1_000..1_800).await;
    let records = opened.store.stats().disks[1].records;
    assert!((130..270).contains(&records), "{records} of 800");
    opened.close().await;
    let opened = place.open().await;
    assert_eq!(opened.count_held(0..RECORDS).await, RECORDS);
    assert_eq!(opened.count_held(1_000..1_800).await, 800);
}

#[tokio::test]
async fn a_disk_is_known_by_what_it_says_and_not_by_its_path_or_its_place() {
    let mut place = filled().await;
    fs::rename(place.path("disk"), place.path("moved")).unwrap();
    fs::rename(place.path("third"), place.path("disk")).unwrap();
    fs::rename(place.path("moved"), place.path("third")).unwrap();
    place.config.disks.rotate_left(1);
    let opened = place.open().await;
    assert_eq!(opened.count_held(0..RECORDS).await, RECORDS);
    let before: u64 = opened
        .store
        .stats()
        .disks
        .iter()
        .map(|disk| disk.records)
        .sum();
    opened.put_all(0..RECORDS).await;
    let after: u64 = opened
        .store
        .stats()
        .disks
        .iter()
        .map(|disk| disk.records)
        .sum();
    assert_eq!(before, after, "each went to the disk that it was on");
    assert_eq!(opened.counter("disk_reads_total", Some("mismatch")), 0);
}

#[tokio::test]
async fn a_larger_disk_gets_a_larger_share() {
    let mut place = Place::new(4 << 20);
    let larger = DiskConfig::new(place.path("larger"), 12 << 20);
    place.config.disks.push(larger);
    let opened = place.open().await;
    opened.put_all(0..800).await;
    let records = opened.store.stats().disks[1].records;
    assert!((540..660).contains(&records), "{records} of 800, not 600");
}

/// The newer record lies on another disk than the older one, and is evicted before it.
#[tokio::test]
async fn an_older_record_on_another_disk_does_not_come_back() {
    let mut place = Place::new(4 << 20);
    place.config.segment_bytes = 64 << 10;
    place.config.retry_after = std::time::Duration::from_hours(1);
    let opened = place.open().await;
    opened.put_all(0..400).await;
    opened.close().await;
    let second = DiskConfig::new(place.path("second"), 2 << 20);
    place.config.disks.push(second);
    let opened = place.open().await;
    for number in 0..400 {
        let newer = content(&key(number), 1, 500);
        opened.store.put(key(number), STAMP, newer);
    }
    opened.store.flush().await;
    assert!(opened.store.stats().disks[1].records > 80);
    // From now on all goes to the second disk, which goes round.
    place
        .faults
        .add(Rule::always(Operation::Write, Fault::Errno(libc::EROFS)));
    opened.put_all(10_000..12_000).await;
    assert_eq!(opened.store.stats().disks[0].state, DiskState::ReadOnly);
    assert!(opened.counter("evicted_segments_total", None) > 32);
    drop(opened);
    place.faults.clear();
    let opened = place.open().await;
    let mut gone = 0;
    for number in 0..400 {
        match opened.get(number).await {
            Some((record, _)) => {
                assert_eq!(record.bytes, content(&key(number), 1, 500), "{number}");
            }
            None => gone += 1,
        }
    }
    assert!(gone > 80, "{gone} were evicted from the second disk");
}

#[tokio::test]
async fn another_store_s_disk_is_refused_and_left_untouched() {
    let (ours, theirs) = (filled().await, filled().await);
    fs::copy(theirs.path("second"), ours.path("second")).unwrap();
    let before = fs::read(ours.path("second")).unwrap();
    let opened = ours.open().await;
    let why = state(&opened, 1);
    assert!(
        why.contains("belongs to another store") && why.contains("delete"),
        "{why}"
    );
    let held = opened.count_held(0..RECORDS).await;
    assert!((RECORDS / 2..RECORDS * 5 / 6).contains(&held), "{held}");
    opened.put_all(1_000..1_100).await;
    opened.close().await;
    assert!(fs::read(ours.path("second")).unwrap() == before);
}

/// The device of a loop, or nothing where the system has none for us.
struct Loop(String);

impl Loop {
    fn new(file: &std::path::Path) -> Option<Self> {
        let made = std::process::Command::new("losetup")
            .args(["--find", "--show"])
            .arg(file)
            .output()
            .ok()?;
        let device = String::from_utf8(made.stdout).ok()?;
        made.status
            .success()
            .then(|| Self(device.trim().to_owned()))
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = std::process::Command::new("losetup")
            .args(["--detach", &self.0])
            .status();
    }
}

#[tokio::test]
async fn a_partition_is_used_whole_and_found_again_beside_a_file() {
    let mut place = Place::new(BYTES);
    let image = place.path("image");
    fs::File::create(&image).unwrap().set_len(BYTES).unwrap();
    let Some(partition) = Loop::new(&image) else {
        eprintln!("SKIPPED: no loop device is to be had here");
        return;
    };
    place.config.disks.push(DiskConfig::new(&partition.0, 0));
    let opened = place.open().await;
    opened.put_all(0..400).await;
    let disks = opened.store.stats().disks;
    assert!(disks[1].records > 100, "{disks:?}");
    assert!(disks[1].capacity_bytes > BYTES - (256 << 10), "{disks:?}");
    opened.close().await;
    let opened = place.open().await;
    assert_eq!(opened.count_held(0..400).await, 400);
    opened.close().await;
}
