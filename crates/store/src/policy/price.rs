//! What a slice must be worth to be written.

use std::time::Duration;

use super::{
    Admission, Settings,
    content::Content,
    rate::Rate,
    worth::{Worth, half_lives, real},
};

pub(super) const DAY: Duration = Duration::from_hours(24);
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
pub(super) const PRICE_MAX: f64 = 6.0;
/// A new slice has to be worth 1.4 times what an old one must, or the two take turns. One that is filled
/// ahead of its viewers too: what is worth less serves few more than the request at which it would come in
/// anyway.
const NEWCOMER: f64 = 0.5;

/// What a run knows of prices that a later one may go on with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Told {
    /// The binary logarithm of the price.
    pub log2: f64,
    /// Bytes that may still be written.
    pub budget_bytes: i64,
    /// Bytes that viewers miss.
    pub missed_per_day: f64,
}

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
    /// What it was filled with, until it was full.
    content: Content,
    /// What it was in an earlier run, until that run's disks are found.
    recalled: Option<f64>,
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
            budget: most(settings.disk_writes_per_day),
            planned_part: 0.0,
            content: Content::new(),
            recalled: None,
            planned_at: None,
            rate: Rate::default(),
            now: Duration::ZERO,
        }
    }

    /// An earlier run wrote so much of what is there. A disk that it filled has chosen already.
    pub(super) fn found(&mut self, bytes: u64) {
        self.written += real(bytes);
        self.content.add(bytes, Worth::ONCE);
        if self.written > self.capacity * FULL {
            self.is_full = true;
            self.written = self.written.max(self.capacity * YOUNG_TURNS.1);
            self.log2 = self.recalled.take().unwrap_or(self.log2);
        }
    }

    /// What a later run may know.
    pub(super) fn tell(&self) -> Told {
        Told {
            log2: self.log2,
            budget_bytes: self.budget,
            missed_per_day: self.rate.per_day,
        }
    }

    /// Goes on from where an earlier run ended: what was spent is spent. Its price holds for full disks
    /// alone, which may be found before or after this.
    pub(super) fn recall(&mut self, told: Told) {
        let most = most(self.per_day);
        let spent = most.saturating_sub(self.budget);
        self.budget = told.budget_bytes.clamp(-most, most).saturating_sub(spent);
        if told.missed_per_day.is_finite() {
            self.rate.recall(told.missed_per_day.max(0.0));
        }
        if told.log2.is_finite() {
            self.recalled = Some(told.log2.clamp(-PRICE_MAX, PRICE_MAX));
        }
        if self.is_full {
            self.log2 = self.recalled.take().unwrap_or(self.log2);
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
        if !self.is_full {
            self.content.add(bytes, worth);
        }
    }

    /// Something new, that was worth the price.
    pub(super) fn wrote(&mut self, bytes: u64) {
        self.wrote_of(bytes, 0.0);
        if self.is_full {
            self.move_by(real(bytes));
        } else {
            // Viewers fill a disk with whatever comes.
            self.content.add(bytes, Worth::ONCE);
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
        let weight = (real(bytes) / (self.capacity * PUSHES)).min(1.0);
        self.planned_part += (planned - self.planned_part) * weight;
    }

    fn spend(&mut self, bytes: u64) {
        self.written += real(bytes);
        self.budget = self.budget.saturating_sub(signed(bytes));
    }

    /// There is a choice to make from now on. Where plans have filled the disk, what the least of that is
    /// worth is what anything else has to be; a day later, too. Where viewers had a part in it, it is little.
    pub(super) fn filled(&mut self) {
        if !self.is_full {
            let least = self.content.least() - half_lives(DAY);
            self.log2 = self.log2.max(least);
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

    pub(super) fn is_worth_keeping(&self, worth: Worth) -> bool {
        !self.is_full || worth > Worth::new(self.log2)
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
        self.budget = self.budget.saturating_add(earned).min(most(self.per_day));
    }
}

/// How far `value` is on its way from the first to the second, from 0 to 1.
fn part(value: f64, (from, to): (f64, f64)) -> f64 {
    ((value - from) / (to - from)).clamp(0.0, 1.0)
}

/// What may be saved up.
fn most(per_day: u64) -> i64 {
    signed(per_day.saturating_mul(BURST_DAYS))
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[path = "price_tests.rs"]
mod tests;
