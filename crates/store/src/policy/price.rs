//! What a slice must be worth to be written.

use std::time::Duration;

use super::{
    Admission, Settings,
    worth::{Worth, half_lives, real},
};

const DAY: Duration = Duration::from_hours(24);
/// Above this share of the missed bytes what was asked for once is written as well.
const SHARE_GENEROUS: f64 = 0.3;
/// Written bytes for each missed one, where a disk is much smaller than what is asked for.
/// Simulated: five times as much lowers the misses by 4 %.
const SHARE_TIGHT: f64 = 0.1;
/// The same, while a plan tells what tomorrow asks for: a log that turns over more quickly keeps what
/// is planned and loses what is over. Simulated with plans, beside a tenth: 2 to 3 % less from upstream
/// where a disk is a quarter of what is asked for, and twice as much is no better.
const SHARE_PLANNED: f64 = 0.3;
/// For so long after it was told a plan is in force: it is told every night.
const PLAN_LASTS: Duration = Duration::from_hours(36);
/// By how much of the capacity the writes are remembered that push the log on.
const PUSHES: f64 = 0.005;
/// The same, of a disk that has just filled up with whatever came first ...
const SHARE_YOUNG: f64 = 1.0;
/// ... until so many times its capacity were written, less and less from the first on. Simulated:
/// a disk that chooses from the start misses up to 8 % more in its second week. With plans, of which
/// what they write counts so many times, 1 % less from upstream.
const YOUNG_TURNS: (f64, f64) = (1.0, 2.45);
/// How many days of misses fill a disk that is roomy: up from the first a little, at the second
/// all that is missed is written.
const ROOMY_DAYS: (f64, f64) = (4.0, 8.0);
/// This part of the capacity in use is a disk that is full: a segment or two always wait.
const FULL: f64 = 0.9;
/// How many days of the budget may be spent at once: wear counts over years.
const BURST_DAYS: u64 = 7;
/// Writing this part of the capacity beyond its share doubles the price. What a whole town suddenly wants to
/// see may be some hundredths of a small disk, and is worth being written while it is. Simulated with a small
/// catalogue and disks of half of it: at a hundredth the week of such an evening took 26 % more from upstream
/// in the evening than least recently used, at a tenth 15 % more. A large catalogue was within 1 %.
const STEP: f64 = 0.1;
/// Prices stay within powers of two, so that they are found again when times change: from the last of them
/// with six tenths of the disk written. Simulated, none was ever further off.
const PRICE_MAX: f64 = 6.0;
/// A new slice has to be worth 1.4 times what an old one must, or the two take turns. One that is filled
/// ahead of its viewers too: what is worth less serves few more than the request at which it would come in
/// anyway.
const NEWCOMER: f64 = 0.5;

/// The price, and what moves it.
#[derive(Debug)]
pub(super) struct Price {
    capacity: f64,
    per_day: u64,
    /// The binary logarithm of the count that a record must have to be kept.
    log2: f64,
    is_full: bool,
    /// Bytes ever written, what was held at the start counted in, and what plans wrote more than once.
    written: f64,
    /// Bytes that may still be written; below zero by one write at most.
    budget: i64,
    /// The part that plans have in what was written lately as new.
    planned_part: f64,
    /// What that was worth.
    planned_log2: f64,
    planned_at: Option<Duration>,
    rate: Rate,
    now: Duration,
}

