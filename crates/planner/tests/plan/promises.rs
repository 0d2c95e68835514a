//! What holds for any plan.

use std::collections::{BTreeMap, BTreeSet};

use planner::{Action, Limits, Row};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use tempfile::TempDir;

use crate::world::{LIMITS, World, told};

/// Made-up fleets, one for each of these seeds.
const SEEDS: std::ops::Range<u8> = 1..4;
const CAPACITY: u64 = 40_000;
const BUDGET: u64 = 9_000;
const BOXES: [(&str, &str); 4] = [("a", "par"), ("b", "par"), ("c", "lyo"), ("d", "ams")];

/// 60 titles in two rungs and three positions, a week of what was watched of them.
fn world(seed: u8) -> World {
    let mut random = StdRng::from_seed([seed; 32]);
    let mut world = World::default();
    for (name, cluster) in BOXES {
        world = world.appliance(name, cluster, CAPACITY, BUDGET);
    }
    let mut watched = Vec::new();
    for title in 0..60 {
        for (rung, position) in [
            ("hd", 0),
            ("hd", 1),
            ("hd", 2),
            ("sd", 0),
            ("sd", 1),
            ("sd", 2),
        ] {
            let path = format!("/{title}/{rung}/{position}");
            let facts = json!({
                "asset": format!("{title}"), "variant": rung, "position": position,
                "mandatory": title == 50, "excluded": title == 3,
            });
            world = world.object_with(&path, random.random_range(100..1_000), facts);
            watched.push((path, title));
        }
    }
    for (path, title) in watched {
        for (name, _) in BOXES {
            let age = random.random_range(1..8);
            let plays = random.random_range(0..60) / (title + 1);
            world = world.watched(age, name, &path, plays);
        }
    }
    world
}

fn filled(rows: &[Row]) -> BTreeMap<(usize, &str), &Row> {
    let filled = rows.iter().filter(|row| row.action == Action::Fill);
    filled
        .map(|row| ((row.appliance, row.path.as_str()), row))
        .collect()
}

#[tokio::test]
async fn no_box_is_over_its_capacity_or_its_budget() {
    for seed in SEEDS {
        let rows = world(seed).plan().await;
        for appliance in 0..BOXES.len() {
            let of_box = rows.iter().filter(|row| row.appliance == appliance);
            let held: u64 = of_box.clone().map(|row| row.bytes).sum();
            let moved = of_box
                .clone()
                .filter(|row| !row.is_pinned)
                .map(|row| row.need);
            let pinned = of_box
                .filter(|row| row.is_pinned)
                .map(|row| row.need)
                .sum::<u64>();
            let moved = moved.sum::<u64>();
            assert!(held <= CAPACITY, "seed {seed}: {held}");
            assert!(
                moved <= BUDGET.saturating_sub(pinned),
                "seed {seed}: {moved}, {pinned}"
            );
            assert!(moved > 0, "seed {seed}: something is filled");
        }
    }
}

#[tokio::test]
async fn what_is_excluded_is_never_there_and_what_is_mandatory_always() {
    for seed in SEEDS {
        let rows = world(seed).plan().await;
        assert!(
            rows.iter().all(|row| !row.path.starts_with("/3/")),
            "seed {seed}"
        );
        let pinned = rows.iter().filter(|row| row.is_pinned);
        let pinned: BTreeSet<_> = pinned
            .map(|row| (BOXES[row.appliance].1, row.path.as_str()))
            .collect();
        assert_eq!(
            pinned.len(),
            3 * 6,
            "seed {seed}: each cluster has each of six objects"
        );
        assert!(
            pinned.iter().all(|(_, path)| path.starts_with("/50/")),
            "seed {seed}"
        );
    }
}

#[tokio::test]
async fn the_same_is_planned_whatever_the_engine_may_use() {
    let few = Limits {
        memory_bytes: 64 << 20,
        threads: 1,
        ..LIMITS
    };
    for seed in SEEDS.take(2) {
        let world = world(seed);
        let (rows, again) = (world.plan().await, world.try_plan(&few).await.unwrap());
        assert_eq!(told(&rows), told(&again), "seed {seed}");
    }
}

#[tokio::test]
async fn what_a_run_in_more_passes_left_is_not_counted_again() {
    let folder = TempDir::with_prefix("millpond-plan-").unwrap();
    let work = folder.path().join("work");
    let job = planner::prepare(&world(1).write(folder.path()), &work).unwrap();
    let little = Limits {
        memory_bytes: 0,
        ..LIMITS
    };
    let plan = work.join("steps/plan");
    let mut digests = Vec::new();
    for (limits, passes) in [(LIMITS, 1), (little, 3), (LIMITS, 1)] {
        let solved = planner::solve(&work, &job, &limits, |_| ());
        solved.await.unwrap();
        assert_eq!(std::fs::read_dir(&plan).unwrap().count(), passes);
        digests.push(planner::digest(&work, &job, &plan, &limits).await.unwrap());
    }
    assert!(digests.iter().all(|digest| *digest == digests[0]));
}

#[tokio::test]
async fn a_plan_that_is_carried_out_leaves_nothing_to_do() {
    for seed in SEEDS.take(1) {
        let mut world = world(seed);
        let mut rows = world.plan().await;
        // Each night moves a part.
        for _ in 0..6 {
            for row in rows.iter().filter(|row| row.need > 0) {
                world = world.held(BOXES[row.appliance].0, &row.path, row.bytes);
            }
            rows = world.plan().await;
        }
        let left: u64 = rows.iter().map(|row| row.need).sum();
        assert_eq!(left, 0, "seed {seed}");
    }
}

#[tokio::test]
async fn nothing_is_filled_for_less_than_the_floor() {
    for seed in SEEDS.take(3) {
        let rows = world(seed).plan().await;
        let filled = filled(&rows);
        let least = filled
            .values()
            .filter(|row| !row.is_pinned)
            .map(|row| row.expected)
            .min();
        assert!(
            least.is_some_and(|least| least >= 100),
            "seed {seed}: {least:?}"
        );
    }
}
