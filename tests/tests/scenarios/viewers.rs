//! What players tell of themselves (CMCD), and what the edge makes of it.

use http::Method;
use serde_json::Value as Json;
use signing::{Carrier, Scope};
use tests::{
    client::{PROTOCOLS, Protocol},
    eventually, keys,
    oracle::Object,
    world::{Plan, World},
};

/// The lines of the edge's access log that tell of CMCD, once there are so many.
async fn told(world: &World, count: usize) -> Vec<Json> {
    eventually(60, "CMCD in the access log", async || {
        let log = world.edge_home.logs();
        let lines = log.lines().filter_map(|line| {
            let line: Json = serde_json::from_str(line).ok()?;
            line.get("cmcd").cloned()
        });
        let lines: Vec<_> = lines.collect();
        (lines.len() >= count).then_some(lines)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn cmcd_is_logged_under_its_own_names_however_it_comes() {
    let object = Object::new("/v/a.m4s", 5_000);
    let world = World::start(std::slice::from_ref(&object)).await;
    let list = "CMCD=br%3D3200%2Cbs%2Cnor%3D%22b.m4s%22%2Csid%3D%226e2f%22%2Cv%3D2";
    let json =
        "CMCD=%7B%22br%22%3A3200%2C%22bs%22%3Atrue%2C%22sid%22%3A%226e2f%22%2C%22v%22%3A2%7D";
    let fields = [
        ("cmcd-object", "br=3200"),
        ("cmcd-request", "nor=\"b.m4s\""),
        ("cmcd-session", "sid=\"6e2f\",v=2"),
        ("cmcd-status", "bs"),
    ];
    for protocol in PROTOCOLS {
        for query in [list, json] {
            let target = format!("{}?{query}", object.name);
            let reply = world.client.get(protocol, &target, &[]).await;
            reply.is_whole(&object);
        }
        let reply = world.client.get(protocol, &object.name, &fields).await;
        reply.is_whole(&object);
    }
    let expected = serde_json::json!({ "br": 3200, "bs": true, "sid": "6e2f", "v": 2 });
    for line in told(&world, 9).await {
        assert_eq!(line, expected);
    }
    assert_eq!(world.origin.reads().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_cmcd_never_fails_a_request() {
    let object = Object::new("/v/a.m4s", 5_000);
    let world = World::start(std::slice::from_ref(&object)).await;
    let token = keys::token(&world.keys.ed25519, "/v/");
    let signed = keys::carry(&object.name, Carrier::Query, &token);
    for junk in [
        "", "=", "%", "%zz", "\"", ";", "a=1;b", "{", "%00", "=&CMCD=2",
    ] {
        // What no library of ours sends, a player might: it goes over HTTP/1.1 and 2 alike.
        let target = format!("{}?CMCD={junk}", object.name);
        let Ok(uri) = target.parse::<http::Uri>() else {
            continue;
        };
        let target = uri.to_string();
        for protocol in [Protocol::Http1, Protocol::Http2] {
            world
                .client
                .get(protocol, &target, &[])
                .await
                .is_whole(&object);
        }
        let target = format!("{signed}&CMCD={junk}");
        world
            .viewer
            .get(Protocol::Http2, &target, &[])
            .await
            .is_whole(&object);
    }
    let fields = [("cmcd-request", "nor=((((,\"=,=,;;")];
    world
        .client
        .get(Protocol::Http2, &object.name, &fields)
        .await
        .is_whole(&object);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_may_keep_the_session_out_of_its_log() {
    let object = Object::new("/v/a.m4s", 5_000);
    let plan = Plan::default().edge_key("site.0.cmcd.log", "anonymous");
    let world = plan.start(std::slice::from_ref(&object)).await;
    let fields = [("cmcd-session", "sid=\"6e2f\",cid=\"film\"")];
    world
        .client
        .get(Protocol::Http2, &object.name, &fields)
        .await
        .is_whole(&object);
    assert_eq!(
        told(&world, 1).await[0],
        serde_json::json!({ "cid": "film" })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_object_is_there_before_a_reader_asks_for_it() {
    let objects: Vec<_> = (1..=6)
        .map(|n| Object::new(&format!("/v/s{n}.m4s"), 50_000))
        .collect();
    let world = World::start(&objects).await;
    for n in 1..=3 {
        let next = format!("nor=\"s{}.m4s\",ot=v", n + 1);
        let fields = [
            ("cmcd-request", next.as_str()),
            ("cmcd-session", "sid=\"one\""),
        ];
        let reply = world
            .client
            .get(PROTOCOLS[n % 3], &objects[n - 1].name, &fields)
            .await;
        reply.is_whole(&objects[n - 1]);
    }
    world.origin.read_count(4).await;
    eventually(60, "the fetch to end", async || {
        let sample = "millpond_ahead_total{outcome=\"fetched\"}";
        (world.edge().metric(sample).await >= 1.0).then_some(())
    })
    .await;
    let reply = world
        .client
        .get(Protocol::Http2, &objects[3].name, &[])
        .await;
    reply.is_whole(&objects[3]);
    assert!(
        reply.cache_status().starts_with("edge1; hit"),
        "{}",
        reply.cache_status()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_does_not_cover_is_not_fetched_ahead() {
    let objects: Vec<_> = (1..=5)
        .map(|n| Object::new(&format!("/v/s{n}.m4s"), 5_000))
        .collect();
    let world = World::start(&objects).await;
    for n in 1..=4 {
        // Each token is for one object alone.
        let scope = Scope::path(&objects[n - 1].name).unwrap();
        let token = signing::sign(&world.keys.ed25519, &keys::claims(scope)).unwrap();
        let target = keys::carry(&objects[n - 1].name, Carrier::Query, &token);
        let next = format!("nor=\"s{}.m4s\"", n + 1);
        let request = world.viewer.request(
            &Method::GET,
            &target,
            &[
                ("cmcd-request", next.as_str()),
                ("cmcd-session", "sid=\"one\""),
            ],
        );
        world
            .viewer
            .send(Protocol::Http2, request)
            .await
            .is_whole(&objects[n - 1]);
    }
    assert_eq!(world.origin.reads().len(), 4, "{:?}", world.origin.reads());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origins_cmsd_is_stored_and_passed_on() {
    let object = Object::new("/v/a.m4s", 5_000);
    let world = World::start(&[]).await;
    world.origin.put(
        &object,
        tests::origin::Script {
            headers: vec![
                "cmsd-static: ot=v,br=3200".to_owned(),
                "cmsd-dynamic: \"o\";rtt=1".to_owned(),
            ],
            ..tests::origin::Script::default()
        },
    );
    for protocol in PROTOCOLS {
        let reply = world.client.get(protocol, &object.name, &[]).await;
        reply.is_whole(&object);
        assert_eq!(reply.field("cmsd-static"), "ot=v,br=3200");
        // The origin's was of another response. Of its own way an edge knows what QUIC measures.
        let dynamic = reply.header("cmsd-dynamic").unwrap_or_default();
        let measured = dynamic.strip_prefix("\"edge1\";rtt=");
        let round_trip_ms = measured.and_then(|ms| ms.parse::<u64>().ok());
        match protocol {
            Protocol::Http1 | Protocol::Http2 => assert_eq!(dynamic, ""),
            Protocol::Http3 => assert!(round_trip_ms.is_some_and(|ms| ms > 0), "{dynamic}"),
        }
        let exposed = reply.field("access-control-expose-headers");
        assert!(exposed.contains("CMSD-Static, CMSD-Dynamic"), "{exposed}");
    }
}
