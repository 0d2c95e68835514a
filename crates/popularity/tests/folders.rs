//! What a report tells of objects that it does not name.

mod support;

use std::{collections::HashMap, ops::Range, time::Duration};

use popularity::{Config, Demand, Hour, Popularity, Row, folder_of};

use support::NOW;

const WEEK: Duration = Duration::from_hours(7 * 24);

fn sketch() -> Popularity {
    Popularity::new(Config {
        memory_bytes: *Config::MEMORY_BYTES.start(),
        ..Config::default()
    })
}

fn ask_at(sketch: &Popularity, path: &str, viewers: Range<u64>, now: Duration) {
    support::ask_at(sketch, (path, 1_000), 0..500, viewers, now);
}

fn ask(sketch: &Popularity, path: &str, viewers: Range<u64>) {
    ask_at(sketch, path, viewers, NOW);
}

/// Paths and requests, in order of the path.
fn told(sketch: &Popularity) -> Vec<(String, u64)> {
    told_at(sketch, NOW)
}

fn told_at(sketch: &Popularity, now: Duration) -> Vec<(String, u64)> {
    let rows = sketch.end_hour(Hour::of(now)).flatten();
    let mut rows: Vec<_> = rows
        .map(|row| (row.path.to_string(), row.requests))
        .collect();
    rows.sort();
    rows
}

fn rows<const N: usize>(rows: [(&str, u64); N]) -> Vec<(String, u64)> {
    rows.map(|(path, requests)| (path.to_owned(), requests))
        .into()
}

#[test]
fn objects_of_too_few_viewers_are_told_by_their_folder_when_these_are_enough() {
    let sketch = sketch();
    for number in 0..20 {
        ask(
            &sketch,
            &format!("/film/1080p/{number}"),
            number..number + 2,
        );
    }
    ask(&sketch, "/other/1080p/1", 0..2);
    assert_eq!(told(&sketch), rows([("", 2), ("/film/1080p/", 40)]));
    assert_eq!(sketch.top(10, NOW).objects, []);
}

#[test]
fn a_row_of_a_folder_has_the_sums_of_its_objects_and_no_size() {
    let sketch = sketch();
    (0..20).for_each(|number| ask(&sketch, &format!("/film/{number}"), number..number + 1));
    let all: Vec<Row> = sketch.end_hour(Hour::of(NOW)).flatten().collect();
    let [row] = &all[..] else { panic!("{all:?}") };
    assert_eq!((&*row.site, &*row.path, row.size), ("vod", "/film/", 0));
    assert_eq!((row.bytes_served, row.plays), (10_000, 10_000));
    assert_eq!((row.requests, row.first, row.parts[0]), (20, 20, 10_000));
    assert!((10..30).contains(&row.sessions), "{}", row.sessions);
    assert_eq!(row.hour, Hour::of(NOW));
}

#[test]
fn what_is_named_is_not_in_the_row_of_its_folder_nor_are_its_viewers() {
    let sketch = sketch();
    ask(&sketch, "/film/hot", 0..60);
    ask(&sketch, "/film/cold", 0..4);
    assert_eq!(told(&sketch), rows([("", 4), ("/film/hot", 60)]));
    for number in 0..20 {
        ask(&sketch, &format!("/film/{number}"), number..number + 1);
    }
    ask(&sketch, "/film/hot", 7..8);
    assert_eq!(told(&sketch), rows([("/film/", 20), ("/film/hot", 1)]));
}

#[test]
fn one_viewer_of_all_of_a_film_is_one() {
    let sketch = sketch();
    for number in 0..1_000 {
        ask(&sketch, &format!("/film/1080p/{number}"), 7..8);
    }
    assert_eq!(told(&sketch), rows([("", 1_000)]));
}

#[test]
fn viewers_of_a_folder_are_added_up_over_a_week_and_then_forgotten() {
    let sketch = sketch();
    let now = NOW + Duration::from_hours(1);
    for number in 0..40 {
        ask_at(&sketch, &format!("/film/{number}"), number..number + 1, now);
    }
    assert_eq!(told_at(&sketch, now), rows([("/film/", 40)]));
    ask_at(&sketch, "/film/50", 3..4, now + WEEK / 4);
    assert_eq!(told_at(&sketch, now + WEEK / 4), rows([("/film/", 1)]));
    let later = now + WEEK * 2;
    ask_at(&sketch, "/film/50", 3..4, later);
    assert_eq!(told_at(&sketch, later), rows([("", 1)]));
}

