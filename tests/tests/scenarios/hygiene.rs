//! What must not leave the gate: tokens, cookies, and anything else that a viewer sent.

use signing::Carrier;
use tests::{
    client::PROTOCOLS,
    eventually,
    keys::{carry, token},
    oracle::Object,
    world::{Plan, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn no_token_shows_in_logs_metrics_or_upstream() {
    let object = Object::new("/films/1/a.m4s", 50_000);
    let plan = Plan::default().edge_apart().shield_apart();
    let plan = plan
        .edge_key("log.level", "trace")
        .shield_key("log.level", "trace");
    let world = plan.start(std::slice::from_ref(&object)).await;
    let good = token(&world.keys.ed25519, "/films");
    let bad = format!("canary{}", &good[6..]);
    for protocol in PROTOCOLS {
        for token in [&good, &bad] {
            let query = carry(&object.name, Carrier::Query, token);
            let referer = format!("https://signed.test{query}");
            let cookie = format!("mp={token}");
            let fields = [
                ("referer", referer.as_str()),
                ("user-agent", "canary-agent/1"),
            ];
            world.viewer.get(protocol, &query, &fields).await;
            let path = carry(&object.name, Carrier::Path, token);
            world
                .viewer
                .get(protocol, &path, &[("referer", &referer)])
                .await;
            world
                .viewer
                .get(protocol, &object.name, &[("cookie", &cookie)])
                .await;
            // Refused before it is looked at, by the grammar.
            world
                .viewer
                .get(protocol, &format!("{query}&mp={token}"), &[])
                .await;
            world
                .viewer
                .get(protocol, &format!("/~{token}/a//b"), &[])
                .await;
        }
    }
    eventually(60, "the access log", async || {
        (world.edge_home.logs().matches("/films/1/a.m4s").count() >= 18).then_some(())
    })
    .await;
    let mut places = vec![
        ("edge's logs", world.edge_home.logs()),
        ("shield's logs", world.shield_home.logs()),
    ];
    for (name, node) in [("edge's", world.edge()), ("shield's", world.shield())] {
        for page in ["/metrics", "/config", "/readyz"] {
            places.push((name, node.ask(page).await.1));
        }
    }
    let heads: String = world
        .origin
        .reads()
        .into_iter()
        .map(|read| read.head)
        .collect();
    assert!(heads.contains("/films/1/a.m4s"), "{heads}");
    places.push(("requests upstream", heads));
    // The end of a token is its signature; what is left of it would do to replay it.
    let (start, end) = (&good[8..32], &good[good.len() - 24..]);
    for (place, text) in places {
        for part in [start, end] {
            assert!(!text.contains(part), "a token in the {place}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_viewer_sends_reaches_the_origin() {
    let plain = Object::new("/v/plain.m4s", 5_000);
    let dressed = Object::new("/v/dress.m4s", 5_000);
    let world = World::start(&[plain.clone(), dressed.clone()]).await;
    world
        .client
        .get(PROTOCOLS[0], &plain.name, &[])
        .await
        .is_whole(&plain);
    let canary = "canary-4711";
    let names = [
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "forwarded",
        "x-original-url",
        "x-rewrite-url",
        "x-http-method-override",
        "authorization",
        "cookie",
        "accept",
        "referer",
        "accept-encoding",
        "accept-language",
        "user-agent",
        "x-anything",
        "origin",
        "pragma",
        "cdn-loop",
        "via",
        "proxy-authorization",
        "x-amz-security-token",
        "priority",
    ];
    let fields = names.map(|name| (name, canary));
    for protocol in PROTOCOLS {
        let target = format!("{}?canary=4711&v=canary-4711", dressed.name);
        world
            .client
            .get(protocol, &target, &fields)
            .await
            .is_whole(&dressed);
    }
    let reads = world.origin.reads();
    assert_eq!(reads.len(), 2, "{reads:?}");
    let (plain, dressed) = (&reads[0].head, &reads[1].head);
    assert_eq!(
        plain.replace("/v/plain.m4s", ""),
        dressed.replace("/v/dress.m4s", "")
    );
    assert!(!dressed.contains("canary"), "{dressed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn cmcd_is_logged_and_is_no_part_of_the_key() {
    let object = Object::new("/v/a.m4s", 5_000);
    let world = World::start(std::slice::from_ref(&object)).await;
    for (n, protocol) in PROTOCOLS.into_iter().enumerate() {
        let target = format!("{}?CMCD=bl%3D1{n}7777%2Csid%3D%22abc%22", object.name);
        let reply = world.client.get(protocol, &target, &[]).await;
        assert_eq!(
            reply
                .is_whole(&object)
                .cache_status()
                .starts_with("edge1; hit"),
            n > 0
        );
        let fields = [("cmcd-request", format!("bl=1{n}8888,mtp=25400"))];
        let fields = fields
            .each_ref()
            .map(|(name, value)| (*name, value.as_str()));
        world
            .client
            .get(protocol, &object.name, &fields)
            .await
            .is_whole(&object);
    }
    assert_eq!(world.origin.reads().len(), 1);
    eventually(60, "CMCD in the access log", async || {
        let log = world.edge_home.logs();
        let known = ["107777", "117777", "127777", "108888", "118888", "128888"];
        known.iter().all(|value| log.contains(value)).then_some(())
    })
    .await;
    assert!(
        !world.shield_home.logs().contains("7777"),
        "CMCD went upstream"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_query_parameters_of_the_key_count_and_go_upstream() {
    let object = Object::new("/v/a.m4s", 5_000);
    let world = Plan::default()
        .edge_key("site.0.query", vec!["v"])
        .start(std::slice::from_ref(&object))
        .await;
    for (target, reads) in [
        ("?v=1", 1),
        ("?v=1&utm=2", 1),
        ("?utm=3&v=1", 1),
        ("?v=2", 2),
        ("", 3),
    ] {
        let target = format!("{}{target}", object.name);
        world
            .client
            .get(PROTOCOLS[1], &target, &[])
            .await
            .is_whole(&object);
        assert_eq!(world.origin.reads().len(), reads, "{target}");
    }
    let targets: Vec<_> = world
        .origin
        .reads()
        .into_iter()
        .map(|read| read.target)
        .collect();
    assert_eq!(targets, ["/v/a.m4s?v=1", "/v/a.m4s?v=2", "/v/a.m4s"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_has_one_line_in_the_access_log() {
    let object = Object::new("/v/a.m4s", 5_000);
    let world = World::start(std::slice::from_ref(&object)).await;
    for protocol in PROTOCOLS {
        world
            .client
            .get(protocol, &object.name, &[])
            .await
            .is_whole(&object);
        world
            .client
            .get(protocol, "/v/absent.m4s", &[])
            .await
            .is(404);
    }
    let lines = eventually(60, "six lines", async || {
        let log = std::fs::read_to_string(world.edge_home.access_log()).unwrap_or_default();
        (log.lines().count() >= 6).then_some(log)
    })
    .await;
    assert_eq!(lines.lines().count(), 6, "{lines}");
    for line in lines.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line.is_object(), "{line}");
    }
}
