//! Ranges, conditions, freshness, purge and restarts.

use std::time::Duration;

use crate::support::{Bench, CONTENT_RANGE, Fault, PIECE, name, read, request, rules};
use cache::Reach;
use http_body_util::BodyExt;
use message::Kind;
use semantics::freshness::TtlRules;

const MIB: usize = 1 << 20;

#[tokio::test]
async fn ranges_are_exact_across_slices() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/big.mp4", 1, 6 * MIB + 5);
    for (first, last) in [
        (0, 0),
        (MIB - 1, MIB),
        (5 * MIB + 7, 6 * MIB + 4),
        (0, 6 * MIB + 4),
    ] {
        let range = format!("bytes={first}-{last}");
        let got = bench.get_with("/big.mp4", &[("range", &range)]).await;
        assert_eq!(got.status, 206, "{range}");
        let expected = format!("bytes {first}-{last}/{}", bytes.len());
        assert_eq!(got.headers[CONTENT_RANGE], expected.as_str());
        assert!(got.body.unwrap() == bytes.slice(first..=last), "{range}");
    }
}

#[tokio::test]
async fn a_byte_deep_in_a_large_cold_object_costs_one_slice() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/big.mp4", 1, 9 * MIB);
    let got = bench
        .get_with("/big.mp4", &[("range", "bytes=7340040-7340040")])
        .await;
    assert_eq!(got.body.unwrap(), bytes.slice(7_340_040..=7_340_040));
    let fetches = bench.origin.fetches();
    assert_eq!(fetches.len(), 1);
    assert_eq!(fetches[0].range.unwrap().length(), MIB as u64);
}

#[tokio::test]
async fn a_range_beyond_the_end_is_416_with_the_length() {
    let bench = Bench::new().await;
    bench.origin.put("/a.m4s", 1, 1_000);
    for range in ["bytes=1000-", "bytes=8000000-8000001"] {
        let got = bench.get_with("/a.m4s", &[("range", range)]).await;
        assert_eq!(got.status, 416, "{range}");
        assert_eq!(got.headers[CONTENT_RANGE], "bytes */1000");
    }
}

#[tokio::test]
async fn an_empty_object_is_served_empty() {
    let bench = Bench::new().await;
    bench.origin.put("/empty.vtt", 1, 0);
    for _ in 0..2 {
        let got = bench.get("/empty.vtt").await;
        assert_eq!((got.status, got.body.unwrap().len()), (200, 0));
        assert_eq!(got.headers["content-length"], "0");
    }
}

#[tokio::test]
async fn conditions_are_answered_from_the_head() {
    let bench = Bench::new().await;
    bench.origin.put("/a.m4s", 1, 1_000);
    bench.get("/a.m4s").await;
    let unchanged = bench
        .get_with("/a.m4s", &[("if-none-match", "\"v1\"")])
        .await;
    assert_eq!(unchanged.status, 304);
    assert_eq!(unchanged.headers["etag"], "\"v1\"");
    let failed = bench.get_with("/a.m4s", &[("if-match", "\"v2\"")]).await;
    assert_eq!(failed.status, 412);
    assert_eq!(bench.origin.fetches().len(), 1);
}

#[tokio::test]
async fn head_tells_the_length_and_sends_no_body() {
    let bench = Bench::new().await;
    bench.origin.put("/a.m4s", 1, 1_000);
    let request = request("HEAD", "/a.m4s", &[]);
    let response = bench
        .cache
        .answer(&request, name("/a.m4s"), &bench.rules)
        .await
        .unwrap();
    assert_eq!(response.headers()["content-length"], "1000");
    assert_eq!(response.headers()["content-type"], "video/iso.segment");
    assert_eq!(
        BodyExt::collect(response.into_body())
            .await
            .unwrap()
            .to_bytes()
            .len(),
        0
    );
}

