//! One box over all days.

use std::{collections::VecDeque, mem, time::Duration};

use super::{Night, Nights, Play, Record, Tally, night::BEGIN};
use crate::{
    catalogue::Object,
    estimate::Expected,
    model::{Access, Appliance, Lru, Served, Sizes, Source, mix},
    plan::{Rules, plan},
    show::ratio,
};

const DAY: Duration = Duration::from_hours(24);
/// How long a night's fills take.
const WINDOW: Duration = Duration::from_hours(8);

/// Who decides what a box holds.
#[derive(Clone, Copy)]
pub enum Strategy<'a> {
    /// Least recently used, of RAM and disk as one.
    Lru,
    /// The node's policy alone.
    Reactive,
    /// The node's policy, with plans.
    Planned(&'a Nights, Rules),
}

enum Cache {
    Lru(Lru),
    Appliance(Box<Appliance>),
}

impl Cache {
    fn access(&mut self, access: &Access) -> Served {
        match self {
            Self::Lru(lru) => lru.access(access),
            Self::Appliance(appliance) => appliance.access(access),
        }
    }
}

/// What is filled next, and when.
type Due = VecDeque<(Duration, Expected)>;

/// Plays all days, from an empty box on. Where nothing is filled from what was seen the days that
/// follow tell nothing.
pub fn run(record: &Record, sizes: &Sizes, strategy: Strategy<'_>, follow: Follow) -> Tally {
    let mut played = Played::new(record, sizes, strategy);
    let days = match follow {
        Follow::Filled => record.all_days(),
        Follow::Nothing => record.days(),
    };
    for play in record.plays.iter().take_while(|play| play.day() < days) {
        played.play(*play);
    }
    played.tally
}

/// Whether to play on after the days that are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// To see for how long what was filled in their nights serves. Nights go on as before.
    Filled,
    /// No.
    Nothing,
}

/// Plays one day of a box that is empty before, but filled by that day's plan where there is one, in one go and
/// to the brim: a planner does so with a `floor` of 1 and a budget of all that the box holds.
pub fn cold_day(record: &Record, sizes: &Sizes, strategy: Strategy<'_>, day: usize) -> Tally {
    let mut played = Played::new(record, sizes, strategy);
    let from = DAY * u32::try_from(day).unwrap_or(u32::MAX);
    played.tonight = day + 1;
    if let (Strategy::Planned(nights, rules), Cache::Appliance(_)) = (strategy, &played.cache) {
        let all = Rules {
            fill_bytes: sizes.disk_bytes,
            fill_floor: 1,
            ..rules
        };
        if let Some(night) = nights.0.get(day) {
            played.begin(night, all, from);
            played.fill_until(from + DAY, from);
        }
    }
    for play in record.between(from, from + DAY) {
        played.play(*play);
    }
    played.tally
}

struct Played<'a> {
    record: &'a Record,
    strategy: Strategy<'a>,
    cache: Cache,
    /// The night that begins next.
    tonight: usize,
    due: Due,
    /// What tonight's plan expects, in thousandths a day, by object; 0 is nothing.
    planned: Vec<u32>,
    /// What launches and was filled, with its first day: it is pinned until that is over, as planners
    /// have it.
    pinned: Vec<(Option<i64>, u64)>,
    /// Whether fills have to be worth what would go for them.
    heeds_price: bool,
    /// What was filled by plan and is still there, by object.
    filled: Vec<bool>,
    tally: Tally,
}

impl<'a> Played<'a> {
    fn new(record: &'a Record, sizes: &Sizes, strategy: Strategy<'a>) -> Self {
        let cache = match strategy {
            Strategy::Lru => Cache::Lru(Lru::new(sizes.ram_bytes + sizes.disk_bytes)),
            Strategy::Reactive | Strategy::Planned(..) => {
                Cache::Appliance(Box::new(Appliance::new(sizes)))
            }
        };
        Self {
            record,
            strategy,
            cache,
            tonight: 1,
            due: Due::new(),
            planned: vec![0; record.catalogue.objects() as usize],
            pinned: Vec::new(),
            heeds_price: true,
            filled: vec![false; record.catalogue.objects() as usize],
            tally: Tally::new(&record.catalogue, record.all_days()),
        }
    }

