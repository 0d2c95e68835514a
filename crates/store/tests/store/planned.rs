//! What a plan wants on the disks: credit for what is expected, slices that are filled ahead of their
//! viewers, and pins.

use std::time::Duration;

use store::{PinsFull, Refused, Tier, WritesPerDay};

use crate::{
    oracle::{Opened, STAMP, content},
    policy::{Bench, SLICE, ask, slice, warm, written},
};

/// Requests a day that are worth a place on any of these disks.
const MANY: u32 = 20_000;

fn plan(opened: &Opened, number: u32) -> Result<(), Refused> {
    let key = slice(number);
    let body = content(&key, 0, SLICE);
    opened.store.put_planned(key, STAMP, body)
}

/// Has about so many slices pass through the disk that are wanted by many for a while.
async fn turn_over(bench: &Bench, opened: &Opened, numbers: std::ops::Range<u32>) {
    for number in numbers {
        for viewer in 0..4 {
            ask(opened, number, viewer).await;
        }
        bench.pass(Duration::from_mins(4));
        if number % 16 == 0 {
            opened.store.flush().await;
        }
    }
    opened.store.flush().await;
}

fn held(opened: &Opened, numbers: std::ops::Range<u32>) -> usize {
    numbers
        .filter(|number| opened.store.tier(&slice(*number)) == Some(Tier::Disk))
        .count()
}

#[tokio::test]
async fn what_is_planned_is_on_disk_before_anybody_asks() {
    let bench = Bench::new(1 << 20);
    let opened = bench.open().await;
    warm(&bench, &opened).await;
    assert_eq!(plan(&opened, 1), Ok(()));
    opened.store.flush().await;
    assert_eq!(opened.store.tier(&slice(1)), Some(Tier::Disk));
    assert_eq!(opened.counter("planned_records_total", None), 1);
    assert_eq!(
        ask(&opened, 1, 1).await,
        Some(Tier::Disk),
        "and it is right"
    );
}

#[tokio::test]
async fn a_look_at_a_record_brings_nothing_into_ram() {
    let bench = Bench::new(1 << 20);
    let opened = bench.open().await;
    assert_eq!(plan(&opened, 1), Ok(()));
    opened.store.flush().await;
    let record = opened.store.peek(&slice(1)).await.unwrap();
    assert_eq!(record.bytes, content(&slice(1), 0, SLICE));
    assert_eq!(opened.store.tier(&slice(1)), Some(Tier::Disk));
    assert_eq!(opened.store.peek(&slice(2)).await, None);
}

#[tokio::test]
async fn what_is_planned_replaces_what_is_older_in_both_tiers() {
    let bench = Bench::new(1 << 20);
    let opened = bench.open().await;
    let key = slice(1);
    opened.store.put(key, STAMP, content(&key, 0, SLICE));
    opened.store.flush().await;
    let newer = content(&key, 1, SLICE);
    let planned = opened.store.put_planned(key, STAMP, newer.clone());
    assert_eq!(planned, Ok(()));
    opened.store.flush().await;
    let (record, tier) = opened.store.get(&key).await.unwrap();
    assert_eq!((record.bytes, tier), (newer, Tier::Disk));
}

#[tokio::test]
async fn what_a_plan_put_here_is_known_as_such_until_it_is_put_anew_also_after_a_restart() {
    let bench = Bench::new(1 << 20);
    let opened = bench.open().await;
    assert_eq!(plan(&opened, 1), Ok(()));
    opened.store.close().await;
    drop(opened);
    let opened = bench.open().await;
    for tier in [Tier::Disk, Tier::Ram] {
        let (record, from) = opened.store.get(&slice(1)).await.unwrap();
        assert_eq!((record.by_plan, from), (true, tier));
    }
    assert_eq!(ask(&opened, 2, 1).await, None);
    opened
        .store
        .put(slice(1), STAMP, content(&slice(1), 0, SLICE));
    opened.store.close().await;
    drop(opened);
    let opened = bench.open().await;
    for number in [1, 2] {
        let (record, from) = opened.store.get(&slice(number)).await.unwrap();
        assert_eq!((record.by_plan, from), (false, Tier::Disk), "{number}");
    }
}

#[tokio::test]
async fn what_a_plan_put_here_is_known_as_such_when_it_was_written_once_more() {
    let bench = Bench::new(0);
    let opened = bench.open().await;
    warm(&bench, &opened).await;
    let bytes = u32::try_from(SLICE).unwrap();
    assert_eq!(opened.store.pin(&slice(1), bytes), Ok(()));
    assert_eq!(plan(&opened, 1), Ok(()));
    opened.store.flush().await;
    let before = opened.counter("reinserted_records_total", None);
    turn_over(&bench, &opened, 1_000..1_400).await;
    assert!(opened.counter("reinserted_records_total", None) > before);
    let (record, from) = opened.store.get(&slice(1)).await.unwrap();
    assert_eq!((record.by_plan, from), (true, Tier::Disk));
}

#[tokio::test]
async fn what_is_expected_gets_onto_a_warm_disk_at_its_first_miss() {
    let bench = Bench::new(1 << 20);
    let opened = bench.open().await;
    warm(&bench, &opened).await;
    for number in 0..40 {
        opened.store.expect(&slice(number), MANY);
        ask(&opened, number, 1).await;
        ask(&opened, 100 + number, 1).await;
        opened.store.flush().await;
    }
    let (seeded, others) = (held_anywhere(&opened, 0..40), written(&opened));
    assert_eq!(seeded, 40);
    assert!(others >= 40, "{others} written");
    let unplanned = held(&opened, 100..140);
    assert!(unplanned <= 2, "{unplanned} of 40 that nobody expected");
}

