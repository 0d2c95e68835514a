//! Plans of small fleets, worked out by hand.

use planner::{Action, Day};
use serde_json::json;

use crate::world::{DAY, World, told};

fn one_box(capacity: u64, budget: u64) -> World {
    World::simple().appliance("a", "par", capacity, budget)
}

#[tokio::test]
async fn a_box_holds_what_serves_most_for_each_byte() {
    let world = one_box(300, 300)
        .object("/big", 250)
        .object("/small", 100)
        .object("/cold", 10)
        .object("/hot", 100)
        .watched(1, "a", "/big", 5)
        .watched(1, "a", "/small", 4)
        .watched(1, "a", "/hot", 9)
        .watched_with(1, "a", "/cold", (10, 15, 0));
    // Nine plays a day, five, then four: big would not fit behind hot, and what follows it does not
    // either; as far as they are no more than the box holds, they are let in when somebody asks. Cold
    // has less than 0.02 plays a day.
    assert_eq!(
        told(&world.plan().await),
        [
            "0 /hot fill 100/100 9000",
            "0 /big seed 0/0 5000",
            "0 /small seed 0/0 4000"
        ]
    );
    let roomier = one_box(350, 350).object("/big", 250).object("/hot", 100);
    let roomier = roomier
        .watched(1, "a", "/big", 5)
        .watched(1, "a", "/hot", 9);
    assert_eq!(
        told(&roomier.plan().await),
        ["0 /hot fill 100/100 9000", "0 /big fill 250/250 5000"]
    );
}

#[tokio::test]
async fn what_the_budget_does_not_reach_is_let_in_at_its_first_miss() {
    let world = one_box(1_000, 150)
        .object("/a", 100)
        .object("/b", 100)
        .object("/c", 50);
    let world = world
        .watched(1, "a", "/a", 9)
        .watched(1, "a", "/b", 5)
        .watched(1, "a", "/c", 4);
    assert_eq!(
        told(&world.plan().await),
        [
            "0 /a fill 100/100 9000",
            "0 /b seed 0/0 5000",
            "0 /c seed 0/0 4000"
        ]
    );
}

#[tokio::test]
async fn a_day_three_days_older_counts_half() {
    let world = World::default()
        .knobs("days = 4\nshrink_days = 0\n")
        .appliance("a", "par", 1_000, 1_000)
        .object("/a", 100)
        .watched(1, "a", "/a", 8)
        .watched(4, "a", "/a", 2);
    // Weights 16384 and 8192 of the two days that were reported: (8 * 2 + 2) / 3.
    assert_eq!(told(&world.plan().await), ["0 /a fill 100/100 6000"]);
}

#[tokio::test]
async fn a_cluster_with_little_of_its_own_is_told_by_its_region() {
    let world = World::default()
        .knobs("days = 1\nshrink_days = 2\n")
        .appliance("a", "par", 1_000, 1_000)
        .appliance("b", "lyo", 1_000, 1_000)
        .object("/a", 100)
        .object("/b", 100)
        .watched(1, "a", "/a", 9)
        .watched(1, "b", "/b", 9);
    // Each has half of the region's plays. Of /a the region's share is 4.5 a day: (9 + 2 * 4.5) / 3
    // where it was seen, (0 + 2 * 4.5) / 3 where it was not.
    assert_eq!(
        told(&world.plan().await),
        [
            "0 /a fill 100/100 6000",
            "0 /b fill 100/100 3000",
            "1 /b fill 100/100 6000",
            "1 /a fill 100/100 3000"
        ]
    );
}

#[tokio::test]
async fn an_empty_box_is_filled_before_its_first_viewer() {
    let world = World::default()
        .knobs("days = 1\n")
        .appliance("a", "par", 1_000 << 20, 1_000)
        .appliance("b", "lyo", 500 << 20, 1_000)
        .object("/a", 100)
        .watched(1, "a", "/a", 8);
    // It has half of the disks of the cluster that was seen.
    assert_eq!(
        told(&world.plan().await),
        ["0 /a fill 100/100 8000", "1 /a fill 100/100 4000"]
    );
}

