//! Signed URLs: three carriers, two algorithms, and one face for every refusal.

use http::Method;
use signing::{Algorithm, Carrier, Scope, SigningKey};
use tests::{
    client::{PROTOCOLS, Protocol, Reply},
    eventually,
    keys::{self, Keys, carry, token},
    oracle::Object,
    world::{Plan, World},
};

fn object() -> Object {
    Object::new("/films/1/a.m4s", 200_003)
}

async fn world() -> World {
    World::start(&[object()]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_carrier_and_algorithm_opens_what_it_signs() {
    let (world, object) = (world().await, object());
    for key in [&world.keys.ed25519, &world.keys.hmac] {
        let token = token(key, "/films/1");
        let cookie = format!("other=1; mp={token}");
        for protocol in PROTOCOLS {
            for carrier in [Carrier::Query, Carrier::Path] {
                let target = carry(&object.name, carrier, &token);
                world
                    .viewer
                    .get(protocol, &target, &[])
                    .await
                    .is_whole(&object);
                world.viewer.head(protocol, &target, &[]).await.is(200);
            }
            let fields = [("cookie", cookie.as_str())];
            world
                .viewer
                .get(protocol, &object.name, &fields)
                .await
                .is_whole(&object);
        }
    }
    assert_eq!(
        world.origin.reads_of(&object).len(),
        1,
        "the token is no part of the key"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_the_path_opens_relative_urls() {
    let world = world().await;
    let playlist = Object::new("/hls/master.m3u8", 500);
    let segment = Object::new("/hls/v0/1.m4s", 60_000);
    for object in [&playlist, &segment] {
        world.origin.put(object, tests::origin::Script::default());
    }
    let token = token(&world.keys.ed25519, "/hls");
    let base = carry("/hls/", Carrier::Path, &token);
    world
        .viewer
        .get(Protocol::Http2, &format!("{base}master.m3u8"), &[])
        .await
        .is_whole(&playlist);
    world
        .viewer
        .get(Protocol::Http2, &format!("{base}v0/1.m4s"), &[])
        .await
        .is_whole(&segment);
    let beside = carry("/films/1/a.m4s", Carrier::Path, &token);
    world
        .viewer
        .get(Protocol::Http2, &beside, &[])
        .await
        .is(403);
}

/// Targets with nothing, or with something that must not open the object, each with its reason.
fn refused(keys: &Keys, path: &str) -> Vec<(&'static str, String)> {
    let good = token(&keys.ed25519, "/films");
    let query = |token: &str| carry(path, Carrier::Query, token);
    let signed = |change: &dyn Fn(&mut signing::Claims)| {
        let mut claims = keys::claims(Scope::prefix("/films").unwrap());
        change(&mut claims);
        query(&signing::sign(&keys.ed25519, &claims).unwrap())
    };
    let stranger = keys::key(Algorithm::Ed25519, "e1");
    let unknown = keys::key(Algorithm::Ed25519, "e9");
    let public = public_as_secret(keys);
    let flipped = |at: usize| {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        query(std::str::from_utf8(&bytes).unwrap())
    };
    let now = message::now().unix_s();
    vec![
        ("no token", path.to_owned()),
        ("a flipped bit in front", flipped(5)),
        ("a flipped bit in the middle", flipped(good.len() / 2)),
        ("a flipped bit in the signature", flipped(good.len() - 5)),
        ("a cut token", query(&good[..good.len() - 1])),
        ("half a token", query(&good[..good.len() / 2])),
        ("one character", query("A")),
        (
            "a stranger's key under a known name",
            query(&token(&stranger, "/films")),
        ),
        ("an unknown key", query(&token(&unknown, "/films"))),
        (
            "the public key as a secret",
            query(&token(&public, "/films")),
        ),
        ("another path", query(&token(&keys.ed25519, "/films/2"))),
        (
            "a prefix that ends within a segment",
            query(&token(&keys.ed25519, "/fil")),
        ),
        (
            "an expired token",
            signed(&|claims| {
                claims.not_before_s = now - 1000;
                claims.not_after_s = now - 1;
            }),
        ),
        (
            "a token of tomorrow",
            signed(&|claims| claims.not_before_s = now + 600),
        ),
        (
            "a lifetime without end",
            signed(&|claims| claims.not_after_s = now + 400_000_000),
        ),
        (
            "another site",
            signed(&|claims| claims.site = signing::Label::parse("media").unwrap()),
        ),
        (
            "another client",
            signed(&|claims| {
                claims.client_nets = vec![signing::ClientNet::parse("192.0.2.0/24").unwrap()];
            }),
        ),
    ]
}

/// The classic confusion: what is public, used as the secret of the symmetric algorithm.
fn public_as_secret(keys: &Keys) -> SigningKey {
    let set = signing::KeySet::new(vec![keys.ed25519.verify_key()])
        .unwrap()
        .to_json();
    let set: serde_json::Value = serde_json::from_str(&set).unwrap();
    let public = set["keys"][0]["public"].as_str().unwrap();
    let file = format!(
        "{{\"version\": 1, \"kid\": \"e1\", \"alg\": \"{}\", \"secret\": \"{public}\"}}",
        Algorithm::HmacSha256.name()
    );
    SigningKey::parse(file.as_bytes()).unwrap()
}

/// What a refusal shows: status, fields and body. The date apart, and what the way to the client
/// measures just now, which tells nothing of tokens.
fn face(reply: &Reply) -> String {
    let mut headers: Vec<_> = reply
        .headers
        .iter()
        .filter(|(name, _)| !["date", "cmsd-dynamic"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {value:?}"))
        .collect();
    headers.sort();
    format!("{} {headers:?} {:?}", reply.status, reply.body)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_refusals_look_the_same_and_none_asks_upstream() {
    let world = world().await;
    for protocol in PROTOCOLS {
        let mut faces = Vec::new();
        for path in ["/films/1/a.m4s", "/films/absent.m4s"] {
            for (what, target) in refused(&world.keys, path) {
                let reply = world.viewer.get(protocol, &target, &[]).await;
                assert_eq!(reply.status, 403, "{protocol} {what}: {reply:?}");
                assert_eq!(reply.field("cache-control"), "no-store", "{what}");
                faces.push((what, face(&reply)));
            }
        }
        for (what, face) in &faces {
            assert_eq!(*face, faces[0].1, "{protocol}: {what} can be told apart");
        }
    }
    assert!(
        world.origin.reads().is_empty(),
        "{:?}",
        world.origin.reads()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_cached_is_no_more_open_than_what_is_not() {
    let (world, object) = (world().await, object());
    let target = carry(
        &object.name,
        Carrier::Query,
        &token(&world.keys.hmac, "/films"),
    );
    world
        .viewer
        .get(Protocol::Http2, &target, &[])
        .await
        .is_whole(&object);
    for protocol in PROTOCOLS {
        for (what, target) in refused(&world.keys, &object.name) {
            let reply = world
                .viewer
                .get(protocol, &target, &[("x-forwarded-for", "192.0.2.1")])
                .await;
            assert_eq!(reply.status, 403, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_token_for_an_absent_object_is_404() {
    let world = world().await;
    let token = token(&world.keys.ed25519, "/films");
    for protocol in PROTOCOLS {
        let target = carry("/films/absent.m4s", Carrier::Query, &token);
        world.viewer.get(protocol, &target, &[]).await.is(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tokens_are_malformed_and_other_methods_refused() {
    let (world, object) = (world().await, object());
    let token = token(&world.keys.ed25519, "/films");
    let query = carry(&object.name, Carrier::Query, &token);
    let twice = [
        format!("{query}&mp={token}"),
        format!("/~{token}{query}"),
        format!("/~{token}/~{token}{}", object.name),
    ];
    for protocol in PROTOCOLS {
        for target in &twice {
            world.viewer.get(protocol, target, &[]).await.is(400);
        }
        for (method, status) in [
            (Method::POST, 405),
            (Method::DELETE, 405),
            (Method::PUT, 405),
        ] {
            let request = world.viewer.request(&method, &query, &[]);
            let reply = world.viewer.send(protocol, request).await;
            assert_eq!(reply.is(status).field("allow"), "GET, HEAD, OPTIONS");
        }
    }
    assert!(world.origin.reads().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_roll_over_without_a_restart() {
    let object = object();
    let world = Plan::default()
        .edge_apart()
        .start(std::slice::from_ref(&object))
        .await;
    let next = keys::key(Algorithm::Ed25519, "e2");
    let open = |key: &SigningKey| carry(&object.name, Carrier::Query, &token(key, "/films"));
    let (old, new) = (open(&world.keys.ed25519), open(&next));
    world
        .viewer
        .get(Protocol::Http2, &old, &[])
        .await
        .is_whole(&object);
    world.viewer.get(Protocol::Http2, &new, &[]).await.is(403);

    let ask = async |target: &str| world.viewer.get(Protocol::Http2, target, &[]).await;
    world
        .keys
        .write(vec![world.keys.ed25519.verify_key(), next.verify_key()]);
    world.edge().child().signal("HUP").await;
    eventually(60, "the new key", async || {
        (ask(&new).await.status == 200).then_some(())
    })
    .await;
    ask(&old).await.is_whole(&object);

    world.keys.write(vec![next.verify_key()]);
    world.edge().child().signal("HUP").await;
    eventually(60, "the old key's end", async || {
        (ask(&old).await.status == 403).then_some(())
    })
    .await;
    ask(&new).await.is_whole(&object);

    // A key set that cannot be read changes nothing.
    std::fs::write(world.keys.file(), "{").unwrap();
    world.edge().child().signal("HUP").await;
    ask(&new).await.is_whole(&object);
}