impl Price {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            capacity: real(settings.capacity_bytes.max(1)),
            per_day: settings.disk_writes_per_day,
            log2: 0.0,
            is_full: false,
            written: 0.0,
            budget: signed(settings.disk_writes_per_day.saturating_mul(BURST_DAYS)),
            planned_part: 0.0,
            planned_log2: 0.0,
            planned_at: None,
            rate: Rate::default(),
            now: Duration::ZERO,
        }
    }

    /// An earlier run wrote so much of what is there. A disk that it filled has chosen already.
    pub(super) fn found(&mut self, bytes: u64) {
        self.written += real(bytes);
        if self.written > self.capacity * FULL {
            self.is_full = true;
            self.written = self.written.max(self.capacity * YOUNG_TURNS.1);
        }
    }

    pub(super) fn missed(&mut self, bytes: u64, now: Duration) {
        self.earn(now);
        self.rate.count(bytes, now);
        if self.is_full {
            self.move_by(-self.share() * real(bytes));
        }
    }

    /// A plan is told.
    pub(super) fn planned(&mut self, now: Duration) {
        self.planned_at = self.planned_at.max(Some(now));
    }

    /// The plan has its own measure of what is worth a write, and no misses to pay with. It has chosen, so
    /// a disk that it fills up is not young.
    pub(super) fn wrote_planned(&mut self, bytes: u64, worth: Worth) {
        self.wrote_of(bytes, 1.0);
        self.written += real(bytes) * (YOUNG_TURNS.1 - 1.0);
        let log2 = worth.log2().clamp(-PRICE_MAX, PRICE_MAX);
        self.planned_log2 += (log2 - self.planned_log2) * self.weight(bytes);
    }

    /// Something new, that was worth the price.
    pub(super) fn wrote(&mut self, bytes: u64) {
        self.wrote_of(bytes, 0.0);
        if self.is_full {
            self.move_by(real(bytes));
        }
    }

    /// Something that was there already, once more. As far as it is plans that push the log on, what
    /// that costs is no reason to admit less.
    pub(super) fn kept(&mut self, bytes: u64) {
        self.spend(bytes);
        if self.is_full {
            self.move_by(real(bytes) * (1.0 - self.planned_part));
        }
    }

    fn wrote_of(&mut self, bytes: u64, planned: f64) {
        self.spend(bytes);
        self.planned_part += (planned - self.planned_part) * self.weight(bytes);
    }

    /// How much of what is remembered of the writes lately these bytes are.
    fn weight(&self, bytes: u64) -> f64 {
        (real(bytes) / (self.capacity * PUSHES)).min(1.0)
    }

    fn spend(&mut self, bytes: u64) {
        self.written += real(bytes);
        self.budget = self.budget.saturating_sub(signed(bytes));
    }

    /// There is a choice to make from now on. Where plans have filled the disk, the best first, what they
    /// put there last is what anything else has to be worth; a day later, too.
    pub(super) fn filled(&mut self) {
        if !self.is_full {
            let least = self.planned_log2 - half_lives(DAY);
            self.log2 = self.log2.max(least * self.planned_part);
        }
        self.is_full = true;
    }

    pub(super) fn admits(&self, worth: Worth) -> Admission {
        if self.budget <= 0 {
            Admission::BudgetSpent
        } else if !self.is_full || self.is_worth_a_write(worth) {
            Admission::Write
        } else {
            Admission::Unproven
        }
    }

    pub(super) fn is_worth_filling(&self, worth: Worth) -> bool {
        !self.is_full || worth > Worth::new(self.log2 + NEWCOMER)
    }

    /// Where there is a choice to make nothing is written that was asked for once, however cheap.
    fn is_worth_a_write(&self, worth: Worth) -> bool {
        let is_proven = worth > Worth::ONCE || self.share() > SHARE_GENEROUS;
        is_proven && worth > Worth::new(self.log2 + NEWCOMER)
    }

    pub(super) fn budget_left_bytes(&self) -> u64 {
        u64::try_from(self.budget).unwrap_or_default()
    }

    pub(super) fn keeping(&self) -> Worth {
        if self.budget > 0 {
            Worth::new(self.log2)
        } else {
            Worth::MOST
        }
    }

    /// Lets the price give way: down if bytes were missed, up if they were written.
    fn move_by(&mut self, bytes: f64) {
        let moved = self.log2 + bytes / (self.capacity * STEP);
        self.log2 = moved.clamp(-PRICE_MAX, PRICE_MAX);
    }

    /// How much of what is missed is to be written.
    fn share(&self) -> f64 {
        let days = self.capacity / self.rate.per_day.max(1.0);
        let roomy = part(days, ROOMY_DAYS);
        let young = SHARE_YOUNG * (1.0 - part(self.written / self.capacity, YOUNG_TURNS));
        let is_planned = self.planned_at.is_some_and(|at| self.now < at + PLAN_LASTS);
        let tight = if is_planned {
            SHARE_PLANNED
        } else {
            SHARE_TIGHT
        };
        let wanted = tight.max(roomy).max(young);
        let affordable = real(self.per_day) / self.rate.per_day.max(1.0);
        // What a week has saved may be spent on more.
        if self.budget > signed(self.per_day) {
            wanted
        } else {
            wanted.min(affordable)
        }
    }

    /// The budget grows with time.
    fn earn(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.now);
        // Not for less: rounding would eat it up.
        if passed < Duration::from_secs(1) {
            return;
        }
        self.now = now;
        let earned = u128::from(self.per_day) * passed.as_millis() / DAY.as_millis();
        let earned = i64::try_from(earned).unwrap_or(i64::MAX);
        let most = signed(self.per_day.saturating_mul(BURST_DAYS));
        self.budget = self.budget.saturating_add(earned).min(most);
    }
}

