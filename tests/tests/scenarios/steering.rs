//! A real edge, steered: purge, preposition, drain.

use http::Method;
use serde_json::{Value as Json, json};
use steering::report::{NodeState, PurgeOrder};
use tests::{
    client::{Client, Protocol},
    eventually,
    oracle::Object,
    world::{Plan, World},
};

const COMMAND: &str = "application/cdni; ptype=ci-trigger-command";

async fn steered(objects: &[Object]) -> World {
    Plan::default()
        .edge_steered()
        .edge_disk(64)
        .start(objects)
        .await
}

/// Sends a trigger and waits for what comes of it.
async fn trigger(world: &World, trigger: Json) -> Json {
    let client = world.steering("steering.test");
    let body = json!({ "trigger": trigger }).to_string();
    let sent = client.raw(Method::POST, "/cdni/triggers", COMMAND, body.into());
    let (status, body) = sent.await.unwrap();
    assert_eq!(status, 201, "{body:?}");
    eventually(60, "the trigger to end", async || {
        let all = see(&client, "/cdni/triggers").await;
        for url in all["triggers"].as_array().unwrap() {
            let url = url.as_str().unwrap();
            let status = see(&client, &url[url.find("/cdni").unwrap()..]).await;
            let is_over = !["pending", "active"].contains(&status["status"].as_str().unwrap());
            if status["trigger"] == trigger && is_over {
                return Some(status);
            }
        }
        None
    })
    .await
}

