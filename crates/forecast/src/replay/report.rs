//! What plans brought, for eyes.

use std::fmt::Write as _;

use super::{Row, Table, Tally, tally::Of};
use crate::show::{bytes, ratio};

const HEADER: &str = "\
disk            evening, of the better of LRU and the policy alone            filled   served of  launches  first day of an empty box
                LRU      alone    credit   plan     perfect  share of it  a night  a byte     1st evening  LRU    alone  filled
";

/// The numbers of a row, of the days that are measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// Evening bytes from upstream of the better of LRU and the policy alone.
    pub best_alone: u64,
    /// The parts of that: LRU, the policy alone, with credit, with plans, with perfect ones.
    pub evening: [f64; 5],
    /// What plans gain of what perfect ones do.
    pub share_of_perfect: f64,
    /// Byte hits: LRU, the policy alone, with credit, with plans, with perfect ones.
    pub hits: [f64; 5],
    /// Bytes from upstream, fills included, beside the policy alone.
    pub upstream: f64,
    /// Bytes filled beside bytes served.
    pub filled: f64,
    /// Bytes served from what was filled, of each byte filled, over all nights of the days played and as
    /// long as it was there, until the last day that follows.
    pub efficiency: f64,
    /// Bytes of launched assets on their first evening: with plans beside the policy alone.
    pub launches: f64,
    /// Byte hits on an empty box's first day: LRU, the policy alone, filled by plan.
    pub first_day: [f64; 3],
    /// Drive writes a day: the policy alone, with plans.
    pub dwpd: [f64; 2],
}

impl Figures {
    /// The figures of a row of a table.
    pub fn of(table: &Table, row: &Row) -> Self {
        let warmup = table.options.warmup_days;
        let sum = |tally: &Tally, of: fn(&Of) -> u64| tally.sum(warmup..table.days, of);
        let all = [
            &row.lru,
            &row.reactive,
            &row.seeded,
            &row.planned,
            &row.perfect,
        ];
        let evenings = all.map(|tally| sum(tally, |day| day.evening));
        let best_alone = evenings[0].min(evenings[1]);
        let evening = evenings.map(|bytes| ratio(bytes, best_alone));
        let hits =
            all.map(|tally| 1.0 - ratio(sum(tally, |day| day.missed), sum(tally, |day| day.bytes)));
        let from_upstream = |tally: &Tally| sum(tally, |day: &Of| day.missed + day.filled);
        let measured = table.days.saturating_sub(warmup).max(1) as u64;
        let dwpd = |tally: &Tally| {
            ratio(
                sum(tally, |day: &Of| day.written),
                row.sizes.disk_bytes * measured,
            )
        };
        let planned = &row.planned;
        Self {
            best_alone,
            evening,
            share_of_perfect: (1.0 - evening[3]) / (1.0 - evening[4]).max(f64::MIN_POSITIVE),
            hits,
            upstream: ratio(from_upstream(planned), from_upstream(&row.reactive)),
            filled: ratio(
                sum(planned, |day| day.filled),
                sum(planned, |day| day.bytes),
            ),
            efficiency: ratio(
                planned.sum(0..planned.days.len(), |day| day.served_of_filled),
                planned.sum(0..planned.days.len(), |day| day.filled),
            ),
            launches: ratio(launched(table, planned), launched(table, &row.reactive)),
            first_day: [0, 1, 2].map(|number| {
                let tally = &row.first_day[number];
                1.0 - ratio(
                    tally.sum(0..table.days, |day| day.missed),
                    tally.sum(0..table.days, |day| day.bytes),
                )
            }),
            dwpd: [dwpd(&row.reactive), dwpd(planned)],
        }
    }
}

/// Bytes that came from upstream on their first evenings of all launches that a plan could know of: the
/// first night's is for the second day.
fn launched(table: &Table, tally: &Tally) -> u64 {
    let days = 1..i64::try_from(table.days).unwrap_or(i64::MAX);
    let known = tally
        .launched
        .iter()
        .filter(|one| days.contains(&one.live_day));
    known.map(|one| one.missed).sum()
}

/// All rows.
pub fn text(table: &Table) -> String {
    let mut text = format!(
        "{} requests in {} days for {} of objects; measured from day {} on; what was filled is followed for \
         {} days more\n\n",
        table.requests,
        table.days,
        bytes(table.footprint_bytes),
        table.options.warmup_days,
        table.follow_days,
    );
    text.push_str(HEADER);
    for row in &table.rows {
        line(&mut text, table, row);
    }
    text.push_str(
        "\nevening: bytes from upstream from 19 to 23 h, beside the better of LRU and the node's policy \
         alone. credit:\nwhat is expected is told to the policy and nothing is filled. perfect: plans \
         that know the next day, within\nthe same budget; share: of what they gain. served of a byte: bytes \
         served from what was filled, of each byte\nfilled, for as long as it was there. launches: bytes from upstream on the first \
         evening, beside the policy alone. first day: byte hits\nof an empty box, that a plan has \
         filled before its first viewer.\n",
    );
    text
}

fn line(text: &mut String, table: &Table, row: &Row) {
    let figures = Figures::of(table, row);
    let [lru, alone, credit, plan, perfect] = figures.evening;
    let [first_lru, first_alone, first_plan] = figures.first_day;
    let _infallible = writeln!(
        text,
        "{:>3} %  {:<8} {lru:<8.3} {alone:<8.3} {credit:<8.3} {plan:<8.3} {perfect:<8.3} {:>8.0} %   \
         {:<8} {:<10.1} {:<12.3} {first_lru:<6.3} {first_alone:<6.3} {first_plan:.3}",
        row.percent,
        bytes(row.sizes.disk_bytes),
        figures.share_of_perfect * 100.0,
        bytes(nightly(table, row)),
        figures.efficiency,
        figures.launches,
    );
    let hits = figures.hits.map(|hits| format!("{:.2} %", hits * 100.0));
    let [lru, alone, credit, plan, perfect] = hits;
    let _infallible = writeln!(
        text,
        "       hits     {lru:<8} {alone:<8} {credit:<8} {plan:<8} {perfect:<8} upstream {:.3} of alone, \
         fills {:.2} % of what is served, DWPD {:.2}, {:.2} alone",
        figures.upstream,
        figures.filled * 100.0,
        figures.dwpd[1],
        figures.dwpd[0],
    );
}

fn nightly(table: &Table, row: &Row) -> u64 {
    let nights = table.days.saturating_sub(table.options.warmup_days).max(1) as u64;
    let measured = table.options.warmup_days..table.days;
    row.planned.sum(measured, |day| day.filled) / nights
}
