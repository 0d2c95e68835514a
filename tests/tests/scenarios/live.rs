//! A live stream on the whole way: an origin that publishes while viewers wait and read.

use std::ops::Range;

use futures_util::future::join_all;
use tests::{
    client::{PROTOCOLS, Reply},
    eventually,
    oracle::Object,
    origin::LiveOrigin,
    relay::Relay,
    world::{Plan, World},
};

const PLAYLIST: &str = "/live/index.m3u8";
const KIB: u64 = 1 << 10;

/// A site with live streams on both tiers: a shield that knows when to stop waiting, and an edge
/// that waits for as long as it takes.
async fn world(origin: &LiveOrigin) -> World {
    with(Plan::default(), origin).await
}

async fn with(plan: Plan, origin: &LiveOrigin) -> World {
    let mut plan = plan.shield_key("site.0.origin.urls", vec![origin.url()]);
    for (key, value) in [
        ("site.0.live.poll", "50ms"),
        ("site.0.live.window.0.segments", "/live/s{number}.m4s"),
        ("site.0.live.window.0.playlist", "index.m3u8"),
        ("site.0.ending.0.ending", ".m3u8"),
        ("site.0.ending.0.ttl_force", "100ms"),
    ] {
        plan = plan.edge_key(key, value).shield_key(key, value);
    }
    plan.edge_key("site.0.live.hold", "30s")
        .edge_key("site.0.live.behind", 0)
        .shield_key("site.0.live.hold", "1s")
        .shield_key("site.0.live.reloads", "here")
        .start(&[])
        .await
}

fn segment(number: u64) -> Object {
    Object::new(&format!("/live/s{number}.m4s"), 40 * KIB)
}

fn publish(origin: &LiveOrigin, object: &Object) {
    origin.publish(&object.name, &object.slice(0..object.bytes));
}

