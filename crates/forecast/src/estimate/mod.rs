//! What every object will be asked for tomorrow, from what was asked for.
//!
//! ```text
//! requests a day ──▶ by asset      weighted by age, half-life 3 days; what is young by its last day alone;
//!                                   of a series' episodes together (`series`)
//!                ──▶ by variant    each asset's own, shrunk to everybody's share
//!                ──▶ by position   everybody's: how many are still there
//! expected = asset x share of the variant x share of the position
//! ```
//!
//! This is the arithmetic of the planner's SQL (`crates/planner/sql`) for one box, number by number: a
//! test of the planner compares both on the same days.
//!
//! An object's own count is not used: most are asked for once in days, and a plan that takes that for
//! popularity is worse than none (simulated). Nor is the count of an asset's variant taken as it is: one
//! viewer of a film asks for a hundred objects of one variant, which says much of the film and little
//! of the variant. What launches has no past: its owner's forecast stands in.
//!
//! Where a number is divided, it is by one IEEE division, cut to a whole number: the same counts are
//! the same plan on every machine.

mod demand;

use demand::Demand;
pub use demand::{FLAT_PLAYS, RUNG_PLAYS, WEIGHTS};
pub(crate) use demand::{MILLION, ONE, cut, index, real};

use crate::catalogue::{Catalogue, Object};

/// An object, and how often it is expected on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Which.
    pub object: Object,
    /// Requests a day, in thousandths.
    pub thousandths: u32,
    /// Whether it launches, on that day or soon after: then that is of its first day.
    pub is_launch: bool,
}

/// What was asked for on a day, rolled up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Day {
    /// Requests by variant of asset.
    variants: Vec<u32>,
    /// Requests by position of asset.
    places: Vec<u32>,
    /// Requests by asset of which no more is known.
    assets: Vec<u32>,
    /// Requests by title of which no more is known, at the place of its first asset.
    titles: Vec<u32>,
}

/// A folder, by what lies in it: what was asked for in it and is not named is known to be of that, and no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folder {
    /// A variant of an asset, by its number among all.
    Variant(u32),
    /// An asset, by its number.
    Asset(usize),
    /// A title, by the number of its first asset.
    Title(usize),
}

impl Day {
    /// A day on which nothing was asked for.
    pub fn new(catalogue: &Catalogue) -> Self {
        Self {
            variants: vec![0; index(catalogue.variants())],
            places: vec![0; index(catalogue.places())],
            assets: vec![0; catalogue.assets.len()],
            titles: vec![0; catalogue.assets.len()],
        }
    }

    /// Counts so many requests for an object.
    pub fn count(&mut self, catalogue: &Catalogue, object: Object, requests: u32) {
        let asset = &catalogue.assets[catalogue.asset_of(object)];
        let position = (object - asset.first) % asset.positions;
        self.variants[index(catalogue.variant_of(object))] += requests;
        self.places[index(asset.first_place + position)] += requests;
    }

    /// Counts so many requests for objects in a folder that are not known by name. At what positions is not
    /// known: everybody's are told by what is named alone.
    pub fn count_unnamed(&mut self, folder: Folder, requests: u32) {
        let sum = match folder {
            Folder::Variant(variant) => &mut self.variants[index(variant)],
            Folder::Asset(asset) => &mut self.assets[asset],
            Folder::Title(first) => &mut self.titles[first],
        };
        *sum += requests;
    }
}

/// An owner's forecast of an asset on its first day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launch {
    /// The number of the asset.
    pub asset: usize,
    /// Requests for all its objects.
    pub requests: u64,
}

/// What is expected on day `today` at least `floor` thousandths of a time, the most first; of what
/// launches everything. `days` are those before, the youngest last; only the last seven count, and
/// without any nothing is expected.
pub fn estimate(
    catalogue: &Catalogue,
    days: &[Day],
    launches: &[Launch],
    today: i64,
    floor: u32,
) -> Vec<Expected> {
    if days.is_empty() {
        // Nothing tells how requests spread over variants and positions.
        return Vec::new();
    }
    let demand = Demand::of(catalogue, days, launches, today);
    let up_to = sums(&demand.parts);
    let mut expected = Vec::new();
    for (number, asset) in catalogue.assets.iter().enumerate() {
        let is_launch = launches.iter().any(|launch| launch.asset == number);
        let parts = up_to[index(asset.positions)];
        for (variant, share) in (0..).zip(demand.shares(asset)) {
            let rate = real(demand.assets[number]) * real(share);
            for (position, part) in (0..asset.positions).zip(&demand.parts) {
                let thousandths = cut(rate * real(*part) / (real(ONE) * real(parts) * 1000.0));
                let object = asset.object(variant, position);
                let is_wanted = is_launch || thousandths >= u64::from(floor);
                if is_wanted && catalogue.bytes(object) > 0 {
                    expected.push(Expected {
                        object,
                        thousandths: u32::try_from(thousandths).unwrap_or(u32::MAX),
                        is_launch,
                    });
                }
            }
        }
    }
    rank(&mut expected);
    expected
}