#[tokio::test]
async fn a_stale_object_is_confirmed_without_moving_its_bytes() {
    let ttl = TtlRules {
        default: Duration::ZERO,
        ..rules()
    };
    let bench = Bench::with_rules(ttl).await;
    let bytes = bench.origin.put("/live.m3u8", 1, 1_000);
    bench.get("/live.m3u8").await;
    let again = bench.get("/live.m3u8").await;
    assert!(
        again.cache_status().contains("fwd=stale"),
        "{}",
        again.cache_status()
    );
    assert!(again.cache_status().contains("fwd-status=304"));
    assert_eq!(again.body.unwrap(), bytes);
}

#[tokio::test]
async fn a_stale_object_stands_in_for_a_failing_origin() {
    let ttl = TtlRules {
        default: Duration::ZERO,
        ..rules()
    };
    let bench = Bench::with_rules(ttl).await;
    let bytes = bench.origin.put("/live.m3u8", 1, 1_000);
    bench.get("/live.m3u8").await;
    for fault in [Fault::Refuse, Fault::Status(503)] {
        bench.origin.fail_next(fault);
        assert_eq!(bench.get("/live.m3u8").await.body.unwrap(), bytes);
    }
}

#[tokio::test]
async fn an_absent_object_is_remembered_for_a_moment() {
    let bench = Bench::new().await;
    for _ in 0..3 {
        assert_eq!(bench.get("/none.m4s").await.status, 404);
    }
    assert_eq!(bench.origin.fetches().len(), 1);
}

#[tokio::test]
async fn what_may_not_be_stored_is_passed_to_each_viewer() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/private.json", 1, 1_000);
    bench.origin.change("/private.json", |object| {
        object.fields.push(("cache-control", "no-store"));
    });
    for reason in ["fwd=uri-miss", "fwd=bypass", "fwd=bypass"] {
        let got = bench.get("/private.json").await;
        let told = got.cache_status();
        assert!(told.contains(reason) && !told.contains("stored"), "{told}");
        assert_eq!(got.body.unwrap(), bytes);
    }
    assert_eq!(
        bench.origin.fetches().len(),
        3,
        "each his own, the first too"
    );
}

#[tokio::test]
async fn slices_of_a_weakly_named_object_are_never_put_together() {
    let bench = Bench::new().await;
    let large = bench.origin.put("/big.mp4", 1, 6 * MIB);
    let small = bench.origin.put("/small.vtt", 1, 500);
    for path in ["/big.mp4", "/small.vtt"] {
        bench
            .origin
            .change(path, |object| object.etag = Some("W/\"1\"".into()));
    }
    assert!(
        bench
            .get("/big.mp4")
            .await
            .cache_status()
            .contains("fwd=bypass")
    );
    assert!(bench.get("/big.mp4").await.body.unwrap() == large);
    assert_eq!(bench.get("/small.vtt").await.body.unwrap(), small);
    assert!(bench.get("/small.vtt").await.cache_status().contains("hit"));
}

#[tokio::test]
async fn a_body_of_unknown_length_is_cached_once_it_is_complete() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/index.m3u8", 1, 2_000);
    bench
        .origin
        .change("/index.m3u8", |object| object.sized = false);
    let got = bench.get("/index.m3u8").await;
    assert_eq!(got.headers["content-length"], "2000");
    assert_eq!(got.body.unwrap(), bytes);
    assert!(
        bench
            .get("/index.m3u8")
            .await
            .cache_status()
            .contains("hit")
    );
    let large = bench.origin.put("/large.ts", 1, 5 * MIB);
    bench
        .origin
        .change("/large.ts", |object| object.sized = false);
    assert!(
        bench.get("/large.ts").await.body.unwrap() == large,
        "passed, not gathered"
    );
}

#[tokio::test]
async fn an_origin_without_ranges_still_serves_segments() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/a.m4s", 1, MIB);
    bench.origin.fail_next(Fault::Whole);
    assert_eq!(bench.get("/a.m4s").await.body.unwrap(), bytes);
    assert!(bench.get("/a.m4s").await.cache_status().contains("hit"));
}