async fn see(client: &steering::client::Client, path: &str) -> Json {
    let seen = client.raw(Method::GET, path, COMMAND, "".into()).await;
    serde_json::from_slice(&seen.unwrap().1).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_trigger_has_read_is_nobodys_demand() {
    let objects = [
        Object::new("/v/wanted.m4s", 300_000),
        Object::new("/v/triggered.m4s", 300_000),
    ];
    // Without disks it is read as a viewer would.
    let world = Plan::default()
        .edge_steered()
        .edge_key("popularity.sessions_min", 1)
        .start(&objects)
        .await;
    let urls = objects
        .each_ref()
        .map(|object| format!("https://media.test{}", object.name));
    let done = trigger(
        &world,
        json!({ "type": "preposition", "content.urls": urls }),
    );
    assert_eq!(done.await["status"], "complete");
    let [wanted, _] = &objects;
    let got = world.client.get(Protocol::Http2, &wanted.name, &[]).await;
    got.is_whole(wanted);
    let client = world.steering("steering.test");
    let top = eventually(30, "the viewer to be counted", async || {
        let top = client.popularity(10, None).await.unwrap();
        (!top.objects.is_empty()).then_some(top)
    })
    .await;
    let counted = top.objects.iter();
    let counted: Vec<_> = counted
        .map(|one| (&*one.path, one.plays_thousandths))
        .collect();
    assert_eq!(counted, [("/v/wanted.m4s", 1_000)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_prepositioned_by_its_url_is_a_hit() {
    let objects = [
        Object::new("/v/a.m4s", 700_001),
        Object::new("/v/film.mp4", 9_000_001),
    ];
    let world = steered(&objects).await;
    let urls = objects
        .each_ref()
        .map(|object| format!("https://media.test{}", object.name));
    let missing = "https://media.test/v/none.m4s";
    let status = trigger(
        &world,
        json!({ "type": "preposition", "content.urls": urls }),
    )
    .await;
    assert_eq!(status["status"], "complete", "{status}");
    let reads = world.origin.reads().len();
    for object in &objects {
        let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
        assert!(reply.cache_status().starts_with("edge1; hit"), "{reply:?}");
        reply.is_whole(object);
    }
    assert_eq!(
        world.origin.reads().len(),
        reads,
        "nothing was asked for again"
    );
    let status = trigger(
        &world,
        json!({ "type": "preposition", "content.urls": [missing] }),
    )
    .await;
    assert_eq!(status["errors"][0]["error"], "econtent");
    assert_eq!(status["errors"][0]["content.urls"], json!([missing]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_purged_is_asked_for_again_and_nothing_else_is() {
    let objects = ["/a/1.m4s", "/a/2.m4s", "/b/1.m4s"].map(|name| Object::new(name, 50_000));
    let world = steered(&objects).await;
    for object in &objects {
        world
            .client
            .get(Protocol::Http2, &object.name, &[])
            .await
            .is_whole(object);
    }
    // The shield first: an edge that asks again would be given what the shield still has. Here the
    // edge alone is steered, and the shield's copy shows that it was asked.
    let order = PurgeOrder {
        site: "media".to_owned(),
        prefix: Some("/a/".to_owned()),
        ..PurgeOrder::default()
    };
    world.steering("steering.test").purge(&order).await.unwrap();
    for (object, is_hit) in objects.iter().zip([false, false, true]) {
        let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
        assert_eq!(
            reply.cache_status().contains("edge1; hit"),
            is_hit,
            "{reply:?}"
        );
        reply.is_whole(object);
    }
    let soft = json!({ "type": "invalidate", "content.patterns": [{ "pattern": "https://media.test/b/*" }] });
    assert_eq!(trigger(&world, soft).await["status"], "complete");
    let reply = world
        .client
        .get(Protocol::Http2, &objects[2].name, &[])
        .await;
    assert!(
        reply.cache_status().contains("edge1; fwd=stale"),
        "{reply:?}"
    );
    reply.is_whole(&objects[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_outlives_a_restart() {
    let object = Object::new("/a/1.m4s", 50_000);
    let mut world = steered(std::slice::from_ref(&object)).await;
    world
        .client
        .get(Protocol::Http2, &object.name, &[])
        .await
        .is_whole(&object);
    let order = PurgeOrder {
        site: "media".to_owned(),
        pattern: Some("*.m4s".to_owned()),
        ..PurgeOrder::default()
    };
    world.steering("steering.test").purge(&order).await.unwrap();
    world.restart_edge().await;
    let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
    assert!(
        reply.cache_status().contains("edge1; fwd=uri-miss"),
        "{reply:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_edge_serves_those_who_are_there_and_nobody_else_until_it_is_undrained() {
    let object = Object::new("/v/a.m4s", 50_000);
    let world = steered(std::slice::from_ref(&object)).await;
    let client = world.steering("steering.test");
    world
        .client
        .get(Protocol::Http2, &object.name, &[])
        .await
        .is_whole(&object);
    assert_eq!(client.drain().await.unwrap().state, NodeState::Draining);
    assert_eq!(world.edge().ask("/readyz").await.0, 503);
    world
        .client
        .get(Protocol::Http2, &object.name, &[])
        .await
        .is_whole(&object);
    world.client.hang_up();
    eventually(60, "the node to be drained", async || {
        let heartbeat = client.heartbeat().await.unwrap();
        (heartbeat.state == NodeState::Drained).then_some(())
    })
    .await;
    let stranger = Client::new(&world.pki, world.edge().address, "media.test");
    for protocol in [Protocol::Http1, Protocol::Http2, Protocol::Http3] {
        let request = stranger.request(&Method::GET, &object.name, &[]);
        let heard = stranger.try_send(protocol, request).await;
        assert!(heard.is_err(), "{protocol}: {heard:?}");
    }
    assert_eq!(client.undrain().await.unwrap().state, NodeState::Serving);
    assert_eq!(world.edge().ask("/readyz").await.0, 200);
    stranger
        .get(Protocol::Http2, &object.name, &[])
        .await
        .is_whole(&object);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_monitor_sees_and_a_viewers_certificate_does_not() {
    let world = steered(&[]).await;
    let heartbeat = world.steering("monitor.test").heartbeat().await.unwrap();
    assert_eq!(
        (heartbeat.node.as_str(), heartbeat.state),
        ("edge1", NodeState::Serving)
    );
    assert_eq!(heartbeat.disks.len(), 1);
    assert!(world.steering("monitor.test").drain().await.is_err());
    let refused = world.steering("edge7.test").heartbeat().await.unwrap_err();
    assert!(refused.to_string().contains("role"), "{refused}");
}