#[tokio::test]
async fn a_rung_is_judged_by_the_whole_title() {
    let part = |variant: &str, position: u64| json!({"asset": "film", "variant": variant, "position": position});
    let world = one_box(1_000, 1_000)
        .object_with("/hd/0", 100, part("hd", 0))
        .object_with("/hd/1", 100, part("hd", 1))
        .object_with("/sd/0", 100, part("sd", 0))
        .object_with("/sd/1", 100, part("sd", 1))
        .watched(1, "a", "/hd/0", 90)
        .watched(1, "a", "/hd/1", 30)
        .watched(1, "a", "/sd/0", 10);
    // 120 plays in hd, 10 in sd, and so it is with everybody, for this is the only title. 100 and 30 are
    // at its positions, where 65 could be, and 50 more everywhere: 150 / 115 and 80 / 115 of the mean.
    assert_eq!(
        told(&world.plan().await),
        [
            "0 /hd/0 fill 100/100 78260",
            "0 /hd/1 fill 100/100 41739",
            "0 /sd/0 fill 100/100 6521",
            "0 /sd/1 fill 100/100 3478"
        ]
    );
}

#[tokio::test]
async fn an_episode_is_judged_by_its_series() {
    let begin = DAY.parse::<Day>().unwrap().begin_s();
    let episode =
        |number: u32| json!({"asset": format!("e{number}"), "series": "s", "episode": number});
    let mut later = episode(3);
    later["live_at"] = json!(begin + 24 * 3600);
    let world = one_box(1_000, 1_000)
        .object_with("/1", 100, episode(1))
        .object_with("/2", 100, episode(2))
        .object_with("/3", 100, later)
        .watched(1, "a", "/1", 10);
    // 10 plays of the first, where an episode of this series has 5, and 50 more everywhere: 60 / 55 and
    // 50 / 55 of the mean. 30 plays like these beside the 10 that were seen: 10 * (10 + 16.36) / 40 and
    // 10 * 13.63 / 40. The third is not out.
    assert_eq!(
        told(&world.plan().await),
        ["0 /1 fill 100/100 6590", "0 /2 fill 100/100 3409"]
    );
}

#[tokio::test]
async fn of_a_long_tail_the_beginnings_are_held() {
    const MIB: u64 = 1 << 20;
    let world = one_box(10 * MIB, 10 * MIB).object("/long", 104 * MIB);
    // Three viewers began it, and none watched more than the first 4 MiB: 12 of 104 MiB.
    let served = i64::try_from(12 * MIB).unwrap();
    let world = world.watched_with(1, "a", "/long", (104 << 20, 12_000 / 104, served));
    let rows = world.plan().await;
    assert_eq!(told(&rows), [format!("0 /long fill {0}/{0} 3000", 4 * MIB)]);
    assert_eq!(rows[0].size, 104 * MIB);
}

#[tokio::test]
async fn what_is_watched_whole_is_held_whole() {
    const MIB: u64 = 1 << 20;
    let world = one_box(20 * MIB, 20 * MIB)
        .object("/long", 8 * MIB)
        .watched(1, "a", "/long", 3);
    let rows = world.plan().await;
    assert_eq!(told(&rows), [format!("0 /long fill {0}/{0} 3000", 8 * MIB)]);
}

#[tokio::test]
async fn a_hot_object_is_on_several_boxes_of_its_cluster() {
    let mut world = World::simple().knobs("copy_plays = 10000\n");
    for name in ["a", "b", "c"] {
        world = world.appliance(name, "par", 1_000, 1_000);
    }
    let world = world.object("/hot", 100).object("/warm", 100);
    let world = world
        .watched(1, "a", "/hot", 15)
        .watched(1, "a", "/warm", 8);
    let rows = world.plan().await;
    let of = |path: &str| -> Vec<u64> {
        let rows = rows.iter().filter(|row| row.path == path);
        rows.map(|row| row.expected).collect()
    };
    // 15 plays are one box and one more; each of the two has half of them.
    assert_eq!(of("/hot"), [7_500, 7_500]);
    assert_eq!(of("/warm"), [8_000]);
}

