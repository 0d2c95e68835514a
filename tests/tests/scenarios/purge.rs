//! Purges of an edge before a shield that knows nothing of them, of a shield, and over a kill.

use http::Method;
use steering::{
    client::ClientError,
    report::{NodeState, PurgeOrder},
};
use tests::{
    client::{Client, Protocol, Reply},
    node::{Home, free_address},
    oracle::Object,
    origin::Script,
    world::{Plan, World},
};

fn order(change: impl FnOnce(&mut PurgeOrder)) -> PurgeOrder {
    let mut order = PurgeOrder {
        site: "media".to_owned(),
        ..PurgeOrder::default()
    };
    change(&mut order);
    order
}

async fn get(world: &World, object: &Object) -> Reply {
    world.client.get(Protocol::Http2, &object.name, &[]).await
}

fn tagged(tags: &str) -> Script {
    Script {
        headers: vec![format!("surrogate-key: {tags}")],
        ..Script::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_was_purged_is_not_given_what_its_shield_still_holds() {
    let objects = ["/a/1.m4s", "/a/2.m4s", "/a/3.m4s"].map(|name| Object::new(name, 50_000));
    let world = Plan::default().edge_steered().start(&objects).await;
    for object in &objects {
        get(&world, object).await.is_whole(object);
    }
    let new = objects.each_ref().map(Object::next);
    for object in &new {
        world.origin.put(object, Script::default());
    }
    let steering = world.steering("steering.test");
    let orders = [
        order(|order| order.path = Some("/a/1.m4s".to_owned())),
        order(|order| order.pattern = Some("*/2.m4s".to_owned())),
        order(|order| {
            order.everything = true;
            order.soft = true;
        }),
    ];
    for (order, object) in orders.iter().zip(&new) {
        assert_eq!(steering.purge(order).await.unwrap().node, "edge1");
        get(&world, object).await.is_whole(object);
    }
    // The last one was of the whole site: each is confirmed once, and then a hit.
    for object in &new {
        get(&world, object).await.is_whole(object);
    }
    let reads = world.origin.reads().len();
    for object in &new {
        let reply = get(&world, object).await;
        assert!(reply.cache_status().contains("edge1; hit"), "{reply:?}");
        reply.is_whole(object);
    }
    assert_eq!(world.origin.reads().len(), reads);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_by_tag_reaches_what_only_the_shield_still_holds() {
    let film = Object::new("/film/1.m4s", 50_000);
    let other = Object::new("/other/1.m4s", 50_000);
    let mut world = Plan::default().edge_steered().start(&[]).await;
    world.origin.put(&film, tagged("film-7 poster"));
    world.origin.put(&other, tagged("film-8"));
    for object in [&film, &other] {
        let reply = get(&world, object).await;
        assert!(reply.header("surrogate-key").is_none(), "{reply:?}");
        reply.is_whole(object);
    }
    // Without disks it knows nothing of the two any more, nor of their tags.
    world.restart_edge().await;
    world.origin.put(&film.next(), tagged("film-7"));
    world.origin.put(&other.next(), tagged("film-8"));
    let tag = order(|order| order.tag = Some("Film-7".to_owned()));
    world.steering("steering.test").purge(&tag).await.unwrap();
    let reply = get(&world, &film.next()).await;
    reply.is_whole(&film.next());
    let reply = get(&world, &other).await;
    reply.is_whole(&other);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shield_is_steered_as_an_edge_is_and_a_purge_of_it_alone_costs_one_read() {
    let object = Object::new("/a/1.m4s", 50_000);
    let plan = Plan::default().shield_steered();
    let world = plan.start(std::slice::from_ref(&object)).await;
    get(&world, &object).await.is_whole(&object);
    let port = world.shield().steering.unwrap().port();
    let steering = world.steering_at("steering.test", port);
    let heartbeat = steering.heartbeat().await.unwrap();
    assert_eq!(
        (heartbeat.node.as_str(), heartbeat.state),
        ("shield1", NodeState::Serving)
    );
    let path = order(|order| order.path = Some(object.name.clone()));
    assert_eq!(steering.purge(&path).await.unwrap().node, "shield1");
    // The edge was not purged, and serves on.
    let reply = get(&world, &object).await;
    assert!(reply.cache_status().contains("edge1; hit"), "{reply:?}");
    let reads = world.origin.reads().len();
    let home = Home::new(tests::node::Role::Edge);
    let second = home.start(&world.edge_settings).await;
    let client = world.client_of(&second);
    for _ in 0..2 {
        let reply = client.get(Protocol::Http2, &object.name, &[]).await;
        reply.is_whole(&object);
    }
    assert_eq!(world.origin.reads().len(), reads + 1);
    // What an owner names by URL is for edges: a shield knows no hosts.
    let command = r#"{"trigger":{"type":"purge","content.urls":["https://media.test/a/1.m4s"]}}"#;
    let media = "application/cdni; ptype=ci-trigger-command";
    let sent = steering.raw(Method::POST, "/cdni/triggers", media, command.into());
    let (status, body) = sent.await.unwrap();
    assert_eq!(status, 201);
    assert!(String::from_utf8_lossy(&body).contains("eperm"), "{body:?}");
    let refused = world.steering_at("monitor.test", port).purge(&path).await;
    assert!(matches!(refused, Err(ClientError::Refused(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_purged_before_a_kill_is_not_served_after_it() {
    let objects: Vec<Object> = (0..4)
        .map(|n| Object::new(&format!("/v/{n}.m4s"), 200_000))
        .collect();
    // A child does not tell where its steering API is.
    let address = free_address();
    let plan = Plan::default().edge_disk(64).edge_apart().edge_steered();
    let plan = plan.edge_key("steering.listen", address.to_string());
    let mut world = plan.start(&[]).await;
    for object in &objects {
        world.origin.put(object, tagged("film-7"));
        get(&world, object).await.is_whole(object);
    }
    let steering = world.steering_at("steering.test", address.port());
    let tag = order(|order| order.tag = Some("film-7".to_owned()));
    steering.purge(&tag).await.unwrap();
    // The very moment after it is acknowledged.
    world.edge.take().unwrap().kill().await;
    for object in &objects {
        world.origin.put(&object.next(), Script::default());
    }
    tests::eventually(60, "the kernel to let go of the disk", async || {
        let disk = std::fs::File::open(world.edge_home.disk()).unwrap();
        disk.try_lock().ok()
    })
    .await;
    world.edge = Some(world.edge_home.spawn(&world.edge_settings).await);
    world.client = Client::new(&world.pki, world.edge().address, "media.test");
    for object in &objects {
        get(&world, &object.next()).await.is_whole(&object.next());
    }
}
