//! Preconditions and HEAD.

use tests::{client::PROTOCOLS, oracle::Object, world::World};

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_has_the_version_gets_304_without_a_body() {
    let object = Object::new("/v/a.m4s", 123_456);
    let world = World::start(std::slice::from_ref(&object)).await;
    let tag = object.etag();
    for protocol in PROTOCOLS {
        let weak = format!("\"other\", W/{tag}");
        for value in [tag.as_str(), "*", &weak] {
            let reply = world
                .client
                .get(protocol, &object.name, &[("if-none-match", value)])
                .await;
            reply.is(304);
            assert_eq!(reply.field("etag"), tag);
            assert!(reply.body.is_empty());
            assert!(
                reply
                    .header("content-length")
                    .is_none_or(|length| length != "0")
            );
        }
        let reply = world
            .client
            .get(protocol, &object.name, &[("if-none-match", "\"old\"")])
            .await;
        reply.is_whole(&object);
    }
    assert_eq!(
        world.origin.reads_of(&object).len(),
        1,
        "answered by the edge alone"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_wants_another_version_gets_412() {
    let object = Object::new("/v/a.m4s", 123_456);
    let world = World::start(std::slice::from_ref(&object)).await;
    for protocol in PROTOCOLS {
        let other = object.next().etag();
        world
            .client
            .get(protocol, &object.name, &[("if-match", &other)])
            .await
            .is(412);
        let tag = object.etag();
        world
            .client
            .get(protocol, &object.name, &[("if-match", &tag)])
            .await
            .is_whole(&object);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_tells_what_get_would_and_sends_nothing() {
    for protocol in PROTOCOLS {
        let object = Object::new("/v/a.m4s", 6_000_001);
        let world = World::start(std::slice::from_ref(&object)).await;
        for _ in 0..2 {
            let head = world.client.head(protocol, &object.name, &[]).await;
            head.is(200);
            assert_eq!(head.field("content-length"), "6000001");
            assert_eq!(head.field("etag"), object.etag());
            assert_eq!(head.field("accept-ranges"), "bytes");
            assert!(head.body.is_empty());
            world
                .client
                .get(protocol, &object.name, &[])
                .await
                .is_whole(&object);
        }
        let ranged = world
            .client
            .head(protocol, &object.name, &[("range", "bytes=0-9")])
            .await;
        ranged.is(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_if_cached_never_asks_upstream() {
    let object = Object::new("/v/a.m4s", 5_000);
    let world = World::start(std::slice::from_ref(&object)).await;
    let only = [("cache-control", "only-if-cached")];
    for protocol in PROTOCOLS {
        world
            .client
            .get(protocol, &object.name, &only)
            .await
            .is(504);
    }
    assert!(world.origin.reads().is_empty());
    world
        .client
        .get(PROTOCOLS[0], &object.name, &[])
        .await
        .is_whole(&object);
    for protocol in PROTOCOLS {
        world
            .client
            .get(protocol, &object.name, &only)
            .await
            .is_whole(&object);
    }
}
