//! Filling makes way while viewers need the link, and goes on when they have gone.

use std::time::Duration;

use futures_util::future::select_all;
use steering::report::{Phase, WaitsFor};
use tests::{
    client::Protocol,
    eventually,
    node::free_address,
    oracle::Object,
    planner::{Planner, planned},
    world::World,
};
use tokio::time::Instant;

use crate::fill::is_served_from_here;

/// Of filling.
const BYTES_PER_S: u64 = 1_000_000;

/// Viewers who watch without end, a few at a time.
async fn watch(world: &World, object: &Object) {
    let viewers = (0..4).map(|_| {
        Box::pin(async {
            loop {
                let reply = world.client.get(Protocol::Http2, &object.name, &[]).await;
                reply.is_whole(object);
            }
        })
    });
    let ((), ..) = select_all(viewers).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filling_makes_way_while_viewers_take_the_link_and_goes_on_when_they_leave() {
    let planner = Planner::new();
    let watched = Object::new("/v/watched.m4s", 200_000);
    let wanted: Vec<_> = (0..40)
        .map(|n| Object::new(&format!("/v/{n}.m4s"), 400_000 + n))
        .collect();
    let steering = free_address();
    // A viewer needs more than a hundredth of this link, whatever the machine.
    let plan = planner.edge("00:00-00:00").edge_steered().edge_apart();
    let plan = plan
        .edge_key("fill.rate", "1MB")
        .edge_key("fill.link", "1MiB")
        .edge_key("fill.egress_percent_max", 1)
        .edge_key("steering.listen", steering.to_string());
    let all: Vec<_> = wanted.iter().chain([&watched]).cloned().collect();
    let world = plan.start(&all).await;
    let edge = world.edge();
    let client = world.steering_at("steering.test", steering.port());
    let filled = async || edge.count("millpond_fill_bytes_total").await;
    let yielding = "millpond_fill_waits{why=\"yielding\"}";

    let while_they_watch = async {
        let file = planner.signed(1, &wanted.iter().map(planned).collect::<Vec<_>>());
        client.push(file.into()).await.unwrap();
        eventually(60, "filling to make way", async || {
            let progress = client.progress().await.unwrap();
            let is_away = progress.phase == Phase::Yielding;
            (is_away && edge.count(yielding).await == 1).then_some(progress.waits_for)
        })
        .await;
        let (begun, before) = (Instant::now(), filled().await);
        eventually(60, "a while", async || {
            (begun.elapsed() >= Duration::from_secs(8)).then_some(())
        })
        .await;
        let (came, elapsed) = (filled().await - before, begun.elapsed());
        // What is under way goes on at a sixteenth, and a second in which this machine stood still
        // gives a tenth back.
        let most = BYTES_PER_S * u64::try_from(elapsed.as_millis()).unwrap() / 1000 / 4;
        assert!(came <= most, "{came} bytes in {elapsed:?}");
        let told = client.progress().await.unwrap();
        assert!(told.objects_held < told.objects, "{told:?}");
        told.bytes_held
    };
    let held = tokio::select! {
        () = watch(&world, &watched) => unreachable!("they watch without end"),
        held = while_they_watch => held,
    };

    let bytes: u64 = wanted.iter().map(|object| object.bytes).sum();
    assert!(held < bytes);
    eventually(120, "the rest to come when they have left", async || {
        (client.progress().await.unwrap().phase == Phase::Complete).then_some(())
    })
    .await;
    assert_eq!(edge.count(yielding).await, 0);
    is_served_from_here(&world, &wanted).await;
    let waits = client.progress().await.unwrap().waits_for;
    assert_ne!(waits, Some(WaitsFor::Viewers));
}
