//! Boxes of several sizes over one record, each without plans, with them, and with perfect ones.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use parking_lot::Mutex;

use super::{Follow, Knowledge, Nights, Record, Reports, Strategy, Tally, cold_day, run};
use crate::{
    model::Sizes,
    plan::{FILL_FLOOR, HELD_WORTH, LAUNCH_FLOOR, OBJECTS_MAX, Rules, SEED_FLOOR},
};

/// What to play.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Sizes of the disk, in percent of all that is asked for.
    pub percents: Vec<u32>,
    /// Days at the start that are not measured.
    pub warmup_days: usize,
    /// What may be filled in a night, in percent of the disk.
    pub fill_percent: u32,
    /// What reports tell of what was asked for.
    pub reports: Reports,
    /// The deviation of the logarithm of what owners forecast of launches.
    pub forecast_error: f64,
    /// What is expected at least of a slice that is filled, in thousandths of a request a day.
    pub fill_floor: u32,
    /// The same of a slice that launches.
    pub launch_floor: u32,
    /// The same of a slice that gets credit.
    pub seed_floor: u32,
    /// What a slice is worth where it is already, in thousandths of what it is worth where it is not.
    pub held_worth: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            percents: vec![10, 25, 50, 60],
            warmup_days: 7,
            fill_percent: 5,
            reports: Reports::default(),
            forecast_error: 0.8,
            fill_floor: FILL_FLOOR,
            launch_floor: LAUNCH_FLOOR,
            seed_floor: SEED_FLOOR,
            held_worth: HELD_WORTH,
        }
    }
}

/// What a box of one size did.
#[derive(Debug, Clone)]
pub struct Row {
    /// Of the disk, in percent of all that is asked for.
    pub percent: u32,
    /// The box.
    pub sizes: Sizes,
    /// Least recently used.
    pub lru: Tally,
    /// The node's policy alone.
    pub reactive: Tally,
    /// With credit for what is expected, and nothing filled.
    pub seeded: Tally,
    /// With plans from what was seen.
    pub planned: Tally,
    /// With plans that know the next day, within the same budget.
    pub perfect: Tally,
    /// An empty box on its first day: least recently used, the policy alone, and filled by plan.
    pub first_day: [Tally; 3],
}

/// All sizes.
#[derive(Debug, Clone)]
pub struct Table {
    /// What was played.
    pub options: Options,
    /// Days played.
    pub days: usize,
    /// Days after them, in which what was filled is followed.
    pub follow_days: usize,
    /// Requests of all days.
    pub requests: usize,
    /// Bytes of all that was asked for.
    pub footprint_bytes: u64,
    /// By size, as asked for.
    pub rows: Vec<Row>,
}

/// The runs of a row, in order.
const RUNS: usize = 8;

/// Plays everything, as many runs at a time as there are cores, and says after each how many of how
/// many are done.
pub fn table(record: &Record, options: &Options, progress: impl Fn(usize, usize) + Sync) -> Table {
    let seen = Nights::of(
        record,
        Knowledge::Seen {
            forecast_error: options.forecast_error,
            reports: options.reports,
        },
    );
    let perfect = Nights::of(record, Knowledge::Perfect);
    let boxes: Vec<_> = options
        .percents
        .iter()
        .map(|percent| sized(record, *percent))
        .collect();
    let all = boxes.len() * RUNS;
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let tallies = Mutex::new(vec![Tally::default(); all]);
    let work = || {
        while let Some(number) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|it| *it < all) {
            let sizes = &boxes[number / RUNS];
            let rules = options.rules(sizes);
            let day = options.warmup_days;
            let tally = one(
                record,
                sizes,
                [&seen, &perfect],
                (rules, day),
                number % RUNS,
            );
            tallies.lock()[number] = tally;
            progress(done.fetch_add(1, Ordering::Relaxed) + 1, all);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let mut tallies = tallies.into_inner().into_iter();
    let mut take = || tallies.next().unwrap_or_default();
    let rows = options
        .percents
        .iter()
        .zip(&boxes)
        .map(|(percent, sizes)| Row {
            percent: *percent,
            sizes: *sizes,
            lru: take(),
            reactive: take(),
            seeded: take(),
            planned: take(),
            perfect: take(),
            first_day: [take(), take(), take()],
        });
    Table {
        options: options.clone(),
        days: record.days(),
        follow_days: record.all_days() - record.days(),
        requests: record.plays.len(),
        footprint_bytes: record.footprint_bytes,
        rows: rows.collect(),
    }
}

/// A box whose disk holds a part of all that is asked for.
fn sized(record: &Record, percent: u32) -> Sizes {
    let disk_bytes = record.footprint_bytes / 100 * u64::from(percent);
    Sizes {
        ram_bytes: disk_bytes / 200,
        disk_bytes,
        // Many times the largest slice where that leaves many segments: what does not fit at a
        // segment's end is lost.
        segment_bytes: (disk_bytes / 256).max(record.largest_bytes),
        disk_writes_per_day: disk_bytes,
    }
}

/// One of the runs of a row. `day` is that on which an empty box begins.
fn one(
    record: &Record,
    sizes: &Sizes,
    [seen, perfect]: [&Nights; 2],
    (rules, day): (Rules, usize),
    number: usize,
) -> Tally {
    let seeds = Rules {
        fill_bytes: 0,
        ..rules
    };
    // What comes for sure is worth filling if it comes at all.
    let sure = Rules {
        fill_floor: 1000,
        heeds_price: false,
        knows_box: true,
        ..rules
    };
    let play = |strategy, follow| run(record, sizes, strategy, follow);
    match number {
        0 => play(Strategy::Lru, Follow::Nothing),
        1 => play(Strategy::Reactive, Follow::Nothing),
        2 => play(Strategy::Planned(seen, seeds), Follow::Nothing),
        3 => play(Strategy::Planned(seen, rules), Follow::Filled),
        4 => play(Strategy::Planned(perfect, sure), Follow::Nothing),
        5 => cold_day(record, sizes, Strategy::Lru, day),
        6 => cold_day(record, sizes, Strategy::Reactive, day),
        _ => cold_day(record, sizes, Strategy::Planned(seen, rules), day),
    }
}

impl Options {
    fn rules(&self, sizes: &Sizes) -> Rules {
        Rules {
            capacity_bytes: sizes.disk_bytes,
            fill_bytes: sizes.disk_bytes / 100 * u64::from(self.fill_percent),
            fill_floor: self.fill_floor,
            launch_floor: self.launch_floor,
            seed_floor: self.seed_floor,
            heeds_price: true,
            knows_box: false,
            objects_max: OBJECTS_MAX,
            held_worth: self.held_worth,
        }
    }
}
