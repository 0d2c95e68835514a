//! Object storage as the shield's origin: a real S3 server, and a directory.

use std::fs;

use tempfile::TempDir;
use tests::{
    client::{Client, PROTOCOLS, Protocol},
    eventually,
    node::{Home, Node, Role, Settings},
    oracle::Object,
    origin::write_objects,
    pki::Pki,
    planner::{Planner, planned},
    world::Plan,
};

use crate::weed::{ACCESS, SECRET, Weed, reports, secret};

const MIB: u64 = 1 << 20;

struct Way {
    client: Client,
    edge: Node,
    shield: Node,
    shield_home: Home,
    _edge_home: Home,
    _pki: Pki,
}

/// An edge and a shield whose site has this origin.
async fn way(origin: &[(&str, toml::Value)]) -> Way {
    let pki = Pki::new();
    let shield_home = Home::new(Role::Shield);
    let mut settings = Settings::shield(&shield_home, &pki, "http://127.0.0.1:9");
    settings.set("site.0.origin", toml::Table::new());
    for (key, value) in origin {
        settings.set(&format!("site.0.origin.{key}"), value.clone());
    }
    let shield = shield_home.start(&settings).await;
    let edge_home = Home::new(Role::Edge);
    let edge = edge_home
        .start(&Settings::edge(&edge_home, &pki, &[shield.address]))
        .await;
    let client = Client::new(&pki, edge.address, "media.test");
    Way {
        client,
        edge,
        shield,
        shield_home,
        _edge_home: edge_home,
        _pki: pki,
    }
}

async fn are_served(way: &Way, objects: &[Object]) {
    for (protocol, object) in PROTOCOLS.into_iter().cycle().zip(objects) {
        for _ in 0..2 {
            way.client
                .get(protocol, &object.name, &[])
                .await
                .is_whole(object);
        }
        let reply = way
            .client
            .get(protocol, &object.name, &[("range", "bytes=-1000")])
            .await;
        reply.is_part(object, object.bytes - 1000..object.bytes);
    }
    for protocol in PROTOCOLS {
        way.client.get(protocol, "/v/absent.m4s", &[]).await.is(404);
    }
}

