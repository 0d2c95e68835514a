//! Planners' keys come and go while an edge runs.

use std::{fs, net::SocketAddr};

use steering::client::ClientError;
use tests::{
    eventually,
    node::{Node, free_address},
    oracle::Object,
    planner::{Planner, planned},
    world::World,
};

use crate::fill::{is_served_from_here, objects, state};

/// An edge in a process of its own, steered at an address that is known.
async fn steered(planner: &Planner, objects: &[Object]) -> (World, SocketAddr) {
    let steering = free_address();
    let plan = planner.edge("00:00-00:00").edge_steered().edge_apart();
    let plan = plan.edge_key("steering.listen", steering.to_string());
    (plan.start(objects).await, steering)
}

/// Has an edge read its files again.
async fn reload(edge: &Node, result: &str) {
    let reloads = format!("millpond_daemon_reloads_total{{result=\"{result}\"}}");
    let before = edge.count(&reloads).await;
    edge.child().signal("HUP").await;
    eventually(60, &reloads, async || {
        (edge.count(&reloads).await > before).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_planners_key_is_taken_over_by_sighup_and_one_that_was_removed_is_refused() {
    let objects = objects(2);
    let wanted: Vec<_> = objects.iter().map(planned).collect();
    let (old, new) = (Planner::named("old"), Planner::named("new"));
    let (world, steering) = steered(&old, &objects).await;
    let edge = world.edge();
    let client = world.steering_at("steering.test", steering.port());
    let push = async |planner: &Planner, generation| {
        let pushed = client.push(planner.signed(generation, &wanted).into());
        match pushed.await {
            Ok(pushed) => Ok(pushed.generation),
            Err(ClientError::Refused(problem)) => Err((problem.status, problem.code)),
            Err(other) => panic!("{other}"),
        }
    };
    let untrusted = || Err((403, "manifest_untrusted".to_owned()));
    assert_eq!(push(&old, 1).await, Ok(1));
    assert_eq!(push(&new, 2).await, untrusted());

    old.trust(&[&old, &new]);
    reload(edge, "ok").await;
    assert_eq!(push(&new, 2).await, Ok(2));

    // A file that is none changes nothing, and is told.
    fs::write(old.keys(), "{\"keys\": [").unwrap();
    reload(edge, "refused").await;
    eventually(60, "a line in the log", async || {
        let line = "reload refused, nothing changed";
        world.edge_home.logs().contains(line).then_some(())
    })
    .await;
    assert_eq!(push(&old, 3).await, Ok(3));
    assert_eq!(push(&new, 4).await, Ok(4));

    old.trust(&[&old]);
    reload(edge, "ok").await;
    assert_eq!(push(&new, 5).await, untrusted());
    // What it had signed before stays in force, until the next one is.
    state(&world, "held", 2).await;
    is_served_from_here(&world, &objects).await;
    assert_eq!(push(&old, 5).await, Ok(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_keys_end_a_quarantine_and_have_what_lies_there_pulled_again() {
    let objects = objects(1);
    let wanted: Vec<_> = objects.iter().map(planned).collect();
    let (old, new) = (Planner::named("old"), Planner::named("new"));
    // A planner that has its new key before the nodes have it.
    let lies = old.root().join("edge1");
    fs::write(&lies, new.signed(9, &wanted)).unwrap();
    let (world, steering) = steered(&old, &objects).await;
    let edge = world.edge();
    let client = world.steering_at("steering.test", steering.port());
    for generation in 1..5 {
        let pushed = client.push(new.signed(generation, &wanted).into());
        pushed.await.unwrap_err();
    }
    let quarantined = "millpond_fill_quarantined{way=\"push\",who=\"steering.test\"}";
    assert_eq!(edge.count(quarantined).await, 1);
    let refused = "millpond_fill_pulls_total{outcome=\"refused\"}";
    eventually(60, refused, async || {
        (edge.count(refused).await == 1).then_some(())
    })
    .await;

    old.trust(&[&new]);
    reload(edge, "ok").await;
    eventually(60, "the manifest that lies there", async || {
        (edge.count("millpond_fill_generation").await == 9).then_some(())
    })
    .await;
    let pushed = client.push(new.signed(10, &wanted).into()).await;
    assert_eq!(pushed.unwrap().generation, 10);
    assert_eq!(edge.count(quarantined).await, 0);
    state(&world, "held", 1).await;
    is_served_from_here(&world, &objects).await;
}
