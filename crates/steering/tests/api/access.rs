//! Who is heard.

use bytes::Bytes;
use http::Method;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    engine::manifest,
    support::{OWNER, READER, STEERING, World, request},
};

const OCTETS: &str = "application/octet-stream";

#[tokio::test]
async fn http_1_and_2_answer_the_same() {
    let world = World::new().await;
    let get = || request(Method::GET, "/v1/heartbeat", "", Bytes::new());
    let one = world.send(STEERING, get()).await.is(200);
    let two = world.send_http2(STEERING, get()).await.is(200);
    assert_eq!(one.json()["node"], two.json()["node"]);
    assert_eq!(one.json()["node"], "edge1");
}

#[tokio::test]
async fn without_a_good_certificate_no_request_is_heard() {
    let world = World::new().await;
    let identities = [
        ("none", None),
        ("of another authority", Some(world.pki.strange(STEERING))),
        ("expired", Some(world.pki.expired(STEERING))),
    ];
    for (what, identity) in identities {
        // In TLS 1.3 a client learns after its handshake that it was refused.
        let Ok(mut stream) = world.connect(identity, b"http/1.1").await else {
            continue;
        };
        let asked = stream
            .write_all(b"GET /v1/heartbeat HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .await;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer).await;
        assert!(
            asked.is_err() || read.is_err() || answer.is_empty(),
            "{what}"
        );
        assert!(answer.is_empty(), "{what}");
    }
}

#[tokio::test]
async fn a_certificate_without_a_role_refused() {
    let world = World::new().await;
    world
        .get("viewer.example", "/v1/heartbeat")
        .await
        .refused(403, "role");
    // One that has the right name in it somewhere has not the right name.
    world
        .get("steering.internal.evil", "/v1/heartbeat")
        .await
        .refused(403, "role");
}

#[tokio::test]
async fn a_reader_sees_and_changes_nothing() {
    let world = World::new().await;
    for path in [
        "/v1/heartbeat",
        "/v1/manifests",
        "/v1/progress",
        "/v1/inventory",
        "/cdni/triggers",
    ] {
        world.get(READER, path).await.is(200);
    }
    world
        .post(READER, "/v1/manifests", OCTETS, manifest(1))
        .await
        .refused(403, "role");
    world
        .post(READER, "/v1/drain", "", "")
        .await
        .refused(403, "role");
    world
        .post(READER, "/v1/purge", "application/json", "{}")
        .await
        .refused(403, "role");
    world
        .delete(READER, "/v1/manifests/1")
        .await
        .refused(403, "role");
    assert!(world.engine.asked().is_empty());
    assert!(
        !world.state.path().join("audit.log").exists(),
        "nothing was changed"
    );
}

#[tokio::test]
async fn an_owner_purges_its_own_site_alone() {
    let world = World::new().await;
    let purge = |site: &str| format!(r#"{{"site":"{site}","path":"/a"}}"#);
    world
        .post(OWNER, "/v1/purge", "application/json", purge("vod"))
        .await
        .is(200);
    world
        .post(OWNER, "/v1/purge", "application/json", purge("news"))
        .await
        .refused(403, "role");
    world.get(OWNER, "/v1/heartbeat").await.refused(403, "role");
    assert_eq!(world.engine.asked(), ["Forget vod /a"]);
}

#[tokio::test]
async fn pages_in_browsers_are_refused() {
    let world = World::new().await;
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let mut get = request(Method::GET, "/v1/heartbeat", "", Bytes::new());
        get.headers_mut().insert(name, value.parse().unwrap());
        world.send(STEERING, get).await.refused(403, "browser");
    }
}

#[tokio::test]
async fn a_path_or_method_that_is_none_is_told_so() {
    let world = World::new().await;
    world
        .get(STEERING, "/v1/nothing")
        .await
        .refused(404, "not_found");
    world
        .get(STEERING, "/v1/manifests/none")
        .await
        .refused(404, "not_found");
    let got = world
        .delete(STEERING, "/v1/heartbeat")
        .await
        .refused(405, "method");
    assert_eq!(got.field("allow"), "GET, HEAD");
}

#[tokio::test]
async fn a_head_is_what_a_get_would_say_without_its_body() {
    let world = World::new().await;
    let whole = world.get(STEERING, "/v1/openapi.json").await.is(200);
    let ask = || request(Method::HEAD, "/v1/openapi.json", "", Bytes::new());
    for got in [
        world.send(STEERING, ask()).await.is(200),
        world.send_http2(STEERING, ask()).await.is(200),
    ] {
        assert_eq!(got.field("content-length"), whole.body.len().to_string());
        assert!(got.body.is_empty(), "{got:?}");
    }
}

#[tokio::test]
async fn a_listener_that_lets_everybody_in_does_not_start() {
    let (pki, state) = (crate::support::Pki::new(), tempfile::tempdir().unwrap());
    let config = steering::Config {
        node: "edge1".into(),
        address: "127.0.0.1:0".parse().unwrap(),
        tls: tls::ServerConfig {
            certificates: vec![pki.identity("localhost")],
            ..tls::ServerConfig::default()
        },
        roles: steering::Roles::default(),
        state: state.path().to_owned(),
        capacity_bytes_per_s: None,
        cdn_id: "AS0:0".to_owned(),
        push: None,
        memory_bytes: 256 << 20,
        pace: steering::Pace::default(),
    };
    let engine = crate::engine::Player::new();
    assert!(
        steering::Steering::start(config, engine, &message::now())
            .await
            .is_err()
    );
}
