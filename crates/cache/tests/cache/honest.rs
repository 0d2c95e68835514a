//! What an answer says of itself: ages, lifetimes, what may be kept of it.

use std::time::Duration;

use crate::support::{Bench, PIECE};

#[tokio::test]
async fn refusals_of_a_version_are_never_kept_by_anybody() {
    // Every 4xx of ours is no-store: the object's own lifetime is not the refusal's.
    let bench = Bench::new().await;
    bench.origin.put("/a.m4s", 1, 1_000);
    bench.origin.change("/a.m4s", |object| {
        object
            .fields
            .push(("cache-control", "public, max-age=31536000"));
    });
    for (field, value, status) in [("range", "bytes=1000-", 416), ("if-match", "\"v2\"", 412)] {
        let got = bench.get_with("/a.m4s", &[(field, value)]).await;
        assert_eq!(got.status, status);
        assert_eq!(got.headers["cache-control"], "no-store", "{status}");
        assert!(!got.headers.contains_key("age"), "{status}");
    }
}

#[tokio::test]
async fn a_passed_absence_is_never_kept_by_anybody() {
    let bench = Bench::new().await;
    bench.origin.put("/live.json", 1, PIECE);
    bench.origin.change("/live.json", |object| {
        object.fields.push(("cache-control", "no-store"));
    });
    bench.get("/live.json").await;
    bench.origin.delete("/live.json");
    let got = bench.get("/live.json").await;
    assert_eq!(got.status, 404);
    assert_eq!(got.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn the_age_that_upstream_told_outlives_a_restart() {
    // RFC 9111 section 4.2.3: without a Date, Age is all there is to go by.
    let bench = Bench::new().await;
    bench.origin.put("/a.m4s", 1, 1_000);
    bench
        .origin
        .change("/a.m4s", |object| object.fields.push(("age", "1000")));
    bench.get("/a.m4s").await;
    let bench = bench.restarted().await;
    let got = bench.get("/a.m4s").await;
    assert!(got.cache_status().contains("hit"));
    let age: u64 = got.headers["age"].to_str().unwrap().parse().unwrap();
    assert!((1000..1100).contains(&age), "{age}");
}

#[tokio::test]
async fn an_absence_tells_the_next_tier_how_long_it_is_believed() {
    // RFC 9213: browsers see no-store; an edge adds no time of its own to the shield's.
    let bench = Bench::new().await;
    let first = bench.get("/none.m4s").await;
    assert_eq!(first.headers["cache-control"], "no-store");
    let told = first.headers["cdn-cache-control"].to_str().unwrap();
    let seconds: u64 = told.strip_prefix("max-age=").unwrap().parse().unwrap();
    assert!(seconds <= 5, "{told}");
    assert!(Duration::from_secs(seconds) <= bench.rules.ttl.negative);
}

#[tokio::test]
async fn only_if_cached_never_asks_upstream_for_a_slice_or_a_pass() {
    // R18. RFC 9111 section 5.2.1.7.
    let bench = Bench::new().await;
    bench.origin.put("/big.mp4", 1, 6 << 20);
    bench.get_with("/big.mp4", &[("range", "bytes=0-9")]).await;
    bench.origin.put("/live.json", 1, PIECE);
    bench.origin.change("/live.json", |object| {
        object.fields.push(("cache-control", "no-store"));
    });
    bench.get("/live.json").await;
    bench.cache.drained().await;
    let asked = bench.origin.fetches().len();
    let only = ("cache-control", "only-if-cached");
    let slice = bench
        .ask("/big.mp4", &[only, ("range", "bytes=5242880-5242889")])
        .await;
    assert_eq!(slice.unwrap_err().kind().status(), 504);
    let pass = bench.ask("/live.json", &[only]).await;
    assert_eq!(pass.unwrap_err().kind().status(), 504);
    let held = bench
        .get_with("/big.mp4", &[only, ("range", "bytes=0-9")])
        .await;
    assert_eq!(held.status, 206);
    assert_eq!(bench.origin.fetches().len(), asked);
}
