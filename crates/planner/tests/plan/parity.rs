//! What `--replay` expects of a box is what the SQL plans for it, number by number, and it chooses the
//! same.

use std::collections::BTreeMap;

use forecast::{
    catalogue::{Catalogue, Object},
    estimate::{Day as Seen, Expected, Folder, Launch, estimate},
    plan::{Rules, plan},
};
use planner::Day;
use popularity::{folder_of, parent_of};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;

use crate::world::{DAY, World};

const SEEDS: std::ops::Range<u8> = 1..6;
const DAYS: i64 = 7;
const TODAY: i64 = 30;
/// These are the episodes of a series each.
const SERIES: [std::ops::Range<u32>; 2] = [0..4, 12..18];

/// The same titles, days and forecasts for both.
struct Twins {
    world: World,
    catalogue: Catalogue,
    paths: Vec<String>,
    days: Vec<Seen>,
    launches: Vec<Launch>,
}

impl Twins {
    /// 25 titles of different length and with different rungs, for a box of so many bytes, of which a
    /// night may fill so many. Some are young, four launch within three days, ten are
    /// episodes.
    fn new(seed: u8, knobs: &str, (capacity, budget): (u64, u64)) -> Self {
        let mut random = StdRng::from_seed([seed; 32]);
        let mut twins = Self {
            world: World::default()
                .knobs(knobs)
                .appliance("a", "par", capacity, budget),
            catalogue: Catalogue::default(),
            paths: Vec::new(),
            days: Vec::new(),
            launches: Vec::new(),
        };
        for title in 0..25 {
            let age = match title {
                0 | 1 => Some(0),
                2..12 => Some(i64::from(title) - 1),
                22 | 23 => Some(21 - i64::from(title)),
                _ => None,
            };
            let shape = (random.random_range(1..4), random.random_range(1..7));
            twins.list(title, age, shape, random.random_range(0..5_000));
        }
        twins.watch(&mut random);
        twins
    }

    fn list(
        &mut self,
        title: u32,
        age: Option<i64>,
        (variants, positions): (u32, u32),
        plays: u64,
    ) {
        let begin_s = DAY.parse::<Day>().unwrap().begin_s().cast_signed();
        let mut facts = json!({"asset": format!("{title}")});
        let series = SERIES.iter().find(|series| series.contains(&title));
        if let Some(series) = series {
            facts["series"] = json!(format!("{series:?}"));
            facts["episode"] = json!(title - series.start + 1);
        }
        if let Some(age) = age {
            facts["live_at"] = json!(begin_s - age * 86_400 + i64::from(age <= 0) * 20 * 3_600);
        }
        if age.is_some_and(|age| age <= 0) {
            facts["forecast"] = json!(plays);
            self.launches.push(Launch {
                asset: self.catalogue.assets.len(),
                requests: plays * u64::from(positions),
            });
        }
        let together = series.map_or(title, |series| series.start);
        for variant in 0..variants {
            for position in 0..positions {
                let path = format!("/{together}/{title}/{variant}/{position}");
                facts["variant"] = json!(format!("{variant}"));
                facts["position"] = json!(position);
                let world = std::mem::take(&mut self.world);
                self.world = world.object_with(&path, 100, facts.clone());
                self.paths.push(path);
            }
        }
        let sizes = vec![100; self.paths.len() - self.catalogue.objects() as usize];
        let live_day = age.map(|age| TODAY - age);
        self.catalogue.list(together, positions, live_day, sizes);
    }

    /// Of some days also what is not named of a folder that the object lies in: of its rung, its title or its series.
    fn watch_folder(&mut self, random: &mut StdRng, (age, day): (i64, &mut Seen), object: Object) {
        if random.random_range(0..9) > 0 {
            return;
        }
        let plays = random.random_range(1..50);
        let folder = folder_of(&self.paths[object as usize]).unwrap();
        let asset = self.catalogue.asset_of(object);
        let (known, folder) = match random.random_range(0..3) {
            0 => (Folder::Variant(self.catalogue.variant_of(object)), folder),
            1 => (Folder::Asset(asset), parent_of(folder).unwrap()),
            _ => {
                let title = parent_of(parent_of(folder).unwrap()).unwrap();
                (Folder::Title(self.catalogue.first_of_title(asset)), title)
            }
        };
        let folder = folder.to_owned();
        day.count_unnamed(known, plays);
        let plays = i64::from(plays) * 1_000;
        let world = std::mem::take(&mut self.world);
        self.world = world.watched_with(age, "a", &folder, (0, plays, 0));
    }

