//! The promised bounds, against exact counts. Where objects lie is chosen here: what a sketch holds
//! beyond the bounds depends on its secret, and no test may.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "exact counts stay far below 2^53"
)]

use std::collections::HashMap;

use proptest::prelude::*;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::*;

const HOUR: Duration = Duration::from_hours(1);
const SIZE: u64 = 1_000_000;

/// A sketch of the least memory beside exact counts.
struct Pair {
    sketch: Popularity,
    half_life: Duration,
    site: Arc<str>,
    paths: HashMap<u64, Arc<str>>,
    exact: HashMap<Arc<str>, f64>,
    hour: u64,
}

impl Pair {
    fn new() -> Self {
        Self::with_secret([1, 2])
    }

    fn with_secret(secret: [u64; 2]) -> Self {
        Self::of(secret, HALF_LIFE)
    }

    fn of(secret: [u64; 2], half_life: Duration) -> Self {
        let config = Config {
            memory_bytes: *Config::MEMORY_BYTES.start(),
            sessions_min: 1,
            half_life,
        };
        Self {
            half_life: config.half_life,
            sketch: Popularity::with_secret(config, Secret(secret)),
            site: "vod".into(),
            paths: HashMap::new(),
            exact: HashMap::new(),
            hour: 0,
        }
    }

    fn now(&self) -> Duration {
        HOUR * u32::try_from(self.hour).unwrap()
    }

    fn ask(&mut self, object: u64, bytes: u64) {
        let path = self.paths.entry(object);
        let path = path.or_insert_with(|| format!("/vod/title-{object}/1080p/seg.m4s").into());
        let mut id = [0; 16];
        id[..8].copy_from_slice(&object.to_le_bytes());
        *self.exact.entry(Arc::clone(path)).or_default() += bytes as f64 / SIZE as f64;
        let demand = Demand {
            object: &id,
            site: &self.site,
            path,
            size: SIZE,
            served: 0..bytes,
            viewer: 1,
        };
        self.sketch
            .count(&demand, HOUR * u32::try_from(self.hour).unwrap());
    }

    fn pass(&mut self, hours: u64) {
        self.hour += hours;
        let hours = HOUR * u32::try_from(hours).unwrap();
        let factor = (-hours.div_duration_f64(self.half_life)).exp2();
        self.exact.values_mut().for_each(|plays| *plays *= factor);
    }

    /// Fails unless every bound holds, and tells how many objects are held.
    fn check(&self) -> usize {
        let top = self.sketch.top(usize::MAX, self.now());
        let mut exact = self.exact.clone();
        for object in &top.objects {
            let truth = exact.remove(&object.path).unwrap() * 1000.0;
            let (plays, error) = (object.plays as f64, object.error as f64);
            assert!(truth <= plays + 0.001, "{truth} is more than {object:?}");
            assert!(
                plays - error <= truth + 1.001,
                "{truth} is less than {object:?}"
            );
        }
        for (path, truth) in exact {
            let truth = truth * 1000.0;
            assert!(
                truth <= top.others_at_most as f64 + 0.001,
                "{path}: {truth}"
            );
        }
        top.objects.len()
    }
}

/// Ranks from 1, the chance of each proportional to rank^-alpha, by inversion of the integral.
fn zipf(random: &mut StdRng, objects: f64, alpha: f64) -> u64 {
    let uniform: f64 = random.random();
    let power = 1.0 - alpha;
    ((objects.powf(power) - 1.0) * uniform + 1.0).powf(1.0 / power) as u64
}

/// 400,000 requests for up to 300,000 objects, of which the sketch can hold some 4,000.
fn zipf_stream(seed: u64, alpha: f64) -> Pair {
    let mut random = StdRng::seed_from_u64(seed);
    let mut pair = Pair::new();
    for turn in 0..400_000 {
        let object = zipf(&mut random, 300_000.0, alpha);
        pair.ask(object, random.random_range(1..=SIZE));
        if turn % 20_000 == 0 {
            pair.pass(random.random_range(0..9));
        }
    }
    pair
}

#[test]
fn every_bound_holds_on_zipf_streams() {
    for (seed, alpha) in [(1, 0.7), (2, 0.9), (3, 1.1), (4, 1.3)] {
        let held = zipf_stream(seed, alpha).check();
        assert!(held > 2500, "seed {seed}: {held} objects");
    }
}