#[tokio::test]
async fn what_is_held_stays_unless_the_new_is_a_quarter_better() {
    let held = |plays| {
        let world = one_box(100, 100)
            .object("/new", 100)
            .object("/old", 100)
            .held("a", "/old", 100);
        world
            .watched(1, "a", "/old", 8)
            .watched(1, "a", "/new", plays)
    };
    assert_eq!(
        told(&held(9).plan().await),
        ["0 /old fill 100/0 8000", "0 /new seed 0/0 9000"]
    );
    assert_eq!(
        told(&held(11).plan().await),
        ["0 /new fill 100/100 11000", "0 /old seed 0/0 8000"]
    );
}

#[tokio::test]
async fn only_what_is_missing_is_moved() {
    let world = one_box(1_000, 1_000)
        .object("/a", 100)
        .held("a", "/a", 60)
        .watched(1, "a", "/a", 5);
    assert_eq!(told(&world.plan().await), ["0 /a fill 100/40 5000"]);
}

#[tokio::test]
async fn a_launch_is_planned_by_its_forecast_and_the_rungs_of_others() {
    let begin = DAY.parse::<Day>().unwrap().begin_s();
    let part = |asset: &str, variant: &str| json!({"asset": asset, "variant": variant});
    let launch = |variant: &str| {
        let mut facts = part("new", variant);
        facts["live_at"] = json!(begin + 20 * 3600);
        facts["forecast"] = json!(100);
        facts
    };
    let world = one_box(1_000, 1_000)
        .object_with("/old/hd", 100, part("old", "hd"))
        .object_with("/old/sd", 100, part("old", "sd"))
        .object_with("/new/hd", 100, launch("hd"))
        .object_with("/new/sd", 100, launch("sd"))
        .watched(1, "a", "/old/hd", 9)
        .watched(1, "a", "/old/sd", 1);
    let rows = world.plan().await;
    // Nine tenths of a hundred plays are in hd. (Shares are cut to whole numbers of 1/1048576.)
    assert_eq!(
        told(&rows),
        [
            "0 /new/hd fill 100/100 89999",
            "0 /new/sd fill 100/100 9999",
            "0 /old/hd fill 100/100 8999",
            "0 /old/sd fill 100/100 999"
        ]
    );
    assert_eq!(rows[0].live_at_s, Some(begin + 20 * 3600));
}

#[tokio::test]
async fn what_comes_out_later_is_not_planned_yet() {
    let begin = DAY.parse::<Day>().unwrap().begin_s();
    let later = json!({"live_at": begin + 3 * 24 * 3600, "forecast": 100});
    let world = one_box(1_000, 1_000).object_with("/later", 100, later);
    assert!(world.plan().await.is_empty());
}

#[tokio::test]
async fn a_launch_waits_for_its_own_night_if_that_suffices() {
    let begin = DAY.parse::<Day>().unwrap().begin_s();
    let launch =
        |day: u64, forecast| json!({"live_at": begin + day * 24 * 3600, "forecast": forecast});
    let world = one_box(1_000, 250)
        .object_with("/in-two", 100, launch(2, 300))
        .object_with("/in-one", 100, launch(1, 200))
        .object_with("/today", 100, launch(0, 100))
        .object("/hot", 50)
        .watched(1, "a", "/hot", 900);
    assert_eq!(
        told(&world.plan().await),
        ["0 /today fill 100/100 100000", "0 /hot fill 50/50 900000"]
    );
}

#[tokio::test]
async fn the_rest_of_a_launch_waits_for_its_beginning() {
    let tomorrow = DAY.parse::<Day>().unwrap().begin_s() + 24 * 3600;
    let launch = json!({"live_at": tomorrow, "forecast": 3});
    // Of the beginning 4.5 plays are expected, of all of it 3: of the rest less than the floor of launches.
    let world = one_box(100 << 20, 50 << 20)
        .knobs("launch_floor = 2000\nfloor = 70\n")
        .object_with("/long", 8 << 20, launch)
        .watched_with(1, "a", "/long", (8 << 20, 100, (4 << 20) * 9 / 2));
    assert!(told(&world.plan().await).is_empty());
}

