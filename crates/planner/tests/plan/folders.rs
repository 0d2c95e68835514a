//! What reports tell by folder, of objects that too few viewers asked for to be named.

use serde_json::json;

use crate::world::{World, told};

/// Two boxes of a cluster, either of which holds all.
fn cluster() -> World {
    World::simple()
        .appliance("a", "par", 1_000, 1_000)
        .appliance("b", "par", 1_000, 1_000)
}

fn expected(rows: &[planner::Row]) -> Vec<(&str, u64)> {
    let mut expected: Vec<_> = rows.iter().map(|row| (&*row.path, row.expected)).collect();
    expected.sort_unstable();
    expected
}

#[tokio::test]
async fn what_a_folder_had_is_shared_out_to_its_objects_beside_what_is_named() {
    let world = World::simple()
        .appliance("a", "par", 1_000, 1_000)
        .object("/film/a", 100)
        .object("/film/b", 100)
        .object("/other/c", 100)
        .watched(1, "a", "/film/a", 4)
        .watched_with(1, "a", "/film/", (0, 6_000, 600));
    assert_eq!(
        told(&world.plan().await),
        ["0 /film/a fill 100/100 7000", "0 /film/b fill 100/100 3000"]
    );
}

#[tokio::test]
async fn a_folder_of_several_rungs_tells_of_the_title_and_not_of_its_rungs() {
    let object = |world: World, path: &str, variant: &str, position: u32| {
        let facts = json!({"asset": "film", "variant": variant, "position": position});
        world.object_with(path, 100, facts)
    };
    let mut world = World::simple().appliance("a", "par", 1_000, 1_000);
    for position in 0..3 {
        world = object(world, &format!("/film/high-{position}"), "high", position);
    }
    world = object(world, "/film/low-0", "low", 0);
    let world = world
        .watched(1, "a", "/film/high-0", 3_000)
        .watched(1, "a", "/film/low-0", 1_000)
        .watched_with(1, "a", "/film/", (0, 4_000_000, 400));
    let rows = world.plan().await;
    let of = |rung: &str| -> u64 {
        let of_rung = rows.iter().filter(|row| row.path.contains(rung));
        of_rung.map(|row| row.expected).sum()
    };
    let (high, low) = (of("high"), of("low"));
    // Four plays are named and four are not; what the lowest rung lacks of the film nobody can ask for.
    assert!(
        (7_900_000..=8_000_000).contains(&(high + low)),
        "{high} {low}"
    );
    assert!(
        (low * 29 / 10..low * 32 / 10).contains(&high),
        "{high} {low}"
    );
}

#[tokio::test]
async fn a_box_that_tells_folders_and_one_that_does_not_are_planned_together() {
    let world = cluster()
        .object("/film/a", 100)
        .object("/film/b", 100)
        .watched(1, "a", "/film/a", 4)
        .watched(1, "b", "/film/a", 2)
        .watched_with(1, "b", "/film/", (0, 6_000, 600));
    let rows = world.plan().await;
    assert_eq!(expected(&rows), [("/film/a", 9_000), ("/film/b", 3_000)]);
}

#[tokio::test]
async fn a_folder_that_the_catalogue_does_not_have_is_passed_over() {
    let world = World::simple()
        .appliance("a", "par", 1_000, 1_000)
        .object("/film/a", 100)
        .watched(1, "a", "/film/a", 4)
        .watched_with(1, "a", "/other/", (0, 6_000, 600))
        .watched_with(1, "a", "", (0, 6_000, 600));
    assert_eq!(told(&world.plan().await), ["0 /film/a fill 100/100 4000"]);
}

#[tokio::test]
async fn an_object_whose_path_ends_with_a_slash_is_no_folder() {
    let world = World::simple()
        .appliance("a", "par", 1_000, 1_000)
        .object("/film/", 100)
        .object("/film/b", 100)
        .watched(1, "a", "/film/", 4)
        .watched_with(1, "a", "/film/", (0, 6_000, 600));
    let rows = world.plan().await;
    assert_eq!(expected(&rows), [("/film/", 7_000), ("/film/b", 3_000)]);
}
