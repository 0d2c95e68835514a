//! Prepositioning on the whole way: a signed manifest is pulled, filled from the shield, and served.

use std::{fs::File, os::unix::fs::FileExt as _};

use http::Method;
use manifest::{Action, Digest};
use serde_json::{Value as Json, json};
use steering::{
    client::ClientError,
    report::{ObjectState, Phase, PurgeOrder},
};
use tests::{
    client::Protocol,
    eventually,
    oracle::Object,
    planner::{Planner, planned},
    world::World,
};

pub(crate) fn objects(count: u64) -> Vec<Object> {
    (0..count)
        .map(|n| Object::new(&format!("/v/{n}.m4s"), 300_000 + n * 900_007))
        .collect()
}

pub(crate) async fn state(world: &World, state: &str, count: u32) {
    reaches(world, &format!("objects{{state=\"{state}\"}}"), count).await;
}

/// Waits until a metric of the fill plane has come to so much.
async fn reaches(world: &World, sample: &str, count: u32) {
    let sample = format!("millpond_fill_{sample}");
    eventually(60, &format!("{sample} to be {count}"), async || {
        (world.edge().metric(&sample).await >= f64::from(count)).then_some(())
    })
    .await;
}

pub(crate) async fn is_served_from_here(world: &World, objects: &[Object]) {
    let before = world.origin.reads().len();
    for object in objects {
        let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
        reply.is_whole(object);
        assert!(
            reply.cache_status().contains("hit"),
            "{}",
            reply.cache_status()
        );
    }
    assert_eq!(
        world.origin.reads().len(),
        before,
        "nobody asked the origin"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_manifest_wants_is_here_before_its_first_viewer_and_after_a_restart() {
    let (objects, planner) = (objects(8), Planner::new());
    let wanted: Vec<_> = objects.iter().map(planned).collect();
    planner.publish(1, &wanted);
    let mut world = planner.edge("00:00-00:00").start(&objects).await;
    state(&world, "held", u32::try_from(objects.len()).unwrap()).await;
    let reads = world.origin.reads().len();
    is_served_from_here(&world, &objects).await;
    world.restart_edge().await;
    state(&world, "held", u32::try_from(objects.len()).unwrap()).await;
    is_served_from_here(&world, &objects).await;
    assert_eq!(
        world.origin.reads().len(),
        reads,
        "nothing was fetched again"
    );
}

/// Flips a byte of the edge's disk, in the middle of where an object lies.
async fn flip_on_disk(world: &World, object: &Object) {
    let found = object.slice(object.bytes / 2..object.bytes / 2 + 64);
    let mut file = File::options();
    let file = file.read(true).write(true).open(world.edge_home.disk());
    let file = file.unwrap();
    let at = eventually(60, "the disk to be written", async || {
        // What comes first lies first.
        let mut disk = vec![0; 16 << 20];
        file.read_exact_at(&mut disk, 0).unwrap();
        disk.windows(found.len()).position(|there| *there == *found)
    });
    let (at, byte) = (at.await as u64, found[0]);
    file.write_all_at(&[!byte], at).unwrap();
    file.sync_all().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slice_that_rots_on_disk_is_filled_again_before_anybody_asks_for_it() {
    let (objects, planner) = (objects(3), Planner::new());
    let wanted: Vec<_> = objects.iter().map(planned).collect();
    planner.publish(1, &wanted);
    let plan = planner.edge("00:00-00:00").edge_key("fill.scrub", "1s");
    let world = plan.start(&objects).await;
    state(&world, "held", 3).await;
    flip_on_disk(&world, &objects[1]).await;
    reaches(&world, "scrubbed_slices_total{outcome=\"corrupt\"}", 1).await;
    reaches(&world, "filled_total{source=\"shield\"}", 4).await;
    is_served_from_here(&world, &objects).await;
    let repaired = world.edge().metric("millpond_fill_repaired_total").await;
    assert!((repaired - 1.0).abs() < f64::EPSILON, "{repaired}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_viewers_have_of_what_was_filled_are_told_and_no_others() {
    let (objects, planner) = (objects(3), Planner::new());
    let wanted: Vec<_> = objects[..2].iter().map(planned).collect();
    planner.publish(1, &wanted);
    let world = planner.edge("00:00-00:00").edge_steered();
    let mut world = world.start(&objects).await;
    state(&world, "held", 2).await;
    let filled = objects[0].bytes + objects[1].bytes;
    for object in objects.iter().chain(&objects) {
        let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
        reply.is_whole(object);
    }
    let told = async |world: &World| {
        let progress = world.steering("steering.test").progress().await.unwrap();
        let (filled, served) = (progress.bytes_filled, progress.bytes_served);
        let edge = world.edge();
        assert_eq!(edge.count("millpond_fill_bytes_total").await, filled);
        assert_eq!(edge.count("millpond_fill_served_bytes_total").await, served);
        (filled, served)
    };
    assert_eq!(told(&world).await, (filled, 2 * filled));

    world.restart_edge().await;
    is_served_from_here(&world, &objects[1..2]).await;
    assert_eq!(told(&world).await, (0, objects[1].bytes));
}

#[tokio::test(flavor = "multi_thread")]
async fn planners_are_told_what_viewers_have_brought_of_what_was_left_to_them() {
    let (objects, planner) = (objects(3), Planner::new());
    let mut wanted: Vec<_> = objects.iter().map(planned).collect();
    for seed in &mut wanted[1..] {
        seed.action = Action::Seed;
    }
    planner.publish(1, &wanted);
    let plan = planner.edge("00:00-00:00").edge_steered();
    let mut world = plan.start(&objects).await;
    state(&world, "held", 1).await;
    state(&world, "seeded", 2).await;
    let reply = world
        .client
        .get(Protocol::Http2, &objects[2].name, &[])
        .await;
    reply.is_whole(&objects[2]);
    // What is lost has somebody look, within seconds.
    let steering = world.steering("steering.test");
    let order = PurgeOrder {
        site: "media".to_owned(),
        path: Some(objects[0].name.clone()),
        ..PurgeOrder::default()
    };
    steering.purge(&order).await.unwrap();
    for _ in 0..2 {
        state(&world, "held", 1).await;
        state(&world, "brought", 1).await;
        let page = world.steering("steering.test").inventory(None, 10).await;
        let page = page.unwrap();
        let held = page.objects.iter().map(|it| (it.state, it.held_bytes));
        assert_eq!(
            held.collect::<Vec<_>>(),
            [
                (ObjectState::Held, objects[0].bytes),
                (ObjectState::Seeded, 0),
                (ObjectState::Held, objects[2].bytes),
            ]
        );
        assert!(
            (page.complete_ratio - 1.0).abs() < f64::EPSILON,
            "no part of it"
        );
        world.restart_edge().await;
    }
    assert_eq!(world.origin.reads_of(&objects[1]).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_digest_fails_its_object_alone_and_viewers_are_served() {
    let (objects, planner) = (objects(4), Planner::new());
    let mut wanted: Vec<_> = objects.iter().map(planned).collect();
    wanted[2].digest = Some(Digest::of(b"other bytes"));
    planner.publish(1, &wanted);
    let world = planner.edge("00:00-00:00").start(&objects).await;
    state(&world, "held", 3).await;
    state(&world, "mismatch", 1).await;
    assert!(world.edge().metric("millpond_fill_degraded").await > 0.0);
    let reply = world
        .client
        .get(Protocol::Http2, &objects[2].name, &[])
        .await;
    reply.is_whole(&objects[2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_the_window_only_the_fast_track_is_filled() {
    let (objects, planner) = (objects(4), Planner::new());
    let mut wanted: Vec<_> = objects.iter().map(planned).collect();
    wanted[1].fast_track = true;
    planner.publish(1, &wanted);
    // Half a day from now, whatever the day.
    let hour = (message::now().unix_s() / 3600 + 12) % 24;
    let hours = format!("{hour:02}:00-{hour:02}:30");
    let world = planner.edge(&hours).start(&objects).await;
    state(&world, "held", 1).await;
    is_served_from_here(&world, &objects[1..2]).await;
    assert_eq!(world.origin.reads_of(&objects[0]).len(), 0);
    assert_eq!(world.origin.reads_of(&objects[3]).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_is_pushed_seen_and_taken_back_over_the_steering_api() {
    let (objects, planner) = (objects(3), Planner::new());
    let wanted: Vec<_> = objects.iter().map(planned).collect();
    let world = planner.edge("00:00-00:00").edge_steered();
    let world = world.start(&objects).await;
    let steering = world.steering("steering.test");
    assert_eq!(steering.progress().await.unwrap().phase, Phase::Idle);

    let file = planner.signed(7, &wanted);
    let pushed = steering.push(file.clone().into()).await.unwrap();
    assert_eq!(
        (pushed.generation, pushed.objects, pushed.fresh),
        (7, 3, true)
    );
    state(&world, "held", 3).await;
    is_served_from_here(&world, &objects).await;

    let progress = steering.progress().await.unwrap();
    let bytes: u64 = objects.iter().map(|object| object.bytes).sum();
    assert_eq!(progress.phase, Phase::Complete, "{progress:?}");
    assert_eq!(
        (progress.bytes, progress.bytes_held, progress.objects_held),
        (bytes, bytes, 3)
    );
    let page = steering.inventory(None, 2).await.unwrap();
    let rest = steering.inventory(page.next.as_deref(), 2).await.unwrap();
    let held: Vec<_> = page.objects.iter().chain(&rest.objects).collect();
    assert_eq!((held.len(), rest.next), (3, None));
    assert!(held.iter().all(|object| object.state == ObjectState::Held));

    assert_eq!(steering.manifest(7).await.unwrap(), file);
    let other = steering.manifest(6).await.unwrap_err();
    assert_eq!(code(&other), "not_found");
    let again = steering.push(file.into()).await.unwrap();
    assert!(!again.fresh, "it was in force already");
    let older = steering.push(planner.signed(6, &wanted).into()).await;
    assert_eq!(code(&older.unwrap_err()), "manifest_generation");
    let forged = Planner::new().signed(8, &wanted);
    let forged = steering.push(forged.into()).await;
    assert_eq!(code(&forged.unwrap_err()), "manifest_untrusted");

    assert_eq!(steering.withdraw(7).await.unwrap().generation, 7);
    assert_eq!(steering.progress().await.unwrap().phase, Phase::Idle);
    is_served_from_here(&world, &objects).await;
}

fn code(error: &ClientError) -> &str {
    match error {
        ClientError::Refused(problem) => &problem.code,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_waits_for_the_window_unless_its_sender_says_that_it_is_urgent() {
    let (objects, planner) = (objects(2), Planner::new());
    // Half a day from now, whatever the day.
    let hour = (message::now().unix_s() / 3600 + 12) % 24;
    let plan = planner.edge(&format!("{hour:02}:00-{hour:02}:30"));
    let world = plan.edge_steered().start(&objects).await;
    let steering = world.steering("steering.test");
    let trigger = async |object: &Object, priority: i8| {
        let body = json!({
            "action": "preposition",
            "specs": [{
                "trigger-subject": "content",
                "cit-spec-type": "urls",
                "cit-spec-value": { "urls": [format!("https://media.test{}", object.name)] },
            }],
            "extensions": [{
                "cit-extension-type": "execution-policy",
                "cit-extension-value": { "priority": priority },
            }],
        });
        let media = "application/cdni; ptype=ci-trigger.v2";
        let body = body.to_string().into();
        let sent = steering.raw(Method::POST, "/cdni/triggers", media, body);
        assert_eq!(sent.await.unwrap().0, 201);
    };
    trigger(&objects[0], 0).await;
    trigger(&objects[1], 1).await;
    eventually(60, "the urgent one to be complete", async || {
        let path = "/cdni/v2/states/complete";
        let seen = steering.raw(Method::GET, path, "", "".into()).await;
        let seen: Json = serde_json::from_slice(&seen.unwrap().1).unwrap();
        (seen["trigger-urls"].as_array().unwrap().len() == 1).then_some(())
    })
    .await;
    is_served_from_here(&world, &objects[1..]).await;
    assert_eq!(world.origin.reads_of(&objects[0]).len(), 0);
}
