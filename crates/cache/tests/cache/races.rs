//! What meets at the wrong moment: purges, restarts, other leaders.

use std::sync::Arc;
use std::time::Duration;

use crate::support::{Bench, Fault, PATIENCE, PIECE, name, read, request, rules};
use cache::Reach;
use message::Kind;
use semantics::freshness::TtlRules;

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_viewer_after_a_purge_never_gets_an_answer_that_was_asked_for_before_it() {
    let bench = Arc::new(Bench::new().await);
    let old = bench.origin.put("/a.m4s", 1, PIECE);
    let held = bench.origin.hold_next();
    let before = tokio::spawn({
        let bench = Arc::clone(&bench);
        async move { bench.get("/a.m4s").await.body.unwrap() }
    });
    bench.origin.asked(1).await;
    bench
        .cache
        .purge(&name("/a.m4s"), Reach::Forget)
        .await
        .unwrap();
    let new = bench.origin.put("/a.m4s", 2, PIECE);
    let after = tokio::time::timeout(PATIENCE, bench.get("/a.m4s")).await;
    assert_eq!(
        after
            .expect("it must not wait for the older question")
            .body
            .unwrap(),
        new
    );
    held.add_permits(1);
    assert_eq!(before.await.unwrap(), old);
    let later = bench.get("/a.m4s").await;
    assert!(
        later.cache_status().contains("hit"),
        "the late answer must not replace the newer one"
    );
    assert_eq!(later.body.unwrap(), new);
}

#[tokio::test]
async fn a_stale_head_that_two_viewers_read_from_disk_is_still_confirmed() {
    let ttl = TtlRules {
        default: Duration::ZERO,
        ..rules()
    };
    let bench = Bench::with_rules(ttl).await;
    let bytes = bench.origin.put("/live.m3u8", 1, 1_000);
    bench.get("/live.m3u8").await;
    let bench = bench.restarted().await;
    let asked = bench.origin.fetches().len();
    let (one, two) = tokio::join!(bench.get("/live.m3u8"), bench.get("/live.m3u8"));
    assert_eq!(one.body.unwrap(), bytes);
    assert_eq!(two.body.unwrap(), bytes);
    assert_eq!(
        bench.origin.fetches().len(),
        asked + 1,
        "one question, and not none"
    );
}

#[tokio::test]
async fn what_memory_answers_for_is_found_after_a_restart_though_the_log_went_round() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::over_small_disk(folder, Arc::default()).await;
    let hot = bench.origin.put("/hot.m4s", 1, 100_000);
    for lap in 0..8 {
        let mut request = request("GET", "/hot.m4s", &[]);
        request.at.wall += Duration::from_mins(2 * lap);
        let name = name("/hot.m4s");
        let response = bench.cache.answer(&request, name, &bench.rules).await;
        assert_eq!(read(response.unwrap()).await.body.unwrap(), hot);
        for n in 0..20 {
            let path = format!("/{lap}/{n}.m4s");
            bench.origin.put(&path, 1, 100_000);
            bench.get(&path).await;
        }
        bench.store.flush().await;
    }
    let (folder, origin) = bench.ended().await;
    let bench = Bench::over_small_disk(folder, origin).await;
    let asked = bench.origin.fetches().len();
    assert_eq!(bench.get("/hot.m4s").await.body.unwrap(), hot);
    assert_eq!(
        bench.origin.fetches().len(),
        asked,
        "nothing is asked again"
    );
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_nothing_immortal() {
    let bench = Bench::new().await;
    bench.origin.put("/a.m4s", 1, 1_000);
    bench.get("/a.m4s").await;
    let mut earlier = request("GET", "/a.m4s", &[]);
    earlier.at.wall -= Duration::from_hours(24);
    let response = bench
        .cache
        .answer(&earlier, name("/a.m4s"), &bench.rules)
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(bench.origin.fetches().len(), 2, "it is confirmed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_of_slices_on_disk_are_never_told_of_fills_that_nobody_needed() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/big.mp4", 1, 6 * MIB);
    bench.get("/big.mp4").await;
    let bench = Arc::new(bench.restarted().await);
    let viewers = (0..64).map(|_| {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.get("/big.mp4").await.body.unwrap() })
    });
    for viewer in futures_util::future::join_all(viewers.collect::<Vec<_>>()).await {
        assert!(viewer.unwrap() == bytes);
    }
}

#[tokio::test]
async fn a_leader_that_panics_frees_its_key_and_tells_its_followers() {
    // O25, for a question and for a slice.
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/big.mp4", 1, 6 * MIB);
    bench.origin.fail_next(Fault::Panic);
    let (one, two) = tokio::join!(bench.ask("/big.mp4", &[]), bench.ask("/big.mp4", &[]));
    for told in [one, two] {
        assert_eq!(told.unwrap_err().kind(), Kind::ProxyInternalError);
    }
    bench.get_with("/big.mp4", &[("range", "bytes=0-9")]).await;
    let deep = [("range", "bytes=5242880-5242889")];
    bench.origin.fail_next(Fault::Panic);
    let told = bench.ask("/big.mp4", &deep).await;
    assert_eq!(told.unwrap_err().kind(), Kind::ProxyInternalError);
    assert_eq!(
        bench.get_with("/big.mp4", &deep).await.body.unwrap(),
        bytes.slice(5_242_880..5_242_890)
    );
    assert!(bench.get("/big.mp4").await.body.unwrap() == bytes);
    bench.cache.drained().await;
    assert_eq!(bench.cache.fills_in_flight(), 0);
}

#[tokio::test]
async fn a_panic_while_stale_may_stand_in_is_nobodys_error() {
    let ttl = TtlRules {
        default: Duration::ZERO,
        ..rules()
    };
    let bench = Bench::with_rules(ttl).await;
    let bytes = bench.origin.put("/live.m3u8", 1, 1_000);
    bench.get("/live.m3u8").await;
    bench.origin.fail_next(Fault::Panic);
    assert_eq!(bench.get("/live.m3u8").await.body.unwrap(), bytes);
}
