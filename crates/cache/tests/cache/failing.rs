//! A next hop that is dead, slow, odd or forgetful.

use std::{sync::Arc, time::Duration};

use crate::support::{Bench, Fault, PATIENCE, PIECE, name, read, request, rules};
use message::Kind;
use semantics::freshness::TtlRules;

const MIB: usize = 1 << 20;

fn always_stale() -> TtlRules {
    TtlRules {
        default: Duration::ZERO,
        ..rules()
    }
}

#[tokio::test]
async fn once_upstream_has_failed_nobody_waits_for_it_while_stale_may_be_served() {
    let bench = Bench::with_rules(always_stale()).await;
    let bytes = bench.origin.put("/live.m3u8", 1, 1_000);
    bench.get("/live.m3u8").await;
    bench.origin.fail_next(Fault::Refuse);
    assert_eq!(bench.get("/live.m3u8").await.body.unwrap(), bytes);
    let asked = bench.origin.fetches().len();
    let _black_hole = bench.origin.hold_next();
    for _ in 0..100 {
        let got = tokio::time::timeout(PATIENCE, bench.get("/live.m3u8")).await;
        assert_eq!(got.expect("nobody waits").body.unwrap(), bytes);
    }
    let again = bench.origin.fetches().len() - asked;
    assert!(
        again <= 2,
        "{again} questions to a dead upstream within a moment"
    );
}

#[tokio::test]
async fn what_upstream_said_is_gone_does_not_come_back_after_a_restart() {
    let bench = Bench::with_rules(always_stale()).await;
    bench.origin.put("/a.m4s", 1, 1_000);
    bench.get("/a.m4s").await;
    bench.origin.delete("/a.m4s");
    assert_eq!(bench.get("/a.m4s").await.status, 404);
    let bench = bench.restarted().await;
    bench.origin.fail_next(Fault::Refuse);
    let error = bench.ask("/a.m4s", &[]).await.expect_err("it is gone");
    assert_eq!(error.kind(), Kind::ConnectionRefused);
}

#[tokio::test]
async fn a_question_in_the_middle_that_upstream_cannot_answer_is_asked_from_the_start() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/big.mp4", 1, 6 * MIB);
    bench.origin.fail_next(Fault::Nonsense);
    let got = bench
        .get_with("/big.mp4", &[("range", "bytes=5242880-5242889")])
        .await;
    assert_eq!(got.status, 206);
    assert_eq!(got.body.unwrap(), bytes.slice(5_242_880..5_242_890));
}

#[tokio::test]
async fn a_fill_that_was_refused_is_not_asked_for_again_and_again() {
    let bench = Bench::new().await;
    bench.origin.put("/big.mp4", 1, 6 * MIB);
    bench.get_with("/big.mp4", &[("range", "bytes=0-9")]).await;
    bench.cache.drained().await;
    for _ in 0..3 {
        bench.origin.fail_next(Fault::Refuse);
    }
    let asked = bench.origin.fetches().len();
    let range = [("range", "bytes=5242880-5242889")];
    assert!(bench.ask("/big.mp4", &range).await.is_err());
    assert_eq!(
        bench.origin.fetches().len(),
        asked + 1,
        "upstream has its own retries"
    );
}

#[tokio::test]
async fn slow_viewers_of_what_is_passed_do_not_keep_others_from_filling() {
    let bench = Bench::with_config(|config| {
        config.fills_max = 1;
        config.fill_queue_wait = Duration::from_millis(100);
    })
    .await;
    bench.origin.put("/live.json", 1, 4 * PIECE);
    bench.origin.change("/live.json", |object| {
        object.fields.push(("cache-control", "no-store"));
    });
    let bytes = bench.origin.put("/a.m4s", 1, PIECE);
    let slow = bench.ask("/live.json", &[]).await.unwrap();
    assert_eq!(bench.get("/a.m4s").await.body.unwrap(), bytes);
    drop(slow);
}

#[tokio::test]
async fn an_origin_that_does_no_ranges_is_passed_whole() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/big.mp4", 1, 5 * MIB);
    bench.origin.fail_next(Fault::Whole);
    bench.get("/big.mp4").await;
    bench.origin.fail_next(Fault::Nonsense);
    let got = bench.get_with("/big.mp4", &[("range", "bytes=7-9")]).await;
    let wanted = match got.status {
        206 => bytes.slice(7..10),
        status => {
            assert_eq!(status, 200);
            bytes
        }
    };
    assert_eq!(got.body.unwrap(), wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_viewers_of_what_has_just_expired_are_one_revalidation() {
    // X22.
    for while_revalidate in [Duration::ZERO, Duration::from_secs(30)] {
        let ttl = TtlRules {
            default: Duration::from_mins(1),
            stale_while_revalidate: while_revalidate,
            ..rules()
        };
        let bench = Arc::new(Bench::with_rules(ttl).await);
        let bytes = bench.origin.put("/a.m4s", 1, PIECE);
        bench.get("/a.m4s").await;
        let held = bench.origin.hold_next();
        let viewers: Vec<_> = (0..1_000)
            .map(|_| {
                let bench = Arc::clone(&bench);
                tokio::spawn(async move {
                    let mut later = request("GET", "/a.m4s", &[]);
                    later.at.wall += Duration::from_secs(61);
                    let answer = bench.cache.answer(&later, name("/a.m4s"), &bench.rules);
                    read(answer.await.unwrap()).await.body.unwrap()
                })
            })
            .collect();
        bench.origin.asked(2).await;
        held.add_permits(1);
        for viewer in futures_util::future::join_all(viewers).await {
            assert_eq!(viewer.unwrap(), bytes);
        }
        bench.cache.drained().await;
        assert_eq!(bench.origin.fetches().len(), 2, "{while_revalidate:?}");
    }
}

#[tokio::test]
async fn refreshing_behind_the_back_never_keeps_a_viewer_from_filling() {
    let ttl = TtlRules {
        default: Duration::ZERO,
        stale_while_revalidate: Duration::from_secs(30),
        ..rules()
    };
    let bench = Bench::with(ttl, |config| {
        *config = config.clone().with_fills(4);
        config.fill_queue_wait = Duration::from_millis(500);
    })
    .await;
    let paths: Vec<_> = (0..8).map(|index| format!("/{index}.m4s")).collect();
    for path in &paths {
        bench.origin.put(path, 1, 1_000);
        bench.get(path).await;
        bench.cache.drained().await;
    }
    let asked = bench.origin.fetches().len();
    let mut black_holes = Vec::new();
    for path in &paths {
        black_holes.push(bench.origin.hold_next());
        assert_eq!(bench.get(path).await.status, 200);
        tokio::task::yield_now().await;
    }
    bench.origin.asked(asked + 3).await;
    bench.origin.release_next();
    let bytes = bench.origin.put("/new.m4s", 1, 1_000);
    assert_eq!(bench.get("/new.m4s").await.body.unwrap(), bytes);
}