/// How far `value` is on its way from the first to the second, from 0 to 1.
fn part(value: f64, (from, to): (f64, f64)) -> f64 {
    ((value - from) / (to - from)).clamp(0.0, 1.0)
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Bytes a day, over about the last day.
#[derive(Debug, Default)]
struct Rate {
    per_day: f64,
    bytes: u64,
    since: Duration,
    is_known: bool,
}

impl Rate {
    fn count(&mut self, bytes: u64, now: Duration) {
        self.bytes += bytes;
        let passed = now.saturating_sub(self.since);
        if passed < DAY / 24 {
            return;
        }
        let days = passed.div_duration_f64(DAY);
        let rate = real(self.bytes) / days;
        let weight = if self.is_known {
            1.0 - (-days).exp()
        } else {
            1.0
        };
        self.per_day += (rate - self.per_day) * weight;
        (self.bytes, self.since, self.is_known) = (0, now, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: u64 = 1_000_000;

    fn price(per_day: u64, found_bytes: u64) -> Price {
        let mut price = Price::new(&Settings {
            capacity_bytes: CAPACITY,
            disk_writes_per_day: per_day,
        });
        price.found(found_bytes);
        price
    }

    /// Misses `bytes` on each of `days`, hour by hour, and writes what is admitted of slices whose
    /// worths are spread evenly from 0 to 4. Tells the bytes written.
    fn live(price: &mut Price, bytes: u64, days: std::ops::Range<u64>) -> u64 {
        let mut written = 0;
        for slot in days.start * 2400..days.end * 2400 {
            let now = Duration::from_secs(slot * 36);
            let slice = bytes / 2400;
            price.missed(slice, now);
            if price.admits(Worth::new(real(slot * 37 % 100) / 25.0)) == Admission::Write {
                price.wrote(slice);
                written += slice;
            }
        }
        written
    }

    #[test]
    fn everything_is_written_until_the_disk_is_full() {
        let mut price = price(u64::MAX, 0);
        assert_eq!(price.admits(Worth::ONCE), Admission::Write);
        price.filled();
        assert_eq!(price.admits(Worth::ONCE), Admission::Unproven);
    }

    #[test]
    fn of_a_tight_disk_s_misses_a_small_share_is_written() {
        let mut price = price(u64::MAX, CAPACITY);
        live(&mut price, 2 * CAPACITY, 0..2);
        let written = real(live(&mut price, 2 * CAPACITY, 2..12)) / real(20 * CAPACITY);
        assert!((0.09..0.11).contains(&written), "{written}");
    }

    #[test]
    fn what_a_plan_writes_moves_no_price_and_neither_does_what_it_pushes_on() {
        let mut price = price(u64::MAX, CAPACITY);
        price.filled();
        let before = price.keeping();
        for _ in 0..50 {
            price.wrote_planned(CAPACITY / 50, Worth::ONCE);
            price.kept(CAPACITY / 50);
        }
        assert!(price.keeping().log2() < before.log2() + 1.0);
        price.wrote(CAPACITY / 2);
        assert!(price.keeping().log2() > before.log2() + 1.5);
    }

    #[test]
    fn a_disk_that_plans_have_filled_asks_for_what_the_last_of_it_is_worth() {
        let mut price = price(u64::MAX, 0);
        for fill in (0..100).rev() {
            price.wrote_planned(CAPACITY / 100, Worth::new(2.0 + f64::from(fill) / 10.0));
        }
        price.filled();
        assert_eq!(price.admits(Worth::new(2.0)), Admission::Unproven);
        assert_eq!(price.admits(Worth::new(3.0)), Admission::Write);
        assert!(price.keeping() < Worth::new(2.0), "the last of it stays");
        // Nor is it young, as one that viewers have filled.
        let mut viewers = self::price(u64::MAX, 0);
        viewers.wrote(CAPACITY);
        viewers.filled();
        let [chosen, young] =
            [&mut price, &mut viewers].map(|price| live(price, CAPACITY / 2, 0..1));
        assert!(2 * chosen < young, "{chosen} beside {young}");
    }

    #[test]
    fn what_plans_put_on_a_disk_that_viewers_filled_says_little_of_its_price() {
        let mut price = price(u64::MAX, 0);
        price.wrote_planned(CAPACITY / 10, Worth::new(5.0));
        price.wrote(CAPACITY * 9 / 10);
        price.filled();
        assert!(price.keeping().log2() < 0.1);
    }

    #[test]
    fn with_a_plan_in_force_a_tight_disk_writes_more() {
        let mut price = price(u64::MAX, CAPACITY);
        live(&mut price, 2 * CAPACITY, 0..2);
        for day in 2..4 {
            price.planned(u32::try_from(day).unwrap() * DAY);
            live(&mut price, 2 * CAPACITY, day..day + 1);
        }
        price.planned(4 * DAY);
        let written = real(live(&mut price, 2 * CAPACITY, 4..5)) / real(2 * CAPACITY);
        assert!((0.25..0.35).contains(&written), "{written}");
        live(&mut price, 2 * CAPACITY, 5..7);
        let written = real(live(&mut price, 2 * CAPACITY, 7..14)) / real(14 * CAPACITY);
        assert!(written < 0.12, "{written} when it is over");
    }

    #[test]
    fn of_a_roomy_disk_s_misses_all_is_written() {
        let mut price = price(u64::MAX, CAPACITY);
        live(&mut price, CAPACITY / 10, 0..4);
        let written = real(live(&mut price, CAPACITY / 10, 4..14)) / real(CAPACITY);
        assert!(written > 0.95, "{written}");
    }

    #[test]
    fn a_disk_that_has_just_filled_up_turns_over_quickly() {
        let mut price = price(u64::MAX, 0);
        live(&mut price, CAPACITY, 0..1);
        price.filled();
        let young = live(&mut price, CAPACITY, 1..3);
        live(&mut price, CAPACITY, 3..20);
        let old = live(&mut price, CAPACITY, 20..22);
        assert!(young > 4 * old, "{young} then {old}");
    }

    #[test]
    fn the_budget_holds_whatever_else_is_wanted() {
        for is_full in [false, true] {
            let mut price = price(CAPACITY / 100, 0);
            if is_full {
                price.filled();
            }
            let written = live(&mut price, CAPACITY / 8, 0..30);
            let allowed = CAPACITY / 100 * (30 + BURST_DAYS) + CAPACITY / 8 / 2400;
            assert!(written <= allowed, "{written} of {allowed}");
            assert!(written > allowed * 8 / 10, "{written} of {allowed}");
        }
    }

    #[test]
    fn nothing_is_kept_while_the_budget_is_spent() {
        let mut price = price(1000, CAPACITY);
        assert!(price.keeping() < Worth::MOST);
        price.wrote(7001);
        assert_eq!(price.keeping(), Worth::MOST);
        assert_eq!(price.admits(Worth::new(20.0)), Admission::BudgetSpent);
        price.missed(1, DAY);
        assert!(price.keeping() < Worth::MOST);
    }
}