    fn play(&mut self, play: Play) {
        let at = play.at();
        if let Strategy::Planned(nights, rules) = self.strategy {
            let begin = DAY * u32::try_from(self.tonight).unwrap_or(u32::MAX) + BEGIN;
            if at >= begin
                && let Some(night) = nights.0.get(self.tonight)
            {
                self.begin(night, rules, begin);
                self.tonight += 1;
            }
            self.fill_until(at, at);
            self.expect(play.object, at);
        }
        let object = play.object as usize;
        let bytes = self.record.catalogue.bytes(play.object);
        let served = self.cache.access(&Access {
            at,
            viewer: u64::from(play.viewer),
            tag: tag(play.object),
            bytes,
            wanted: bytes,
        });
        if served.source == Source::Upstream {
            self.filled[object] = false;
        }
        let of_filled = self.filled[object];
        let catalogue = &self.record.catalogue;
        self.tally.count(catalogue, play, served, of_filled);
    }

    /// As a node does before a fill: what the plan expects of what it does not hold speaks for it.
    fn expect(&self, object: Object, now: Duration) {
        let expected = self.planned[object as usize];
        if let Cache::Appliance(appliance) = &self.cache
            && expected > 0
            && !appliance.holds(tag(object))
        {
            appliance.expect(tag(object), expected, now);
        }
    }

    /// Plans by what is told to be held, appraises what is, and lines up what is to be filled, evenly over the window.
    fn begin(&mut self, night: &Night, rules: Rules, begin: Duration) {
        let Cache::Appliance(appliance) = &self.cache else {
            return;
        };
        let today = i64::try_from(begin.as_secs() / DAY.as_secs()).unwrap_or(i64::MAX);
        self.pinned.retain(|(live_day, tag)| {
            let stays = live_day.is_some_and(|live_day| live_day >= today);
            if !stays {
                appliance.unpin(*tag);
            }
            stays
        });
        self.heeds_price = rules.heeds_price;
        self.due.clear();
        let objects = self.planned.len();
        let before = mem::replace(&mut self.planned, vec![0; objects]);
        let catalogue = &self.record.catalogue;
        let holds = |object| appliance.holds(tag(object));
        // A node tells what it holds of what the plan before had listed.
        let is_known = |object: Object| rules.knows_box || before[object as usize] > 0;
        let told = |object: Object| is_known(object) && holds(object);
        let plan = plan(catalogue, &night.expected, (today, &rules), told);
        for one in &plan.listed {
            self.planned[one.object as usize] = one.thousandths;
            if holds(one.object) {
                appliance.appraise(tag(one.object), one.thousandths, begin);
            }
        }
        let mut filled = 0;
        let lacking = plan.fills.into_iter();
        for one in lacking.filter(|one| !holds(one.object)) {
            let due = begin + WINDOW.mul_f64(ratio(filled, rules.fill_bytes));
            self.due.push_back((due, one));
            filled += catalogue.bytes(one.object);
        }
    }

    /// Fills what is due. What launches is wanted there whatever it is worth.
    fn fill_until(&mut self, until: Duration, now: Duration) {
        let Cache::Appliance(appliance) = &mut self.cache else {
            return;
        };
        while let Some((due, one)) = self.due.pop_front_if(|(due, _)| *due <= until) {
            let bytes = self.record.catalogue.bytes(one.object);
            let (slice, expected) = (tag(one.object), one.thousandths);
            let is_sure = one.is_launch || !self.heeds_price;
            let is_worth_it = is_sure || appliance.is_worth_filling(expected);
            if is_worth_it && !appliance.holds(slice) {
                appliance.expect(slice, expected, now);
            }
            if is_worth_it && appliance.fill(slice, bytes, now) {
                if one.is_launch && appliance.pin(slice, bytes) {
                    let catalogue = &self.record.catalogue;
                    let live_day = catalogue.assets[catalogue.asset_of(one.object)].live_day;
                    self.pinned.push((live_day, slice));
                }
                let due = due.min(now);
                // What is filled later is not followed for long enough to tell.
                let counts = due < DAY * u32::try_from(self.record.days()).unwrap_or(u32::MAX);
                self.filled[one.object as usize] = counts;
                if counts {
                    self.tally.filled(bytes, due);
                }
            }
        }
    }
}

fn tag(object: Object) -> u64 {
    mix(u64::from(object))
}
