//! Live streams: handed on while they are written, waited for, and answered at the edge.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cache::{LiveRules, Reloads, SiteRules, WHOLE_BYTES_MAX, WindowRule, WindowSource};
use futures_util::StreamExt;
use http_body_util::BodyExt;
use message::{Body, Condition, Kind, Response};
use semantics::live::{Margins, Template};
use tokio::task::JoinHandle;

use crate::support::{Bench, Fault, Got, PIECE, name, read, request, rules};

fn live() -> LiveRules {
    LiveRules {
        playlists: vec![".m3u8".to_owned()],
        streams: vec![".m4s".to_owned()],
        windows: vec![WindowRule {
            segments: Template::parse("/live/s{number}.m4s").unwrap(),
            source: WindowSource::Playlist("index.m3u8".to_owned()),
        }],
        margins: Margins {
            behind: Some(0),
            ahead: 2,
        },
        live_edge: 2,
        absent: Duration::from_secs(3),
        reloads: Reloads::Here,
        hold: Duration::from_secs(20),
        poll: Duration::from_millis(20),
        held_max: 100,
    }
}

async fn bench() -> Bench {
    with(live()).await
}

async fn with(live: LiveRules) -> Bench {
    let mut bench = Bench::new().await;
    bench.rules = live_rules(live);
    bench
}

fn live_rules(live: LiveRules) -> Arc<SiteRules> {
    Arc::new(SiteRules {
        live: Some(Arc::new(live)),
        ..SiteRules::new(rules())
    })
}

/// A segment whose length is not told.
fn chunked(bench: &Bench, path: &str, length: usize) -> Bytes {
    let bytes = bench.origin.put(path, 1, length);
    bench.origin.change(path, |object| object.sized = false);
    bytes
}

/// A playlist of segments `first` to `last`, which stays fresh for so long.
fn playlist(bench: &Bench, first: u64, last: u64, cache_control: &'static str) {
    let version = u8::try_from(last).unwrap();
    bench.origin.put("/live/index.m3u8", version, 1);
    bench.origin.change("/live/index.m3u8", |object| {
        let segments = (first..=last).map(|n| format!("#EXTINF:2,\ns{n}.m4s\n"));
        let head = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
        object.bytes = (head + &segments.collect::<String>()).into();
        object.fields = vec![("cache-control", cache_control)];
    });
}

fn asking(bench: &Bench, path: &str) -> JoinHandle<Got> {
    let (cache, rules) = (bench.cache.clone(), Arc::clone(&bench.rules));
    let (request, name) = (request("GET", path, &[]), name(path));
    tokio::spawn(async move {
        let answer = cache.answer(&request, name, &rules).await;
        read(answer.unwrap_or_else(|error| error.into_response("edge1"))).await
    })
}

/// How often an object was asked for upstream.
fn asked_for(bench: &Bench, path: &str) -> usize {
    let fetches = bench.origin.fetches();
    fetches
        .iter()
        .filter(|fetch| &*fetch.object.path == path)
        .count()
}

async fn until_asked_for(bench: &Bench, path: &str, count: usize) {
    while asked_for(bench, path) < count {
        tokio::task::yield_now().await;
    }
}

async fn next(body: &mut Body) -> Bytes {
    body.next().await.unwrap().unwrap()
}