    fn estimate(&self) -> Vec<Expected> {
        estimate(&self.catalogue, &self.days, &self.launches, TODAY, 1)
    }

    /// The thousandths of requests that are expected, by path.
    fn expected(&self) -> BTreeMap<&str, u64> {
        let expected = self.estimate().into_iter();
        let some = expected.filter(|one| one.thousandths > 0);
        some.map(|one| {
            let path = &self.paths[one.object as usize];
            (path.as_str(), u64::from(one.thousandths))
        })
        .collect()
    }

    /// A week of what was asked for, more of it of some titles, and nothing before it was there.
    fn watch(&mut self, random: &mut StdRng) {
        for age in (1..=DAYS).rev() {
            let mut day = Seen::new(&self.catalogue);
            for (object, path) in (0..).zip(self.paths.clone()) {
                let asset = self.catalogue.asset_of(object);
                let live = self.catalogue.assets[asset].live_day;
                let most = 1 + 400 / (asset + 1);
                let plays = random.random_range(0..=most);
                // So that every day is one that the box has reported.
                let plays = if asset == 24 { plays + 1 } else { plays };
                if live.is_some_and(|live| live > TODAY - age) || plays == 0 {
                    continue;
                }
                day.count(&self.catalogue, object, u32::try_from(plays).unwrap());
                let world = std::mem::take(&mut self.world);
                self.world = world.watched(age, "a", &path, i64::try_from(plays).unwrap());
                self.watch_folder(random, (age, &mut day), object);
            }
            self.days.push(day);
        }
    }
}

const ALL: &str = "floor = 1\nlaunch_floor = 1\nseed_floor = 1\n";

#[tokio::test]
async fn a_replay_expects_what_the_sql_plans() {
    for seed in SEEDS {
        // What launches later cannot wait for nights that fill next to nothing.
        let twins = Twins::new(seed, ALL, (1 << 40, 1));
        let expected: BTreeMap<&str, u64> = twins.expected();
        let rows = twins.world.plan().await;
        let planned: BTreeMap<&str, u64> = rows
            .iter()
            .map(|row| (row.path.as_str(), row.expected))
            .collect();
        assert_eq!(planned, expected, "seed {seed}");
        assert!(planned.len() > 100, "seed {seed}: {}", planned.len());
    }
}

#[tokio::test]
async fn a_replay_chooses_what_the_sql_plans() {
    let rules = Rules {
        capacity_bytes: 6_000,
        fill_bytes: 1_500,
        fill_floor: 20_000,
        launch_floor: 10_000,
        seed_floor: 3_000,
        heeds_price: true,
        knows_box: false,
        objects_max: forecast::plan::OBJECTS_MAX,
        held_worth: 1_250,
    };
    let knobs = "floor = 20000\nlaunch_floor = 10000\nseed_floor = 3000\n";
    for seed in SEEDS {
        let mut twins = Twins::new(seed, knobs, (rules.capacity_bytes, rules.fill_bytes));
        for path in twins.paths.iter().step_by(4) {
            let world = std::mem::take(&mut twins.world);
            twins.world = world.held("a", path, 100);
        }
        let expected = twins.estimate();
        let chosen = plan(&twins.catalogue, &expected, (TODAY, &rules), |object| {
            object % 4 == 0
        });
        let told = |one: &Expected| {
            let moves = chosen.fills.contains(one);
            (
                &*twins.paths[one.object as usize],
                u64::from(one.thousandths),
                moves,
            )
        };
        let chosen: Vec<_> = chosen.listed.iter().map(told).collect();
        let rows = twins.world.plan().await;
        let planned: Vec<_> = rows
            .iter()
            .map(|row| (&*row.path, row.expected, row.need > 0))
            .collect();
        assert_eq!(planned, chosen, "seed {seed}");
        let moved = planned.iter().filter(|(.., moves)| *moves).count();
        assert!(
            (1..planned.len() - 20).contains(&moved),
            "seed {seed}: {moved}"
        );
    }
}