#[tokio::test]
async fn an_origin_that_answers_another_range_is_a_502() {
    let bench = Bench::new().await;
    bench.origin.put("/a.m4s", 1, 1_000);
    bench.origin.fail_next(Fault::OtherRange);
    assert_eq!(
        bench.ask("/a.m4s", &[]).await.unwrap_err().kind(),
        Kind::HttpProtocolError
    );
}

#[tokio::test]
async fn only_if_cached_is_answered_from_the_cache_or_with_504() {
    let bench = Bench::new().await;
    bench.origin.put("/a.m4s", 1, 1_000);
    let fields = [("cache-control", "only-if-cached")];
    let error = bench.ask("/a.m4s", &fields).await.unwrap_err();
    assert_eq!(error.kind().status(), 504);
    bench.get("/a.m4s").await;
    assert_eq!(bench.get_with("/a.m4s", &fields).await.status, 200);
    assert_eq!(bench.origin.fetches().len(), 1);
}

#[tokio::test]
async fn two_range_fields_are_a_bad_request() {
    let bench = Bench::new().await;
    let fields = [("range", "bytes=0-1"), ("range", "bytes=2-3")];
    assert_eq!(
        bench
            .ask("/a.m4s", &fields)
            .await
            .unwrap_err()
            .kind()
            .status(),
        400
    );
    assert!(bench.origin.fetches().is_empty());
}

#[tokio::test]
async fn a_purged_object_is_filled_anew_even_under_the_same_entity_tag() {
    let bench = Bench::new().await;
    bench.origin.put("/a.m4s", 1, PIECE);
    bench.get("/a.m4s").await;
    bench
        .cache
        .purge(&name("/a.m4s"), Reach::Forget)
        .await
        .unwrap();
    let mended = crate::support::content("/mended", 9, PIECE);
    bench
        .origin
        .change("/a.m4s", |object| object.bytes = mended.clone());
    assert_eq!(bench.get("/a.m4s").await.body.unwrap(), mended);
    bench.cache.purge_site("tv", Reach::Forget).await.unwrap();
    bench.get("/a.m4s").await;
    assert_eq!(bench.origin.fetches().len(), 3);
}

#[tokio::test]
async fn a_restart_keeps_what_was_cached_and_a_purge_keeps_what_was_purged() {
    let bench = Bench::new().await;
    let kept = bench.origin.put("/kept.m4s", 1, 3 * MIB);
    let large = bench.origin.put("/large.mp4", 1, 6 * MIB);
    bench.origin.put("/purged.m4s", 1, PIECE);
    for path in ["/kept.m4s", "/large.mp4", "/purged.m4s"] {
        bench.get(path).await;
    }
    bench
        .cache
        .purge(&name("/purged.m4s"), Reach::Forget)
        .await
        .unwrap();
    let bench = bench.restarted().await;
    let reads = bench.origin.fetches().len();
    let got = bench.get("/kept.m4s").await;
    assert!(got.cache_status().contains("hit") && got.cache_status().contains("NVME"));
    assert_eq!(got.body.unwrap(), kept);
    assert!(bench.get("/large.mp4").await.body.unwrap() == large);
    assert_eq!(bench.origin.fetches().len(), reads, "all from disk");
    bench.origin.fail_next(Fault::Refuse);
    assert!(
        bench.ask("/purged.m4s", &[]).await.is_err(),
        "a purge does not come back"
    );
}

#[tokio::test]
async fn hits_go_on_while_upstream_is_down() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/a.m4s", 1, PIECE);
    bench.get("/a.m4s").await;
    for _ in 0..10 {
        bench.origin.fail_next(Fault::Refuse);
    }
    assert_eq!(
        read(bench.ask("/a.m4s", &[]).await.unwrap())
            .await
            .body
            .unwrap(),
        bytes
    );
    assert_eq!(
        bench.ask("/b.m4s", &[]).await.unwrap_err().kind(),
        Kind::ConnectionRefused
    );
}