#[test]
fn all_rows_together_are_exact_whatever_has_no_place() {
    let sketch = sketch();
    let mut asked = 0;
    for turn in 0..60_000_u64 {
        // More objects than are held.
        let (folder, viewer) = (turn % 60, turn % 11);
        ask(&sketch, &format!("/{folder}/{turn}"), viewer..viewer + 1);
        asked += 1;
    }
    let all: Vec<Row> = sketch.end_hour(Hour::of(NOW)).flatten().collect();
    assert_eq!(all.iter().map(|row| row.requests).sum::<u64>(), asked);
    assert_eq!(
        all.iter().map(|row| row.bytes_served).sum::<u64>(),
        asked * 500
    );
    assert_eq!(all.iter().map(|row| row.plays).sum::<u64>(), asked * 500);
    assert!(all.iter().any(|row| row.path.ends_with('/')));
    let mut times: HashMap<_, u32> = HashMap::new();
    for row in &all {
        *times.entry(&row.path).or_default() += 1;
    }
    assert!(times.values().all(|times| *times == 1), "a row each");
    assert_eq!(told(&sketch), []);
}

#[test]
fn a_folder_that_is_told_keeps_its_place_when_others_come() {
    let sketch = sketch();
    for number in 0..40 {
        ask(&sketch, &format!("/film/{number}"), number..number + 1);
    }
    assert_eq!(told(&sketch), rows([("/film/", 40)]));
    for other in 0..50_000 {
        ask(&sketch, &format!("/{other}/1"), 1..2);
    }
    assert!(told(&sketch).iter().all(|(path, _)| path != "/film/"));
    // So often that it is held for certain.
    let later = NOW + Duration::from_hours(72);
    for _ in 0..50 {
        ask_at(&sketch, "/film/50", 1..2, later);
    }
    let told = told_at(&sketch, later);
    assert!(told.iter().any(|(path, _)| path == "/film/"), "{told:?}");
}

#[test]
fn two_sites_have_their_own_folders() {
    let sketch = sketch();
    for (site, viewers) in [("one", 0..3_u64), ("two", 3..6)] {
        for viewer in viewers {
            let demand = Demand {
                object: &[u8::try_from(viewer).unwrap() + 1; 16],
                site: &site.into(),
                path: &format!("/film/{viewer}").into(),
                size: 1_000,
                served: 0..500,
                viewer,
            };
            sketch.count(&demand, NOW);
        }
    }
    let rows: Vec<Row> = sketch.end_hour(Hour::of(NOW)).flatten().collect();
    assert!(rows.iter().all(|row| row.path.is_empty()), "{rows:?}");
}

#[test]
fn a_folder_of_too_few_viewers_is_told_by_the_one_around_it() {
    let sketch = sketch();
    for episode in 0..20 {
        for number in 0..2 {
            ask(
                &sketch,
                &format!("/show/{episode}/low/{number}"),
                episode..episode + 1,
            );
        }
        ask(
            &sketch,
            &format!("/show/7/high/{episode}"),
            episode..episode + 1,
        );
    }
    ask(&sketch, "/film/low/1", 0..4);
    let expected = [("", 4), ("/show/", 40), ("/show/7/high/", 20)];
    assert_eq!(told(&sketch), rows(expected));
    ask(&sketch, "/show/9/low/0", 9..10);
    ask(&sketch, "/show/9/low/1", 9..10);
    assert_eq!(told(&sketch), rows([("/show/", 2)]), "its week goes on");
}

#[test]
fn the_root_tells_of_what_lies_in_it_alone() {
    let sketch = sketch();
    for number in 0..20 {
        ask(&sketch, &format!("/{number}/a"), number..number + 1);
        ask(&sketch, &format!("/{number}"), number..number + 1);
    }
    assert_eq!(told(&sketch), rows([("", 20), ("/", 20)]));
}

#[test]
fn a_folder_is_the_path_up_to_its_last_slash() {
    for (path, folder) in [
        ("/vod/film/1.m4s", Some("/vod/film/")),
        ("/1.m4s", Some("/")),
        ("/vod/film/", Some("/vod/film/")),
        ("", None),
    ] {
        assert_eq!(folder_of(path), folder);
    }
}