#[tokio::test]
async fn what_is_still_written_is_handed_on_and_others_join_in() {
    let bench = bench().await;
    let bytes = chunked(&bench, "/v/a.m4s", 5 * PIECE + 7);
    let gate = bench.origin.gate();
    gate.add_permits(2);
    let mut first = bench.ask("/v/a.m4s", &[]).await.unwrap();
    assert_eq!(
        first.body().length(),
        None,
        "nobody knows how long it will be"
    );
    assert_eq!(next(first.body_mut()).await, bytes[..PIECE]);
    let second: Response = bench.ask("/v/a.m4s", &[]).await.unwrap();
    let third = bench.ask("/v/a.m4s", &[]).await.unwrap();
    gate.add_permits(10);
    assert_eq!(read(second).await.body.unwrap(), bytes);
    assert_eq!(read(third).await.body.unwrap(), bytes);
    let rest = BodyExt::collect(first.into_body()).await.unwrap();
    assert_eq!(rest.to_bytes(), bytes[PIECE..]);
    let hit = bench.get("/v/a.m4s").await;
    assert!(hit.cache_status().contains("hit"), "{}", hit.cache_status());
    assert_eq!(hit.headers["content-length"], bytes.len().to_string());
    assert_eq!(hit.body.unwrap(), bytes);
    assert_eq!(bench.origin.fetches().len(), 1);
}

#[tokio::test]
async fn a_cut_one_without_a_validator_is_an_error_for_everybody_and_is_not_kept() {
    let bench = bench().await;
    let bytes = chunked(&bench, "/v/a.m4s", 5 * PIECE);
    bench.origin.change("/v/a.m4s", |object| object.etag = None);
    let gate = bench.origin.gate();
    bench.origin.fail_next(Fault::DieAfter(2 * PIECE));
    gate.add_permits(1);
    let one = bench.ask("/v/a.m4s", &[]).await.unwrap();
    let other = bench.ask("/v/a.m4s", &[]).await.unwrap();
    gate.add_permits(100);
    for cut in [read(one).await, read(other).await] {
        assert_eq!(cut.status, 200);
        assert_eq!(cut.body.unwrap_err().kind(), Kind::ConnectionTerminated);
    }
    assert_eq!(bench.get("/v/a.m4s").await.body.unwrap(), bytes);
    assert_eq!(bench.origin.fetches().len(), 2);
}

#[tokio::test]
async fn one_that_breaks_before_its_first_byte_has_an_honest_status() {
    let bench = bench().await;
    chunked(&bench, "/v/a.m4s", PIECE);
    bench.origin.change("/v/a.m4s", |object| object.etag = None);
    bench.origin.fail_next(Fault::DieAfter(0));
    let error = bench.ask("/v/a.m4s", &[]).await.unwrap_err();
    assert_eq!(error.kind().status(), 502);
}

#[tokio::test]
async fn a_closed_range_is_answered_as_soon_as_its_bytes_are_there() {
    let bench = bench().await;
    let bytes = chunked(&bench, "/v/a.m4s", 5 * PIECE);
    let gate = bench.origin.gate();
    gate.add_permits(2);
    let range = format!("bytes=10-{}", PIECE + 9);
    let got = bench.get_with("/v/a.m4s", &[("range", &range)]).await;
    assert_eq!(got.status, 206);
    let told = format!("bytes 10-{}/*", PIECE + 9);
    assert_eq!(got.headers["content-range"], told);
    assert_eq!(got.body.unwrap(), bytes[10..PIECE + 10]);
    // What has no end is told once there is one.
    let rest = asking_range(&bench, "bytes=100-");
    let beyond = asking_range(&bench, "bytes=9999999-");
    tokio::task::yield_now().await;
    assert!(!rest.is_finished());
    gate.add_permits(100);
    let rest = rest.await.unwrap();
    let total = bytes.len();
    assert_eq!(
        rest.headers["content-range"],
        format!("bytes 100-{}/{total}", total - 1)
    );
    assert_eq!(rest.body.unwrap(), bytes[100..]);
    assert_eq!(beyond.await.unwrap().status, 416);
    assert_eq!(bench.origin.fetches().len(), 1);
}

fn asking_range(bench: &Bench, range: &str) -> JoinHandle<Got> {
    let (cache, rules) = (bench.cache.clone(), Arc::clone(&bench.rules));
    let request = request("GET", "/v/a.m4s", &[("range", range)]);
    tokio::spawn(async move {
        let answer = cache.answer(&request, name("/v/a.m4s"), &rules).await;
        read(answer.unwrap()).await
    })
}

