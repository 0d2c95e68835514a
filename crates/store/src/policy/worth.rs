//! How much a slice is worth: the logarithm of how often it was asked for lately.

use std::time::Duration;

/// The time in which a reference loses half of its weight. Popularity of films changes within days;
/// simulated, 2 to 8 days were within 1 % of each other in missed bytes, and 1 day cost 5-15 %
/// where a disk holds a tenth or more of what is asked for.
const HALF_LIFE: Duration = Duration::from_hours(4 * 24);
/// What a plan expects of a slice that is hardly ever asked for weighs four times what was counted. A slice
/// that was asked for once today would else outrank all that is expected less than once in six days, though
/// who planned saw that request as well, and all others for the same film. Simulated with disks of half of
/// what is asked for: 2 % less from upstream in the evening and 4 % less in all; sixteen times is no better,
/// and would leave what the plan did not foresee no chance.
const PLANNED_RARE: f64 = 4.0;
/// Where so many references are expected to be remembered, once in twelve days, what a plan expects weighs
/// half-way between that and no more than what was counted, and ever less above it: what is asked for often
/// is counted as well as it is planned, and a sudden success is counted hours before it is planned. Simulated,
/// with plans that weigh four times whatever they expect, a small catalogue on a small disk cost the evening
/// 7 % more than without plans, and so it costs 2 % less.
const PLANNED_OFTEN: f64 = 0.5;
const DAY: Duration = Duration::from_hours(24);

/// The binary logarithm of a decayed count of references: 0 is one just now, or two four days ago.
/// Only worths of the same moment can be compared.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Worth(f64);

impl Worth {
    /// Never asked for.
    pub const NOTHING: Self = Self(f64::NEG_INFINITY);
    /// Asked for once, just now.
    pub const ONCE: Self = Self(0.0);
    /// Asked for twice, just now.
    pub const TWICE: Self = Self(1.0);
    /// As much as anything can be worth that is not pinned.
    pub const MOST: Self = Self(f64::MAX);
    /// To be kept whatever anything else is worth.
    pub const PINNED: Self = Self(f64::INFINITY);

    /// What a slice is worth that is asked for so many thousandths of a time on every day: the sum of
    /// what is left of each.
    pub(crate) fn steady(per_day_thousandths: u32) -> Self {
        let remembered_days = HALF_LIFE.as_secs_f64() / DAY.as_secs_f64() / std::f64::consts::LN_2;
        Self((f64::from(per_day_thousandths) / 1000.0 * remembered_days).log2())
    }

    /// What a plan makes of a slice that it expects so many thousandths of a time on every day.
    pub(super) fn planned(per_day_thousandths: u32) -> Self {
        let steady = Self::steady(per_day_thousandths).0;
        let weight = 1.0 + (PLANNED_RARE - 1.0) / (1.0 + steady.exp2() / PLANNED_OFTEN);
        Self(steady + weight.log2())
    }

    pub(crate) const fn new(log2: f64) -> Self {
        Self(log2)
    }

    pub(crate) const fn log2(self) -> f64 {
        self.0
    }

    /// With one reference more, just now.
    pub(super) fn and_once(self) -> Self {
        Self((self.0.exp2() + 1.0).log2())
    }

    /// The larger of both.
    #[must_use]
    pub const fn max(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }
}

/// `now` in half-lives.
pub(crate) fn half_lives(now: Duration) -> f64 {
    now.as_secs_f64() / HALF_LIFE.as_secs_f64()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "decisions need no more than 53 bits"
)]
pub(crate) fn real(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many times what was counted a plan weighs.
    fn weight(per_day_thousandths: u32) -> f64 {
        let planned = Worth::planned(per_day_thousandths).log2();
        (planned - Worth::steady(per_day_thousandths).log2()).exp2()
    }

    #[test]
    fn a_plan_weighs_more_where_little_is_counted() {
        assert!((3.5..4.0).contains(&weight(10)), "{}", weight(10));
        assert!((1.5..2.5).contains(&weight(200)), "{}", weight(200));
        assert!((1.0..1.1).contains(&weight(5_000)), "{}", weight(5_000));
    }

    #[test]
    fn a_reference_counts_on_top() {
        assert_eq!(Worth::NOTHING.and_once(), Worth::ONCE);
        assert_eq!(Worth::ONCE.and_once(), Worth::TWICE);
    }

    #[test]
    fn what_is_expected_more_often_is_worth_more() {
        let rates = (0..30).map(|power| Worth::planned(1 << power).log2());
        assert!(rates.is_sorted_by(|one, next| one < next));
    }
}
