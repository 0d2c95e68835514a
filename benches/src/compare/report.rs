//! The table, for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    measure::{Entry, Plan, Protocol, Row, Sample, Spread},
    target::Kind,
};

/// The most that we want to spend of what nginx spends.
const AIM: f64 = 0.5;

/// The most that HTTP/3 may cost of what our own HTTP/2 costs.
const AIM_HTTP3: f64 = 2.5;

/// A whole comparison.
pub(crate) struct Report {
    pub(crate) machine: Vec<String>,
    pub(crate) plan: Plan,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::new();
        for line in &self.machine {
            line_to(&mut text, &format!("- {line}"));
        }
        let Plan { runs, body_bytes } = self.plan;
        let megabytes = body_bytes / 1_000_000;
        line_to(
            &mut text,
            &format!(
                "- medians (least-most) of {runs} runs that took turns, {megabytes} MB of warm \
                 bodies each; TLS 1.3; CPU is user and system time of all the server's processes"
            ),
        );
        line_to(&mut text, "");
        line_to(
            &mut text,
            "| | server | CPU-s per GB | requests per CPU-s | GB/s | CPU to nginx's |",
        );
        line_to(&mut text, "|---|---|---|---|---|---|");
        for row in &self.rows {
            for entry in &row.entries {
                line_to(&mut text, &line(row, entry));
            }
        }
        line_to(&mut text, "");
        for row in &self.rows {
            line_to(&mut text, &verdict(row));
        }
        for row in &self.rows {
            if let Some(line) = against_http2(row, &self.rows) {
                line_to(&mut text, &line);
            }
        }
        tried(&mut text, &self.rows);
        text
    }

    pub(crate) fn json(&self) -> Value {
        let rows: Vec<Value> = self.rows.iter().map(row_json).collect();
        json!({ "machine": self.machine, "aim": AIM, "rows": rows })
    }
}

fn line_to(text: &mut String, line: &str) {
    // Writing into memory has no way to fail.
    let _never = writeln!(text, "{line}");
}

fn line(row: &Row, entry: &Entry) -> String {
    let cost = entry.over(Sample::cpu_s_per_gb);
    let rate = entry.over(Sample::requests_per_cpu_s);
    let speed = entry.over(Sample::gb_per_s);
    let ratio = match (entry.kind, ratio(row, entry)) {
        (Kind::Signed | Kind::Open, Some(ratio)) => format!("{ratio:.2}x"),
        (Kind::Signed | Kind::Open, None) => "no nginx".to_owned(),
        (Kind::Nginx, _) => "1".to_owned(),
    };
    format!(
        "| {} | {} | {:.3} ({:.3}-{:.3}) | {:.0} ({:.0}-{:.0}) | {:.2} | {ratio} |",
        row.shape,
        entry.label,
        cost.median,
        cost.least,
        cost.most,
        rate.median,
        rate.least,
        rate.most,
        speed.median,
    )
}

fn ratio(row: &Row, entry: &Entry) -> Option<f64> {
    let cost = |entry: &Entry| entry.over(Sample::cpu_s_per_gb).median;
    row.entry(Kind::Nginx)
        .map(|nginx| cost(entry) / cost(nginx))
}

/// What the row comes to, in words; a lost row says so.
fn verdict(row: &Row) -> String {
    let cost = |entry: &Entry| entry.over(Sample::cpu_s_per_gb).median;
    let (signed, open) = (row.entry(Kind::Signed), row.entry(Kind::Open));
    let standing = match signed.and_then(|entry| ratio(row, entry)) {
        Some(ratio) if ratio <= AIM => format!("{ratio:.2}x of nginx, the aim holds"),
        Some(ratio) if ratio < 1.0 => format!("{ratio:.2}x of nginx: MISSES the aim of {AIM}x"),
        Some(ratio) => format!("{ratio:.2}x of nginx: LOSES"),
        None => "no nginx to compare with".to_owned(),
    };
    let signing = signed.zip(open).map_or_else(String::new, |(signed, open)| {
        let more = (cost(signed) / cost(open) - 1.0) * 100.0;
        format!("; signed URLs cost {more:+.1} %")
    });
    format!("- {}: {standing}{signing}", row.shape)
}

/// What a row of HTTP/3 costs beside our own HTTP/2 of the same size, if both were run.
fn against_http2(row: &Row, rows: &[Row]) -> Option<String> {
    if row.shape.protocol != Protocol::Http3 {
        return None;
    }
    let other = row.shape.over(Protocol::Http2);
    let other = rows.iter().find(|row| row.shape == other)?;
    let cost = |row: &Row| Some(row.entry(Kind::Signed)?.over(Sample::cpu_s_per_gb));
    let (one, two) = (cost(row)?, cost(other)?);
    let ratio = one.median / two.median;
    let (least, most) = (one.least / two.most, one.most / two.least);
    let standing = if ratio <= AIM_HTTP3 {
        "the aim holds"
    } else {
        "MISSES the aim"
    };
    Some(format!(
        "- {}: {ratio:.2}x ({least:.2}-{most:.2}) of our own HTTP/2: {standing} of {AIM_HTTP3}x",
        row.shape
    ))
}

/// The settings of nginx in short runs, from which the best went into the table.
fn tried(text: &mut String, rows: &[Row]) {
    let Some(first) = rows.first().filter(|row| !row.tried.is_empty()) else {
        return;
    };
    let shapes: Vec<String> = rows.iter().map(|row| row.shape.to_string()).collect();
    let head = format!(
        "| CPU-s per GB, tried beforehand | {} |",
        shapes.join(" | ")
    );
    line_to(
        text,
        &format!("\n{head}\n|---|{}", "---|".repeat(rows.len())),
    );
    for (at, (label, _)) in first.tried.iter().enumerate() {
        let costs: Vec<String> = rows
            .iter()
            .filter_map(|row| row.tried.get(at))
            .map(|(_, cost)| format!("{cost:.3}"))
            .collect();
        line_to(text, &format!("| {label} | {} |", costs.join(" | ")));
    }
}

fn row_json(row: &Row) -> Value {
    let entries: Vec<Value> = row
        .entries
        .iter()
        .map(|entry| entry_json(row, entry))
        .collect();
    let tried: Vec<Value> = row
        .tried
        .iter()
        .map(|(label, cost)| json!({ "server": label, "cpu_s_per_gb": cost }))
        .collect();
    json!({ "row": row.shape.to_string(), "servers": entries, "tried_beforehand": tried })
}

fn entry_json(row: &Row, entry: &Entry) -> Value {
    let spread = |spread: Spread| json!({ "least": spread.least, "median": spread.median, "most": spread.most });
    let runs: Vec<Value> = entry
        .samples
        .iter()
        .map(|run| {
            json!({
                "cpu_s": run.cpu_s, "wall_s": run.wall_s,
                "requests": run.requests, "body_bytes": run.body_bytes,
            })
        })
        .collect();
    json!({
        "server": entry.label,
        "cpu_s_per_gb": spread(entry.over(Sample::cpu_s_per_gb)),
        "requests_per_cpu_s": spread(entry.over(Sample::requests_per_cpu_s)),
        "gb_per_s": spread(entry.over(Sample::gb_per_s)),
        "cpu_to_nginx": ratio(row, entry),
        "runs": runs,
    })
}