#[test]
fn demand_halves_in_the_half_life_that_is_configured() {
    for half_life in [HOUR, HOUR * 6, HALF_LIFE] {
        let mut pair = Pair::of([1, 2], half_life);
        (0..10).for_each(|_| pair.ask(1, SIZE));
        let plays = |pair: &Pair| pair.sketch.top(1, pair.now()).objects[0].plays;
        assert_eq!(plays(&pair), 10_000);
        pair.pass(half_life.as_secs() / 3600);
        assert_eq!(plays(&pair), 5000, "{half_life:?}");
        pair.ask(1, SIZE);
        assert_eq!(plays(&pair), 6000, "what is new weighs all of it");
    }
}

#[test]
fn the_hundred_most_popular_are_named_in_order_of_their_demand() {
    for (seed, alpha) in [(5, 0.9), (6, 1.1)] {
        let pair = zipf_stream(seed, alpha);
        let mut exact: Vec<_> = pair.exact.iter().collect();
        exact.sort_by(|one, other| other.1.total_cmp(one.1));
        let top = pair.sketch.top(100, pair.now());
        for ((_, plays), object) in exact.iter().zip(&top.objects) {
            // Of more than all but so many, the error apart: what is told is never below the truth.
            let truth = pair.exact[&object.path] * 1000.0;
            let (told, error) = (object.plays as f64, object.error as f64);
            assert!(
                truth + error + 1.0 > *plays * 1000.0,
                "seed {seed}: {object:?}"
            );
            assert!(error < told * 0.05, "seed {seed}: {object:?}");
        }
        assert_eq!(top.objects.len(), 100);
    }
}

#[test]
fn a_flood_of_objects_asked_for_once_does_not_push_out_what_is_popular() {
    let mut pair = Pair::new();
    for _ in 0..100 {
        (0..500).for_each(|object| pair.ask(object, SIZE));
    }
    (1_000..500_000).for_each(|object| pair.ask(object, SIZE));
    let top = pair.sketch.top(500, pair.now());
    let kept = top
        .objects
        .iter()
        .filter(|object| pair.exact[&object.path] > 50.0);
    assert!(kept.count() >= 495);
    pair.check();
}

#[test]
fn what_is_new_takes_the_place_of_what_has_faded() {
    let mut pair = Pair::new();
    for _ in 0..50 {
        (0..4000).for_each(|object| pair.ask(object, SIZE));
    }
    pair.pass(24 * 60);
    for _ in 0..50 {
        (10_000..10_100).for_each(|object| pair.ask(object, SIZE));
    }
    let top = pair.sketch.top(100, pair.now());
    let new = top
        .objects
        .iter()
        .filter(|object| pair.exact[&object.path] > 49.0);
    assert_eq!(new.count(), 100);
}

#[test]
fn a_report_accounts_for_every_byte() {
    let mut pair = Pair::new();
    let mut random = StdRng::seed_from_u64(7);
    let (mut bytes, mut requests) = (0, 0);
    for _ in 0..100_000 {
        let part = random.random_range(1..=SIZE);
        pair.ask(zipf(&mut random, 100_000.0, 0.9), part);
        (bytes, requests) = (bytes + part, requests + 1);
    }
    let rows: Vec<_> = pair.sketch.end_hour(Hour(0)).flatten().collect();
    assert_eq!(rows.iter().map(|row| row.bytes_served).sum::<u64>(), bytes);
    assert_eq!(rows.iter().map(|row| row.requests).sum::<u64>(), requests);
    let again: Vec<_> = pair.sketch.end_hour(Hour(1)).flatten().collect();
    assert!(again.is_empty(), "told once: {again:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// In a few sets with many objects, so that each is put out and let in again and again.
    #[test]
    fn every_bound_holds_whatever_comes(
        steps in prop::collection::vec((0..40_000_u64, 1..=SIZE, 0..200_u64), 1..4000),
        spread in 1..40_000_u64,
        secret: [u64; 2],
    ) {
        let mut pair = Pair::with_secret(secret);
        for (object, bytes, pause) in steps {
            pair.ask(object % spread, bytes);
            pair.ask(object % 100, bytes);
            if pause > 190 {
                pair.pass(pause - 190);
            }
        }
        pair.check();
    }
}
