//! RFC 9110 section 15.3.7: an origin that sends less at a time than it is asked for.

use std::{pin::pin, time::Duration};

use futures_util::poll;
use message::ByteRange;
use semantics::freshness::TtlRules;

use crate::support::{Bench, Fault, MIB, read, rules};

async fn capped(path: &str, length: usize, part_bytes_max: usize) -> (Bench, bytes::Bytes) {
    capped_on(Bench::new().await, path, length, part_bytes_max)
}

fn capped_on(
    bench: Bench,
    path: &str,
    length: usize,
    part_bytes_max: usize,
) -> (Bench, bytes::Bytes) {
    let bytes = bench.origin.put(path, 1, length);
    bench
        .origin
        .change(path, |object| object.part_bytes_max = part_bytes_max);
    (bench, bytes)
}

#[tokio::test]
async fn an_origin_that_sends_a_part_at_a_time_is_asked_for_the_rest() {
    let (bench, bytes) = capped("/a.m4s", 3 * MIB + 5, MIB).await;
    assert_eq!(bench.get("/a.m4s").await.body.unwrap(), bytes);
    let fetches = bench.origin.fetches();
    assert_eq!(fetches.len(), 4);
    let firsts: Vec<_> = fetches
        .iter()
        .map(|fetch| fetch.range.unwrap().first)
        .collect();
    assert_eq!(firsts, [0, 1 << 20, 2 << 20, 3 << 20]);
    let again = bench.get_with("/a.m4s", &[("range", "bytes=-7")]).await;
    assert_eq!(again.body.unwrap(), bytes.slice(bytes.len() - 7..));
    assert_eq!(bench.origin.fetches().len(), 4, "all of it is held");
}

#[tokio::test]
async fn parts_of_two_versions_are_never_put_together() {
    let (bench, bytes) = capped("/a.m4s", 3 * MIB, MIB).await;
    let gate = bench.origin.gate();
    let response = bench.ask("/a.m4s", &[]);
    let (response, ()) = tokio::join!(response, async {
        gate.add_permits(1);
        bench.origin.asked(1).await;
        bench.origin.put("/a.m4s", 2, 3 * MIB);
        gate.add_permits(10_000);
    });
    match read(response.unwrap()).await.body {
        Err(_broken) => {}
        Ok(whole) => {
            let second = crate::support::content("/a.m4s", 2, 3 * MIB);
            assert!(whole == bytes || whole == second, "a mixture");
        }
    }
}

#[tokio::test]
async fn parts_too_small_to_be_put_together_are_not_and_the_whole_is_asked_for() {
    let (bench, bytes) = capped("/a.m4s", MIB, 100 << 10).await;
    assert_eq!(bench.get("/a.m4s").await.body.unwrap(), bytes);
    let fetches = bench.origin.fetches();
    assert_eq!(fetches.len(), 2);
    assert_eq!(fetches[1].range, None);
}

#[tokio::test]
async fn without_a_strong_name_parts_are_not_put_together() {
    let (bench, bytes) = capped("/a.m4s", 2 * MIB, MIB).await;
    bench.origin.change("/a.m4s", |object| object.etag = None);
    assert_eq!(bench.get("/a.m4s").await.body.unwrap(), bytes);
    assert_eq!(bench.origin.fetches()[1].range, None);
}

#[tokio::test]
async fn a_small_part_is_kept_for_who_wants_bytes_of_it() {
    let (bench, bytes) = capped("/a.m4s", 1_000, 100).await;
    for (range, first) in [("bytes=0-99", 0), ("bytes=90-99", 90)] {
        let got = bench.get_with("/a.m4s", &[("range", range)]).await;
        assert_eq!(got.status, 206);
        let told = format!("bytes {first}-99/1000");
        assert_eq!(got.headers["content-range"], told.as_str());
        assert_eq!(got.body.unwrap(), bytes.slice(first..100));
    }
    assert_eq!(bench.origin.fetches().len(), 1);
}

#[tokio::test]
async fn a_part_that_stands_in_for_a_failure_does_so_for_who_wants_bytes_of_it_alone() {
    let always_stale = TtlRules {
        default: Duration::ZERO,
        ..rules()
    };
    let bench = Bench::with_rules(always_stale).await;
    let (bench, bytes) = capped_on(bench, "/a.m4s", 1_000, 100);
    let part = &[("range", "bytes=0-99")];
    assert_eq!(bench.get_with("/a.m4s", part).await.status, 206);
    bench.origin.fail_next(Fault::Refuse);
    let held = bench.origin.hold_next();
    let mut leader = pin!(bench.ask("/a.m4s", part));
    let mut follower = pin!(bench.ask("/a.m4s", &[]));
    assert!(poll!(&mut leader).is_pending());
    bench.origin.asked(2).await;
    assert!(poll!(&mut follower).is_pending());
    assert_eq!(bench.origin.fetches().len(), 2, "one question for both");
    held.add_permits(1);
    let led = read(leader.await.unwrap()).await;
    assert_eq!((led.status, led.body.unwrap()), (206, bytes.slice(..100)));
    let whole = read(follower.await.unwrap()).await;
    assert_eq!((whole.status, whole.body.unwrap()), (200, bytes));
}

#[tokio::test]
async fn no_range_goes_upstream_whose_end_has_no_number_or_that_is_beyond_any_object() {
    let bench = Bench::new().await;
    let bytes = bench.origin.put("/live.json", 1, 1_000);
    bench.origin.change("/live.json", |object| {
        object.fields.push(("cache-control", "no-store"));
    });
    bench.get("/live.json").await;
    let far = "99999999999999999999";
    let range = format!("bytes=7-{far}");
    let rest = bench.get_with("/live.json", &[("range", &range)]).await;
    assert_eq!((rest.status, rest.body.unwrap()), (206, bytes.slice(7..)));
    let range = format!("bytes={far}-{far}");
    let all = bench.get_with("/live.json", &[("range", &range)]).await;
    assert_eq!((all.status, all.body.unwrap()), (200, bytes));
    let fetches = bench.origin.fetches();
    let asked: Vec<_> = fetches[1..].iter().map(|fetch| fetch.range).collect();
    let to_the_end = ByteRange {
        first: 7,
        last: ByteRange::OPEN,
    };
    assert_eq!(asked, [Some(to_the_end), None]);
}