#[tokio::test]
async fn the_question_of_another_tier_is_answered_with_what_comes() {
    let bench = bench().await;
    chunked(&bench, "/v/a.m4s", 3 * PIECE);
    let gate = bench.origin.gate();
    gate.add_permits(1);
    let question = format!("bytes=0-{}", WHOLE_BYTES_MAX - 1);
    let response = bench
        .ask("/v/a.m4s", &[("range", &question)])
        .await
        .unwrap();
    assert_eq!(
        (response.status().as_u16(), response.body().length()),
        (200, None)
    );
    gate.add_permits(100);
}

#[tokio::test]
async fn one_that_is_longer_than_a_slice_is_stored_when_it_ends() {
    let bench = bench().await;
    let bytes = chunked(&bench, "/v/a.m4s", (9 << 20) + 5);
    let (one, other) = tokio::join!(bench.get("/v/a.m4s"), bench.get("/v/a.m4s"));
    assert_eq!(one.body.unwrap(), bytes);
    assert_eq!(other.body.unwrap(), bytes);
    let hit = bench.get("/v/a.m4s").await;
    assert_eq!(hit.headers["content-length"], bytes.len().to_string());
    assert_eq!(hit.body.unwrap(), bytes);
    let range = [("range", "bytes=4194300-5242890")];
    let part = bench.get_with("/v/a.m4s", &range).await;
    assert_eq!(part.body.unwrap(), bytes[4_194_300..5_242_891]);
    assert_eq!(bench.origin.fetches().len(), 1);
}

#[tokio::test]
async fn a_long_one_without_a_validator_is_handed_on_and_not_stored() {
    let bench = bench().await;
    let bytes = chunked(&bench, "/v/a.m4s", 5 << 20);
    bench.origin.change("/v/a.m4s", |object| object.etag = None);
    let (one, other) = tokio::join!(bench.get("/v/a.m4s"), bench.get("/v/a.m4s"));
    assert_eq!(one.body.unwrap(), bytes);
    assert_eq!(other.body.unwrap(), bytes);
    assert_eq!(bench.origin.fetches().len(), 1, "shared while it came");
    assert_eq!(bench.get("/v/a.m4s").await.body.unwrap(), bytes);
    assert_eq!(bench.origin.fetches().len(), 2);
}

#[tokio::test]
async fn a_long_one_of_an_origin_without_ranges_is_asked_for_anew_when_a_slice_is_gone() {
    let bench = Bench::with_memory(8 << 20, 64 << 20, |_| {}).await;
    let bench = Bench {
        rules: live_rules(live()),
        ..bench
    };
    let bytes = chunked(&bench, "/v/a.m4s", 6 << 20);
    assert_eq!(bench.get("/v/a.m4s").await.body.unwrap(), bytes);
    for other in 0..8 {
        let path = format!("/v/other{other}.m4s");
        bench.origin.put(&path, 1, 4 << 20);
        bench.get(&path).await.body.unwrap();
    }
    // Its slices had to go, and no range brings them back.
    let got = bench.get("/v/a.m4s").await;
    assert_eq!((got.status, got.body.unwrap()), (200, bytes));
}

