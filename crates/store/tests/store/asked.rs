//! What was asked for before a restart is known after it, also what RAM alone served.

use std::{fs, path::PathBuf, sync::atomic::Ordering, time::Duration};

use store::Tier;

use crate::{
    oracle::{Opened, Place, until},
    policy::{Bench, ask, slice},
};

const SLICES: u32 = 160;
/// Six slices fill a segment.
const SEGMENTS: u64 = SLICES as u64 / 6 + 1;

/// One slice in eight is wanted by many, the others were asked for once.
fn is_wanted(number: u32) -> bool {
    number.is_multiple_of(8)
}

/// A disk that holds all slices, of which RAM served those that are wanted to fifty viewers each,
/// some days ago. Nothing was read from disk.
async fn asked() -> (Bench, Opened) {
    let mut bench = Bench::new(8 << 20);
    bench.place.config.disks[0] = bench.place.disk("disk", 8 << 20);
    let opened = bench.open().await;
    for number in 0..SLICES {
        ask(&opened, number, 1).await;
    }
    opened.store.flush().await;
    for viewer in 2..52 {
        for number in (0..SLICES).filter(|number| is_wanted(*number)) {
            assert_eq!(ask(&opened, number, viewer).await, Some(Tier::Ram));
        }
    }
    bench.pass(Duration::from_hours(10 * 24));
    (bench, opened)
}

fn kept(place: &Place) -> PathBuf {
    place.path("state").join("asked")
}

/// Opens the place with an empty RAM tier and a clock that begins anew, and has all that lay on
/// the disk turned over once. Returns how many of the wanted slices are left, and of the others.
async fn turned_over(mut bench: Bench, place: Option<Place>) -> (usize, usize) {
    bench.place = place.unwrap_or(bench.place);
    bench.place.config.ram_bytes = 0;
    bench.seconds.store(0, Ordering::Relaxed);
    let opened = bench.open().await;
    let mut number = 1_000;
    while opened.counter("evicted_segments_total", None) < SEGMENTS {
        ask(&opened, number, 1).await;
        opened.store.flush().await;
        bench.pass(Duration::from_mins(1));
        number += 1;
    }
    let held = (0..SLICES).filter(|number| opened.store.tier(&slice(*number)).is_some());
    let (wanted, unwanted): (Vec<_>, Vec<_>) = held.partition(|number| is_wanted(*number));
    for number in &wanted {
        // Every byte is checked.
        assert_eq!(ask(&opened, *number, 99).await, Some(Tier::Disk));
    }
    (wanted.len(), unwanted.len())
}

#[tokio::test]
async fn what_ram_served_before_a_restart_survives_the_turnover_after_it() {
    let (bench, opened) = asked().await;
    opened.close().await;
    assert_eq!(turned_over(bench, None).await, (20, 0));
}

#[tokio::test]
async fn it_survives_many_restarts_also_one_without_any_disk() {
    let (mut bench, opened) = asked().await;
    opened.close().await;
    let disks = bench.place.config.disks.clone();
    for without in [false, true, false] {
        bench.place.config.disks = if without { Vec::new() } else { disks.clone() };
        bench.seconds.store(0, Ordering::Relaxed);
        bench.open().await.close().await;
    }
    assert_eq!(turned_over(bench, None).await, (20, 0));
}

/// Shows that the tests above can fail.
#[tokio::test]
async fn where_the_table_is_missing_or_damaged_all_is_cold_and_right() {
    for damage in [false, true] {
        let (bench, opened) = asked().await;
        opened.close().await;
        let file = kept(&bench.place);
        if damage {
            let mut bytes = fs::read(&file).unwrap();
            bytes[100] ^= 1;
            fs::write(&file, bytes).unwrap();
        } else {
            fs::remove_file(&file).unwrap();
        }
        assert_eq!(turned_over(bench, None).await, (0, 0));
    }
}

#[tokio::test]
async fn what_ram_served_until_some_minutes_ago_survives_a_kill() {
    let (bench, opened) = asked().await;
    assert!(!kept(&bench.place).exists());
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(6)).await;
    tokio::time::resume();
    until("saving", || kept(&bench.place).exists()).await;
    let killed = bench.place.crashed();
    drop(opened);
    assert_eq!(turned_over(bench, Some(killed)).await, (20, 0));
}

#[tokio::test]
async fn what_ram_served_is_forgotten_by_a_kill_before_it_was_noted() {
    let (bench, opened) = asked().await;
    let killed = bench.place.crashed();
    drop(opened);
    assert_eq!(turned_over(bench, Some(killed)).await, (0, 0));
}
