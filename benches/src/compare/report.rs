//! The tables, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    measure::{Entry, Sample},
    rows::{
        herd::{self, Herd},
        hits, memory, restart,
    },
    select::{Peer, Size},
    target::Kind,
};

/// A whole comparison.
#[derive(Default)]
pub(crate) struct Report {
    pub(crate) machine: Vec<String>,
    pub(crate) rounds: usize,
    pub(crate) hits: Vec<hits::Row>,
    pub(crate) herds: Vec<(Herd, Vec<herd::Row>)>,
    pub(crate) restarts: Vec<restart::Row>,
    pub(crate) memory: Vec<memory::Row>,
}

impl Report {
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        for line in &self.machine {
            line_to(&mut text, &format!("- {line}"));
        }
        let rounds = self.rounds;
        line_to(
            &mut text,
            &format!(
                "- medians (least-most) of {rounds} rounds in which the servers took turns; TLS \
                 1.3; CPU is user and system time of all the server's processes"
            ),
        );
        if !self.hits.is_empty() {
            summary(&mut text, &self.hits);
            verdicts(&mut text, &self.hits);
            details(&mut text, &self.hits);
            tried(&mut text, &self.hits);
        }
        for (herd, rows) in &self.herds {
            let rows = rows.iter().map(|row| (&row.label, row.line()));
            table(&mut text, &herd.title(), herd::Row::HEADINGS, rows);
        }
        let rows = self.restarts.iter().map(|row| (&row.label, row.line()));
        table(&mut text, "after kill -9", restart::Row::HEADINGS, rows);
        let rows = self.memory.iter().map(|row| (&row.label, row.line()));
        table(&mut text, "memory", memory::Row::HEADINGS, rows);
        text
    }

    pub(crate) fn json(&self) -> Value {
        let hits: Vec<Value> = self.hits.iter().map(hits::Row::json).collect();
        let herds = self.herds.iter().map(|(herd, rows)| {
            let rows: Vec<Value> = rows.iter().map(herd::Row::json).collect();
            json!({ "row": herd.title(), "servers": rows })
        });
        let herds: Vec<Value> = herds.collect();
        let restarts: Vec<Value> = self.restarts.iter().map(restart::Row::json).collect();
        let memory: Vec<Value> = self.memory.iter().map(memory::Row::json).collect();
        json!({
            "machine": self.machine,
            "rounds": self.rounds,
            "hits": hits,
            "herds": herds,
            "restarts": restarts,
            "memory": memory,
        })
    }
}

pub(crate) fn line_to(text: &mut String, line: &str) {
    // Writing into memory has no way to fail.
    let _never = writeln!(text, "{line}");
}

/// A table with a row for each server, if there is one.
fn table<'a>(
    text: &mut String,
    title: &str,
    headings: &str,
    rows: impl Iterator<Item = (&'a String, String)>,
) {
    for (at, (label, line)) in rows.enumerate() {
        if at == 0 {
            line_to(text, &format!("\n| {title} | {headings} |"));
            line_to(
                text,
                &("|---".repeat(headings.matches('|').count() + 2) + "|"),
            );
        }
        line_to(text, &format!("| {label} | {line} |"));
    }
}

/// The table of the README: medians, a row a line.
fn summary(text: &mut String, rows: &[hits::Row]) {
    let mut kinds = vec![Kind::Floor, Kind::Signed];
    kinds.extend(Peer::ALL.map(Kind::Peer));
    kinds.retain(|kind| rows.iter().any(|row| row.entry(*kind).is_some()));
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    line_to(text, "\nCPU-seconds per GB (4 KiB: CPU-µs per request):\n");
    let names = names.join(" | ");
    line_to(
        text,
        &format!("| hits | {names} | to nginx | to the floor |"),
    );
    line_to(text, &("|---".repeat(kinds.len() + 3) + "|"));
    for row in rows {
        let figure = |kind: &Kind| {
            row.entry(*kind)
                .map_or_else(|| "-".to_owned(), |entry| figure(row, entry))
        };
        let figures: Vec<String> = kinds.iter().map(figure).collect();
        let ratio = |to| {
            let ratio = row.ratio(Kind::Signed, to);
            ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}x"))
        };
        line_to(
            text,
            &format!(
                "| {} | {} | {} | {} |",
                row.title,
                figures.join(" | "),
                ratio(Kind::Peer(Peer::Nginx)),
                ratio(Kind::Floor)
            ),
        );
    }
}

