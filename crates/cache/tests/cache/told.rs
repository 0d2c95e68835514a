//! RFC 9211: what `Cache-Status` says of each kind of answer.

use std::{sync::Arc, time::Duration};

use cache::{Reach, SiteRules};
use semantics::freshness::TtlRules;

use crate::support::{Bench, Fault, Got, name, read, request, rules};

/// Method, fields, status, and what is told.
type Row = (
    &'static str,
    &'static [(&'static str, &'static str)],
    u16,
    &'static str,
);

/// The member without the digits of `ttl`, which the clock moves.
fn told(got: &Got) -> String {
    let whole = got.cache_status();
    let Some((before, after)) = whole.split_once("ttl=") else {
        return whole.to_owned();
    };
    let sign = if after.starts_with('-') {
        "past"
    } else {
        "left"
    };
    let rest = after.trim_start_matches(|c: char| c == '-' || c.is_ascii_digit());
    format!("{before}ttl={sign}{rest}")
}

async fn asks(bench: &Bench, method: &str, path: &str, fields: &[(&str, &str)]) -> Got {
    let request = request(method, path, fields);
    let response = bench.cache.answer(&request, name(path), &bench.rules);
    read(response.await.unwrap()).await
}

#[tokio::test]
async fn every_hit_tells_how_long_it_stays_fresh() {
    // RFC 9211 section 2.3.
    let bench = Bench::new().await;
    bench.origin.put("/a.m4s", 1, 1_000);
    assert_eq!(
        told(&bench.get("/a.m4s").await),
        "edge1; fwd=uri-miss; fwd-status=206; stored; ttl=left"
    );
    let rows: [Row; 7] = [
        ("GET", &[], 200, "edge1; hit; ttl=left; detail=RAM"),
        (
            "GET",
            &[("range", "bytes=1-2")],
            206,
            "edge1; hit; ttl=left; detail=RAM",
        ),
        (
            "GET",
            &[("range", "bytes=1-2, 500-501")],
            206,
            "edge1; hit; ttl=left",
        ),
        ("HEAD", &[], 200, "edge1; hit; ttl=left"),
        (
            "GET",
            &[("if-none-match", "\"v1\"")],
            304,
            "edge1; hit; ttl=left",
        ),
        (
            "GET",
            &[("if-match", "\"v2\"")],
            412,
            "edge1; hit; ttl=left",
        ),
        (
            "GET",
            &[("range", "bytes=1000-")],
            416,
            "edge1; hit; ttl=left",
        ),
    ];
    for (method, fields, status, expected) in rows {
        let got = asks(&bench, method, "/a.m4s", fields).await;
        assert_eq!((got.status, &*told(&got)), (status, expected), "{fields:?}");
    }
    assert_eq!(bench.origin.fetches().len(), 1);
}

#[tokio::test]
async fn what_is_stale_and_stands_in_for_a_failure_was_asked_for() {
    // RFC 9211 section 2.2.
    let bench = Bench::with_rules(TtlRules {
        default: Duration::ZERO,
        ..rules()
    })
    .await;
    bench.origin.put("/a.m4s", 1, 1_000);
    bench.get("/a.m4s").await;
    bench.origin.fail_next(Fault::Refuse);
    let failed = bench.get("/a.m4s").await;
    // Stale from the first moment on: nothing is left, and nothing was stored.
    let told = told(&failed);
    assert!(told.starts_with("edge1; fwd=stale; ttl="), "{told}");
    assert_eq!(failed.body.unwrap().len(), 1_000);
}

#[tokio::test]
async fn what_upstream_confirms_says_so() {
    let bench = Bench::new().await;
    bench.origin.put("/a.m4s", 1, 1_000);
    bench.get("/a.m4s").await;
    let name = name("/a.m4s");
    bench.cache.purge(&name, Reach::Confirm).await.unwrap();
    let confirmed = bench.get("/a.m4s").await;
    assert_eq!(
        told(&confirmed),
        "edge1; fwd=stale; fwd-status=304; ttl=left"
    );
}

#[tokio::test]
async fn answers_that_are_no_objects_tell_it_too() {
    let bench = Bench::new().await;
    let missing = bench.get("/none.m4s").await;
    assert_eq!(
        told(&missing),
        "edge1; fwd=uri-miss; fwd-status=404; stored; ttl=left"
    );
    let again = bench.get("/none.m4s").await;
    assert_eq!(
        (again.status, &*told(&again)),
        (404, "edge1; hit; ttl=left")
    );
}

#[tokio::test]
async fn what_is_passed_is_not_stored_and_has_no_lifetime() {
    let bench = Bench::new().await;
    bench.origin.put("/a.m4s", 1, 1_000);
    bench.origin.change("/a.m4s", |object| {
        object.fields.push(("cache-control", "no-store"));
    });
    for expected in [
        "edge1; fwd=uri-miss; fwd-status=200",
        "edge1; fwd=bypass; fwd-status=200",
    ] {
        assert_eq!(told(&bench.get("/a.m4s").await), expected);
    }
}

#[tokio::test]
async fn the_key_is_told_where_the_site_says_so() {
    // RFC 9211 section 2.7.
    let mut bench = Bench::new().await;
    bench.rules = Arc::new(SiteRules {
        tells_key: true,
        ..SiteRules::new(rules())
    });
    bench.origin.put("/a.m4s", 1, 1_000);
    bench.get("/a.m4s").await;
    let hit = bench.get("/a.m4s").await;
    assert_eq!(
        told(&hit),
        "edge1; hit; ttl=left; key=\"/a.m4s\"; detail=RAM"
    );
}
