//! What is expected of each night's next day, by who knows how much.

use std::{collections::HashMap, time::Duration};

use super::{Record, Reports};
use crate::{
    catalogue::Object,
    estimate::{Expected, Launch, estimate, rank},
    model::mix,
    plan::LAUNCH_NIGHTS,
};

const DAY: Duration = Duration::from_hours(24);
/// When a night's plan is made: fills may begin.
pub(super) const BEGIN: Duration = Duration::from_hours(2);
/// Less than this many thousandths of a request a day is not looked at.
const FLOOR: u32 = 20;

/// Who plans.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Knowledge {
    /// What was seen up to midnight, and an owner's forecasts of what launches, which are wrong by a
    /// log-normal factor of this deviation.
    Seen {
        /// Of the logarithm; 0.8 is usual.
        forecast_error: f64,
        /// What of it is told.
        reports: Reports,
    },
    /// The future: how often each object will be asked for until the next night.
    Perfect,
}

/// What one night expects of the next day, the most first.
#[derive(Debug, Clone, Default)]
pub struct Night {
    /// Objects, and how often.
    pub expected: Vec<Expected>,
    /// Assets that launch on that day, by number.
    pub launches: Vec<usize>,
}

/// The nights of a record; the first has seen nothing.
pub struct Nights(pub Vec<Night>);

impl Nights {
    /// Plans every night of a record; by perfect knowledge those before days that are played.
    pub fn of(record: &Record, knowledge: Knowledge) -> Self {
        let (count, days) = match knowledge {
            Knowledge::Seen { reports, .. } => (record.all_days(), reports.days(record)),
            Knowledge::Perfect => (record.days(), Vec::new()),
        };
        let nights = (0..count).map(|today| {
            let launches = launches(record, today);
            let expected = match knowledge {
                Knowledge::Perfect => perfect(record, today),
                Knowledge::Seen { forecast_error, .. } => {
                    let coming = (today..).take(LAUNCH_NIGHTS as usize);
                    let coming = coming.flat_map(|day| {
                        let launches = self::launches(record, day);
                        forecasts(record, &launches, day, forecast_error)
                    });
                    let forecasts: Vec<_> = coming.collect();
                    let (seen, number) = (&days[..today], i64::try_from(today).unwrap_or(i64::MAX));
                    estimate(&record.catalogue, seen, &forecasts, number, FLOOR)
                }
            };
            Night { expected, launches }
        });
        Self(nights.collect())
    }
}

/// The assets that appear on a day.
fn launches(record: &Record, today: usize) -> Vec<usize> {
    let today = i64::try_from(today).ok();
    let assets = record.catalogue.assets.iter().enumerate();
    let launched = assets.filter(|(_, asset)| asset.live_day.is_some() && asset.live_day == today);
    launched.map(|(number, _)| number).collect()
}

/// What their owners forecast: what comes, times an error of each title, spread over its assets.
fn forecasts(record: &Record, launches: &[usize], today: usize, error: f64) -> Vec<Launch> {
    let from = DAY * u32::try_from(today).unwrap_or(u32::MAX);
    let mut titles: HashMap<u32, (u64, u64)> = HashMap::new();
    for asset in launches {
        titles
            .entry(record.catalogue.assets[*asset].title)
            .or_default()
            .0 += 1;
    }
    for play in record.between(from, from + DAY) {
        let asset = record.catalogue.asset_of(play.object);
        if let Some((_, requests)) = titles.get_mut(&record.catalogue.assets[asset].title) {
            *requests += 1;
        }
    }
    let forecast = |asset: &usize| {
        let title = record.catalogue.assets[*asset].title;
        let (assets, requests) = titles.get(&title).copied().unwrap_or((1, 0));
        let wrong = (normal(u64::from(title)) * error).exp();
        let requests = whole(real(requests) * wrong / real(assets));
        Launch {
            asset: *asset,
            requests,
        }
    };
    launches.iter().map(forecast).collect()
}

fn perfect(record: &Record, today: usize) -> Vec<Expected> {
    let from = DAY * u32::try_from(today).unwrap_or(u32::MAX) + BEGIN;
    let mut counts: HashMap<Object, u32> = HashMap::new();
    for play in record.between(from, from + DAY) {
        *counts.entry(play.object).or_default() += 1000;
    }
    let expected = counts.into_iter();
    let mut expected: Vec<_> = expected
        .map(|(object, thousandths)| Expected {
            object,
            thousandths,
            is_launch: false,
        })
        .collect();
    rank(&mut expected);
    expected
}

/// A draw of the normal distribution, always the same of the same title.
fn normal(title: u64) -> f64 {
    let unit = |number: u64| (real(mix(number) >> 11) + 0.5) / real(1 << 53);
    let radius = (-2.0 * unit(title * 2 + 1).ln()).sqrt();
    radius * (unit(title * 2 + 2) * std::f64::consts::TAU).cos()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a model's numbers need no 53 bits"
)]
fn real(number: u64) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "such a cast saturates"
)]
fn whole(number: f64) -> u64 {
    number.round() as u64
}