#[tokio::test]
async fn what_is_larger_than_a_box_takes_no_place_of_others() {
    let world = one_box(1_000, 500)
        .object("/huge", 5_000)
        .object("/one", 100)
        .watched(1, "a", "/huge", 900)
        .watched(1, "a", "/one", 5)
        .watched_with(1, "a", "/stray", (i64::MAX, 900_000, 0))
        .watched_with(1, "a", "/other", (i64::MAX, 900_000, 0))
        .watched_with(1, "a", "/less", (i64::MIN, 900_000, 0));
    let rows = world.plan().await;
    let told = told(&rows);
    assert_eq!(
        told,
        ["0 /less seed 0/0 900000", "0 /one fill 100/100 5000"]
    );
}

#[tokio::test]
async fn what_the_later_nights_lack_of_a_launch_is_filled_tonight() {
    let begin = DAY.parse::<Day>().unwrap().begin_s();
    let launch =
        |day: u64, forecast| json!({"live_at": begin + day * 24 * 3600, "forecast": forecast});
    // Of 260 bytes two nights fill 200, and of the first 120 one fills 100.
    let world = one_box(1_000, 100)
        .object_with("/in-two", 140, launch(2, 400))
        .object_with("/a", 40, launch(1, 300))
        .object_with("/b", 40, launch(1, 200))
        .object_with("/c", 40, launch(1, 100))
        .object_with("/today", 10, launch(0, 50))
        .object("/hot", 10)
        .watched(1, "a", "/hot", 900);
    assert_eq!(
        told(&world.plan().await),
        [
            "0 /today fill 10/10 50000",
            "0 /a fill 40/40 300000",
            "0 /b fill 40/40 200000",
            "0 /hot fill 10/10 900000"
        ]
    );
}

#[tokio::test]
async fn a_young_title_is_judged_by_its_newest_day() {
    let begin = DAY.parse::<Day>().unwrap().begin_s();
    let young = json!({"live_at": begin - 3 * 24 * 3600});
    let world = World::default()
        .knobs("days = 3\nshrink_days = 0\n")
        .appliance("a", "par", 1_000, 1_000)
        .object_with("/young", 100, young)
        .watched(1, "a", "/young", 5)
        .watched(2, "a", "/young", 50);
    assert_eq!(told(&world.plan().await), ["0 /young fill 100/100 5000"]);
}

#[tokio::test]
async fn what_the_catalogue_does_not_know_is_let_in_and_never_filled() {
    let world = one_box(2_000, 2_000)
        .object("/unwatched", 100)
        .watched(1, "a", "/stray", 5)
        .watched(1, "a", "/odd?x=1", 5);
    let rows = world.plan().await;
    assert_eq!(
        told(&rows),
        ["0 /odd?x=1 seed 0/0 5000", "0 /stray seed 0/0 5000"]
    );
    assert!(
        rows.iter()
            .all(|row| row.action == Action::Seed && row.digest.is_none())
    );
}

#[tokio::test]
async fn what_is_not_named_is_not_planned() {
    let world = one_box(1_000, 1_000).object("/unwatched", 100);
    let world = world.watched_with(1, "a", "", (0, 50_000, 0));
    assert!(world.plan().await.is_empty());
}

#[tokio::test]
async fn pinned_objects_come_first_and_are_held_unwatched() {
    let pinned = json!({"mandatory": true});
    let world = one_box(800, 50)
        .object("/hot", 100)
        .object_with("/pinned", 100, pinned)
        .watched(1, "a", "/hot", 90);
    let rows = world.plan().await;
    assert_eq!(
        told(&rows),
        ["0 /pinned fill 100/100 0", "0 /hot seed 0/0 90000"]
    );
    assert!(rows[0].is_pinned && !rows[1].is_pinned);
}

#[tokio::test]
async fn a_plan_that_pins_more_than_a_box_does_is_refused() {
    let world = |two| {
        one_box(1_600, 150)
            .object_with("/one", 100, json!({"mandatory": true}))
            .object_with("/two", two, json!({"mandatory": true}))
    };
    assert_eq!(world(100).plan().await.len(), 2);
    let world = world(101);
    let refused = world.try_plan(&crate::world::LIMITS).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "a: 201 bytes are mandatory, and a box pins at most an eighth of what it holds: 200 of 1600"
    );
}

#[tokio::test]
async fn a_fleet_without_reports_has_empty_manifests() {
    assert!(
        one_box(1_000, 1_000)
            .object("/a", 100)
            .plan()
            .await
            .is_empty()
    );
}
