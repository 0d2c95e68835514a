//! What the episodes of a series tell of each other.
//!
//! ```text
//! plays of all its episodes ──▶ of the series ──▶ x share of the episode ──▶ plays of each
//!                 everybody's by number ──────────────────┘ its own, shrunk to these
//! ```
//!
//! Three of four of a catalogue's assets are episodes, and most are begun less than once a day: in a
//! week too seldom to tell one from the next. Of their series ten times as much is seen.
//!
//! This is the arithmetic of the planner's `series.sql` and `expect.sql`, number by number.

use std::ops::Range;

use crate::{
    catalogue::Catalogue,
    estimate::{FLAT_PLAYS, MILLION, ONE, cut, real},
};

/// Plays a day of a whole series, for which everybody's share of episodes counts beside its own.
pub const EPISODE_PLAYS: u64 = 30;

/// An episode that is out.
struct Episode {
    asset: usize,
    /// Which of its series it is, from 0.
    number: usize,
    /// Plays a day, in millionths.
    plays: u64,
}

/// Shares out what is asked for of each series to those of its episodes that are out on day `today`:
/// as it was seen, and as everybody's series are watched. Rates are by asset, over all its positions.
pub(crate) fn share_out(catalogue: &Catalogue, rates: &mut [u64], today: i64) {
    let episodes = |assets| episodes(catalogue, rates, today, assets);
    let all: Vec<Vec<Episode>> = of_series(catalogue).map(episodes).collect();
    let parts = parts(&all);
    for series in &all {
        let plays = sum(series);
        let base: u64 = series.iter().map(|one| parts[one.number]).sum();
        let shared = EPISODE_PLAYS * MILLION;
        for one in series {
            let part = real(shared) * real(parts[one.number]) / real(base.max(1));
            let positions = u64::from(catalogue.assets[one.asset].positions);
            let of_one = real(plays) * (real(one.plays) + part) * real(positions);
            rates[one.asset] = cut(of_one / real(plays + shared));
        }
    }
}

/// How many of those who could be at an episode are: its plays beside the mean of an episode of the
/// series that have so many.
fn parts(all: &[Vec<Episode>]) -> Vec<u64> {
    let numbers = all.iter().flatten().map(|one| one.number + 1);
    let longest = numbers.max().unwrap_or_default();
    let (mut are, mut could) = (vec![0; longest], vec![0; longest]);
    for series in all {
        let mean = cut(real(sum(series)) / real(series.len().max(1) as u64));
        for one in series {
            are[one.number] += one.plays;
            could[one.number] += mean;
        }
    }
    let flat = FLAT_PLAYS * MILLION;
    let part = |(are, could): (u64, u64)| cut(real(are + flat) * real(ONE) / real(could + flat));
    are.into_iter().zip(could).map(part).collect()
}

/// The assets of each title that has several: they follow each other.
fn of_series(catalogue: &Catalogue) -> impl Iterator<Item = Range<usize>> {
    let titles = catalogue
        .assets
        .chunk_by(|one, next| one.title == next.title);
    let ranges = titles.scan(0, |end, title| {
        let begin = *end;
        *end += title.len();
        Some(begin..*end)
    });
    ranges.filter(|assets| assets.len() > 1)
}

fn episodes(
    catalogue: &Catalogue,
    rates: &[u64],
    today: i64,
    assets: Range<usize>,
) -> Vec<Episode> {
    let numbered = assets.enumerate();
    let is_out = |asset: usize| {
        catalogue.assets[asset]
            .live_day
            .is_none_or(|live| live <= today)
    };
    let out = numbered.filter(|(_, asset)| is_out(*asset));
    out.map(|(number, asset)| {
        let positions = u64::from(catalogue.assets[asset].positions.max(1));
        let plays = cut(real(rates[asset]) / real(positions));
        Episode {
            asset,
            number,
            plays,
        }
    })
    .collect()
}

fn sum(series: &[Episode]) -> u64 {
    series.iter().map(|one| one.plays).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TODAY: i64 = 10;

    /// Series of three episodes of four positions, and a film; the last episode of the first series
    /// comes out on another day.
    fn catalogue(last: i64) -> Catalogue {
        let mut catalogue = Catalogue::default();
        let episodes = [(0, None), (0, None), (0, Some(last)), (1, None), (1, None)];
        for (title, live_day) in episodes.into_iter().chain([(1, None), (2, None)]) {
            catalogue.list(title, 4, live_day, [100; 4]);
        }
        catalogue
    }

    fn shared(plays: [u64; 7], last: i64) -> Vec<u64> {
        let mut rates: Vec<u64> = plays.map(|plays| plays * 4 * MILLION).into();
        share_out(&catalogue(last), &mut rates, TODAY);
        rates
    }

    #[test]
    fn one_viewer_of_an_episode_says_little_of_the_others() {
        let rates = shared([0, 1, 0, 0, 0, 0, 0], 0);
        let sum: u64 = rates.iter().sum();
        assert!(
            sum.abs_diff(4 * MILLION) < 10,
            "{sum}: no more than was seen"
        );
        assert!(
            rates[1] < rates[0] * 6 / 5 && rates[2] > MILLION,
            "{rates:?}"
        );
    }

    #[test]
    fn a_series_that_is_watched_much_tells_its_episodes_apart() {
        let rates = shared([0, 3_000, 0, 0, 0, 0, 0], 0);
        assert!(rates[0] < rates[1] / 50, "{rates:?}");
    }

    #[test]
    fn episodes_are_watched_as_those_of_other_series() {
        let rates = shared([0, 0, 2, 8_000, 1_000, 1_000, 0], 0);
        assert!(rates[0] > 4 * rates[1], "{rates:?}");
    }

    #[test]
    fn what_comes_out_today_is_expected_and_what_comes_out_later_is_not() {
        assert!(shared([9, 9, 0, 0, 0, 0, 0], TODAY)[2] > MILLION);
        assert_eq!(shared([9, 9, 0, 0, 0, 0, 0], TODAY + 1)[2], 0);
    }

    #[test]
    fn films_are_left_alone() {
        let rates = shared([5, 0, 0, 0, 0, 0, 7], 0);
        assert_eq!(rates[6], 28 * MILLION);
        assert_eq!(rates[3..6], [0; 3]);
    }
}