/// On its way to disk, or there: what RAM holds as well is told as RAM's.
fn held_anywhere(opened: &Opened, numbers: std::ops::Range<u32>) -> usize {
    numbers
        .filter(|number| opened.store.tier(&slice(*number)).is_some())
        .count()
}

#[tokio::test]
async fn what_is_expected_outlives_what_is_not() {
    let bench = Bench::new(0);
    let opened = bench.open().await;
    warm(&bench, &opened).await;
    for number in 0..20 {
        opened.store.expect(&slice(number), MANY);
        assert_eq!(plan(&opened, number), Ok(()));
        assert_eq!(plan(&opened, 100 + number), Ok(()));
        opened.store.flush().await;
    }
    turn_over(&bench, &opened, 1_000..1_400).await;
    let (expected, others) = (held(&opened, 0..20), held(&opened, 100..120));
    assert_eq!(expected, 20, "of 20 that were expected");
    assert!(others <= 4, "{others} of 20 that were not");
}

#[tokio::test]
async fn what_a_plan_appraises_low_goes_however_often_it_was_asked_for() {
    let bench = Bench::new(0);
    let opened = bench.open().await;
    warm(&bench, &opened).await;
    for viewer in 0..200 {
        for number in 0..20 {
            ask(&opened, number, viewer).await;
        }
    }
    opened.store.flush().await;
    assert_eq!(held(&opened, 0..20), 20);
    for number in 0..10 {
        opened.store.appraise(&slice(number), 10);
    }
    turn_over(&bench, &opened, 1_000..1_250).await;
    let (low, others) = (held(&opened, 0..10), held(&opened, 10..20));
    assert_eq!(others, 10, "of 10 that nobody appraised");
    assert!(low <= 2, "{low} of 10 that are over");
}

#[tokio::test]
async fn what_is_expected_in_vain_goes() {
    let bench = Bench::new(0);
    let opened = bench.open().await;
    warm(&bench, &opened).await;
    for number in 0..20 {
        opened.store.expect(&slice(number), 2_000);
        assert_eq!(plan(&opened, number), Ok(()));
    }
    opened.store.flush().await;
    bench.pass(Duration::from_hours(24 * 20));
    turn_over(&bench, &opened, 1_000..1_300).await;
    let expected = held(&opened, 0..20);
    assert!(expected <= 2, "{expected} of 20");
}

#[tokio::test]
async fn what_is_pinned_stays_whatever_the_traffic_until_it_is_not() {
    let bench = Bench::new(0);
    let opened = bench.open().await;
    warm(&bench, &opened).await;
    let bytes = u32::try_from(SLICE).unwrap();
    for number in 0..10 {
        assert_eq!(opened.store.pin(&slice(number), bytes), Ok(()));
        assert_eq!(plan(&opened, number), Ok(()));
    }
    assert_eq!(opened.store.stats().pinned_bytes, 10 * u64::from(bytes));
    opened.store.flush().await;
    turn_over(&bench, &opened, 1_000..1_400).await;
    assert_eq!(held(&opened, 0..10), 10);
    for number in 0..10 {
        opened.store.unpin(&slice(number));
    }
    turn_over(&bench, &opened, 2_000..2_400).await;
    assert_eq!(held(&opened, 0..10), 0);
}

#[tokio::test]
async fn pins_take_a_bounded_part_of_the_disks() {
    let bench = Bench::new(0);
    let opened = bench.open().await;
    let capacity = opened.store.stats().disks[0].capacity_bytes;
    let part = u32::try_from(capacity / 8).unwrap();
    assert_eq!(opened.store.pin(&slice(1), part - 100), Ok(()));
    assert_eq!(opened.store.pin(&slice(2), 101), Err(PinsFull));
    assert_eq!(opened.counter("pins_refused_total", None), 1);
    assert_eq!(opened.store.pin(&slice(3), 100), Ok(()));
    assert_eq!(opened.counter("pins_refused_total", None), 1);
}

#[tokio::test]
async fn what_is_planned_stays_within_the_write_budget() {
    let mut bench = Bench::new(0);
    bench.place.config.disks[0].writes_per_day = WritesPerDay::Bytes(100_000);
    let opened = bench.open().await;
    let mut taken = 0;
    for number in 0..200 {
        match plan(&opened, number) {
            Ok(()) => taken += 1,
            Err(refused) => assert_eq!(refused, Refused::BudgetSpent),
        }
        opened.store.flush().await;
    }
    // A week of it.
    assert_eq!(taken, 700_000 / SLICE);
}

#[tokio::test]
async fn what_is_worth_less_than_what_would_go_is_not_worth_filling() {
    let bench = Bench::new(0);
    let opened = bench.open().await;
    assert!(opened.store.is_worth_filling(0), "there is room");
    warm(&bench, &opened).await;
    turn_over(&bench, &opened, 1_000..1_150).await;
    assert!(!opened.store.is_worth_filling(1));
    assert!(opened.store.is_worth_filling(10 * MANY));
}