fn objects() -> Vec<Object> {
    [1000, 300_001, 4 * MIB, 4 * MIB + 1, 11 * MIB + 5]
        .map(|bytes| Object::new(&format!("/vod/a-b_c/{bytes}.m4s"), bytes))
        .to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_s3_server_is_an_origin_end_to_end() {
    let Some(weed) = Weed::ready().await else {
        return;
    };
    let objects = objects();
    weed.put_all(&objects).await;
    let secrets = TempDir::new().unwrap();
    let origin = [
        ("kind", "s3".into()),
        ("endpoint", weed.endpoint.clone().into()),
        ("bucket", "origin".into()),
        (
            "access_key_file",
            secret(secrets.path(), "access", ACCESS).into(),
        ),
        (
            "secret_key_file",
            secret(secrets.path(), "secret", SECRET).into(),
        ),
        ("allow_http", true.into()),
    ];
    let nodes = way(&origin).await;
    are_served(&nodes, &objects).await;
    let reply = nodes
        .client
        .get(Protocol::Http2, &objects[1].name, &[])
        .await;
    assert!(
        reply
            .headers
            .keys()
            .all(|name| !name.as_str().starts_with("x-amz")),
        "{reply:?}"
    );
    let (_, config) = nodes.shield.ask("/config").await;
    assert!(!config.contains(SECRET) && !nodes.shield_home.logs().contains(SECRET));
    nodes.edge.drain().await;
    nodes.shield.drain().await;

    // The object changes under its readers: the next version is served, never a mix.
    let wrong = [
        origin.to_vec(),
        vec![(
            "secret_key_file",
            secret(secrets.path(), "wrong", "x").into(),
        )],
    ];
    let nodes = way(&wrong.concat()).await;
    let reply = nodes
        .client
        .get(Protocol::Http2, &objects[0].name, &[])
        .await;
    assert!(
        matches!(reply.status.as_u16(), 403 | 502),
        "a wrong secret: {reply:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_an_origin_end_to_end() {
    let folder = TempDir::new().unwrap();
    let objects = objects();
    write_objects(folder.path(), &objects);
    let path = folder.path().to_str().unwrap();
    let nodes = way(&[("kind", "directory".into()), ("path", path.into())]).await;
    are_served(&nodes, &objects).await;
    // Nothing above the directory is within reach, whatever a viewer asks for.
    fs::write(
        folder.path().parent().unwrap().join("millpond-outside"),
        "secret",
    )
    .unwrap();
    for target in [
        "/../millpond-outside",
        "/vod/../../millpond-outside",
        "/%2e%2e/millpond-outside",
    ] {
        nodes.client.get(Protocol::Http2, target, &[]).await.is(400);
    }
    fs::remove_file(folder.path().parent().unwrap().join("millpond-outside")).unwrap();
    nodes.edge.drain().await;
    nodes.shield.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_out_of_the_directory_leads_nowhere() {
    let folder = TempDir::new().unwrap();
    let outside = TempDir::new().unwrap();
    fs::write(outside.path().join("secret.m4s"), "secret").unwrap();
    std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
    let path = folder.path().to_str().unwrap();
    let nodes = way(&[("kind", "directory".into()), ("path", path.into())]).await;
    let reply = nodes
        .client
        .get(Protocol::Http2, "/link/secret.m4s", &[])
        .await;
    assert!(reply.status.as_u16() >= 400, "{reply:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_s3_server_takes_an_edges_reports_once_it_is_there() {
    let Some(weed) = Weed::ready().await else {
        return;
    };
    let secrets = TempDir::new().unwrap();
    let object = Object::new("/v/reported.m4s", 300_001);
    let mut edge = reports(&weed, secrets.path());
    // Nobody listens there: the report waits.
    edge[2].1 = "http://127.0.0.1:9".into();
    let plan = Plan::default().edge_keys(&edge);
    let mut world = plan.start(std::slice::from_ref(&object)).await;
    let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
    reply.is_whole(&object);
    for (key, value) in reports(&weed, secrets.path()) {
        world.edge_settings.set(key, value);
    }
    world.restart_edge().await;
    let reported = eventually(60, "the S3 server to have a report", async || {
        let objects = weed.all("fleet/a").await;
        (!objects.is_empty()).then_some(objects)
    });
    let [(key, report)] = &reported.await[..] else {
        panic!("one report");
    };
    let rows = tests::reports::of(key.strip_prefix("fleet/a/").unwrap(), report.clone());
    let told: Vec<_> = rows
        .iter()
        .map(|row| (&*row.path, row.bytes_served))
        .collect();
    assert_eq!(told, [(&*object.name, object.bytes)]);
    assert!(!world.edge_home.logs().contains(SECRET));
    let edge = world.edge.take().unwrap();
    let (_, config) = edge.ask("/config").await;
    assert!(!config.contains(SECRET), "{config}");
    edge.drain().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_s3_server_fills_an_edge_when_the_shields_have_nothing() {
    let Some(weed) = Weed::ready().await else {
        return;
    };
    let (objects, secrets) = (objects(), TempDir::new().unwrap());
    weed.put_all(&objects).await;
    let planner = Planner::new();
    let wanted: Vec<_> = objects.iter().map(planned).collect();
    planner.publish(1, &wanted);
    let mut plan = planner.edge("00:00-00:00");
    plan = plan.edge_key("fill.storage_after", "0s");
    let keys: [(&str, toml::Value); 6] = [
        ("site.0.origin.kind", "s3".into()),
        ("site.0.origin.endpoint", weed.endpoint.clone().into()),
        ("site.0.origin.bucket", "origin".into()),
        ("site.0.origin.allow_http", true.into()),
        (
            "site.0.origin.access_key_file",
            secret(secrets.path(), "access", ACCESS).into(),
        ),
        (
            "site.0.origin.secret_key_file",
            secret(secrets.path(), "secret", SECRET).into(),
        ),
    ];
    for (key, value) in keys {
        plan = plan.edge_key(key, value);
    }
    // The shield's origin has none of them.
    let world = plan.start(&[]).await;
    let sample = "millpond_fill_filled_total{source=\"storage\"}";
    eventually(60, "all to be filled from S3", async || {
        let filled = world.edge().count(sample).await;
        (filled == objects.len() as u64).then_some(())
    })
    .await;
    for object in &objects {
        let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
        reply.is_whole(object);
        assert!(reply.cache_status().contains("hit"), "{reply:?}");
    }
    let (_, config) = world.edge().ask("/config").await;
    assert!(!config.contains(SECRET), "{config}");
}
