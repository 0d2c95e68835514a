//! A next hop that is dead, slow, odd or forgetful.

use std::time::Duration;

use crate::support::{Bench, Fault, PIECE, rules};
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
        let got = tokio::time::timeout(Duration::from_secs(2), bench.get("/live.m3u8")).await;
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
    assert!(got.status == 200 && got.body.unwrap() == bytes || got.status == 206);
}
