//! What viewers asked for is told, and to whom.

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::{
    client::{PROTOCOLS, Protocol},
    eventually,
    node::Node,
    oracle::Object,
    reports,
    world::{Plan, World},
};

const MIB: u64 = 1 << 20;

fn plan(keys: &[(&'static str, toml::Value)]) -> Plan {
    Plan::default().edge_keys(keys)
}

async fn top(edge: &Node) -> Value {
    let (status, text) = edge.ask("/popularity/top?count=10").await;
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

fn edge(world: &World) -> &Node {
    world.edge.as_ref().unwrap()
}

/// Waits until the edge names these, with their plays, and nothing else.
async fn names(edge: &Node, expected: &[(&Object, u64)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(object, plays)| {
            json!({
                "site": "media",
                "path": object.name,
                "size": object.bytes,
                "plays": plays,
                "error": 0,
            })
        })
        .collect();
    eventually(60, "the edge to name what is popular", async || {
        (top(edge).await["objects"] == Value::from(expected.clone())).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_most_popular_objects_are_told_over_every_protocol() {
    let objects = [
        Object::new("/v/often.m4s", 300_000),
        Object::new("/v/film.mp4", 9 * MIB),
    ];
    let [often, film] = &objects;
    let world = plan(&[("popularity.sessions_min", 1.into())])
        .start(&objects)
        .await;
    for protocol in PROTOCOLS {
        world
            .client
            .get(protocol, &often.name, &[])
            .await
            .is_whole(often);
    }
    let half = format!("bytes=0-{}", film.bytes / 2 - 1);
    let part = world
        .client
        .get(Protocol::Http2, &film.name, &[("range", &half)])
        .await;
    part.is_part(film, 0..film.bytes / 2);
    world
        .client
        .get(Protocol::Http2, "/v/absent.m4s", &[])
        .await
        .is(404);
    let plays = PROTOCOLS.len() as u64 * 1000;
    names(edge(&world), &[(often, plays), (film, 500)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_viewer_asked_for_is_named_nowhere() {
    let object = Object::new("/v/lonely.m4s", 1000);
    let folder = TempDir::new().unwrap();
    let path = folder.path().to_str().unwrap();
    let mut world = plan(&[
        ("popularity.reports.kind", "directory".into()),
        ("popularity.reports.path", path.into()),
    ])
    .start(std::slice::from_ref(&object))
    .await;
    for _ in 0..20 {
        world
            .client
            .get(Protocol::Http2, &object.name, &[])
            .await
            .is_whole(&object);
    }
    names(edge(&world), &[]).await;
    world.edge.take().unwrap().drain().await;
    let rows = reports::in_folder(folder.path());
    let told: Vec<_> = rows
        .iter()
        .map(|row| (&*row.path, row.requests, row.plays))
        .collect();
    assert_eq!(told, [("", 20, 20_000)], "{rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn popularity_and_reports_outlive_a_restart() {
    let object = Object::new("/v/kept.m4s", 70_001);
    let folder = TempDir::new().unwrap();
    let path = folder.path().to_str().unwrap();
    let mut world = plan(&[
        ("popularity.sessions_min", 1.into()),
        ("popularity.reports.kind", "directory".into()),
        ("popularity.reports.path", path.into()),
    ])
    .start(std::slice::from_ref(&object))
    .await;
    for plays in [1000, 2000] {
        world
            .client
            .get(Protocol::Http2, &object.name, &[])
            .await
            .is_whole(&object);
        names(edge(&world), &[(&object, plays)]).await;
        world.restart_edge().await;
        names(edge(&world), &[(&object, plays)]).await;
    }
    let rows = reports::in_folder(folder.path());
    assert_eq!(rows.len(), 2, "one for each life: {rows:?}");
    for row in rows {
        assert_eq!(
            (&*row.node, &*row.site, &*row.path),
            ("edge1", "media", &*object.name)
        );
        assert_eq!(
            (row.bytes_served, row.plays, row.requests),
            (object.bytes, 1000, 1)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_counts_nothing_tells_nothing() {
    let object = Object::new("/v/uncounted.m4s", 1000);
    let world = plan(&[("popularity.enabled", false.into())])
        .start(std::slice::from_ref(&object))
        .await;
    world
        .client
        .get(Protocol::Http2, &object.name, &[])
        .await
        .is_whole(&object);
    assert_eq!(edge(&world).ask("/popularity/top").await.0, 404);
}
