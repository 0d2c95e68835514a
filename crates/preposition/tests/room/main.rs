//! The room over a real cache and store, with sources and clocks at the test's command.
#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

mod errands;
mod memory;
mod rehearsal;
mod schedule;
mod support;

use std::time::Duration;

use manifest::{Hints, Pin};
use preposition::{Entry, FillState, Reach, Rejected, Why};

use crate::support::{Bench, NIGHT, NOON, Origin, PUSHER, Wishes, manifest_of, object};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_planned_is_filled_in_the_window_and_not_before() {
    let origin = Origin::with(6, 200_000);
    let bench = Bench::start(NOON, &[(Reach::Shield, &origin)]).await;
    bench.push(1, &origin).await.unwrap();
    bench.until(|status| status.why == Why::WindowClosed).await;
    assert_eq!(origin.reads(), 0);
    bench.set_time(NIGHT);
    let status = bench.complete().await;
    let progress = status.progress.unwrap();
    assert_eq!((progress.bytes_done, progress.bytes_left), (1_200_000, 0));
    assert_eq!((progress.complete, progress.is_degraded), (1000, false));
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_window_closes_what_is_under_way_is_cut_and_gone_on_with_in_the_next() {
    let origin = Origin::with(3, 200_000);
    let bench = Bench::start(NIGHT, &[(Reach::Shield, &origin)]).await;
    origin.stall(true);
    bench.push(1, &origin).await.unwrap();
    bench.until(|status| status.running > 0).await;
    bench.set_time(NOON);
    bench.until(|status| status.running == 0).await;
    origin.stall(false);
    let reads = origin.reads();
    bench.set_time(NIGHT);
    bench.complete().await;
    assert!(origin.reads() > reads);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_nothing_is_fetched_that_was_verified_and_no_manifest_is_accepted_again() {
    let origin = Origin::with(5, 300_000);
    let sources = [(Reach::Shield, &origin)];
    let bench = Bench::start(NIGHT, &sources).await;
    bench.push(3, &origin).await.unwrap();
    bench.complete().await;
    let reads = origin.reads();
    let bench = bench.restart(&sources).await;
    let replayed = bench.push(3, &origin).await.unwrap_err();
    assert_eq!((replayed.status(), replayed.label()), (409, "replayed"));
    bench.complete().await;
    assert_eq!(origin.reads(), reads);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_is_filled_again() {
    let origin = Origin::with(4, 100_000);
    let bench = Bench::start(NIGHT, &[(Reach::Shield, &origin)]).await;
    bench.push(1, &origin).await.unwrap();
    bench.complete().await;
    let reads = origin.reads();
    bench
        .cache
        .purge(&object(2), cache::Reach::Forget)
        .await
        .unwrap();
    bench.room.repair();
    bench.until(|_| origin.reads() > reads).await;
    bench.complete().await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rots_on_disk_is_filled_again_though_nobody_asks_for_it() {
    let origin = Origin::with(4, 200_000);
    let sources = [(Reach::Shield, &origin)];
    let bench = Bench::with(NIGHT, &sources, |config| {
        config.scrub = Some(Duration::from_secs(1));
    });
    let bench = bench.await;
    bench.push(1, &origin).await.unwrap();
    bench.complete().await;
    let reads = origin.reads();
    for n in [1, 3] {
        bench
            .flip_on_disk(&origin.content(n)[100_000..100_064])
            .await;
    }
    bench.until(|_| origin.reads() == reads + 2).await;
    bench.complete().await;
    for n in 0..4 {
        assert!(bench.has(&object(n), &origin.content(n)).await);
    }
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copier_asks_its_peer_first_and_the_shield_when_the_peer_has_had_its_time() {
    let (peer, shield) = (Origin::with(2, 100_000), Origin::with(5, 100_000));
    let sources = [(Reach::Shield, &shield), (Reach::Peer, &peer)];
    let bench = Bench::start(NIGHT, &sources).await;
    bench.push(1, &shield).await.unwrap();
    bench
        .until(|status| {
            // The clock stands still: what is put off later than this would never be due.
            let mut states = status.progress.iter().flat_map(|progress| &progress.states);
            states.any(|counted| counted.state == Entry::Unreached && counted.objects == 3)
        })
        .await;
    assert_eq!(bench.room.progress().unwrap().bytes_done, 200_000);
    assert_eq!(shield.reads(), 0, "the peer's time is not over");
    bench.set_time(NIGHT + Duration::from_mins(15));
    bench.complete().await;
    assert_eq!(shield.reads(), 3);
    bench.end().await;
}

/// Hardening row M11.
#[tokio::test(flavor = "multi_thread")]
async fn wrong_bytes_fail_their_object_alone_and_degrade_the_plan() {
    let (right, origin) = (Origin::with(4, 100_000), Origin::with(4, 100_000));
    origin.flip(1);
    let bench = Bench::start(NIGHT, &[(Reach::Shield, &origin)]).await;
    bench.push(1, &right).await.unwrap();
    let landed = |state: Entry, objects: u64| {
        move |status: &preposition::Status| {
            let progress = status.progress.as_ref();
            let states = progress.map(|progress| progress.states.clone());
            let mut states = states.unwrap_or_default().into_iter();
            states.any(|counted| counted.state == state && counted.objects == objects)
        }
    };
    bench.until(landed(Entry::Held, 3)).await;
    let status = bench.until(landed(Entry::Mismatch, 1)).await;
    assert!(status.progress.unwrap().is_degraded);
    let failed = &status.failures;
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0].state, Entry::Mismatch);
    assert_eq!(*failed[0].path, *object(1).path);
    let page = bench.room.inventory(0, 10);
    let wrong: Vec<_> = page
        .objects
        .iter()
        .filter(|item| item.state == Entry::Mismatch)
        .collect();
    assert_eq!(wrong.len(), 1);
    assert_eq!(&*wrong[0].path, &*object(1).path);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_room_fills_nothing_until_it_is_undrained() {
    let origin = Origin::with(3, 100_000);
    let bench = Bench::start(NIGHT, &[(Reach::Shield, &origin)]).await;
    bench.room.drain();
    bench
        .until(|status| status.state == FillState::Drained)
        .await;
    bench.push(1, &origin).await.unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(origin.reads(), 0);
    bench.room.undrain();
    bench.complete().await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_manifest_is_out_of_force_and_its_generation_is_not_accepted_again() {
    let origin = Origin::with(2, 100_000);
    let bench = Bench::start(NOON, &[(Reach::Shield, &origin)]).await;
    bench.push(2, &origin).await.unwrap();
    let other = bench.room.withdraw(1).await.unwrap_err();
    assert!(
        matches!(other, Rejected::OtherGeneration { current: 2, .. }),
        "{other:?}"
    );
    bench.room.withdraw(2).await.unwrap();
    assert!(bench.room.progress().is_none());
    assert_eq!(bench.push(2, &origin).await.unwrap_err().status(), 409);
    bench.push(3, &origin).await.unwrap();
    bench.end().await;
}

/// Hardening row M17.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_pushes_of_one_generation_one_wins_and_the_other_is_told() {
    let origin = Origin::with(2, 100_000);
    let bench = Bench::start(NOON, &[(Reach::Shield, &origin)]).await;
    let (one, two) = tokio::join!(bench.push(1, &origin), bench.push(1, &origin));
    let lost = [one, two]
        .into_iter()
        .filter_map(Result::err)
        .collect::<Vec<_>>();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].status(), 409);
    bench.end().await;
}

/// Hardening row M19.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_pushes_is_told_to_come_again() {
    let origin = Origin::with(2, 100_000);
    let bench = Bench::start(NOON, &[(Reach::Shield, &origin)]).await;
    let file = manifest_of(&bench.key, 1, &origin);
    let pushes = (0..100).map(|_| bench.push_by(PUSHER, file.clone()));
    let outcomes = futures_util::future::join_all(pushes).await;
    let busy = outcomes
        .iter()
        .filter(|it| matches!(it, Err(Rejected::Busy)));
    assert!(busy.count() > 50);
    assert_eq!(outcomes.iter().filter(|it| it.is_ok()).count(), 1);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_is_over_when_its_time_is_and_not_when_somebody_looks() {
    let origin = Origin::with(3, 100_000);
    let bench = Bench::start(NIGHT, &[(Reach::Shield, &origin)]).await;
    let end = NIGHT + Duration::from_mins(7);
    let wishes = Wishes {
        pin: Some(Pin::Until(end.as_secs())),
        ..Wishes::default()
    };
    bench.push_as(1, &origin, wishes).await.unwrap();
    bench.complete().await;
    assert_eq!(bench.pinned_bytes(), 300_000);
    bench.set_time(end);
    bench.until(|_| bench.pinned_bytes() == 0).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_goes_with_its_plan_even_if_the_next_plan_goes_at_once() {
    let origin = Origin::with(3, 100_000);
    let bench = Bench::start(NIGHT, &[(Reach::Shield, &origin)]).await;
    let pinned = || Wishes {
        pin: Some(Pin::WhilePlanned),
        ..Wishes::default()
    };
    bench.push_as(1, &origin, pinned()).await.unwrap();
    bench.complete().await;
    assert_eq!(bench.pinned_bytes(), 300_000);
    for generation in 2..6 {
        bench.push(generation, &origin).await.unwrap();
    }
    bench.until(|_| bench.pinned_bytes() == 0).await;
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pinned_and_is_purged_has_no_pin_and_what_comes_instead_has() {
    let origin = Origin::with(3, 100_000);
    let bench = Bench::start(NIGHT, &[(Reach::Shield, &origin)]).await;
    let pinned = Wishes {
        pin: Some(Pin::WhilePlanned),
        ..Wishes::default()
    };
    bench.push_as(1, &origin, pinned).await.unwrap();
    bench.complete().await;
    for n in 0..2 {
        let purged = bench.cache.purge(&object(n), cache::Reach::Forget).await;
        purged.unwrap();
    }
    bench.room.repair();
    bench.until(|_| origin.reads() == 5).await;
    bench.complete().await;
    assert_eq!(bench.pinned_bytes(), 300_000);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_stays_until_what_comes_instead_has_landed_however_often_that_fails() {
    let (old, new) = (Origin::with(1, 90_000), Origin::with(3, 100_000));
    let bench = Bench::start(NIGHT, &[(Reach::Shield, &new)]).await;
    let gone = new.content(2);
    bench.push(1, &new).await.unwrap();
    bench.complete().await;
    assert!(bench.has(&object(2), &gone).await);
    // What is planned instead is the same name with other bytes, which the source has not yet.
    new.kill(true);
    let path = object(2).path;
    let wishes = Wishes {
        removed: vec![("vod", &path)],
        ..Wishes::default()
    };
    bench.push_as(2, &old, wishes).await.unwrap();
    bench.until(|_| new.asked() > 3).await;
    for minutes in [1, 2, 5, 10] {
        bench.set_time(NIGHT + Duration::from_mins(minutes));
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(bench.has(&object(2), &gone).await, "after {minutes} min");
    }
    new.kill(false);
    new.put(0, old.content(0));
    bench.room.repair();
    bench.complete().await;
    let path = object(2);
    for _ in 0..3000 {
        if !bench.has(&path, &gone).await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!bench.has(&path, &gone).await);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_peer_costs_no_attempts_and_the_shield_is_asked_in_its_time() {
    // One object: several that fail at once would have the peer rested for longer than a step.
    let (peer, shield) = (Origin::with(1, 100_000), Origin::with(1, 100_000));
    peer.kill(true);
    let sources = [(Reach::Peer, &peer), (Reach::Shield, &shield)];
    let bench = Bench::start(NIGHT, &sources).await;
    bench.push(1, &shield).await.unwrap();
    // More often than an object may be tried, which is three times.
    for (step, seconds) in (0..).zip([0, 30, 60, 90, 130, 200, 300, 400]) {
        bench.set_time(NIGHT + Duration::from_secs(seconds));
        bench.until(|_| peer.asked() > step).await;
    }
    assert_eq!(shield.asked(), 0, "the peer's time is not over");
    bench.set_time(NIGHT + Duration::from_mins(11));
    bench.complete().await;
    assert_eq!(shield.reads(), 1);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_urgent_waits_for_no_window_and_for_no_peer() {
    let (peer, shield) = (Origin::with(1, 100_000), Origin::with(3, 100_000));
    let sources = [(Reach::Peer, &peer), (Reach::Shield, &shield)];
    let bench = Bench::start(NOON, &sources).await;
    let wishes = Wishes {
        fast_track: true,
        ..Wishes::default()
    };
    bench.push_as(1, &shield, wishes).await.unwrap();
    bench.complete().await;
    assert_eq!((peer.reads(), shield.reads()), (1, 2));
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_with_wrong_bytes_is_passed_over_at_once_and_left_alone() {
    let (peer, shield) = (Origin::with(6, 100_000), Origin::with(6, 100_000));
    (0..6).for_each(|n| peer.flip(n));
    let sources = [(Reach::Peer, &peer), (Reach::Shield, &shield)];
    let bench = Bench::start(NIGHT, &sources).await;
    bench.push(1, &shield).await.unwrap();
    bench.complete().await;
    assert!(peer.reads() <= 2, "those that were under way already");
    assert_eq!(shield.reads(), 6);
    bench.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rate_that_is_told_is_the_one_that_is_kept() {
    let origin = Origin::with(1, 1000);
    let bench = Bench::start(NIGHT, &[(Reach::Shield, &origin)]).await;
    let wishes = Wishes {
        hints: Hints {
            bytes_per_s: Some(1_000_000),
            ..Hints::default()
        },
        ..Wishes::default()
    };
    bench.push_as(1, &origin, wishes).await.unwrap();
    bench
        .until(|status| status.rate_bytes_per_s == 1_000_000)
        .await;
    bench.end().await;
}

/// Hardening row M21.
#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_good_and_bad_manifests_in_turns_is_left_alone_and_the_last_good_one_stays() {
    let (origin, stranger) = (Origin::with(2, 100_000), Bench::start(NOON, &[]).await);
    let bench = Bench::start(NOON, &[(Reach::Shield, &origin)]).await;
    for turn in 0..4 {
        bench.set_time(NOON + Duration::from_mins(turn * 10));
        bench.push(turn + 1, &origin).await.unwrap();
        bench.set_time(NOON + Duration::from_mins(turn * 10 + 5));
        let forged = manifest_of(&stranger.key, 99, &origin);
        let refused = bench.push_by(PUSHER, forged).await.unwrap_err();
        assert_eq!(refused.status(), 403);
    }
    bench.set_time(NOON + Duration::from_mins(40));
    let refused = bench.push(5, &origin).await.unwrap_err();
    assert_eq!((refused.status(), refused.label()), (429, "quarantined"));
    assert_eq!(bench.room.progress().unwrap().generation, 4);
    let other = manifest_of(&bench.key, 5, &origin);
    bench.push_by("other.test", other).await.unwrap();
    bench.set_time(NOON + Duration::from_mins(51));
    bench.push(6, &origin).await.unwrap();
    bench.end().await;
    stranger.end().await;
}
