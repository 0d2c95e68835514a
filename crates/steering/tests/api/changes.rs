//! What changes: manifests, drain, purge, and the lines that tell of it.

use serde_json::Value as Json;
use steering::{
    client::ClientError,
    report::{NodeState, PurgeOrder},
};

use crate::{
    engine::manifest,
    support::{STEERING, World},
};

#[tokio::test]
async fn a_manifest_is_pushed_listed_shown_and_withdrawn() {
    let world = World::new().await;
    let client = world.client(STEERING);
    assert!(client.push(manifest(5)).await.unwrap().fresh);
    assert!(
        !client.push(manifest(5)).await.unwrap().fresh,
        "a push may be repeated"
    );
    let kept = client.manifests().await.unwrap().manifests;
    assert_eq!(kept[0].generation, 5);
    assert_eq!(client.manifest(5).await.unwrap(), manifest(5));
    client.withdraw(5).await.unwrap();
    let refused = client.push(manifest(4)).await.unwrap_err();
    let ClientError::Refused(problem) = refused else {
        panic!("{refused}");
    };
    assert_eq!(
        (problem.status, problem.code.as_str()),
        (409, "manifest_generation")
    );
    let refused = client.push("junk".into()).await.unwrap_err();
    assert!(
        refused.to_string().contains("manifest_untrusted"),
        "{refused}"
    );
}

#[tokio::test]
async fn the_inventory_comes_in_pages_to_its_end() {
    let world = World::new().await;
    let client = world.client(STEERING);
    let (mut after, mut paths) = (None, Vec::new());
    loop {
        let page = client.inventory(after.as_deref(), 100).await.unwrap();
        paths.extend(page.objects.into_iter().map(|object| object.path));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(paths.len(), 250);
    assert_eq!(paths[249], "/249");
}

#[tokio::test]
async fn a_node_drains_and_comes_back() {
    let world = World::new().await;
    let client = world.client(STEERING);
    assert_eq!(client.drain().await.unwrap().state, NodeState::Draining);
    world.engine.vitals.lock().connections = 0;
    assert_eq!(client.heartbeat().await.unwrap().state, NodeState::Drained);
    assert_eq!(client.undrain().await.unwrap().state, NodeState::Serving);
}

#[tokio::test]
async fn purges_reach_the_engine_as_they_were_meant() {
    let world = World::new().await;
    let client = world.client(STEERING);
    let order = |change: fn(&mut PurgeOrder)| {
        let mut order = PurgeOrder {
            site: "vod".to_owned(),
            ..PurgeOrder::default()
        };
        change(&mut order);
        order
    };
    for order in [
        order(|order| order.path = Some("/a".to_owned())),
        order(|order| order.prefix = Some("/a*".to_owned())),
        order(|order| order.pattern = Some("/a*".to_owned())),
        order(|order| order.tag = Some("Film-7".to_owned())),
        order(|order| {
            order.everything = true;
            order.soft = true;
        }),
    ] {
        client.purge(&order).await.unwrap();
    }
    assert_eq!(
        world.engine.asked(),
        [
            "Forget vod /a",
            "Forget vod ~/a$**",
            "Forget vod ~/a*",
            "Forget vod #film-7",
            "Confirm vod everything"
        ]
    );
}

#[tokio::test]
async fn every_change_leaves_a_line_before_and_after() {
    let world = World::new().await;
    let client = world.client(STEERING);
    client.drain().await.unwrap();
    client.push("junk".into()).await.unwrap_err();
    client.heartbeat().await.unwrap();
    let text = std::fs::read_to_string(world.state.path().join("audit.log")).unwrap();
    let lines: Vec<Json> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert_eq!(
        (&lines[0]["path"], &lines[0]["status"]),
        (&"/v1/drain".into(), &Json::Null)
    );
    assert_eq!(lines[1]["status"], 200);
    assert_eq!(lines[1]["id"], lines[0]["id"]);
    assert_eq!(lines[3]["status"], 403);
    assert_eq!(lines[3]["code"], "manifest_untrusted");
    assert_eq!(lines[3]["body_bytes"], 4);
    assert!(lines.iter().all(|line| line["who"] == STEERING));
}

#[tokio::test]
async fn without_an_audit_log_nothing_is_changed_and_everything_is_seen() {
    let world = World::new().await;
    std::fs::create_dir(world.state.path().join("audit.log")).unwrap();
    let got = world.post(STEERING, "/v1/drain", "", "").await;
    let got = got.refused(503, "audit_unwritable");
    assert_eq!(got.field("retry-after"), "5");
    assert!(!world.engine.vitals.lock().resting);
    world.get(STEERING, "/v1/heartbeat").await.is(200);
}
