//! What is expected of titles, their variants and positions: what was seen, weighted by its age and shrunk.

use super::{Day, Launch};
use crate::{
    catalogue::{Asset, Catalogue},
    series,
};

/// Weights of the last days, youngest first: half in three days.
pub const WEIGHTS: [u64; 7] = [16_384, 13_004, 10_321, 8_192, 6_502, 5_161, 4_096];
/// Assets younger than this are told by their last day alone: what they were launched with is over.
const YOUNG_DAYS: i64 = 4;
/// Requests a day for all of a variant's positions, for which everybody's share of variants counts
/// beside an asset's own.
pub const RUNG_PLAYS: u64 = 30;
/// Requests a day at a position of all assets together, up to which positions are taken for alike.
pub const FLAT_PLAYS: u64 = 50;
/// Shares are in parts of this.
pub(crate) const ONE: u64 = 1 << 20;
/// Rates are in parts of a request a day.
pub(crate) const MILLION: u64 = 1_000_000;

/// What is expected of all assets. Rates are requests a day, in millionths.
pub(super) struct Demand {
    /// By asset.
    pub(super) assets: Vec<u64>,
    /// By variant of asset, of what was seen.
    variants: Vec<u64>,
    /// By number of the variant within its asset.
    everybody: Vec<u64>,
    /// By position: of those who could be there, how many are.
    pub(super) parts: Vec<u64>,
}

impl Demand {
    pub(super) fn of(catalogue: &Catalogue, days: &[Day], launches: &[Launch], today: i64) -> Self {
        let recent: Vec<_> = days.iter().rev().zip(WEIGHTS).collect();
        let unnamed = Unnamed::new(catalogue, &recent, today);
        let by_variant = |asset: &Asset| range(asset.first_variant, asset.variants);
        let by_place = |asset: &Asset| range(asset.first_place, asset.positions);
        let mut variants = Vec::with_capacity(index(catalogue.variants()));
        let mut places = Vec::with_capacity(index(catalogue.places()));
        let mut assets = Vec::with_capacity(catalogue.assets.len());
        for (number, asset) in catalogue.assets.iter().enumerate() {
            let told = &recent[..recent.len().min(days_that_tell(asset, today))];
            let more = unnamed.of(number, told);
            let (of_only, of_any) = if asset.variants == 1 {
                (more, 0)
            } else {
                (0, more)
            };
            let mut own = rate(told, of_any);
            for place in by_variant(asset) {
                let seen = weighted(told, |day| day.variants[place]);
                let seen = rate(told, seen + of_only);
                variants.push(seen);
                own += seen;
            }
            assets.push(own);
            for place in by_place(asset) {
                places.push(rate(told, weighted(told, |day| day.places[place])));
            }
        }
        let parts = parts(catalogue, &assets, &places);
        series::share_out(catalogue, &mut assets, today);
        for launch in launches {
            let all = &mut assets[launch.asset];
            *all = (*all).max(launch.requests * MILLION);
        }
        Self {
            assets,
            everybody: everybody(catalogue, &variants),
            parts,
            variants,
        }
    }

    /// The parts of an asset's requests that its variants have.
    pub(super) fn shares(&self, asset: &Asset) -> impl Iterator<Item = u64> {
        let own = &self.variants[range(asset.first_variant, asset.variants)];
        let base = self.everybody.iter().map(|rate| rate + 1);
        let base: Vec<u64> = base.take(own.len()).collect();
        let (seen, all): (u64, u64) = (own.iter().sum(), base.iter().sum());
        let shared = RUNG_PLAYS * MILLION * u64::from(asset.positions);
        own.iter().zip(base).map(move |(own, base)| {
            let rate = real(*own) + real(shared) * real(base) / real(all);
            cut(rate * real(ONE) / real(seen + shared))
        })
    }
}

/// What was asked for of assets and titles without the variant being known: a title's is shared out to its assets by
/// their objects.
struct Unnamed<'a> {
    catalogue: &'a Catalogue,
    recent: &'a [(&'a Day, u64)],
    today: i64,
    /// Objects that are out of each title, at the place of its first asset.
    titles: Vec<u64>,
}