/// Two readers from the start, and one who asks for ranges as another tier does.
#[tokio::test]
async fn one_that_breaks_goes_on_from_its_last_byte_for_everybody() {
    for sized in [false, true] {
        let bench = bench().await;
        let bytes = chunked(&bench, "/v/a.m4s", 40 * PIECE + 9);
        let gate = bench.origin.gate();
        bench.origin.fail_next(Fault::DieAfter(20 * PIECE + 3));
        gate.add_permits(1);
        let one = bench.ask("/v/a.m4s", &[]).await.unwrap();
        let other = bench.ask("/v/a.m4s", &[]).await.unwrap();
        // Whether the origin has it whole by then, or begins anew.
        bench
            .origin
            .change("/v/a.m4s", |object| object.sized = sized);
        gate.add_permits(1000);
        for got in [read(one).await, read(other).await] {
            assert_eq!((got.status, got.body.unwrap()), (200, bytes.clone()));
        }
        let asked = bench.origin.fetches();
        assert_eq!(asked.len(), 2);
        let range = asked[1].range.unwrap();
        assert_eq!(range.first, (20 * PIECE + 3) as u64);
        let same = Some(Condition::IfMatch("\"v1\"".into()));
        assert_eq!(asked[1].condition, same);
        let hit = bench.get("/v/a.m4s").await;
        assert_eq!(hit.body.unwrap(), bytes);
        assert_eq!(bench.origin.fetches().len(), 2, "it is cached");
    }
}

#[tokio::test]
async fn the_rest_of_another_version_is_put_behind_nothing() {
    let bench = bench().await;
    chunked(&bench, "/v/a.m4s", 10 * PIECE);
    bench.origin.fail_next(Fault::DieAfter(5 * PIECE));
    let gate = bench.origin.gate();
    gate.add_permits(1);
    let one = bench.ask("/v/a.m4s", &[]).await.unwrap();
    // Under the same tag: an origin that makes it of a clock.
    let other = crate::support::content("/v/a.m4s", 2, 10 * PIECE);
    let now = other.clone();
    bench.origin.change("/v/a.m4s", |object| object.bytes = now);
    gate.add_permits(1000);
    assert!(read(one).await.body.is_err());
    assert_eq!(bench.get("/v/a.m4s").await.body.unwrap(), other);
}

#[tokio::test]
async fn one_that_breaks_again_and_again_is_given_up() {
    let bench = bench().await;
    chunked(&bench, "/v/a.m4s", 10 * PIECE);
    for at in [3, 4, 5] {
        bench.origin.fail_next(Fault::DieAfter(at * PIECE));
    }
    let got = bench.get("/v/a.m4s").await;
    assert_eq!(got.body.unwrap_err().kind(), Kind::ConnectionTerminated);
    assert_eq!(bench.origin.fetches().len(), 3);
}

/// RFC 8673 section 2.2.
#[tokio::test]
async fn a_range_that_ends_beyond_all_segments_is_answered_with_what_comes() {
    let bench = bench().await;
    let bytes = chunked(&bench, "/v/a.m4s", 5 * PIECE);
    let gate = bench.origin.gate();
    gate.add_permits(2);
    let range = [("range", "bytes=100-999999999")];
    let mut response = bench.ask("/v/a.m4s", &range).await.unwrap();
    assert_eq!(response.status(), 206);
    assert_eq!(response.headers()["content-range"], "bytes 100-999999999/*");
    assert_eq!(response.body().length(), None);
    let first = next(response.body_mut()).await;
    assert_eq!(first, bytes[100..PIECE]);
    gate.add_permits(100);
    let rest = BodyExt::collect(response.into_body()).await.unwrap();
    assert_eq!(rest.to_bytes(), bytes[PIECE..]);
}

#[tokio::test]
async fn the_next_segment_is_waited_for_by_all_with_one_question_at_a_time() {
    let bench = bench().await;
    playlist(&bench, 1, 5, "max-age=60");
    let held: Vec<_> = (0..50).map(|_| asking(&bench, "/live/s6.m4s")).collect();
    until_asked_for(&bench, "/live/s6.m4s", 3).await;
    assert!(held.iter().all(|one| !one.is_finished()));
    let before = asked_for(&bench, "/live/s6.m4s");
    assert!(before < 20, "{before} questions for 50 viewers");
    let bytes = bench.origin.put("/live/s6.m4s", 1, 5_000);
    for one in held {
        let got = one.await.unwrap();
        assert_eq!((got.status, got.body.unwrap()), (200, bytes.clone()));
    }
}

