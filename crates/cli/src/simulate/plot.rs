//! A plot of the misses over the sizes of the disk, as SVG of a few lines.

use std::fmt::Write as _;

use forecast::show::{bytes, ratio};

use super::{Policy, replay::Run, scan::Scan};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 50.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;

const CURVES: [(Policy, &str, &str); 3] = [
    (Policy::Lru, "LRU", "#b3492d"),
    (Policy::Millpond, "millpond", "#1f6f8b"),
    (Policy::Optimum, "offline optimum", "#7a7a7a"),
];

/// The whole document.
pub(crate) fn svg(scan: &Scan, runs: &[Run]) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" \
         fill=\"white\"/>\n<text x=\"{LEFT}\" y=\"20\">Bytes from upstream, of 100 asked for, over \
         the disk's size ({} requested in all)</text>\n",
        bytes(scan.footprint_bytes)
    );
    let largest = runs
        .iter()
        .map(|run| run.plan.sizes.disk_bytes)
        .max()
        .unwrap_or(1);
    let highest = runs
        .iter()
        .map(|run| 1.0 - run.tally.byte_hits())
        .fold(0.1, f64::max);
    let x = |disk: u64| LEFT + ratio(disk, largest) * (WIDTH - LEFT - RIGHT);
    let y = |missed: f64| HEIGHT - BOTTOM - missed / highest * (HEIGHT - BOTTOM - TOP);
    axes(&mut svg, &x, &y, largest, highest);
    let mut named = 0.0;
    for (policy, name, color) in CURVES {
        let mut points: Vec<_> = runs
            .iter()
            .filter(|run| run.plan.policy == policy)
            .map(|run| (run.plan.sizes.disk_bytes, 1.0 - run.tally.byte_hits()))
            .collect();
        if points.is_empty() {
            continue;
        }
        points.sort_by_key(|(disk, _)| *disk);
        let mut line = String::new();
        for (disk, missed) in points {
            let _infallible = write!(line, "{:.1},{:.1} ", x(disk), y(missed));
        }
        let (at, baseline) = (WIDTH - 170.0, TOP + 20.0 + named * 18.0);
        let _infallible = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>\n<text \
             x=\"{at}\" y=\"{baseline}\" fill=\"{color}\">{name}</text>",
            line.trim_end()
        );
        named += 1.0;
    }
    svg.push_str("</svg>\n");
    svg
}

fn axes(
    svg: &mut String,
    x: &impl Fn(u64) -> f64,
    y: &impl Fn(f64) -> f64,
    largest: u64,
    highest: f64,
) {
    let (floor, end) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    for quarter in 0..=4_u32 {
        let part = f64::from(quarter) / 4.0;
        let disk = largest / 4 * u64::from(quarter);
        let (across, up, missed) = (x(disk), y(highest * part), highest * part * 100.0);
        let _infallible = writeln!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{up:.1}\" x2=\"{end}\" y2=\"{up:.1}\" stroke=\"#ddd\"/>\n<text \
             x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{missed:.0}</text>\n<text x=\"{across:.1}\" \
             y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            LEFT - 6.0,
            up + 4.0,
            floor + 18.0,
            bytes(disk)
        );
    }
}
