//! The table.

use std::{fmt::Write as _, time::Duration};

use forecast::show::{bytes, ratio};

use super::{Policy, replay::Run, scan::Scan, tally::Tally};

const DAY: Duration = Duration::from_hours(24);
const HEADER: &str = "disk      RAM       policy    RAM hits  byte hits  1st day  upstream  \
                      peak hour  written   DWPD    evicted at  missed/LRU  written/LRU";

/// All that was found, for eyes.
pub(crate) fn text(scan: &Scan, runs: &[Run], warmup_days: u64) -> String {
    let mut text = head(scan, runs, warmup_days);
    for run in runs {
        let beside = runs.iter().find(|other| {
            other.plan.policy == Policy::Lru
                && other.plan.sizes.disk_bytes == run.plan.sizes.disk_bytes
        });
        let _infallible = writeln!(text, "{}", line(run, beside.map(|run| &run.tally)));
    }
    text.push_str(
        "RAM hits, byte hits: parts of the bytes asked for that came from RAM, from RAM or disk. 1st \
         day: byte hits of\nthe trace's first day, from empty. upstream, written: bytes, of whole \
         slices. DWPD: drive writes a day, without\nthe flash's own. evicted at: days since the segment \
         was begun, or since the slice was used (lru), that went\nlast. optimum: Belady's rule with \
         bypass, which knows the future. lru: RAM and disk as one.",
    );
    text
}

fn head(scan: &Scan, runs: &[Run], warmup_days: u64) -> String {
    let served = runs.first().map_or(0, |run| run.tally.bytes);
    let days = scan.length.div_duration_f64(DAY);
    format!(
        "{} requests in {days:.1} days, {} slices of {} on average, {} in all\nmeasured after {} \
         days: {} asked for\n\n{HEADER}\n",
        scan.requests,
        scan.slices,
        bytes(scan.footprint_bytes / scan.slices.max(1)),
        bytes(scan.footprint_bytes),
        warmup_days,
        bytes(served),
    )
}

fn line(run: &Run, lru: Option<&Tally>) -> String {
    let tally = &run.tally;
    let name = match run.plan.policy {
        Policy::Millpond => "millpond",
        Policy::Lru => "lru",
        Policy::Optimum => "optimum",
    };
    let beside =
        |ratio: Option<f64>| ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.3}"));
    let missed = lru.map(|lru| ratio(tally.missed_bytes, lru.missed_bytes));
    let written = lru.map(|lru| ratio(tally.written_bytes, lru.written_bytes));
    format!(
        "{:<9} {:<9} {name:<9} {:>6.2} %  {:>7.2} %  {:>5.1} %  {:<9} {:<10} {:<9} {:<7.3} {:<11} {:<11} {}",
        bytes(run.plan.sizes.disk_bytes),
        bytes(run.plan.sizes.ram_bytes),
        ratio(tally.ram_bytes, tally.bytes) * 100.0,
        tally.byte_hits() * 100.0,
        (1.0 - tally.missed_at_first(1)) * 100.0,
        bytes(tally.missed_bytes),
        bytes(tally.peak_hour_bytes),
        bytes(tally.written_bytes),
        tally.dwpd(run.plan.sizes.disk_bytes),
        run.eviction_age.map_or_else(|| "-".to_owned(), days),
        beside(missed),
        beside(written),
    )
}

fn days(time: Duration) -> String {
    format!("{:.1} d", time.div_duration_f64(DAY))
}
