//! Header fields: who answered, how old it is, what it is, who may read it.

use http::Method;
use tests::{
    client::{PROTOCOLS, Protocol},
    eventually,
    oracle::Object,
    origin::Script,
    world::{Plan, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn cache_status_via_and_alt_svc_tell_the_way() {
    for protocol in PROTOCOLS {
        let object = Object::new("/v/a.m4s", 50_000);
        let world = World::start(std::slice::from_ref(&object)).await;
        let cold = world.client.get(protocol, &object.name, &[]).await;
        let chain = cold.field("cache-status");
        let (shield, edge) = chain.split_once(", ").unwrap();
        assert!(shield.starts_with("shield1; fwd=uri-miss"), "{chain}");
        assert!(edge.starts_with("edge1; fwd=uri-miss"), "{chain}");
        let via = cold.field("via");
        assert!(via.contains("shield1") && via.ends_with("edge1"), "{via}");
        let warm = world.client.get(protocol, &object.name, &[]).await;
        assert!(
            warm.cache_status().starts_with("edge1; hit"),
            "{:?}",
            warm.headers
        );
        assert!(warm.cache_status().contains("ttl="), "{:?}", warm.headers);
        if protocol != Protocol::Http3 {
            let port = world.edge().address.port();
            assert_eq!(warm.field("alt-svc"), format!("h3=\":{port}\"; ma=86400"));
        }
        assert!(
            warm.header("server")
                .is_none_or(|server| !server.contains("hyper"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn age_grows_while_an_object_is_held() {
    let object = Object::new("/v/a.m4s", 5_000);
    let world = World::start(std::slice::from_ref(&object)).await;
    let cold = world.client.get(PROTOCOLS[0], &object.name, &[]).await;
    assert!(cold.header("age").is_none_or(|age| age == "0"), "{cold:?}");
    eventually(60, "an age", async || {
        let warm = world.client.get(PROTOCOLS[1], &object.name, &[]).await;
        warm.is_whole(&object);
        (warm.field("age").parse::<u64>().unwrap() >= 1).then_some(())
    })
    .await;
    assert_eq!(world.origin.reads_of(&object).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_age_from_the_origin_counts() {
    let object = Object::new("/v/a.m4s", 5_000);
    let world = World::start(&[]).await;
    let headers = vec![
        "age: 40".to_owned(),
        "cache-control: max-age=1000".to_owned(),
    ];
    world.origin.put(
        &object,
        Script {
            headers,
            ..Script::default()
        },
    );
    for _ in 0..2 {
        let reply = world.client.get(PROTOCOLS[1], &object.name, &[]).await;
        let age: u64 = reply.field("age").parse().unwrap();
        assert!((40..45).contains(&age), "{age}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_players_ask_for_has_their_content_types() {
    let types = [
        ("m3u8", "application/vnd.apple.mpegurl"),
        ("mpd", "application/dash+xml"),
        ("m4s", "video/iso.segment"),
        ("mp4", "video/mp4"),
        ("m4a", "audio/mp4"),
        ("ts", "video/mp2t"),
        ("vtt", "text/vtt"),
    ];
    let world = World::start(&[]).await;
    for (extension, content_type) in types {
        for (n, sent) in ["application/octet-stream", "text/x-own"]
            .iter()
            .enumerate()
        {
            let object = Object::new(&format!("/v/{n}.{extension}"), 1_000);
            let headers = vec![format!("content-type: {sent}")];
            let script = Script {
                headers,
                untyped: true,
                ..Script::default()
            };
            world.origin.put(&object, script);
            let reply = world.client.get(PROTOCOLS[1], &object.name, &[]).await;
            let expected = if n == 0 { content_type } else { sent };
            assert_eq!(reply.field("content-type"), expected, "{extension}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_may_play() {
    let object = Object::new("/v/a.m4s", 5_000);
    let world = World::start(std::slice::from_ref(&object)).await;
    for protocol in PROTOCOLS {
        let asked = [
            ("origin", "https://player.test"),
            ("access-control-request-method", "GET"),
            ("access-control-request-headers", "cmcd-request,range"),
        ];
        let preflight = world.client.request(&Method::OPTIONS, &object.name, &asked);
        let reply = world.client.send(protocol, preflight).await;
        reply.is(204);
        assert_eq!(reply.field("access-control-allow-origin"), "*");
        assert!(reply.field("access-control-allow-methods").contains("GET"));
        let allowed = reply.field("access-control-allow-headers").to_lowercase();
        assert!(
            allowed.contains("range") && allowed.contains("cmcd-request"),
            "{allowed}"
        );
        assert!(reply.header("access-control-max-age").is_some());

        let fields = [("origin", "https://player.test")];
        let reply = world.client.get(protocol, &object.name, &fields).await;
        reply.is_whole(&object);
        assert_eq!(reply.field("access-control-allow-origin"), "*");
        let exposed = reply.field("access-control-expose-headers").to_lowercase();
        assert!(exposed.contains("content-range"), "{exposed}");
    }
    // An error is readable to the page as well, else a player cannot tell it from no network.
    let fields = [("origin", "https://player.test")];
    let reply = world
        .client
        .get(PROTOCOLS[1], "/v/absent.m4s", &fields)
        .await;
    assert_eq!(reply.is(404).field("access-control-allow-origin"), "*");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_object_is_404_and_asked_for_once() {
    let world = World::start(&[]).await;
    for protocol in PROTOCOLS {
        world
            .client
            .get(protocol, "/v/absent.m4s", &[])
            .await
            .is(404);
    }
    assert_eq!(world.origin.reads().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn server_timing_is_told_to_who_asks_where_the_site_allows_it() {
    let object = Object::new("/v/a.m4s", 5_000);
    for allowed in [true, false] {
        let plan = Plan::default().edge_key("site.0.server_timing", allowed);
        let world = plan.start(std::slice::from_ref(&object)).await;
        for protocol in PROTOCOLS {
            let silent = world.client.get(protocol, &object.name, &[]).await;
            assert_eq!(silent.is_whole(&object).header("server-timing"), None);
            let fields = [("server-timing", "?1")];
            let asked = world.client.get(protocol, &object.name, &fields).await;
            let told = asked.is_whole(&object).header("server-timing");
            let expected =
                told.is_some_and(|told| told.starts_with("cache;desc=\"hit ram\", edge;dur="));
            assert_eq!(expected, allowed, "{protocol}: {:?}", asked.headers);
        }
    }
}
