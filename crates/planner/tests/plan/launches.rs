//! When something launches: in which night it is filled, and how long it is a launch. By hand.

use manifest::{Manifest, Pin};
use planner::Day;
use serde_json::{Value, json};

use crate::world::{DAY, World, told};

const HOUR_S: i64 = 3_600;

/// So many seconds after the planned day begins, in UTC.
fn second(after: i64) -> u64 {
    let begin: Day = DAY.parse().unwrap();
    begin.begin_s().checked_add_signed(after).unwrap()
}

fn launch(after: i64, forecast: u64) -> Value {
    json!({"live_at": second(after), "forecast": forecast})
}

fn one_box(knobs: &str, capacity: u64) -> World {
    World::default()
        .knobs("days = 1\nshrink_days = 0\n")
        .knobs(knobs)
        .appliance("a", "par", capacity, capacity / 2)
}

/// What is planned of a launch in so many seconds.
async fn planned(knobs: &str, after: i64) -> Vec<String> {
    let world = one_box(knobs, 1_000).object_with("/new", 100, launch(after, 100));
    told(&world.plan().await)
}

const TONIGHT: [&str; 1] = ["0 /new fill 100/100 100000"];

/// In New York (UTC-5) tonight's window is from 07:00 to 11:00 UTC, and the next one after the first evening.
#[tokio::test]
async fn what_launches_in_the_evening_of_new_york_is_filled_the_night_before() {
    for after in [21, 26, 35] {
        assert_eq!(planned("", after * HOUR_S).await, TONIGHT, "{after} h");
    }
}

/// In Paris (UTC+1) the next window is over at 05:00 UTC of the next day.
#[tokio::test]
async fn what_launches_after_the_next_window_of_paris_waits_for_it() {
    let until_five = "launch_lead_hours = 5\n";
    for (after, is_tonight) in [
        (19 * HOUR_S, true),
        (29 * HOUR_S - 1, true),
        (29 * HOUR_S, false),
        (43 * HOUR_S, false),
    ] {
        let planned = planned(until_five, after).await;
        assert_eq!(planned == TONIGHT, is_tonight, "{after} s: {planned:?}");
        assert_eq!(planned.is_empty(), !is_tonight, "{after} s: {planned:?}");
    }
}

#[tokio::test]
async fn what_launches_without_a_forecast_is_known_by_its_series_in_time() {
    let episode =
        |number: u32| json!({"asset": number.to_string(), "series": "s", "episode": number});
    let mut new = episode(2);
    new["live_at"] = json!(second(26 * HOUR_S));
    let world = one_box("", 1_000)
        .object_with("/old", 100, episode(1))
        .object_with("/new", 100, new)
        .watched(1, "a", "/old", 10);
    assert_eq!(
        told(&world.plan().await),
        ["0 /old fill 100/100 6590", "0 /new fill 100/100 3409"]
    );
}

#[tokio::test]
async fn what_launches_is_a_launch_until_its_day_is_over() {
    let floors = "floor = 5000\nlaunch_floor = 500\n";
    let world = one_box(floors, 1_000)
        .object_with("/midnight", 100, launch(0, 1))
        .object_with("/yesterday", 100, launch(-4 * HOUR_S, 1))
        .object_with("/before-midnight", 100, launch(-1, 1))
        .object("/hot", 100)
        .watched(1, "a", "/hot", 900);
    // One play a day is enough for what launches alone, which has the first place.
    assert_eq!(
        told(&world.plan().await),
        [
            "0 /midnight fill 100/100 1000",
            "0 /hot fill 100/100 900000",
            "0 /yesterday seed 0/0 1000",
            "0 /before-midnight seed 0/0 1000"
        ]
    );
}

#[tokio::test]
async fn a_forecast_counts_until_a_whole_day_was_seen() {
    assert_eq!(planned("", -24 * HOUR_S + 1).await, TONIGHT);
    assert!(planned("", -24 * HOUR_S).await.is_empty());
}

/// Pin and priority of what is planned, by its path.
fn held(manifest: &Manifest) -> Vec<(&str, Pin, u8)> {
    let objects = manifest.objects.iter();
    objects
        .map(|object| (object.path, object.pin, object.priority))
        .collect()
}

#[tokio::test]
async fn a_plan_that_is_made_after_a_launch_of_its_day_pins_it() {
    let half_an_hour = second(HOUR_S / 2);
    let world = one_box("", 1_000)
        .object_with("/at-midnight", 50, launch(0, 100))
        .object_with("/tonight", 50, launch(26 * HOUR_S, 100))
        .object_with("/yesterday", 50, launch(-4 * HOUR_S, 100));

    let manifests = world.manifests(half_an_hour).await;

    assert_eq!(
        held(&manifests[0]),
        [
            ("/at-midnight", Pin::Until(second(24 * HOUR_S)), 1),
            ("/tonight", Pin::Until(second(50 * HOUR_S)), 1),
            ("/yesterday", Pin::Unpinned, 0)
        ]
    );
    let live: Vec<_> = manifests[0]
        .objects
        .iter()
        .map(|one| one.live_at_s)
        .collect();
    assert_eq!(live, [None, Some(second(26 * HOUR_S)), None]);
}

#[tokio::test]
async fn launches_beyond_an_eighth_of_a_box_are_filled_first_and_not_pinned() {
    let world = one_box("", 2_000)
        .object_with("/a", 100, launch(0, 300))
        .object_with("/b", 100, launch(0, 200))
        .object_with("/c", 50, launch(0, 100))
        .object_with("/contract", 100, json!({"mandatory": true}));

    let manifests = world.manifests(second(0)).await;

    let until = Pin::Until(second(24 * HOUR_S));
    assert_eq!(
        held(&manifests[0]),
        [
            ("/a", until, 1),
            ("/b", Pin::Unpinned, 1),
            ("/c", until, 1),
            ("/contract", Pin::WhilePlanned, 2)
        ]
    );
}
