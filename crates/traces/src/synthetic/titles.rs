//! What there is to watch, and how much each is liked from day to day.

use super::Settings;
use crate::draw::{Draw, real, whole};

/// A title's age in days and how much it is liked then, as measured on weekly lists of the most
/// watched: about ten flat days, then half in a week.
const DECAY: [(f64, f64); 9] = [
    (0.0, 0.8),
    (1.0, 1.0),
    (9.0, 0.9),
    (17.0, 0.4),
    (24.0, 0.28),
    (31.0, 0.21),
    (60.0, 0.09),
    (120.0, 0.02),
    (f64::MAX, 0.02),
];
/// What was launched this long before the first day is still counted among launches.
const PAST_DAYS: u64 = 28;
/// Days until a title's drift has forgotten where it was.
const DRIFT_DAYS: f64 = 10.0;
const DRIFT: f64 = 0.35;
const WEEKEND_OF_FILMS: f64 = 1.35;

/// A film, or a series with its episodes.
struct Title {
    first_asset: u64,
    episodes: u64,
    minutes: f64,
    /// How much it is liked: by rank for the library, by strength for launches.
    weight: f64,
    /// The day of its launch, if it was not always there; days before the first are negative.
    launched: Option<f64>,
    drift: f64,
    spike: f64,
}

/// All titles, and which of them are watched today.
pub(super) struct Titles {
    all: Vec<Title>,
    /// Sums of today's weights, up to each title.
    sums: Vec<f64>,
    spikes_per_day: f64,
    draw: Draw,
}

/// A film or an episode, as it is listed.
pub(super) struct Listed {
    pub(super) asset: u64,
    pub(super) title: u64,
    pub(super) minutes: f64,
    pub(super) launched: Option<f64>,
}

/// What a viewer begins to watch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choice {
    pub(super) title: usize,
    pub(super) episode: u64,
}

impl Titles {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut draw = Draw::new(settings.seed, 1);
        let mut titles = Vec::new();
        let library = settings.films + settings.series;
        for rank in 0..library {
            // Films and series are mixed over all ranks.
            let is_film = draw.below(library) < settings.films;
            let weight =
                (real(rank) / settings.scale + 8.0).powf(-settings.alpha) * draw.log_normal(0.5);
            titles.push(Title::new(is_film, weight, None, &mut draw));
        }
        let liked: f64 = titles.iter().map(|title| title.weight).sum();
        let launches = launches(settings, liked, &mut draw);
        titles.extend(launches);
        let mut assets = 0;
        for title in &mut titles {
            title.first_asset = assets;
            assets += title.episodes;
        }
        Self {
            all: titles,
            sums: Vec::new(),
            spikes_per_day: 0.4 * settings.scale,
            draw,
        }
    }

    /// All films and episodes, by number.
    pub(super) fn listed(&self) -> impl Iterator<Item = Listed> {
        (0..).zip(&self.all).flat_map(|(number, title)| {
            let assets = title.first_asset..title.first_asset + title.episodes;
            assets.map(move |asset| Listed {
                asset,
                title: number,
                minutes: title.minutes,
                launched: title.launched,
            })
        })
    }

    /// Begins a day: likings drift, titles age, and now and then one spikes.
    pub(super) fn dawn(&mut self, day: u64) {
        let draw = &mut self.draw;
        for title in &mut self.all {
            let kept = (-1.0 / DRIFT_DAYS).exp();
            title.drift = title.drift * kept + draw.normal() * DRIFT * (1.0 - kept * kept).sqrt();
            title.spike *= 0.6;
        }
        let median = self.all[self.all.len() / 2].weight;
        for _ in 0..draw.poisson(self.spikes_per_day) {
            let title = whole(draw.unit() * real(self.all.len() as u64 - 1));
            let title = usize::try_from(title).unwrap_or_default();
            self.all[title].spike = median * (20.0 + draw.unit() * 80.0);
        }
        let mut sum = 0.0;
        self.sums = self
            .all
            .iter()
            .map(|title| {
                sum += title.liked_on(day, draw.log_normal(0.15));
                sum
            })
            .collect();
    }

    /// What a viewer who has just come chooses.
    pub(super) fn choose(&self, draw: &mut Draw) -> Choice {
        let whole_sum = self.sums.last().copied().unwrap_or_default();
        let point = draw.unit() * whole_sum;
        let title = self.sums.partition_point(|sum| *sum <= point);
        let title = title.min(self.all.len() - 1);
        let episodes = self.all[title].episodes;
        // Some begin with the first, the others go on with where they are.
        let episode = if draw.chance(0.3) {
            0
        } else {
            draw.below(episodes)
        };
        Choice { title, episode }
    }

    pub(super) fn has_next(&self, choice: Choice) -> bool {
        choice.episode + 1 < self.all[choice.title].episodes
    }

    /// The number of a film or an episode, among all.
    pub(super) fn asset(&self, choice: Choice) -> u64 {
        self.all[choice.title].first_asset + choice.episode
    }

    pub(super) fn minutes(&self, choice: Choice) -> f64 {
        self.all[choice.title].minutes
    }
}

