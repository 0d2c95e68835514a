//! Real players on real low-latency streams: hls.js on parts, dash.js on chunked CMAF, each through
//! shield and edge while the origin writes.

use std::{collections::BTreeMap, path::Path};

use manifest::Digest;
use serde_json::Value;
use tests::{
    client::{PROTOCOLS, Protocol},
    eventually,
    foreign::{need, output, report, run, skip, text},
    origin::{Gate, LiveOrigin, Packager},
    world::{Plan, World},
};
use tokio::process::{Child, Command};

use crate::browser::{self, SKIPPED, TURN};

/// Seconds that are played.
const PLAYED_S: u64 = 8;
/// No stall is longer. A player holds a second or three of the stream; a machine with much else to
/// do may keep it from the processor for several, and a body that does not come keeps it for ever.
const STALL_MS_MAX: u64 = 20_000;
/// For all of a player's run.
const RUN_S: u64 = 120;

/// A site with live streams on both tiers.
async fn world(origin: &LiveOrigin, windows: &[(&'static str, String)]) -> World {
    let mut plan = Plan::default().shield_key("site.0.origin.urls", vec![origin.url()]);
    let both = [
        ("site.0.live.poll", "50ms".to_owned()),
        ("site.0.ending.0.ending", ".m3u8".to_owned()),
        ("site.0.ending.0.ttl_force", "100ms".to_owned()),
        ("site.0.ending.1.ending", ".mpd".to_owned()),
        ("site.0.ending.1.ttl_force", "500ms".to_owned()),
    ];
    for (key, value) in both.iter().chain(windows) {
        plan = plan
            .edge_key(key, value.clone())
            .shield_key(key, value.clone());
    }
    plan.edge_key("site.0.live.hold", "20s")
        .shield_key("site.0.live.hold", "5s")
        .shield_key("site.0.live.reloads", "here")
        .start(&[])
        .await
}

/// What hls.js says where a busy machine has it look for what to play before it has moved from 0 to where the
/// stream's buffer begins.
fn is_first_seek(error: &Value) -> bool {
    let error = error.as_str().unwrap_or_default();
    error.contains("bufferSeekOverHole fatal=false") && error.contains("seeking from 0 to ")
}

/// Plays a live stream for a while, and holds what the player saw against what is promised of it;
/// `None` where something is missing.
async fn play(world: &World, player: &str, path: &str) -> Option<Value> {
    let node = need("node")?;
    let _turn = TURN.lock().await;
    let spki = browser::spki(&world.pki).await?;
    let url = format!("https://localhost:{}{path}", world.edge().address.port());
    let mut play = Command::new(node);
    play.current_dir(browser::folder()).arg("play.mjs");
    play.args(["--low-latency", "--player", player, "--url", &url]);
    play.args(["--spki", &spki, "--seconds", &PLAYED_S.to_string()]);
    play.args(["--timeout", &RUN_S.to_string()]);
    let output = output(&mut play, RUN_S + 60).await;
    let told = text(&output);
    if output.status.code() == Some(SKIPPED) {
        skip(told.trim());
        return None;
    }
    assert!(output.status.success(), "{player}: {told}");
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    let errors = seen["errors"].as_array().unwrap();
    assert!(errors.iter().all(is_first_seek), "{told}");
    assert!(
        seen["longestStallMs"].as_u64().unwrap() < STALL_MS_MAX,
        "{told}"
    );
    report(&format!(
        "{player}: {} s behind the live edge; {} stalls, the longest of {} ms; statuses {}",
        seen["latencyS"], seen["stalls"], seen["longestStallMs"], seen["statuses"]
    ));
    Some(seen)
}

/// What the player was given, byte for byte, by SHA-256.
fn compare(seen: &Value, origin: &LiveOrigin) -> usize {
    let digests: BTreeMap<String, String> =
        serde_json::from_value(seen["digests"].clone()).unwrap();
    for (path, theirs) in &digests {
        let ours = Digest::of(&origin.bytes(path).unwrap()).to_string();
        assert!(
            ours.ends_with(theirs.as_str()),
            "{path}: {theirs}, not {ours}"
        );
    }
    digests.len()
}

/// What is finished at the origin is the same at the edge.
async fn compare_all(world: &World, origin: &LiveOrigin) {
    let is_media = |path: &&String| path.contains(".m4s") && origin.is_finished(path);
    let paths = origin.paths();
    let paths: Vec<_> = paths.iter().filter(is_media).collect();
    assert!(paths.len() > 3, "{paths:?}");
    for (n, path) in paths.into_iter().enumerate() {
        let reply = world.client.get(PROTOCOLS[n % 3], path, &[]).await;
        if reply.status == 410 {
            continue; // the window has gone on
        }
        assert_eq!(reply.is(200).body, origin.bytes(path).unwrap(), "{path}");
    }
}

async fn encoded(ffmpeg: &Path) -> Packager {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stream.mp4");
    let mut encode = Command::new(ffmpeg);
    encode.args(["-hide_banner", "-loglevel", "error", "-f", "lavfi"]);
    encode.args(["-i", "testsrc2=s=320x180:r=24:d=180", "-c:v", "libx264"]);
    encode.args([
        "-preset",
        "ultrafast",
        "-profile:v",
        "baseline",
        "-pix_fmt",
        "yuv420p",
    ]);
    encode.args([
        "-g",
        "24",
        "-keyint_min",
        "24",
        "-sc_threshold",
        "0",
        "-b:v",
        "300k",
    ]);
    encode.args(["-movflags", "+empty_moov+default_base_moof+frag_keyframe"]);
    encode.args(["-frag_duration", "125000"]).arg(&file);
    run(&mut encode, 60).await;
    let packager = Packager::of(&std::fs::read(&file).unwrap());
    assert_eq!(packager.length().as_secs(), 180);
    packager
}

/// A part that a preload hint names is asked for before it is there, and its first bytes are read
/// before the origin has written its last.
async fn read_a_hint(
    world: &World,
    packager: &Packager,
    protocol: Protocol,
    held: &(String, Gate),
    part: usize,
) {
    let (path, gate) = held;
    gate.arrivals(1).await;
    let first = packager.first_piece(HELD_SEGMENT, part);
    let mut viewer = world.client.stream(protocol, path, &[]).await;
    assert_eq!(viewer.read(first.len()).await, first);
    gate.open();
    let rest = viewer.finish().await;
    rest.end.as_ref().unwrap();
    assert!(!rest.body.is_empty());
}

/// The segment in which parts are held back until somebody has read of them.
const HELD_SEGMENT: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn hls_js_plays_parts_at_low_latency_while_the_origin_writes_them() {
    let (Some(ffmpeg), Some(_)) = (need("ffmpeg"), need("node")) else {
        return;
    };
    let packager = encoded(&ffmpeg).await;
    let origin = LiveOrigin::start().await;
    let world = world(
        &origin,
        &[
            (
                "site.0.live.window.0.segments",
                "/ll/s{number}.m4s".to_owned(),
            ),
            ("site.0.live.window.0.playlist", "index.m3u8".to_owned()),
        ],
    )
    .await;
    let held = [1, 3, 6].map(|part| (Packager::part(HELD_SEGMENT, part), Gate::new()));
    let watching = async {
        for ((held, part), protocol) in held.iter().zip([1, 3, 6]).zip(PROTOCOLS) {
            read_a_hint(&world, &packager, protocol, held, part).await;
        }
        play(&world, "hls", tests::origin::PLAYLIST).await
    };
    let seen = tokio::select! {
        seen = watching => seen,
        () = packager.publish(&origin, &held) => panic!("the stream was over first"),
    };
    let Some(seen) = seen else { return };
    assert!(seen["parts"].as_u64().unwrap() > 4, "{seen}");
    assert!(seen["blockingReloads"].as_u64().unwrap() > 4, "{seen}");
    assert!(compare(&seen, &origin) > 4, "{seen}");
    compare_all(&world, &origin).await;
}

/// ffmpeg writes chunked CMAF to the origin, by PUT, until it is dropped.
fn package_dash(ffmpeg: &Path, origin: &LiveOrigin) -> Child {
    let mut package = Command::new(ffmpeg);
    package.args(["-hide_banner", "-loglevel", "error", "-re", "-f", "lavfi"]);
    package.args([
        "-i",
        "testsrc2=s=320x180:r=24",
        "-t",
        "300",
        "-c:v",
        "libx264",
    ]);
    package.args([
        "-preset",
        "ultrafast",
        "-tune",
        "zerolatency",
        "-profile:v",
        "baseline",
    ]);
    package.args(["-pix_fmt", "yuv420p", "-g", "48", "-keyint_min", "48"]);
    package.args([
        "-sc_threshold",
        "0",
        "-b:v",
        "300k",
        "-f",
        "dash",
        "-ldash",
        "1",
    ]);
    package.args([
        "-streaming",
        "1",
        "-use_template",
        "1",
        "-use_timeline",
        "0",
    ]);
    package.args([
        "-seg_duration",
        "2",
        "-frag_type",
        "duration",
        "-frag_duration",
        "0.25",
    ]);
    package.args([
        "-target_latency",
        "3",
        "-window_size",
        "10",
        "-extra_window_size",
        "10",
    ]);
    package
        .args(["-method", "PUT"])
        .arg(format!("{}/dash/manifest.mpd", origin.url()));
    package.kill_on_drop(true).spawn().unwrap()
}

fn chunk(number: usize) -> String {
    format!("/dash/chunk-stream0-{number:05}.m4s")
}

/// What an attribute of a manifest says.
fn attribute(mpd: &str, name: &str) -> Option<String> {
    let (_, value) = mpd.split_once(&format!("{name}=\""))?;
    Some(value.split('"').next()?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn dash_js_plays_chunked_cmaf_while_the_origin_writes_it() {
    let (Some(ffmpeg), Some(_)) = (need("ffmpeg"), need("node")) else {
        return;
    };
    let origin = LiveOrigin::start().await;
    let _packaging = package_dash(&ffmpeg, &origin);
    let start = eventually(60, "a manifest with a start", async || {
        let mpd = origin.bytes("/dash/manifest.mpd")?;
        attribute(std::str::from_utf8(&mpd).ok()?, "availabilityStartTime")
    })
    .await;
    let world = world(
        &origin,
        &[
            (
                "site.0.live.window.0.segments",
                "/dash/chunk-stream0-{number}.m4s".to_owned(),
            ),
            ("site.0.live.window.0.start", start),
            ("site.0.live.window.0.segment", "2s".to_owned()),
        ],
    )
    .await;
    // One of several, so that a machine that was away for two seconds fails nothing.
    let mut number = 1;
    let is_streamed = async {
        loop {
            while !origin.paths().contains(&chunk(number)) {
                tokio::task::yield_now().await;
            }
            let mut viewer = world
                .client
                .stream(Protocol::Http2, &chunk(number), &[])
                .await;
            viewer.read(1).await;
            if !origin.is_finished(&chunk(number)) {
                return;
            }
            number += 1;
        }
    };
    let is_streamed = Box::pin(is_streamed);
    tests::within(60, "a byte of a segment before it is whole", is_streamed).await;
    let Some(seen) = play(&world, "dash", "/dash/manifest.mpd").await else {
        return;
    };
    assert!(compare(&seen, &origin) > 2, "{seen}");
    compare_all(&world, &origin).await;
}