/// The most expected first; of equals the one that comes first.
pub fn rank(expected: &mut [Expected]) {
    expected.sort_unstable_by_key(|one| (std::cmp::Reverse(one.thousandths), one.object));
}

/// The sum of all that are before each place.
fn sums(numbers: &[u64]) -> Vec<u64> {
    let mut sum = 0;
    let next = |number: &u64| {
        sum += number;
        sum
    };
    std::iter::once(0).chain(numbers.iter().map(next)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Films of four positions in two variants: one that is old, one that appeared on day 9, and one
    /// that launches on day 10.
    fn catalogue() -> Catalogue {
        let mut catalogue = Catalogue::default();
        for (title, live_day) in [(0, None), (1, Some(8)), (2, Some(10))] {
            catalogue.list(title, 4, live_day, [100; 8]);
        }
        catalogue
    }

    /// A day of requests: how many for each variant of each asset at each position.
    fn day(catalogue: &Catalogue, counts: [[u32; 2]; 3]) -> Day {
        let mut day = Day::new(catalogue);
        for (asset, of_asset) in catalogue.assets.iter().zip(counts) {
            for (variant, count) in (0..).zip(of_asset) {
                for position in (0..4).cycle().take(count as usize * 4) {
                    day.count(catalogue, asset.object(variant, position), 1);
                }
            }
        }
        day
    }

    fn of(expected: &[Expected], object: Object) -> u32 {
        let one = expected.iter().find(|one| one.object == object);
        one.map_or(0, |one| one.thousandths)
    }

    #[test]
    fn what_is_steady_is_expected_as_it_was() {
        let catalogue = catalogue();
        let days = vec![day(&catalogue, [[3000, 1000], [0, 0], [0, 0]]); 7];
        let expected = estimate(&catalogue, &days, &[], 10, 50);
        let film = &catalogue.assets[0];
        for (variant, count) in [(0, 3_000_000), (1, 1_000_000)] {
            let thousandths = of(&expected, film.object(variant, 2));
            assert!(thousandths.abs_diff(count) < count / 1000, "{thousandths}");
        }
        assert_eq!(expected.len(), 8, "nothing of what nobody asked for");
        assert!(expected.is_sorted_by_key(|one| std::cmp::Reverse(one.thousandths)));
    }

    #[test]
    fn half_of_a_day_is_left_after_three() {
        let catalogue = catalogue();
        let mut days = vec![day(&catalogue, [[0, 0]; 3]); 7];
        days[6] = day(&catalogue, [[100, 0], [0, 0], [0, 0]]);
        let fresh = estimate(&catalogue, &days, &[], 10, 1);
        days.rotate_right(4);
        let older = estimate(&catalogue, &days, &[], 10, 1);
        let object = catalogue.assets[0].object(0, 0);
        assert_eq!(days[3].variants[0], 400);
        let (fresh, older) = (of(&fresh, object), of(&older, object));
        assert!((fresh / 2).abs_diff(older) < fresh / 100, "{fresh} {older}");
    }

    #[test]
    fn what_is_young_is_told_by_its_last_day() {
        let catalogue = catalogue();
        let mut days = vec![day(&catalogue, [[1000, 0], [0, 0], [0, 0]]); 7];
        days[5] = day(&catalogue, [[1000, 0], [900, 0], [0, 0]]);
        days[6] = day(&catalogue, [[1000, 0], [100, 0], [0, 0]]);
        let expected = estimate(&catalogue, &days, &[], 10, 50);
        let thousandths = of(&expected, catalogue.assets[1].object(0, 0));
        assert!(thousandths.abs_diff(100_000) < 1_000, "{thousandths}");
    }

    #[test]
    fn one_viewer_says_little_of_variants() {
        let catalogue = catalogue();
        let days = vec![day(&catalogue, [[1000, 3000], [0, 0], [0, 0]]); 6];
        let last = day(&catalogue, [[1000, 3000], [1, 0], [0, 0]]);
        let days = [days, vec![last]].concat();
        let expected = estimate(&catalogue, &days, &[], 10, 50);
        let film = &catalogue.assets[1];
        let (seen, unseen) = (
            of(&expected, film.object(0, 0)),
            of(&expected, film.object(1, 0)),
        );
        assert!(unseen > 2 * seen, "{seen} of what was asked for, {unseen}");
    }

    #[test]
    fn what_launches_is_expected_as_its_owner_says() {
        let catalogue = catalogue();
        let days = vec![day(&catalogue, [[3000, 1000], [0, 0], [0, 0]]); 7];
        let launch = Launch {
            asset: 2,
            requests: 1600,
        };
        let expected = estimate(&catalogue, &days, &[launch], 10, 1_000_000);
        let film = &catalogue.assets[2];
        assert!(of(&expected, film.object(0, 0)).abs_diff(300_000) < 300);
        assert!(of(&expected, film.object(1, 3)).abs_diff(100_000) < 100);
        let launched = expected.iter().filter(|one| one.is_launch);
        assert_eq!(launched.count(), 8, "all of it, whatever the floor");
    }

    #[test]
    fn without_a_past_nothing_is_expected() {
        assert!(estimate(&catalogue(), &[], &[], 0, 0).is_empty());
    }
}