impl Title {
    fn new(is_film: bool, weight: f64, launched: Option<f64>, draw: &mut Draw) -> Self {
        let (episodes, minutes) = if is_film {
            (1, 105.0 * draw.log_normal(0.15))
        } else {
            let minutes = if draw.chance(0.4) { 25.0 } else { 46.0 };
            (whole(10.0 * draw.log_normal(0.4)).clamp(3, 60), minutes)
        };
        Self {
            first_asset: 0,
            episodes,
            minutes,
            weight,
            launched,
            drift: DRIFT * draw.normal(),
            spike: 0.0,
        }
    }

    fn liked_on(&self, day: u64, noise: f64) -> f64 {
        let Some(aged) = self.aged(real(day)) else {
            return 0.0;
        };
        let is_weekend = day % 7 >= 4 && day % 7 <= 6;
        let weekend = if self.episodes == 1 && is_weekend {
            WEEKEND_OF_FILMS
        } else {
            1.0
        };
        (self.weight * aged + self.spike) * self.drift.exp() * noise * weekend
    }

    /// What age leaves of its weight; nothing before its launch.
    fn aged(&self, day: f64) -> Option<f64> {
        let Some(launched) = self.launched else {
            return Some(1.0);
        };
        (day >= launched).then(|| decay(day - launched))
    }
}

/// What was launched, and will be, with the share of all watching that it shall have.
fn launches(settings: &Settings, liked: f64, draw: &mut Draw) -> Vec<Title> {
    let mut launched = Vec::new();
    for day in 0..PAST_DAYS + settings.days {
        for _ in 0..draw.poisson(settings.launches_per_day) {
            let day = real(day) - real(PAST_DAYS);
            let is_film = draw.chance(0.5);
            let strength = draw.pareto(1.15, 30.0);
            launched.push(Title::new(is_film, strength, Some(day), draw));
        }
    }
    let on_days: f64 = (0..settings.days)
        .flat_map(|day| {
            launched
                .iter()
                .filter_map(move |title| Some(title.weight * title.aged(real(day))?))
        })
        .sum();
    let wanted = liked * settings.launches_share / (1.0 - settings.launches_share);
    let scale = wanted * real(settings.days) / on_days.max(f64::MIN_POSITIVE);
    for title in &mut launched {
        title.weight *= scale;
    }
    launched
}

fn decay(age: f64) -> f64 {
    let after = DECAY
        .partition_point(|(day, _)| *day <= age)
        .clamp(1, DECAY.len() - 1);
    let ((from, start), (to, end)) = (DECAY[after - 1], DECAY[after]);
    start + (end - start) * ((age - from) / (to - from)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launch_is_flat_for_ten_days_and_gone_after_two_months() {
        assert!((decay(0.0) - 0.8).abs() < 1e-9);
        assert!(decay(5.0) > 0.9);
        assert!((decay(17.0) - 0.4).abs() < 1e-9);
        assert!((decay(1000.0) - 0.02).abs() < 1e-9);
    }

    #[test]
    fn launches_have_their_share() {
        let settings = super::super::Preset::N.settings(0.2, 14, 3);
        let mut titles = Titles::new(&settings);
        let library = usize::try_from(settings.films + settings.series).unwrap();
        let mut shares = 0.0;
        for day in 0..14 {
            titles.dawn(day);
            shares += 1.0 - titles.sums[library - 1] / titles.sums.last().unwrap();
        }
        assert!((0.17..0.33).contains(&(shares / 14.0)), "{}", shares / 14.0);
    }
}