/// What a row is to cost at most, as a part of what another costs.
struct Aim {
    row: &'static str,
    of: Of,
    most: f64,
}

enum Of {
    Kind(Kind),
    /// Our own row of this name.
    Row(&'static str),
}

const NGINX: Of = Of::Kind(Kind::Peer(Peer::Nginx));
const FLOOR: Of = Of::Kind(Kind::Floor);

const AIMS: [Aim; 9] = [
    aim("h1-4k", NGINX, 0.7),
    aim("h2-4k", NGINX, 0.7),
    aim("h1-64k", NGINX, 0.4),
    aim("h2-64k", NGINX, 0.4),
    aim("h1-1m", NGINX, 0.33),
    aim("h2-1m", NGINX, 0.33),
    aim("h1-1m", FLOOR, 1.25),
    aim("h2-1m", FLOOR, 1.25),
    aim("h3-1m", Of::Row("h2-1m"), 2.5),
];

const fn aim(row: &'static str, of: Of, most: f64) -> Aim {
    Aim { row, of, most }
}

/// What the rows come to beside what they should; one that misses says so.
fn verdicts(text: &mut String, rows: &[hits::Row]) {
    line_to(text, "");
    let named = |name: &str| rows.iter().find(|row| row.name == name);
    let cost = |row: &hits::Row| {
        let entry = row.entry(Kind::Signed)?;
        Some(entry.over(Sample::cpu_s_per_gb).median)
    };
    for Aim { row, of, most } in &AIMS {
        let Some(row) = named(row) else { continue };
        let (ratio, of) = match of {
            Of::Kind(kind) => (row.ratio(Kind::Signed, *kind), kind.name()),
            Of::Row(other) => {
                let costs = cost(row).zip(named(other).and_then(cost));
                (costs.map(|(own, other)| own / other), *other)
            }
        };
        let Some(ratio) = ratio else { continue };
        let standing = if ratio <= *most { "holds" } else { "MISSES" };
        let title = &row.title;
        line_to(
            text,
            &format!("- {title}: {ratio:.2}x of {of}; the aim of {most}x: {standing}"),
        );
    }
}

fn figure(row: &hits::Row, entry: &Entry) -> String {
    match row.size {
        Size::Kib4 => format!("{:.1}", entry.over(Sample::cpu_us_per_request).median),
        Size::Kib64 | Size::Mib1 | Size::Mib4 => {
            format!("{:.3}", entry.over(Sample::cpu_s_per_gb).median)
        }
    }
}

fn details(text: &mut String, rows: &[hits::Row]) {
    line_to(
        text,
        "\n| | server | CPU-s per GB | CPU-µs per request | GB/s |",
    );
    line_to(text, "|---|---|---|---|---|");
    for row in rows {
        for entry in &row.entries {
            line_to(
                text,
                &format!(
                    "| {} | {} | {} | {} | {:.2} |",
                    row.title,
                    entry.label,
                    entry.over(Sample::cpu_s_per_gb).text(3),
                    entry.over(Sample::cpu_us_per_request).text(1),
                    entry.over(Sample::gb_per_s).median,
                ),
            );
        }
    }
}

/// Settings in short runs, from which the best went into the table.
fn tried(text: &mut String, rows: &[hits::Row]) {
    let Some(first) = rows.first().filter(|row| !row.tried.is_empty()) else {
        return;
    };
    let shapes: Vec<String> = rows.iter().map(|row| row.title.clone()).collect();
    let shapes = shapes.join(" | ");
    line_to(
        text,
        &format!("\n| CPU-s per GB, tried beforehand | {shapes} |"),
    );
    line_to(text, &("|---".repeat(rows.len() + 1) + "|"));
    for (at, (label, _)) in first.tried.iter().enumerate() {
        let costs = rows.iter().map(|row| {
            let cost = row.tried.get(at);
            cost.map_or_else(|| "-".to_owned(), |(_, cost)| format!("{cost:.3}"))
        });
        let costs: Vec<String> = costs.collect();
        line_to(text, &format!("| {label} | {} |", costs.join(" | ")));
    }
}
