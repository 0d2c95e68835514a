//! A node stays inside its memory budget, whatever its viewers do.

use std::time::Duration;

use futures_util::future::join_all;
use tests::{
    client::{Client, PROTOCOLS, Protocol, Streaming},
    node::{Child, Launch},
    oracle::Object,
    world::{Plan, World},
};
use tokio::time::sleep;

use crate::{MIB, QUIET};

/// The node's limit, of which three quarters are its budget.
const LIMIT: u64 = 1024 * MIB;
const BUDGET: u64 = LIMIT / 4 * 3;

/// Viewers that take a byte and stop, each of an object of his own: together five times what the
/// budget is.
const READERS: usize = 1_500;
const OBJECT: u64 = 5 * MIB / 2;

/// Readers that begin at one time.
const AT_ONCE: usize = 100;

fn hostile() -> Plan {
    Plan::default()
        .edge_apart()
        .edge_disk(1024)
        .edge_key("limits.stall_timeout", "5m")
        .edge_key("limits.connections", 1_700)
        .edge_key("tls.record_layer", "own")
        .shield_key("limits.stall_timeout", "5m")
}

fn objects(count: usize) -> Vec<Object> {
    (0..count)
        .map(|n| Object::new(&format!("/v/{n}.mp4"), OBJECT))
        .collect()
}

/// Begins to read and stops. `None` when it was refused as it should be.
async fn stall(client: &Client, protocol: Protocol, object: &Object) -> Option<Streaming> {
    let mut stream = client.stream(protocol, &object.name, &[]).await;
    if stream.status == 503 {
        assert!(stream.headers.contains_key("retry-after"));
        return None;
    }
    assert_eq!(stream.status, 200);
    object.check(0, &stream.read(1).await).unwrap();
    Some(stream)
}

/// Everybody at once, each with an object of his own.
async fn besiege(world: &World, objects: &[Object]) -> Vec<Streaming> {
    let mut stalled = Vec::new();
    let readers = PROTOCOLS.into_iter().cycle().zip(objects);
    let readers: Vec<_> = readers.collect();
    for batch in readers.chunks(AT_ONCE) {
        let reading = batch
            .iter()
            .map(|(protocol, object)| stall(&world.client, *protocol, object));
        stalled.extend(join_all(reading).await.into_iter().flatten());
    }
    stalled
}

async fn stays_inside(world: World) {
    let edge = world.edge();
    let objects = objects(READERS);
    for object in &objects {
        world.origin.put(object, tests::origin::Script::default());
    }
    let stalled = besiege(&world, &objects).await;
    sleep(Duration::from_secs(2)).await;
    let (peak, held) = (edge.child().rss_peak_bytes(), stalled.len());
    println!(
        "{held} of {READERS} readers hold a slice; peak {} MiB",
        peak / MIB
    );
    assert!(held >= 20, "only {held} were let in");
    assert!(
        held < READERS,
        "nobody was refused: the load was not hostile enough"
    );
    assert!(
        peak <= BUDGET,
        "{} MiB at the peak, of a budget of {} MiB",
        peak / MIB,
        BUDGET / MIB
    );
    // What is in memory is served all the while, and everything is once they are gone.
    drop(stalled);
    for protocol in PROTOCOLS {
        let object = &objects[READERS - 1];
        world
            .client
            .get(protocol, &object.name, &[])
            .await
            .is_whole(object);
    }
    let used = edge
        .metric("millpond_memory_bytes{part=\"in_flight\"}")
        .await;
    let most = edge
        .metric("millpond_memory_bytes_max{part=\"in_flight\"}")
        .await;
    assert!(used <= most, "{used} of {most}");
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_that_stall_over_distinct_objects_stay_inside_the_budget() {
    let _quiet = QUIET.lock().await;
    let budget = format!("{}MiB", BUDGET / MIB);
    let world = hostile().edge_key("memory.budget", budget).start(&[]).await;
    stays_inside(world).await;
}

/// The budget is not told: it follows from the limit of the control group.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_lives_under_the_memory_limit_that_it_finds() {
    let _quiet = QUIET.lock().await;
    if !Child::can_limit() {
        println!("skipped: no control group for memory can be made here");
        return;
    }
    let mut plan = hostile();
    plan.edge_launch = Launch::Limited(LIMIT);
    stays_inside(plan.start(&[]).await).await;
}