fn publish_playlist(origin: &LiveOrigin, segments: Range<u64>) {
    let head = format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{}\n",
        segments.start
    );
    let segments = segments.map(|number| format!("#EXTINF:2,\ns{number}.m4s\n"));
    let text = head + &segments.collect::<String>();
    origin.publish(PLAYLIST, text.as_bytes());
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body.to_vec()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_is_seen_while_the_origin_still_writes_it() {
    let origin = LiveOrigin::start().await;
    let world = world(&origin).await;
    let object = Object::new("/v/part.m4s", 300 * KIB);
    let half = 150 * KIB;
    origin.open(&object.name, &object.slice(0..half));
    let mut viewers = Vec::new();
    for protocol in PROTOCOLS {
        let mut viewer = world.client.stream(protocol, &object.name, &[]).await;
        let part = viewer.read(usize::try_from(half).unwrap()).await;
        object.check(0, &part).unwrap();
        viewers.push((viewer, part.len()));
    }
    origin.append(&object.name, &object.slice(half..object.bytes));
    origin.close(&object.name);
    for (viewer, seen) in viewers {
        let rest = viewer.finish().await;
        rest.end.as_ref().unwrap();
        object.check(seen as u64, &rest.body).unwrap();
        assert_eq!((seen + rest.body.len()) as u64, object.bytes);
    }
    assert_eq!(origin.reads_of(&object.name), 1);
    for protocol in PROTOCOLS {
        let hit = world.client.get(protocol, &object.name, &[]).await;
        hit.is_whole(&object);
        assert_eq!(hit.field("content-length"), object.bytes.to_string());
    }
    assert_eq!(origin.reads_of(&object.name), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_segment_that_is_cut_never_looks_complete() {
    let origin = LiveOrigin::start().await;
    let world = world(&origin).await;
    let object = Object::new("/v/part.m4s", 100 * KIB);
    origin.open(&object.name, &object.slice(0..50 * KIB));
    let mut viewers = Vec::new();
    for protocol in PROTOCOLS {
        let mut viewer = world.client.stream(protocol, &object.name, &[]).await;
        let seen = viewer.read(50 << 10).await.len();
        viewers.push((viewer, seen));
    }
    origin.cut(&object.name);
    for (viewer, seen) in viewers {
        viewer.finish().await.is_cut(&object, seen as u64);
    }
    // Whoever asks anew has what is there now.
    publish(&origin, &object);
    let whole = world.client.get(PROTOCOLS[1], &object.name, &[]).await;
    whole.is_whole(&object);
}

/// Of 4K video: longer than a slice. What is cut is the connection, and not the segment.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_segment_goes_on_where_a_connection_broke_and_is_cached() {
    let origin = LiveOrigin::start().await;
    let relay = Relay::start().await;
    let plan = Plan::default().edge_key(
        "shields.member.0.addresses",
        vec![relay.address().to_string()],
    );
    let world = with(plan, &origin).await;
    relay.lead_to(world.shield().address);
    let object = Object::new("/v/large.m4s", 9 << 20);
    let steps = [3 << 20, 5 << 20, 7 << 20, object.bytes];
    origin.open(&object.name, &object.slice(0..steps[0]));
    let mut viewers = Vec::new();
    for protocol in PROTOCOLS {
        let viewer = world.client.stream(protocol, &object.name, &[]).await;
        viewers.push((viewer, 0));
    }
    for step in 0..4 {
        for (viewer, seen) in &mut viewers {
            let part = viewer
                .read(usize::try_from(steps[step] - *seen).unwrap())
                .await;
            object.check(*seen, &part).unwrap();
            *seen += part.len() as u64;
        }
        match step {
            0 => relay.cut(),
            1 => origin.break_readers(&object.name),
            2 => {
                relay.cut();
                origin.break_readers(&object.name);
            }
            _ => break,
        }
        origin.append(&object.name, &object.slice(steps[step]..steps[step + 1]));
    }
    origin.close(&object.name);
    for (viewer, seen) in viewers {
        let rest = viewer.finish().await;
        rest.end.as_ref().unwrap();
        assert_eq!(seen + rest.body.len() as u64, object.bytes);
    }
    let reads = origin.reads_of(&object.name);
    for protocol in PROTOCOLS {
        let hit = world.client.get(protocol, &object.name, &[]).await;
        hit.is_whole(&object);
        assert_eq!(hit.field("content-length"), object.bytes.to_string());
    }
    assert_eq!(origin.reads_of(&object.name), reads, "it is cached");
    assert_eq!(reads, 3, "once, and once more for each break at the origin");
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_wait_for_the_next_segment_and_have_it_once_it_is_published() {
    let origin = LiveOrigin::start().await;
    let world = world(&origin).await;
    publish_playlist(&origin, 1..4);
    let next = segment(4);
    let asking = (0..30).map(|n| world.client.get(PROTOCOLS[n % 3], &next.name, &[]));
    let publishing = async {
        origin.asked_for(&next.name, 2).await;
        publish(&origin, &next);
        publish_playlist(&origin, 1..5);
    };
    let (replies, ()) = tokio::join!(join_all(asking), publishing);
    for reply in replies {
        reply.is_whole(&next);
    }
    // Once for all who wait, again and again until it was there; and at most once in 50 ms.
    let reads = origin.reads_of(&next.name);
    let again = world.client.get(PROTOCOLS[1], &next.name, &[]).await;
    again.is_whole(&next);
    assert_eq!(origin.reads_of(&next.name), reads, "it is cached");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_outside_the_window_is_answered_at_the_edge() {
    let origin = LiveOrigin::start().await;
    let world = world(&origin).await;
    publish_playlist(&origin, 10..14);
    for protocol in PROTOCOLS {
        let gone = world.client.get(protocol, &segment(9).name, &[]).await;
        gone.is(410);
        assert_eq!(gone.field("cache-control"), "max-age=5");
        let beyond = world.client.get(protocol, &segment(99).name, &[]).await;
        beyond.is(404);
        assert_eq!(beyond.field("cache-control"), "no-store");
    }
    assert_eq!(origin.reads_of(&segment(9).name), 0);
    assert_eq!(origin.reads_of(&segment(99).name), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blocking_reload_is_answered_when_the_segment_is_in_the_playlist() {
    let origin = LiveOrigin::start().await;
    let world = world(&origin).await;
    publish_playlist(&origin, 1..4);
    let url = format!("{PLAYLIST}?_HLS_msn=4");
    let asking = (0..12).map(|n| world.client.get(PROTOCOLS[n % 3], &url, &[]));
    let publishing = async {
        origin.asked_for(PLAYLIST, 3).await;
        publish_playlist(&origin, 2..5);
    };
    let (replies, ()) = tokio::join!(join_all(asking), publishing);
    for reply in replies {
        reply.is(200);
        assert!(text(&reply).contains("s4.m4s"), "{}", text(&reply));
    }
    let nonsense = format!("{PLAYLIST}?_HLS_msn=x");
    let refused = world.client.get(PROTOCOLS[1], &nonsense, &[]).await;
    assert!(
        refused.status.is_client_error() || refused.status == 502,
        "{}",
        refused.status
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_playlist_lives_for_less_than_a_second() {
    let origin = LiveOrigin::start().await;
    let world = world(&origin).await;
    publish_playlist(&origin, 1..4);
    let first = world.client.get(PROTOCOLS[1], PLAYLIST, &[]).await;
    assert!(text(&first).contains("s3.m4s"));
    publish_playlist(&origin, 1..5);
    // The two tiers' times add up: 200 ms, and not the minute of a site's default.
    eventually(60, "the new playlist", async || {
        let reply = world.client.get(PROTOCOLS[1], PLAYLIST, &[]).await;
        text(&reply).contains("s4.m4s").then_some(())
    })
    .await;
}

/// Fills of an edge; a quarter of them is left to those who wait for one.
const FILLS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn under_overload_who_watches_from_the_past_is_shed_before_the_live_edge() {
    let origin = LiveOrigin::start().await;
    let plan = Plan::default()
        .edge_key("limits.fills", i64::try_from(FILLS).unwrap())
        .edge_key("site.0.live.live_edge", 2);
    let world = with(plan, &origin).await;
    publish_playlist(&origin, 1..21);
    for number in 1..21 {
        publish(&origin, &segment(number));
    }
    let get = async |number, protocol| {
        let name = segment(number).name;
        world.client.get(protocol, &name, &[]).await
    };
    // Held in memory from before.
    get(7, PROTOCOLS[1]).await.is_whole(&segment(7));
    let busy: Vec<_> = (0..FILLS * 3 / 4)
        .map(|n| Object::new(&format!("/v/busy{n}.m4s"), KIB))
        .collect();
    let mut reading = Vec::new();
    for object in &busy {
        origin.open(&object.name, &object.slice(0..10));
        let mut viewer = world.client.stream(PROTOCOLS[0], &object.name, &[]).await;
        viewer.read(10).await;
        reading.push(viewer);
    }
    for (n, protocol) in PROTOCOLS.into_iter().enumerate() {
        let past = get(2 + n as u64, protocol).await;
        past.is(503);
        assert!(!past.field("retry-after").is_empty());
        get(7, protocol).await.is_whole(&segment(7));
        let newest = 19 + n as u64 % 2;
        get(newest, protocol).await.is_whole(&segment(newest));
    }
    assert_eq!(origin.reads_of(&segment(2).name), 0);
    for object in &busy {
        origin.append(&object.name, &object.slice(10..KIB));
        origin.close(&object.name);
    }
    for viewer in reading {
        viewer.finish().await.end.unwrap();
    }
    // A place is free again a moment after its body has ended.
    eventually(60, "room for the past", async || {
        let past = get(2, PROTOCOLS[1]).await;
        (past.status == 200).then(|| past.is_whole(&segment(2)).status)
    })
    .await;
}
