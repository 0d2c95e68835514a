//! One read per slice, whoever asks, however it ends.

use std::{sync::Arc, time::Duration};

use crate::support::{Bench, Fault, PIECE, read};
use futures_util::{StreamExt, future::join_all};
use message::{ByteRange, Condition, Kind};

const MIB: usize = 1 << 20;

#[tokio::test]
async fn a_cold_object_costs_one_read_and_a_warm_one_none() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/a.m4s", 1, 3 * MIB);
    let cold = bench.get("/a.m4s").await;
    assert_eq!(cold.body.unwrap(), bytes);
    let warm = bench.get("/a.m4s").await;
    assert!(
        warm.cache_status().contains("hit"),
        "{}",
        warm.cache_status()
    );
    assert_eq!(warm.body.unwrap(), bytes);
    assert_eq!(bench.origin.fetches().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_simultaneous_misses_are_one_read() {
    let bench = Arc::new(Bench::new().await);
    let bytes = bench.origin.put("/a.m4s", 1, MIB);
    let viewers = (0..1_000).map(|_| {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.get("/a.m4s").await.body.unwrap() })
    });
    for viewer in join_all(viewers.collect::<Vec<_>>()).await {
        assert_eq!(viewer.unwrap(), bytes);
    }
    assert_eq!(bench.origin.fetches().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_object_is_one_read_per_slice_after_the_first_four() {
    let bench = Arc::new(Bench::new().await);
    let bytes = bench.origin.put("/big.mp4", 1, 10 * MIB + 17);
    let viewers = (0..50).map(|_| {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.get("/big.mp4").await.body.unwrap() })
    });
    for viewer in join_all(viewers.collect::<Vec<_>>()).await {
        assert!(viewer.unwrap() == bytes);
    }
    let mut firsts: Vec<_> = bench
        .origin
        .fetches()
        .iter()
        .map(|fetch| fetch.range.unwrap().first)
        .collect();
    firsts.sort_unstable();
    let expected: Vec<_> = [0, 4, 5, 6, 7, 8, 9, 10].map(|slice| slice << 20).into();
    assert_eq!(firsts, expected);
}

#[tokio::test]
async fn followers_read_while_the_fill_runs() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/a.m4s", 1, 4 * PIECE);
    let gate = bench.origin.gate();
    gate.add_permits(1);
    let mut first = bench.ask("/a.m4s", &[]).await.unwrap().into_body();
    assert_eq!(first.next().await.unwrap().unwrap(), bytes.slice(..PIECE));
    let mut second = bench.ask("/a.m4s", &[]).await.unwrap().into_body();
    assert_eq!(second.next().await.unwrap().unwrap(), bytes.slice(..PIECE));
    gate.add_permits(1);
    assert_eq!(
        second.next().await.unwrap().unwrap(),
        bytes.slice(PIECE..2 * PIECE)
    );
    assert_eq!(
        first.next().await.unwrap().unwrap(),
        bytes.slice(PIECE..2 * PIECE)
    );
    assert_eq!(bench.origin.fetches().len(), 1);
}

#[tokio::test]
async fn the_first_viewer_leaves_and_the_fill_goes_on() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/a.m4s", 1, 4 * PIECE);
    let gate = bench.origin.gate();
    gate.add_permits(1);
    drop(bench.ask("/a.m4s", &[]).await.unwrap());
    gate.add_permits(3);
    bench.cache.drained().await;
    let later = bench.get("/a.m4s").await;
    assert!(later.cache_status().contains("hit"));
    assert_eq!(later.body.unwrap(), bytes);
    assert_eq!(bench.origin.fetches().len(), 1);
}

#[tokio::test]
async fn a_broken_fill_resumes_at_its_last_byte_under_if_match() {
    for fault in [Fault::DieAfter(100_000), Fault::StallAfter(100_000)] {
        let bench = Bench::with_config(|config| config.stall = Duration::from_millis(200)).await;
        let bytes = bench.origin.put("/a.m4s", 1, 4 * PIECE);
        bench.origin.fail_next(fault);
        assert_eq!(bench.get("/a.m4s").await.body.unwrap(), bytes);
        let fetches = bench.origin.fetches();
        assert_eq!(fetches.len(), 2, "{fault:?}");
        let rest = ByteRange {
            first: 100_000,
            last: 4 * PIECE as u64 - 1,
        };
        assert_eq!(fetches[1].range, Some(rest));
        assert_eq!(
            fetches[1].condition,
            Some(Condition::IfMatch("\"v1\"".into()))
        );
    }
}

#[tokio::test]
async fn a_version_that_changes_mid_fill_is_never_mixed() {
    let bench = Bench::new().await;
    let old = bench.origin.put("/a.m4s", 1, 4 * PIECE);
    let gate = bench.origin.gate();
    bench.origin.fail_next(Fault::DieAfter(PIECE));
    gate.add_permits(1);
    let mut body = bench.ask("/a.m4s", &[]).await.unwrap().into_body();
    assert_eq!(body.next().await.unwrap().unwrap(), old.slice(..PIECE));
    let new = bench.origin.put("/a.m4s", 2, 4 * PIECE);
    gate.add_permits(100);
    let error = body
        .next()
        .await
        .unwrap()
        .expect_err("the body must not go on in another version");
    assert_eq!(error.kind(), Kind::HttpResponseIncomplete);
    assert_eq!(bench.get("/a.m4s").await.body.unwrap(), new);
}

#[tokio::test]
async fn a_version_that_changes_between_slices_ends_the_body_with_an_error() {
    let bench = Bench::new().await;
    let old = bench.origin.put("/big.mp4", 1, 9 * MIB);
    let response = bench.get_with("/big.mp4", &[("range", "bytes=0-9")]).await;
    assert_eq!(response.body.unwrap(), old.slice(..10));
    let new = bench.origin.put("/big.mp4", 2, 9 * MIB);
    let mixed = bench.get("/big.mp4").await;
    assert!(mixed.body.is_err());
    assert!(bench.get("/big.mp4").await.body.unwrap() == new);
}

#[tokio::test]
async fn an_origin_that_keeps_dying_ends_the_body_with_an_error() {
    let bench = Bench::new().await;
    bench.origin.put("/a.m4s", 1, 4 * PIECE);
    for _ in 0..3 {
        bench.origin.fail_next(Fault::DieAfter(10_000));
    }
    let got = bench.get("/a.m4s").await;
    assert_eq!(got.status, 200);
    assert!(got.body.is_err());
    assert_eq!(bench.cache.fills_in_flight(), 0);
}

#[tokio::test]
async fn an_origin_that_dies_before_the_first_byte_is_an_honest_502() {
    let bench = Bench::new().await;
    bench.origin.put("/a.m4s", 1, 4 * PIECE);
    for _ in 0..3 {
        bench.origin.fail_next(Fault::DieAfter(0));
    }
    let error = bench.ask("/a.m4s", &[]).await.unwrap_err();
    assert_eq!(error.kind().status(), 502);
}

#[tokio::test]
async fn a_refused_connection_is_told_to_all_followers_and_the_next_request_asks_again() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/a.m4s", 1, PIECE);
    bench.origin.fail_next(Fault::Refuse);
    let (one, two) = tokio::join!(bench.ask("/a.m4s", &[]), bench.ask("/a.m4s", &[]));
    assert_eq!(one.unwrap_err().kind(), Kind::ConnectionRefused);
    assert_eq!(two.unwrap_err().kind(), Kind::ConnectionRefused);
    assert_eq!(
        read(bench.ask("/a.m4s", &[]).await.unwrap())
            .await
            .body
            .unwrap(),
        bytes
    );
}
