//! What `--replay` expects of a box is what the SQL plans for it, number by number.

use std::collections::BTreeMap;

use forecast::{
    catalogue::Catalogue,
    estimate::{Day as Seen, Launch, estimate},
};
use planner::Day;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;

use crate::world::{DAY, World};

const SEEDS: std::ops::Range<u8> = 1..6;
const DAYS: i64 = 7;
const TODAY: i64 = 30;

/// The same titles, days and forecasts for both.
struct Twins {
    world: World,
    catalogue: Catalogue,
    paths: Vec<String>,
    days: Vec<Seen>,
    launches: Vec<Launch>,
}

impl Twins {
    /// 25 titles of different length and with different rungs; some are young, two launch.
    fn new(seed: u8) -> Self {
        let mut random = StdRng::from_seed([seed; 32]);
        let mut twins = Self {
            world: World::default()
                .knobs("floor = 1\nfloor_roomy = 1\nseed_floor = 1\n")
                .appliance("a", "par", 1 << 40, 1 << 40),
            catalogue: Catalogue::default(),
            paths: Vec::new(),
            days: Vec::new(),
            launches: Vec::new(),
        };
        for title in 0..25 {
            let age = match title {
                0 | 1 => Some(0),
                2..12 => Some(i64::from(title) - 1),
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
        if let Some(age) = age {
            facts["live_at"] = json!(begin_s - age * 86_400 + i64::from(age == 0) * 20 * 3_600);
        }
        if age == Some(0) {
            facts["forecast"] = json!(plays);
            self.launches.push(Launch {
                asset: self.catalogue.assets.len(),
                requests: plays * u64::from(positions),
            });
        }
        for variant in 0..variants {
            for position in 0..positions {
                let path = format!("/{title}/{variant}/{position}");
                facts["variant"] = json!(format!("{variant}"));
                facts["position"] = json!(position);
                let world = std::mem::take(&mut self.world);
                self.world = world.object_with(&path, 100, facts.clone());
                self.paths.push(path);
            }
        }
        let sizes = vec![100; self.paths.len() - self.catalogue.objects() as usize];
        let live_day = age.map(|age| TODAY - age);
        self.catalogue.list(title, positions, live_day, sizes);
    }

    /// A week of what was asked for, more of it of some titles, and nothing before it was there.
    fn watch(&mut self, random: &mut StdRng) {
        for age in (1..=DAYS).rev() {
            let mut day = Seen::new(&self.catalogue);
            for (object, path) in (0..).zip(&self.paths) {
                let asset = self.catalogue.asset_of(object);
                let live = self.catalogue.assets[asset].live_day;
                let most = 1 + 400 / (asset + 1);
                let plays = random.random_range(0..=most);
                // So that every day is one that the box has reported.
                let plays = if asset == 24 { plays + 1 } else { plays };
                if live.is_some_and(|live| live > TODAY - age) || plays == 0 {
                    continue;
                }
                for _ in 0..plays {
                    day.count(&self.catalogue, object);
                }
                let world = std::mem::take(&mut self.world);
                self.world = world.watched(age, "a", path, i64::try_from(plays).unwrap());
            }
            self.days.push(day);
        }
    }
}

#[tokio::test]
async fn a_replay_expects_what_the_sql_plans() {
    for seed in SEEDS {
        let twins = Twins::new(seed);
        let expected = estimate(&twins.catalogue, &twins.days, &twins.launches, TODAY, 1);
        let expected: BTreeMap<&str, u64> = expected
            .iter()
            .filter(|one| one.thousandths > 0)
            .map(|one| {
                let path = &twins.paths[one.object as usize];
                (path.as_str(), u64::from(one.thousandths))
            })
            .collect();
        let rows = twins.world.plan().await;
        let planned: BTreeMap<&str, u64> = rows
            .iter()
            .map(|row| (row.path.as_str(), row.expected))
            .collect();
        assert_eq!(planned, expected, "seed {seed}");
        assert!(planned.len() > 100, "seed {seed}: {}", planned.len());
    }
}
