//! A node that nobody can reach pulls its manifest from an HTTP server.

use std::{fs, time::Duration};

use manifest::Signed;
use tempfile::TempDir;
use tests::{
    eventually,
    oracle::Object,
    origin::LiveOrigin,
    planner::{Planner, planned},
    within,
    world::{Plan, World},
};
use tokio::time::sleep;

use crate::fill::{is_served_from_here, objects, state};

const PLACE: &str = "/plans/edge1";

/// An edge that pulls from there.
fn pulling(planner: &Planner, place: &LiveOrigin) -> Plan {
    let pulls = [
        ("fill.keys", planner.keys().to_str().unwrap().into()),
        ("fill.window.0.hours", "00:00-00:00".into()),
        ("fill.pull.object", PLACE.into()),
        ("fill.pull.interval", "10s".into()),
        ("fill.pull.origin.kind", "http".into()),
        ("fill.pull.origin.urls", vec![place.url()].into()),
    ];
    Plan::default().edge_disk(256).edge_keys(&pulls)
}

/// Waits until as many pulls as that came to this end.
async fn pulls(world: &World, outcome: &str, count: u64) {
    let sample = format!("millpond_fill_pulls_total{{outcome=\"{outcome}\"}}");
    eventually(60, &format!("{sample} to be {count}"), async || {
        (world.edge().count(&sample).await >= count).then_some(())
    })
    .await;
}

/// The manifest of a generation, with these objects.
fn manifest(planner: &Planner, generation: u64, objects: &[Object]) -> Vec<u8> {
    let wanted: Vec<_> = objects.iter().map(planned).collect();
    planner.signed(generation, &wanted)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_comes_once_and_the_next_one_whatever_its_place_answered_in_between() {
    let (objects, planner, place) = (objects(3), Planner::new(), LiveOrigin::start().await);
    place.publish(PLACE, &manifest(&planner, 5, &objects[..2]));
    let world = pulling(&planner, &place).start(&objects).await;
    state(&world, "held", 2).await;

    // It lies there still: its tag is asked about, and no body comes again.
    place.confirmed(PLACE, 1).await;
    assert_eq!(place.reads_of(PLACE), 2);

    // Its place has none for a while. What is held is held.
    place.remove(PLACE);
    eventually(60, "a pull to fail", async || {
        let failed = world
            .edge()
            .metric("millpond_fill_pulls_total{outcome=\"failed\"}")
            .await;
        (failed >= 1.0).then_some(())
    })
    .await;
    is_served_from_here(&world, &objects[..2]).await;

    place.publish(PLACE, &manifest(&planner, 6, &objects));
    place.asked_for(PLACE, 4).await;
    state(&world, "held", 3).await;
    is_served_from_here(&world, &objects).await;
}

/// Hardening rows M01, M03 and M05, where nobody pushes.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_forged_cut_short_or_early_is_refused_and_told_and_the_one_in_force_stays() {
    let (objects, planner, place) = (objects(2), Planner::new(), LiveOrigin::start().await);
    let good = manifest(&planner, 5, &objects);
    place.publish(PLACE, &good);
    // Its lines in a log are looked at.
    let plan = pulling(&planner, &place).edge_apart();
    let world = plan.start(&objects).await;
    state(&world, "held", 2).await;
    let in_force = async || world.edge().count("millpond_fill_generation").await;
    let refused = async |reason: &str| {
        let sample = format!("millpond_fill_manifests_refused_total{{reason=\"{reason}\"}}");
        world.edge().count(&sample).await
    };

    place.publish(PLACE, &manifest(&Planner::new(), 6, &objects[..1]));
    pulls(&world, "refused", 1).await;
    assert_eq!((in_force().await, refused("bad_signature").await), (5, 1));

    // Half of it, as if that were all.
    let next = manifest(&planner, 6, &objects[..1]);
    place.publish(PLACE, &next[..next.len() / 2]);
    pulls(&world, "refused", 2).await;
    // Half of it, and then the connection breaks.
    place.open(PLACE, &next[..next.len() / 2]);
    place.cut(PLACE);
    pulls(&world, "failed", 1).await;
    assert_eq!(in_force().await, 5);

    let signed = Signed::parse(&next).unwrap();
    let payload = std::str::from_utf8(signed.payload).unwrap();
    let issued_s = message::now().unix_s() - 10;
    let (told, early) = ("\"issued_s\":", issued_s + 1800);
    let (before, after) = payload.split_once(told).unwrap();
    let digits = after.find(|letter: char| !letter.is_ascii_digit());
    let payload = format!("{before}{told}{early}{}", &after[digits.unwrap()..]);
    place.publish(PLACE, &planner.sign(payload.as_bytes()));
    pulls(&world, "failed", 2).await;
    for line in [
        "the signature of key planner1 is not one",
        "connection closed",
        "look at both clocks",
    ] {
        eventually(60, &format!("{line:?} in the log"), async || {
            world.edge_home.logs().contains(line).then_some(())
        })
        .await;
    }
    assert_eq!(in_force().await, 5);
    is_served_from_here(&world, &objects).await;

    place.publish(PLACE, &next);
    world.edge().child().signal("HUP").await;
    pulls(&world, "taken", 2).await;
    assert_eq!(in_force().await, 6);
    assert_eq!(world.edge().count("millpond_fill_pull_failures").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_holds_is_written_where_its_planner_reads_it() {
    let (objects, planner, place) = (objects(3), Planner::new(), LiveOrigin::start().await);
    place.publish(PLACE, &manifest(&planner, 5, &objects[..2]));
    let folder = TempDir::with_prefix("millpond-inventory-").unwrap();
    let plan = pulling(&planner, &place).edge_keys(&[
        ("fill.inventory.kind", "directory".into()),
        (
            "fill.inventory.path",
            folder.path().to_str().unwrap().into(),
        ),
        ("fill.inventory.interval", "10s".into()),
    ]);
    let mut world = plan.start(&objects).await;
    let file = folder.path().join("inventory/edge1.ndjson.zst");
    let tells = async |count: usize| {
        let held = objects[..count].iter();
        let held = held.map(|Object { name, bytes, .. }| {
            format!("{{\"site\":\"media\",\"path\":\"{name}\",\"bytes\":{bytes}}}\n")
        });
        let held: String = held.collect();
        eventually(60, &format!("{count} objects in it"), async || {
            let file = fs::read(&file).ok()?;
            let text = zstd::decode_all(&*file).unwrap();
            (text == held.as_bytes()).then_some(())
        })
        .await;
    };
    tells(2).await;
    // After a restart it is not told that nothing is here, and it is told again.
    fs::remove_file(&file).unwrap();
    world.restart_edge().await;
    tells(2).await;
    place.publish(PLACE, &manifest(&planner, 6, &objects));
    tells(3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_ends_at_once_while_its_manifest_trickles_in() {
    let (planner, place) = (Planner::new(), LiveOrigin::start().await);
    place.open(PLACE, b"{");
    let mut world = pulling(&planner, &place).start(&[]).await;
    place.asked_for(PLACE, 1).await;
    let trickle = async {
        loop {
            place.append(PLACE, b" ");
            sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        () = trickle => {}
        // Less than it takes to find out that it trickles.
        () = within(25, "the edge to end", world.restart_edge()) => {}
    }
}