#[tokio::test]
async fn who_waits_too_long_is_told_that_it_is_not_there() {
    let bench = with(LiveRules {
        hold: Duration::from_millis(100),
        ..live()
    })
    .await;
    playlist(&bench, 1, 5, "max-age=60");
    let got = bench.get("/live/s6.m4s").await;
    assert_eq!(got.status, 404);
    assert_eq!(got.headers["cache-control"], "no-store");
    assert!(asked_for(&bench, "/live/s6.m4s") >= 1);
}

#[tokio::test]
async fn no_more_wait_than_may() {
    let bench = with(LiveRules {
        held_max: 4,
        ..live()
    })
    .await;
    playlist(&bench, 1, 5, "max-age=60");
    // Three quarters of the places are for the next segment.
    let held: Vec<_> = (0..3).map(|_| asking(&bench, "/live/s6.m4s")).collect();
    until_asked_for(&bench, "/live/s6.m4s", 2).await;
    assert_eq!(bench.get("/live/s6.m4s").await.status, 404, "told at once");
    assert!(held.iter().all(|one| !one.is_finished()));
    bench.origin.put("/live/s6.m4s", 1, 5_000);
    for one in held {
        assert_eq!(one.await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn outside_of_the_window_upstream_is_not_asked() {
    let bench = bench().await;
    playlist(&bench, 10, 15, "max-age=60");
    let gone = bench.get("/live/s9.m4s").await;
    assert_eq!(
        (gone.status, &gone.headers["cache-control"]),
        (410, &"max-age=3".parse().unwrap())
    );
    let beyond = bench.get("/live/s18.m4s").await;
    assert_eq!(
        (beyond.status, &beyond.headers["cache-control"]),
        (404, &"no-store".parse().unwrap())
    );
    assert_eq!(
        asked_for(&bench, "/live/s9.m4s") + asked_for(&bench, "/live/s18.m4s"),
        0
    );
    assert_eq!(asked_for(&bench, "/live/index.m3u8"), 1);
}

#[tokio::test]
async fn without_a_playlist_everything_goes_upstream() {
    let bench = bench().await;
    let bytes = bench.origin.put("/live/s9.m4s", 1, 5_000);
    assert_eq!(bench.get("/live/s9.m4s").await.body.unwrap(), bytes);
    assert_eq!(bench.get("/live/s10.m4s").await.status, 404);
}

#[tokio::test]
async fn a_blocking_reload_waits_for_the_segment_that_it_names() {
    let bench = bench().await;
    playlist(&bench, 1, 5, "max-age=0");
    let at_once = bench.get("/live/index.m3u8?_HLS_msn=5").await;
    assert_eq!(at_once.status, 200);
    let held: Vec<_> = (0..20)
        .map(|_| asking(&bench, "/live/index.m3u8?_HLS_msn=6"))
        .collect();
    let before = asked_for(&bench, "/live/index.m3u8");
    until_asked_for(&bench, "/live/index.m3u8", before + 2).await;
    assert!(held.iter().all(|one| !one.is_finished()));
    playlist(&bench, 1, 6, "max-age=0");
    for one in held {
        let got = one.await.unwrap();
        assert_eq!(got.status, 200);
        let text = String::from_utf8(got.body.unwrap().to_vec()).unwrap();
        assert!(text.contains("s6.m4s"), "{text}");
    }
    let directives = bench.origin.fetches();
    assert!(
        directives
            .iter()
            .all(|fetch| !fetch.object.path.contains('?'))
    );
}

#[tokio::test]
async fn a_reload_that_makes_no_sense_is_refused() {
    let bench = bench().await;
    playlist(&bench, 1, 5, "max-age=0");
    for query in ["_HLS_msn=8", "_HLS_msn=x", "_HLS_part=1"] {
        let error = bench.ask(&format!("/live/index.m3u8?{query}"), &[]).await;
        assert_eq!(error.unwrap_err().kind().status(), 400, "{query}");
    }
}
