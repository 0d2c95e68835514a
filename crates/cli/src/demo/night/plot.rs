//! The plot: bytes from the shield by hour, with nights and without, and what the nights filled.

use std::fmt::Write as _;

use forecast::show::{bytes, ratio};

use super::{figures::Day, library::HOURS};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 60.0;
const FLOOR: f64 = 330.0;
const ALONE: &str = "#b3492d";
const FILLED: &str = "#1f6f8b";
const NIGHT: &str = "#c9b458";

/// The whole document.
pub(super) fn svg(days: &[Day]) -> String {
    let hours = (days.len() * HOURS).max(1);
    let all = |of: fn(&Day) -> &Vec<u64>| days.iter().flat_map(of).copied().collect::<Vec<_>>();
    let (alone, filled) = (all(|day| &day.alone), all(|day| &day.filled));
    let highest = alone
        .iter()
        .chain(&filled)
        .chain(days.iter().flat_map(|day| &day.moved))
        .copied()
        .max()
        .unwrap_or(1)
        .max(1);
    let x = |hour: usize| LEFT + share(hour, hours) * (WIDTH - LEFT - RIGHT);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" \
         fill=\"white\"/>\n<text x=\"{LEFT}\" y=\"20\">Bytes from the shield by hour, of two edges with the \
         same viewers (at most {} an hour)</text>\n",
        bytes(highest)
    );
    for (at, color, name) in [
        (0.0, FILLED, "filled at night"),
        (150.0, ALONE, "not filled"),
        (270.0, NIGHT, "filled by plan, in the window"),
    ] {
        let at = LEFT + at;
        let _infallible = writeln!(
            svg,
            "<text x=\"{at}\" y=\"40\" fill=\"{color}\">{name}</text>"
        );
    }
    for (number, day) in days.iter().enumerate() {
        mark(&mut svg, number, x(number * HOURS));
        let hours = day.moved.iter().enumerate();
        for (hour, bytes) in hours.filter(|(_, bytes)| **bytes > 0) {
            let hour = number * HOURS + hour;
            bar(&mut svg, [x(hour), x(hour + 1)], height(*bytes, highest));
        }
    }
    for (hours, color) in [(&alone, ALONE), (&filled, FILLED)] {
        let mut line = String::new();
        for (hour, bytes) in hours.iter().enumerate() {
            let y = height(*bytes, highest);
            let _infallible = write!(line, "{:.1},{y:.1} {:.1},{y:.1} ", x(hour), x(hour + 1));
        }
        let _infallible = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>",
            line.trim_end()
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// Where a day begins.
fn mark(svg: &mut String, number: usize, x: f64) {
    let _infallible = writeln!(
        svg,
        "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{FLOOR}\" stroke=\"#ddd\"/>\n<text \
         x=\"{:.1}\" y=\"{:.1}\">day {}</text>",
        x + 6.0,
        FLOOR + 18.0,
        number + 1
    );
}

/// What came by plan within an hour.
fn bar(svg: &mut String, [begin, end]: [f64; 2], top: f64) {
    let _infallible = writeln!(
        svg,
        "<rect x=\"{begin:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{NIGHT}\"/>",
        end - begin,
        FLOOR - top,
    );
}

fn height(bytes: u64, highest: u64) -> f64 {
    FLOOR - ratio(bytes, highest) * (FLOOR - TOP)
}

fn share(hour: usize, hours: usize) -> f64 {
    ratio(hour as u64, hours as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_both_curves_of_all_hours_and_what_nights_moved() {
        let day = |filled_bytes| Day {
            moved: (0..HOURS)
                .map(|hour| if hour == 3 { filled_bytes } else { 0 })
                .collect(),
            asked: vec![9; HOURS],
            filled: vec![1; HOURS],
            alone: vec![4; HOURS],
            served_of_filled: 0,
        };
        let svg = svg(&[day(0), day(5_000_000)]);
        assert_eq!(svg.matches("<polyline").count(), 2, "{svg}");
        assert!(
            svg.contains("5.00 MB") && svg.trim_end().ends_with("</svg>"),
            "{svg}"
        );
        let first = svg.split("points=\"").nth(1).unwrap_or_default();
        assert_eq!(
            first
                .split('"')
                .next()
                .unwrap_or_default()
                .split(' ')
                .count(),
            4 * HOURS
        );
    }
}
