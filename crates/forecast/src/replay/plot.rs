//! What plans brought, as SVG of a few lines: the evening over the sizes, and a day's hours.

use std::fmt::Write as _;

use super::{Row, Table, Tally, report::Figures};
use crate::show::{bytes, ratio};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 640.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
/// The upper panel's bars stand here, the lower one's curves there.
const UPPER: (f64, f64) = (40.0, 280.0);
const LOWER: (f64, f64) = (360.0, 590.0);
const NAMES: [(&str, &str); 5] = [
    ("LRU", "#b3492d"),
    ("policy alone", "#7a7a7a"),
    ("with credit", "#8fb8c9"),
    ("with plan", "#1f6f8b"),
    ("perfect plan", "#c9b458"),
];

/// The whole document.
pub fn svg(table: &Table) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" \
         fill=\"white\"/>\n<text x=\"{LEFT}\" y=\"20\">Evening bytes (19-23 h) from upstream, 1 = the \
         best without plans, over the disk's size ({} asked for)</text>\n",
        bytes(table.footprint_bytes)
    );
    bars(&mut svg, table);
    if let Some(row) = table
        .rows
        .iter()
        .find(|row| row.percent == 25)
        .or_else(|| table.rows.last())
    {
        hours(&mut svg, table, row);
    }
    svg.push_str("</svg>\n");
    svg
}

fn bars(svg: &mut String, table: &Table) {
    let figures: Vec<_> = table
        .rows
        .iter()
        .map(|row| Figures::of(table, row))
        .collect();
    let highest = figures
        .iter()
        .flat_map(|one| one.evening)
        .fold(1.0, f64::max);
    let (top, floor) = UPPER;
    let y = |value: f64| floor - value / highest * (floor - top);
    let group = (WIDTH - LEFT - RIGHT) / real(table.rows.len().max(1));
    for (number, (row, one)) in table.rows.iter().zip(&figures).enumerate() {
        let from = LEFT + real(number) * group;
        let width = group * 0.8 / 5.0;
        for (place, value) in one.evening.into_iter().enumerate() {
            let x = from + real(place) * width;
            let (at, height) = (y(value), floor - y(value));
            let color = NAMES[place].1;
            let _infallible = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{at:.1}\" width=\"{:.1}\" height=\"{height:.1}\" \
                 fill=\"{color}\"/>\n<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"9\" \
                 text-anchor=\"middle\">{value:.2}</text>",
                width - 2.0,
                x + width / 2.0 - 1.0,
                at - 3.0,
            );
        }
        let _infallible = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{} %, {}</text>",
            from + group * 0.4,
            floor + 16.0,
            row.percent,
            bytes(row.sizes.disk_bytes),
        );
    }
    for (place, (name, color)) in NAMES.into_iter().enumerate() {
        let x = LEFT + real(place) * 130.0;
        let _infallible = writeln!(
            svg,
            "<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"{color}\">{name}</text>",
            floor + 36.0
        );
    }
}

/// What comes from upstream in each hour of a day, on average of the days measured.
fn hours(svg: &mut String, table: &Table, row: &Row) {
    let curves = [&row.lru, &row.reactive, &row.planned].map(|tally| of_day(table, tally));
    let highest = curves.iter().flatten().copied().max().unwrap_or(1).max(1);
    let (top, floor) = LOWER;
    let _infallible = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{:.1}\">Bytes from upstream by hour of the day, fills included, disk of \
         {} %; at most {} an hour</text>",
        top - 14.0,
        row.percent,
        bytes(highest),
    );
    let x = |hour: f64| LEFT + hour / 24.0 * (WIDTH - LEFT - RIGHT);
    for (curve, name) in curves.iter().zip([0, 1, 3]) {
        let mut line = String::new();
        for (hour, sum) in curve.iter().enumerate() {
            let y = floor - ratio(*sum, highest) * (floor - top);
            let _infallible = write!(
                line,
                "{:.1},{y:.1} {:.1},{y:.1} ",
                x(real(hour)),
                x(real(hour + 1))
            );
        }
        let _infallible = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>",
            line.trim_end(),
            NAMES[name].1,
        );
    }
    for hour in (0..=24).step_by(4) {
        let _infallible = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{hour} h</text>",
            x(real(hour)),
            floor + 18.0
        );
    }
}

fn of_day(table: &Table, tally: &Tally) -> Vec<u64> {
    let days = table.days.saturating_sub(table.options.warmup_days).max(1) as u64;
    let measured = tally
        .hours
        .get(table.options.warmup_days * 24..table.days * 24)
        .unwrap_or_default();
    let mut sums = vec![0; 24];
    for (hour, bytes) in measured.iter().enumerate() {
        sums[hour % 24] += bytes / days;
    }
    sums
}

/// A small number as a float.
fn real(number: usize) -> f64 {
    f64::from(u16::try_from(number).unwrap_or(u16::MAX))
}
