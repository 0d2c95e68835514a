//! What a plan is made by, besides what was watched.

use forecast::{estimate, plan as choice, series};
use serde::Deserialize;

/// The knobs of a plan. The defaults are from simulations of three made-up workloads over one and
/// two weeks; a fleet file changes them in its `[plan]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// Days of reports that are looked at: 1 to 28. 7: a week, at the end of which a day counts a
    /// quarter.
    pub days: u32,
    /// In how many days what was seen counts half: 1 to 28. 3; between 1 and 7 the hit ratio
    /// differed by less than 0.004.
    pub half_life_days: u32,
    /// For how many days of its own a cluster's region counts: 0 to 28. 2.
    pub shrink_days: u32,
    /// The fewest plays a day that a night's fill is for, in thousandths, on a box that could hold all that
    /// is expected at all; more on a smaller one, in proportion. 70.
    pub floor: u64,
    /// The same of what launches, which is filled first. 15.
    pub launch_floor: u64,
    /// In how many nights what launches may be filled, its own included: 1 to 7. 3: a night's budget of a
    /// small box is less than a series. It is filled as late as the budgets allow.
    pub launch_nights: u32,
    /// What launches up to so many hours after a plan's day, which is UTC's, is filled in that plan's night: 0 to
    /// 48. The next plan's would be too late for what launches before its window closes. 14: a window
    /// until 06:00 in Los Angeles.
    pub launch_lead_hours: u32,
    /// The fewest plays a day for which an object is let in at its first miss, in thousandths. 20.
    pub seed_floor: u64,
    /// Plays a day, in thousandths, for each of which an object takes one more box of its cluster.
    /// 1,000,000: a box is not busy with a thousand plays of one object, but a viewer may be sent to
    /// any box.
    pub copy_plays: u64,
    /// What an object is worth where it is already, in thousandths of what it is worth where it is
    /// not: 1,000 to 10,000. 1,250: two that are about equal do not take turns.
    pub held_worth: u64,
    /// Plays a day of all titles together until which half minutes are taken to be watched alike. 50.
    pub flat_plays: u64,
    /// Plays a day of a whole title for which the rungs of other titles count beside its own. 30.
    pub rung_plays: u64,
    /// Plays a day of a whole series for which other series' episodes count beside its own. 30.
    pub episode_plays: u64,
    /// Objects in a manifest, at most. 1,000,000.
    pub objects_max: u64,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            days: 7,
            half_life_days: 3,
            shrink_days: 2,
            floor: u64::from(choice::FILL_FLOOR),
            launch_floor: u64::from(choice::LAUNCH_FLOOR),
            launch_nights: choice::LAUNCH_NIGHTS,
            launch_lead_hours: 14,
            seed_floor: u64::from(choice::SEED_FLOOR),
            copy_plays: 1_000_000,
            held_worth: u64::from(choice::HELD_WORTH),
            flat_plays: estimate::FLAT_PLAYS,
            rung_plays: estimate::RUNG_PLAYS,
            episode_plays: series::EPISODE_PLAYS,
            objects_max: 1_000_000,
        }
    }
}

/// The weight of the newest day.
const WEIGHT: f64 = 16_384.0;
/// The highest count or rate that a knob takes, far below where a product would overflow.
const KNOB_MAX: u64 = 1_000_000_000;

impl Knobs {
    /// The weight of a day `age` days older than the newest one, in 1/16384: it halves with each
    /// half-life. From 1 on.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "from 1 to 16384 by its own bounds"
    )]
    pub(crate) fn weight(&self, age: u32) -> i64 {
        let halves = f64::from(age) / f64::from(self.half_life_days);
        (WEIGHT * (-halves).exp2()).round().clamp(1.0, WEIGHT) as i64
    }

    /// The same in seconds.
    pub(crate) fn launch_lead_s(&self) -> u64 {
        u64::from(self.launch_lead_hours) * 3_600
    }

    /// All that the SQL asks for as the row of the table `knob`.
    pub(crate) fn columns(&self) -> [(&'static str, i64); 11] {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        [
            ("fill_floor", number(self.floor)),
            ("launch_floor", number(self.launch_floor)),
            ("launch_nights", i64::from(self.launch_nights)),
            ("seed_floor", number(self.seed_floor)),
            ("copy_plays", number(self.copy_plays)),
            ("shrink", i64::from(self.shrink_days) * self.weight(0)),
            ("held_worth", number(self.held_worth)),
            // In millionths, as rates are.
            ("flat", number(self.flat_plays) * 1_000_000),
            ("spread", number(self.rung_plays) * 1_000_000),
            ("episodes", number(self.episode_plays) * 1_000_000),
            ("objects_max", number(self.objects_max)),
        ]
    }

    /// What is wrong with them.
    pub(crate) fn problems(&self) -> Vec<String> {
        let lead_hours = u64::from(self.launch_lead_hours);
        let knobs = [
            ("days", u64::from(self.days), 1, 28),
            ("half_life_days", u64::from(self.half_life_days), 1, 28),
            ("shrink_days", u64::from(self.shrink_days), 0, 28),
            ("launch_nights", u64::from(self.launch_nights), 1, 7),
            ("launch_lead_hours", lead_hours, 0, 48),
            ("floor", self.floor, 1, KNOB_MAX),
            ("launch_floor", self.launch_floor, 1, KNOB_MAX),
            ("seed_floor", self.seed_floor, 1, KNOB_MAX),
            ("copy_plays", self.copy_plays, 1, KNOB_MAX),
            ("held_worth", self.held_worth, 1_000, 10_000),
            ("flat_plays", self.flat_plays, 1, 1_000_000),
            ("rung_plays", self.rung_plays, 1, 100_000),
            ("episode_plays", self.episode_plays, 1, 100_000),
            ("objects_max", self.objects_max, 1, 2_000_000),
        ];
        let wrong = knobs
            .iter()
            .filter(|(_, value, from, to)| value < from || value > to);
        wrong
            .map(|(name, value, from, to)| {
                format!("plan.{name} is {value}, not from {from} to {to}")
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_counts_half_after_a_half_life() {
        let weights: Vec<i64> = (0..7).map(|age| Knobs::default().weight(age)).collect();
        assert_eq!(weights, [16384, 13004, 10321, 8192, 6502, 5161, 4096]);
    }

    #[test]
    fn a_knob_out_of_its_range_is_told() {
        let knobs = Knobs {
            days: 0,
            held_worth: 999,
            ..Knobs::default()
        };
        assert_eq!(knobs.problems().len(), 2, "{:?}", knobs.problems());
        assert_eq!(Knobs::default().problems(), Vec::<String>::new());
    }
}
