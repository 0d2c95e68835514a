//! A node that nobody can reach pulls its manifest from an HTTP server.

use tests::{
    eventually,
    oracle::Object,
    origin::LiveOrigin,
    planner::{Planner, planned},
    world::Plan,
};

use crate::fill::{is_served_from_here, objects, state};

const PLACE: &str = "/plans/edge1";

/// The manifest of a generation, with these objects.
fn manifest(planner: &Planner, generation: u64, objects: &[Object]) -> Vec<u8> {
    let wanted: Vec<_> = objects.iter().map(planned).collect();
    planner.signed(generation, &wanted)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_comes_once_and_the_next_one_whatever_its_place_answered_in_between() {
    let (objects, planner, place) = (objects(3), Planner::new(), LiveOrigin::start().await);
    place.publish(PLACE, &manifest(&planner, 5, &objects[..2]));
    let pulls = [
        ("fill.keys", planner.keys().to_str().unwrap().into()),
        ("fill.window.0.hours", "00:00-00:00".into()),
        ("fill.pull.object", PLACE.into()),
        ("fill.pull.interval", "10s".into()),
        ("fill.pull.origin.kind", "http".into()),
        ("fill.pull.origin.urls", vec![place.url()].into()),
    ];
    let world = Plan::default().edge_disk(256).edge_keys(&pulls);
    let world = world.start(&objects).await;
    state(&world, "held", 2).await;

    // It lies there still: its tag is asked about, and no body comes again.
    place.confirmed(PLACE, 1).await;
    assert_eq!(place.reads_of(PLACE), 2);

    // Its place has none for a while. What is held is held.
    place.remove(PLACE);
    eventually(60, "a pull to fail", async || {
        let failed = world
            .edge()
            .metric("millpond_fill_pulls_failed_total")
            .await;
        (failed >= 1.0).then_some(())
    })
    .await;
    is_served_from_here(&world, &objects[..2]).await;

    // It is asked again in twice the interval.
    place.publish(PLACE, &manifest(&planner, 6, &objects));
    place.asked_for(PLACE, 4).await;
    state(&world, "held", 3).await;
    is_served_from_here(&world, &objects).await;
}
