//! How much, how often, how slowly.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use steering::Pace;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};

use crate::{
    engine::manifest,
    support::{STEERING, World, request},
};

const OCTETS: &str = "application/octet-stream";

/// Sends text, then a byte every 100 ms until an answer comes.
async fn trickle(world: &World, head: &str) -> String {
    let identity = world.pki.identity(STEERING);
    let stream = world.connect(Some(identity), b"http/1.1").await.unwrap();
    let (mut reading, mut writing) = tokio::io::split(stream);
    writing.write_all(head.as_bytes()).await.unwrap();
    let trickle = tokio::spawn(async move {
        while writing.write_all(b"x").await.is_ok() {
            let _flushed = writing.flush().await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    });
    let mut answer = vec![0; 64 << 10];
    let read = timeout(Duration::from_mins(1), reading.read(&mut answer)).await;
    trickle.abort();
    let read = read.unwrap().unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

/// Hardening row M19.
#[tokio::test]
async fn a_body_that_trickles_is_cut_off_with_408() {
    let pace = Pace {
        stall: Duration::from_millis(400),
        ..Pace::default()
    };
    let world = World::with(|_, config| config.pace = pace).await;
    // All of it would take a hundred seconds, and nobody here waits that long.
    let answer = trickle(
        &world,
        "POST /v1/manifests HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\n\
         content-length: 1000\r\n\r\n",
    );
    let answer = answer.await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("too_slow"), "{answer}");
}

#[tokio::test]
async fn a_body_that_says_that_it_is_too_large_is_refused_before_it_is_read() {
    let world = World::new().await;
    let head = "POST /v1/manifests HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/octet-stream\r\n\
                content-length: 67108865\r\n\r\n";
    let answer = trickle(&world, head).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[tokio::test]
async fn a_body_of_unknown_length_is_refused_when_it_becomes_too_large() {
    let world = World::new().await;
    let identity = world.pki.identity(STEERING);
    let mut stream = world.connect(Some(identity), b"http/1.1").await.unwrap();
    let head = "POST /v1/purge HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
                transfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
    for _ in 0..3 {
        stream.write_all(chunk.as_bytes()).await.unwrap();
    }
    let mut answer = vec![0; 64 << 10];
    let read = stream.read(&mut answer).await.unwrap();
    assert!(answer[..read].starts_with(b"HTTP/1.1 413 "));
}

/// RFC 9112 section 9.6: whoever is still sending when it is refused hears why, whichever protocol it
/// speaks and however long it goes on sending.
#[tokio::test]
async fn who_is_refused_while_it_sends_hears_why() {
    let world = World::new().await;
    let whole = Bytes::from(vec![b' '; 8 << 20]);
    for (media, status, code) in [
        ("application/json", 413, "too_large"),
        ("text/plain", 415, "media_type"),
    ] {
        let order = || request(Method::POST, "/v1/purge", media, whole.clone());
        world.send(STEERING, order()).await.refused(status, code);
        world
            .send_http2(STEERING, order())
            .await
            .refused(status, code);
    }
}

#[tokio::test]
async fn a_flood_of_pushes_is_told_to_wait() {
    let world = World::new().await;
    let mut refused = 0;
    for generation in 1..=20 {
        let got = world
            .post(STEERING, "/v1/manifests", OCTETS, manifest(generation))
            .await;
        if got.status == 429 {
            refused += 1;
            assert!(got.field("retry-after").parse::<u64>().unwrap() >= 1);
            got.refused(429, "rate_limited");
        }
    }
    assert!(refused >= 1, "20 in far less than five seconds");
    world.get(STEERING, "/v1/heartbeat").await.is(200);
}

#[tokio::test]
async fn who_has_sent_too_many_bad_manifests_is_told_when_to_come_again() {
    let world = World::new().await;
    let got = world
        .post(STEERING, "/v1/manifests", OCTETS, "one bad too many")
        .await
        .refused(429, "manifest_quarantined");
    assert_eq!(got.field("retry-after"), "900");
}

#[tokio::test]
async fn a_body_of_the_wrong_kind_or_where_none_belongs_refused() {
    let world = World::new().await;
    world
        .post(STEERING, "/v1/purge", "text/plain", "{}")
        .await
        .refused(415, "media_type");
    world
        .post(STEERING, "/v1/purge", "application/json", "{")
        .await
        .refused(400, "malformed");
    world
        .post(STEERING, "/v1/drain", "application/json", "{}")
        .await
        .refused(413, "too_large");
    let deep = "[".repeat(100_000);
    world
        .post(
            STEERING,
            "/cdni/triggers",
            "application/cdni; ptype=ci-trigger-command",
            deep,
        )
        .await
        .refused(400, "malformed");
}

#[tokio::test]
async fn a_query_that_makes_no_sense_refused() {
    let world = World::new().await;
    for query in ["limit=0", "limit=1001", "limit=x", "limit=5&limit=6"] {
        world
            .get(STEERING, &format!("/v1/inventory?{query}"))
            .await
            .refused(400, "malformed");
    }
}

#[tokio::test]
async fn the_popularity_of_a_site_that_is_none_refused() {
    let world = World::new().await;
    let of = |site: &str| format!("/v1/popularity?top=1&site={site}");
    let got = world.get(STEERING, &of("news")).await.is(200).json();
    assert_eq!(got["objects"][0]["site"], "news");
    world
        .get(STEERING, &of("nwes"))
        .await
        .refused(404, "not_found");
}