impl<'a> Unnamed<'a> {
    fn new(catalogue: &'a Catalogue, recent: &'a [(&'a Day, u64)], today: i64) -> Self {
        let mut titles = vec![0; catalogue.assets.len()];
        for (number, asset) in catalogue.assets.iter().enumerate() {
            if is_out(asset, today) {
                titles[catalogue.first_of_title(number)] += objects(asset);
            }
        }
        Self {
            catalogue,
            recent,
            today,
            titles,
        }
    }

    /// That of an asset: thousandths of requests times the weights of their days.
    fn of(&self, number: usize, told: &[(&Day, u64)]) -> u64 {
        let asset = &self.catalogue.assets[number];
        if !is_out(asset, self.today) {
            return 0;
        }
        // Of what is young the last day tells, and else all do: what is shared out began before it was there.
        let told = if told.len() > 1 { self.recent } else { told };
        let first = self.catalogue.first_of_title(number);
        let of_title = real(weighted(told, |day| day.titles[first]));
        let part = cut(of_title * real(objects(asset)) / real(self.titles[first].max(1)));
        weighted(told, |day| day.assets[number]) + part
    }
}

fn is_out(asset: &Asset, today: i64) -> bool {
    asset.live_day.is_none_or(|live| live <= today)
}

fn objects(asset: &Asset) -> u64 {
    u64::from(asset.variants) * u64::from(asset.positions)
}

/// Thousandths of requests times the weights of their days.
fn weighted(told: &[(&Day, u64)], count: impl Fn(&Day) -> u32) -> u64 {
    let counted = told.iter();
    let counted = counted.map(|(day, weight)| u64::from(count(day)) * 1000 * weight);
    counted.sum()
}

/// Requests a day.
fn rate(told: &[(&Day, u64)], weighted: u64) -> u64 {
    let weight: u64 = told.iter().map(|(_, weight)| weight).sum();
    cut(real(weighted) * 1000.0 / real(weight.max(1)))
}

/// How many of the last days tell what an asset will be asked for.
fn days_that_tell(asset: &Asset, today: i64) -> usize {
    let age = asset
        .live_day
        .map_or(i64::MAX, |live| today.saturating_sub(live));
    match age {
        ..0 => 0,
        0..YOUNG_DAYS => 1,
        YOUNG_DAYS.. => usize::try_from(age).unwrap_or(usize::MAX),
    }
}

/// The rates of all assets together, by variant.
fn everybody(catalogue: &Catalogue, variants: &[u64]) -> Vec<u64> {
    let most = catalogue.assets.iter().map(|asset| asset.variants).max();
    let mut of_variant = vec![0; index(most.unwrap_or_default())];
    for asset in &catalogue.assets {
        let own = &variants[range(asset.first_variant, asset.variants)];
        for (sum, own) in of_variant.iter_mut().zip(own) {
            *sum += own;
        }
    }
    of_variant
}

/// How many of those who could be at a position are: requests there, beside the mean of a position of
/// the assets that were seen and are so long.
fn parts(catalogue: &Catalogue, assets: &[u64], places: &[u64]) -> Vec<u64> {
    let longest = catalogue.assets.iter().map(|asset| asset.positions).max();
    let longest = index(longest.unwrap_or_default());
    let (mut could, mut are) = (vec![0; longest + 1], vec![0; longest]);
    for (asset, seen) in catalogue.assets.iter().zip(assets) {
        // All positions below its length: told at the last, summed up below.
        could[index(asset.positions)] += cut(real(*seen) / real(u64::from(asset.positions.max(1))));
        let own = &places[range(asset.first_place, asset.positions)];
        for (sum, own) in are.iter_mut().zip(own) {
            *sum += own;
        }
    }
    for place in (0..longest).rev() {
        could[place] += could[place + 1];
    }
    let flat = FLAT_PLAYS * MILLION;
    let part = |(are, could): (u64, &u64)| cut(real(are + flat) * real(ONE) / real(could + flat));
    are.into_iter().zip(&could[1..]).map(part).collect()
}

/// As SQL casts to a double.
#[expect(
    clippy::cast_precision_loss,
    reason = "the planner's SQL rounds in the same places"
)]
pub(crate) const fn real(number: u64) -> f64 {
    number as f64
}

/// As SQL cuts a double.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never negative, and such a cast saturates"
)]
pub(crate) const fn cut(number: f64) -> u64 {
    number as u64
}

/// So many from the first on.
fn range(first: u32, count: u32) -> std::ops::Range<usize> {
    index(first)..index(first + count)
}

pub(crate) fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
