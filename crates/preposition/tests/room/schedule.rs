//! When, how much and how often: what the schedule decides is what the room does.

use std::{sync::Arc, time::Duration};

use manifest::Pin;
use preposition::{Allowance, Entry, Load, Reach, Spent, Status, Why, Window};

use tokio::time::sleep;

use crate::support::{Bench, NIGHT, NOON, Origin, Wishes};

const DAY: Duration = Duration::from_hours(24);

/// That has so many bytes here of what is planned, and begins no more because `of` is spent.
fn spent(of: Spent, bytes: u64) -> impl Fn(&Status) -> bool {
    move |status| {
        let progress = status.progress.as_ref();
        let done = progress.is_some_and(|progress| progress.bytes_done == bytes);
        done && status.why == (Why::AllowanceSpent { of })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_brings_in_its_bytes_and_the_next_one_the_rest_after_a_restart_too() {
    let origin = Origin::with(5, 100_000);
    let sources = [(Reach::Shield, &origin)];
    let bench = Bench::with(NIGHT, &sources, |config| {
        config.allowance.window_bytes = 250_000;
    });
    let bench = bench.await;
    bench.push(1, &origin).await.unwrap();
    bench.until(spent(Spent::Window, 200_000)).await;
    let bench = bench.restart(&sources).await;
    bench.until(spent(Spent::Window, 200_000)).await;
    assert_eq!(origin.reads(), 2);
    bench.set_time(NIGHT + DAY);
    bench.until(spent(Spent::Window, 400_000)).await;
    bench.set_time(NIGHT + DAY * 2);
    bench.complete().await;
    assert_eq!(origin.reads(), 5);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_has_its_writes_to_disk_whatever_the_windows() {
    let origin = Origin::with(3, 100_000);
    let sources = [(Reach::Shield, &origin)];
    let bench = Bench::with(NIGHT, &sources, |config| {
        let window = |hours| Window::parse(hours, "UTC", &[]).unwrap();
        config.windows = vec![window("02:00-04:00"), window("11:00-13:00")];
        config.allowance = Allowance {
            window_bytes: 1 << 30,
            day_write_bytes: 250_000,
        };
    });
    let bench = bench.await;
    bench.push(1, &origin).await.unwrap();
    bench.until(spent(Spent::Day, 200_000)).await;
    bench.set_time(NOON);
    let noon = |status: &Status| {
        status
            .window
            .is_some_and(|hours| hours.end_s > NOON.as_secs())
    };
    bench
        .until(|status| noon(status) && spent(Spent::Day, 200_000)(status))
        .await;
    assert_eq!(origin.reads(), 2);
    bench.set_time(NIGHT + DAY);
    bench.complete().await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_objects_are_under_way_than_may_be() {
    let origin = Origin::with(7, 100_000);
    let sources = [(Reach::Shield, &origin)];
    let bench = Bench::with(NIGHT, &sources, |config| {
        config.concurrency = 3;
    });
    let bench = bench.await;
    origin.stall(true);
    bench.push(1, &origin).await.unwrap();
    bench
        .until(|status| status.running == 3 && status.why == Why::Busy)
        .await;
    origin.stall(false);
    bench.complete().await;
    assert_eq!(origin.most_at_a_time(), 3);
    bench.end().await;
}

/// Nothing begins while viewers need so much, and everything when they do not.
async fn gives_way_to(load: Load) {
    let origin = Origin::with(2, 100_000);
    let sources = [(Reach::Shield, &origin)];
    let bench = Bench::with(NIGHT, &sources, |config| {
        config.yields.link_bytes_per_s = Some(1_000_000);
    });
    let bench = bench.await;
    bench.set_load(load);
    bench
        .until(|status| matches!(status.why, Why::Yielding { .. }))
        .await;
    bench.push(1, &origin).await.unwrap();
    bench
        .until(|status| status.progress.is_some() && matches!(status.why, Why::Yielding { .. }))
        .await;
    assert_eq!((bench.room.status().running, origin.asked()), (0, 0));
    bench.set_load(Load::default());
    bench.complete().await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filling_makes_way_for_viewers_who_need_the_link() {
    // Of the million that the link carries, 70 % are theirs before filling makes way.
    gives_way_to(Load {
        egress_bytes_per_s: 900_000,
        ..Load::default()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filling_makes_way_for_viewers_who_wait_for_the_disks() {
    gives_way_to(Load {
        disk_p99: Some(Duration::from_secs(1)),
        ..Load::default()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_tried_so_often_and_then_left_to_the_next_reconciliation() {
    let (planned, empty) = (Origin::with(1, 100_000), Origin::with(0, 0));
    let sources: [(Reach, &Arc<Origin>); 1] = [(Reach::Shield, &empty)];
    let bench = Bench::with(NIGHT, &sources, |config| config.attempts = 3).await;
    bench.push(1, &planned).await.unwrap();
    for (asked, minutes) in [(1, 0), (2, 1), (3, 5)] {
        bench.set_time(NIGHT + Duration::from_mins(minutes));
        bench.until(|_| empty.asked() >= asked).await;
    }
    bench.complete().await;
    bench.set_time(NIGHT + Duration::from_hours(2));
    bench.until(|status| status.running == 0).await;
    assert_eq!(empty.asked(), 3);
    bench.room.repair();
    bench.until(|_| empty.asked() > 3).await;
    bench.end().await;
}

/// Hardening row M12.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_larger_than_the_disks_is_filled_as_far_as_they_go_and_pushes_out_nothing() {
    let origin = Origin::with(5, 100_000);
    let sources = [(Reach::Shield, &origin)];
    let bench = Bench::with(NIGHT, &sources, |config| config.capacity_bytes = 250_000).await;
    bench.push(1, &origin).await.unwrap();
    let status = bench.complete().await;
    assert_eq!(
        (count(&status, Entry::Held), count(&status, Entry::Seeded)),
        (2, 3)
    );
    bench.room.repair();
    let status = bench.complete().await;
    assert_eq!((count(&status, Entry::Held), origin.reads()), (2, 2));
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_worth_less_than_what_would_go_for_it_is_not_fetched() {
    let origin = Origin::with(3, 100_000);
    let bench = Bench::start(NIGHT, &[(Reach::Shield, &origin)]).await;
    bench.crowd().await;
    bench.push(1, &origin).await.unwrap();
    for hour in [NIGHT, NOON] {
        bench.set_time(hour);
        let status = bench.complete().await;
        assert_eq!((count(&status, Entry::Outbid), origin.reads()), (3, 0));
        let progress = status.progress.unwrap();
        assert_eq!((progress.fills, progress.bytes_left), (0, 0));
        assert!(!progress.is_degraded);
        // Whoever walks over the plan comes to the same, and leaves nothing for the next window to do.
        bench.room.repair();
        sleep(Duration::from_millis(700)).await;
    }
    bench.set_time(NIGHT);
    let pinned = Wishes {
        pin: Some(Pin::WhilePlanned),
        ..Wishes::default()
    };
    bench.push_as(2, &origin, pinned).await.unwrap();
    let status = bench.until(|status| count(status, Entry::Held) == 3).await;
    assert_eq!(count(&status, Entry::Outbid), 0, "what is promised is kept");
    bench.end().await;
}

fn count(status: &Status, state: Entry) -> u64 {
    let states = status.progress.iter().flat_map(|progress| &progress.states);
    let counts = states.filter(|counted| counted.state == state);
    counts.map(|counted| counted.objects).sum()
}
