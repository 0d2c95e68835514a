//! What a replay takes for told is what a node tells.

use forecast::{
    catalogue::{Catalogue, Object},
    estimate::{Day, Folder},
    replay::{Play, Record, Reports},
};
use popularity::{Config, Demand, Hour, Popularity, Row};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

const HOUR_MS: u32 = 3_600_000;
const DAYS: u32 = 21;
/// What `forecast::model::mix` adds before it mixes as a node does.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// Series of four episodes in two variants of ten positions, the first of them watched most.
fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::default();
    for title in 0..40 {
        catalogue.list(title / 4, 10, None, [1_000; 20]);
    }
    catalogue
}

fn plays(catalogue: &Catalogue) -> Vec<Play> {
    let mut random = StdRng::from_seed([7; 32]);
    let mut plays = Vec::new();
    for viewer in 0..600 {
        let begin_ms = random.random_range(0..DAYS * 24 * HOUR_MS);
        let most = random.random_range(1..=40);
        let asset = &catalogue.assets[random.random_range(0..most)];
        let variant = random.random_range(0..2);
        for position in 0..random.random_range(1..=10) {
            plays.push(Play {
                at_ms: begin_ms + position * 30_000,
                viewer,
                object: asset.object(variant, position),
            });
        }
    }
    plays.sort_by_key(|play| play.at_ms);
    plays
}

fn path(catalogue: &Catalogue, object: Object) -> String {
    let asset = catalogue.asset_of(object);
    let (first, variant) = (
        catalogue.first_of_title(asset),
        catalogue.variant_of(object),
    );
    format!("/{first}/{asset}/{variant}/{object}")
}

/// A day of reports, rolled up.
fn roll_up(catalogue: &Catalogue, rows: &[Row]) -> Day {
    let mut day = Day::new(catalogue);
    for row in rows {
        let parts = row.path.split('/').filter_map(|part| part.parse().ok());
        let parts: Vec<u32> = parts.collect();
        let requests = u32::try_from(row.requests).unwrap();
        let folder = match parts[..] {
            [_, _, _, object] => {
                day.count(catalogue, object, requests);
                continue;
            }
            [_, _, variant] => Folder::Variant(variant),
            [_, asset] => Folder::Asset(asset as usize),
            [first] => Folder::Title(first as usize),
            _ => {
                assert_eq!(&*row.path, "");
                continue;
            }
        };
        day.count_unnamed(folder, requests);
    }
    day
}

#[test]
fn a_replay_takes_for_told_what_a_node_tells() {
    let catalogue = catalogue();
    let plays = plays(&catalogue);
    let sketch = Popularity::new(Config::default());
    let mut told = vec![Vec::new(); DAYS as usize + 1];
    for hour in plays.chunk_by(|one, next| one.at_ms / HOUR_MS == next.at_ms / HOUR_MS) {
        for play in hour {
            let mut object = [0; 16];
            object[..4].copy_from_slice(&play.object.to_le_bytes());
            let demand = Demand {
                object: &object,
                site: &"vod".into(),
                path: &path(&catalogue, play.object).into(),
                size: 1_000,
                served: 0..1_000,
                viewer: u64::from(play.viewer).wrapping_add(GOLDEN),
            };
            sketch.count(&demand, play.at());
        }
        let of_day = &mut told[hour[0].day()];
        of_day.extend(sketch.end_hour(Hour::of(hour[0].at())).flatten());
    }
    let record = Record::new(catalogue, plays, 0);
    let reports = Reports {
        sessions_min: 5,
        folders: true,
    };
    let days = reports.days(&record);
    let (mut named, mut folders) = (0, 0);
    for (rows, day) in told.iter().zip(&days) {
        assert_eq!(&roll_up(&record.catalogue, rows), day);
        named += rows.iter().filter(|row| row.size > 0).count();
        folders += rows.iter().filter(|row| row.path.ends_with('/')).count();
    }
    assert!(named > 100 && folders > 100, "{named} {folders}");
}
