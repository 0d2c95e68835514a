//! A night of filling and what may go wrong in it: changes of the plan, pins, a kill, bad disks.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
};

use manifest::Pin;
use steering::report::{Phase, PurgeOrder};
use tests::{
    client::Protocol,
    eventually,
    foreign::root,
    oracle::Object,
    origin::{Gate, Script},
    planner::{Planner, Wishes, planned},
    world::World,
};

use crate::fill::{is_served_from_here, objects, state};

const ALL_DAY: &str = "00:00-00:00";

async fn is_complete(world: &World) {
    let steering = world.steering("steering.test");
    eventually(60, "the fill to be complete", async || {
        let progress = steering.progress().await.unwrap();
        (progress.phase == Phase::Complete).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delta_brings_what_is_new_and_what_it_removes_goes_only_when_that_has_landed() {
    let (objects, planner) = (objects(5), Planner::new());
    let wanted: Vec<_> = objects.iter().map(planned).collect();
    let world = planner.edge(ALL_DAY).edge_steered();
    let world = world.start(&objects).await;
    let steering = world.steering("steering.test");
    let full = planner.signed(1, &wanted[..4]);
    steering.push(full.clone().into()).await.unwrap();
    state(&world, "held", 4).await;
    is_complete(&world).await;

    let gate = Gate::new();
    let script = Script {
        before: Some(gate.clone()),
        ..Script::default()
    };
    world.origin.put(&objects[4], script);
    let wishes = Wishes {
        base: Some((&full, 1)),
        removed: vec![&objects[0].name],
        ..Wishes::default()
    };
    let delta = planner.signed_as(2, &wanted[4..], &wishes);
    let pushed = steering.push(delta.into()).await.unwrap();
    assert_eq!((pushed.generation, pushed.objects), (2, 4));
    gate.arrivals(1).await;
    // The new one is on its way: what goes for it is still here.
    is_served_from_here(&world, &objects[..4]).await;
    gate.open();
    is_complete(&world).await;
    is_served_from_here(&world, &objects[1..]).await;
    // The removal follows the last landing; a viewer has it fetched anew then.
    eventually(60, "what was removed to be gone", async || {
        let target = &objects[0].name;
        let fields = [("cache-control", "only-if-cached")];
        let reply = world.client.get(Protocol::Http2, target, &fields).await;
        (reply.status.as_u16() == 504).then_some(())
    })
    .await;
    let reply = world
        .client
        .get(Protocol::Http2, &objects[0].name, &[])
        .await;
    reply.is_whole(&objects[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_is_kept_by_its_plan_and_goes_with_it() {
    let (objects, planner) = (objects(3), Planner::new());
    let mut wanted: Vec<_> = objects.iter().map(planned).collect();
    wanted[1].pin = Pin::WhilePlanned;
    let world = planner.edge(ALL_DAY).edge_steered();
    let world = world.start(&objects).await;
    let steering = world.steering("steering.test");
    steering
        .push(planner.signed(1, &wanted).into())
        .await
        .unwrap();
    is_complete(&world).await;
    let pinned = async || world.edge().count("millpond_store_pinned_bytes").await;
    assert_eq!(pinned().await, objects[1].bytes);
    let page = steering.inventory(None, 10).await.unwrap();
    let names = page.objects.iter().filter(|object| object.pinned);
    let names: Vec<_> = names.map(|object| &object.path).collect();
    assert_eq!(names, [&objects[1].name]);
    wanted[1].pin = Pin::Unpinned;
    steering
        .push(planner.signed(2, &wanted).into())
        .await
        .unwrap();
    eventually(60, "the pin to go", async || {
        (pinned().await == 0).then_some(())
    })
    .await;
    is_served_from_here(&world, &objects).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_kill_9_filling_goes_on_and_nothing_that_was_verified_is_fetched_again() {
    let objects: Vec<_> = (0..24)
        .map(|n| Object::new(&format!("/v/{n}.m4s"), 700_000 + n))
        .collect();
    let planner = Planner::new();
    let wanted: Vec<_> = objects.iter().map(planned).collect();
    planner.publish(1, &wanted);
    let world = planner.edge(ALL_DAY).edge_apart();
    let world = world.edge_key("fill.rate", "3MB");
    let mut world = world.start(&objects).await;
    // A manifest that is the first of its kind here was tried in a child first.
    state(&world, "held", 8).await;
    let folder = world.edge_home.path().join("state/fill");
    assert!(folder.join("rehearsed.json").exists());
    // What is queued for the disk in this moment may be lost, as in a power cut.
    state(&world, "held", 12).await;
    world.client.hang_up();
    world.edge.take().unwrap().kill().await;

    let edge = world.edge_home.spawn(&world.edge_settings).await;
    world.client = tests::client::Client::new(&world.pki, edge.address, "media.test");
    world.edge = Some(edge);
    state(&world, "held", 24).await;
    let fetched = world.edge().count("millpond_fill_bytes_total").await;
    let all: u64 = objects.iter().map(|object| object.bytes).sum();
    assert!(
        fetched > 0 && fetched <= all - 8 * 700_000,
        "{fetched} bytes of {all} were fetched after the restart"
    );
    is_served_from_here(&world, &objects).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_disk_is_filled_again() {
    let (objects, planner) = (objects(6), Planner::new());
    let wanted: Vec<_> = objects.iter().map(planned).collect();
    planner.publish(1, &wanted);
    let mut world = planner.edge(ALL_DAY).edge_apart().start(&objects).await;
    state(&world, "held", 6).await;
    world.client.hang_up();
    world.edge.take().unwrap().drain().await;
    fs::remove_file(world.edge_home.disk()).unwrap();
    let edge = world.edge_home.spawn(&world.edge_settings).await;
    world.client = tests::client::Client::new(&world.pki, edge.address, "media.test");
    world.edge = Some(edge);
    state(&world, "held", 6).await;
    let fetched = world.edge().count("millpond_fill_bytes_total").await;
    let all: u64 = objects.iter().map(|object| object.bytes).sum();
    assert_eq!(fetched, all);
    is_served_from_here(&world, &objects).await;
}

/// Flips a bit in the middle of where an object lies on the disk.
fn corrupt(world: &World, object: &Object) {
    let file = world.edge_home.disk();
    let disk = fs::read(&file).unwrap();
    let half = object.bytes / 2;
    let needle = object.slice(half..half + 64);
    let mut places = disk.windows(needle.len());
    let at = places.position(|bytes| bytes == needle).unwrap();
    let flipped = [disk[at] ^ 1];
    let file = File::options().write(true).open(file).unwrap();
    file.write_all_at(&flipped, at as u64).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_slice_is_served_to_nobody_and_filled_again() {
    let (objects, planner) = (objects(3), Planner::new());
    let wanted: Vec<_> = objects.iter().map(planned).collect();
    planner.publish(1, &wanted);
    let mut world = planner.edge(ALL_DAY).edge_apart().start(&objects).await;
    state(&world, "held", 3).await;
    world.client.hang_up();
    world.edge.take().unwrap().drain().await;
    corrupt(&world, &objects[1]);
    let edge = world.edge_home.spawn(&world.edge_settings).await;
    world.client = tests::client::Client::new(&world.pki, edge.address, "media.test");
    world.edge = Some(edge);
    state(&world, "held", 3).await;
    for _ in 0..2 {
        for object in &objects {
            let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
            reply.is_whole(object);
        }
    }
    is_served_from_here(&world, &objects).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_purged_and_planned_is_filled_again_before_anybody_asks() {
    let (objects, planner) = (objects(3), Planner::new());
    let wanted: Vec<_> = objects.iter().map(planned).collect();
    let world = planner.edge(ALL_DAY).edge_steered();
    let world = world.start(&objects).await;
    let steering = world.steering("steering.test");
    let pushed = steering.push(planner.signed(1, &wanted).into()).await;
    pushed.unwrap();
    is_complete(&world).await;
    let order = PurgeOrder {
        site: "media".to_owned(),
        everything: true,
        ..PurgeOrder::default()
    };
    steering.purge(&order).await.unwrap();
    eventually(60, "what was purged to be lost and filled", async || {
        let repaired = world.edge().metric("millpond_fill_repaired_total").await;
        (repaired >= 3.0).then_some(())
    })
    .await;
    is_complete(&world).await;
    is_served_from_here(&world, &objects).await;
}

/// Names of metrics in a text.
fn metrics_in(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("millpond_"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_a_shipped_alert_asks_for_is_told() {
    let alerts = fs::read_to_string(root().join("config/alerts.yml")).unwrap();
    let asked: Vec<_> = metrics_in(&alerts).collect();
    assert!(asked.len() > 10, "{asked:?}");
    let (objects, planner) = (objects(1), Planner::new());
    let world = planner.edge(ALL_DAY).edge_steered();
    let world = world.start(&objects).await;
    let steering = world.steering("steering.test");
    // Some are there once there is something to tell.
    steering.push("no manifest".into()).await.unwrap_err();
    let wanted = planner.signed(1, &[planned(&objects[0])]);
    steering.push(wanted.into()).await.unwrap();
    is_complete(&world).await;
    let bytes = objects[0].bytes;
    // Gauges follow within a second.
    for sample in [
        format!("millpond_fill_wanted_bytes {bytes}"),
        format!("millpond_fill_held_bytes {bytes}"),
        "millpond_fill_window_open 1".to_owned(),
        "millpond_fill_waits{why=\"idle\"} 1".to_owned(),
    ] {
        eventually(60, &sample, async || {
            let (_, told) = world.edge().ask("/metrics").await;
            told.lines().any(|line| line == sample).then_some(())
        })
        .await;
    }
    let (_, told) = world.edge().ask("/metrics").await;
    for name in asked {
        assert!(metrics_in(&told).any(|there| there == name), "{name}");
    }
}
