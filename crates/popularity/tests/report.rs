//! What a report tells, read back by the format's own reader, and by another program's.

#![expect(clippy::unwrap_used, reason = "a helper fails its test by panicking")]

mod support;

use std::{ops::Range, process::Command, sync::Arc};

use bytes::Bytes;
use parquet::{
    file::reader::{FileReader as _, SerializedFileReader},
    record::Field,
};
use popularity::{Config, Demand, FIRST_BYTES, Hour, Popularity, SCHEMA_VERSION, write_report};

use support::NOW;

fn sketch(sessions_min: u32) -> Popularity {
    Popularity::new(Config {
        memory_bytes: *Config::MEMORY_BYTES.start(),
        sessions_min,
        ..Config::default()
    })
}

fn ask(sketch: &Popularity, path: &str, size: u64, served: Range<u64>, viewers: Range<u64>) {
    support::ask_at(sketch, (path, size), served, viewers, NOW);
}

fn report(sketch: &Popularity) -> Vec<u8> {
    let mut file = Vec::new();
    write_report(sketch.end_hour(Hour::of(NOW)), &mut file).unwrap();
    file
}

/// Rows as text, `site,path,...`, in order of the path.
fn rows(file: Vec<u8>) -> Vec<String> {
    let reader = SerializedFileReader::new(Bytes::from(file)).unwrap();
    let told = reader
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .unwrap();
    assert_eq!(told[0].key, "millpond.popularity");
    assert_eq!(told[0].value, Some(SCHEMA_VERSION.to_string()));
    let rows = reader.get_row_iter(None).unwrap().map(|row| {
        let row = row.unwrap();
        let fields = row.get_column_iter().map(|(_, field)| match field {
            Field::Str(text) => text.clone(),
            other => other.to_string(),
        });
        fields.collect::<Vec<_>>().join(",")
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    rows
}

#[test]
fn a_row_tells_what_was_served_of_an_object() {
    let sketch = sketch(2);
    let size = FIRST_BYTES + 4000;
    ask(&sketch, "/film", size, 0..size, 0..2);
    ask(&sketch, "/film", size, size - 500..size, 2..3);
    ask(&sketch, "/seg", 100, 0..50, 0..5);
    let parts = (FIRST_BYTES * 2, 2000, 2500);
    let served = parts.0 + 3 * parts.1 + parts.2;
    let plays = served * 1000 / size;
    let expected = [
        format!(
            "vod,/film,498687,{size},{served},{plays},3,2,3,{},2000,2000,2000,2500",
            parts.0
        ),
        "vod,/seg,498687,100,250,2500,5,5,5,250,0,0,0,0".to_owned(),
    ];
    assert_eq!(rows(report(&sketch)), expected);
}

#[test]
fn an_object_of_too_few_viewers_has_no_name() {
    let sketch = sketch(5);
    ask(&sketch, "/lonely", 100, 0..100, 0..4);
    ask(&sketch, "/lonely", 100, 0..100, 0..4);
    ask(&sketch, "/secret", 100, 0..10, 0..1);
    let rows = rows(report(&sketch));
    assert_eq!(rows, ["vod,,498687,0,810,8100,9,9,4,810,0,0,0,0"]);
    assert_eq!(sketch.top(10, NOW).objects, []);
}

#[test]
fn one_viewer_who_comes_often_is_one() {
    let sketch = sketch(2);
    for _ in 0..1000 {
        ask(&sketch, "/a", 100, 0..100, 7..8);
    }
    assert_eq!(rows(report(&sketch)).len(), 1);
    assert_eq!(sketch.top(10, NOW).objects, []);
}

#[test]
fn viewers_of_a_week_are_added_up_and_told_by_the_hour() {
    let sketch = sketch(5);
    for _ in 0..2 {
        ask(&sketch, "/a", 100, 0..100, 0..4);
        assert!(
            rows(report(&sketch))[0].starts_with("vod,,"),
            "they are four"
        );
    }
    ask(&sketch, "/a", 100, 0..100, 4..60);
    assert!(rows(report(&sketch))[0].starts_with("vod,/a,"));
    ask(&sketch, "/a", 100, 0..100, 7..8);
    let rows = rows(report(&sketch));
    assert!(rows[0].starts_with("vod,/a,"), "{rows:?}");
    assert_eq!(rows.len(), 1, "and no other of that hour");
}

#[test]
fn sites_beyond_those_that_can_be_told_apart_share_a_row() {
    let sketch = sketch(1);
    for site in 0..20_000_u32 {
        let name: Arc<str> = format!("site-{site}").into();
        let mut object = [0; 16];
        object[..4].copy_from_slice(&site.to_le_bytes());
        let demand = Demand {
            object: &object,
            site: &name,
            path: &"/a".into(),
            size: 10,
            served: 0..10,
            viewer: 1,
        };
        sketch.count(&demand, NOW);
    }
    let rows: Vec<_> = sketch.end_hour(Hour::of(NOW)).flatten().collect();
    let others = rows.iter().find(|row| row.site.is_empty()).unwrap();
    assert!(others.requests > 1000);
    assert_eq!(rows.iter().map(|row| row.requests).sum::<u64>(), 20_000);
}

#[test]
fn a_path_that_is_too_long_is_counted_and_not_named() {
    let sketch = sketch(1);
    let long: Arc<str> = "/x".repeat(300).into();
    let demand = Demand {
        object: &[1; 16],
        site: &"vod".into(),
        path: &long,
        size: 10,
        served: 0..10,
        viewer: 1,
    };
    sketch.count(&demand, NOW);
    assert_eq!(sketch.top(10, NOW).objects, []);
    assert_eq!(sketch.top(10, NOW).others_at_most, 1000);
    let rows: Vec<_> = sketch.end_hour(Hour::of(NOW)).flatten().collect();
    assert_eq!((&*rows[0].path, rows[0].requests), ("", 1));
}

#[test]
fn what_no_answer_can_have_served_is_not_counted() {
    let sketch = sketch(1);
    ask(&sketch, "/none", 0, 0..0, 0..9);
    ask(&sketch, "/empty", 10, 5..5, 0..9);
    ask(&sketch, "/beyond", 10, 5..11, 0..9);
    assert_eq!(rows(report(&sketch)), [""; 0]);
}

/// `DuckDB`, where there is one.
#[test]
fn another_engine_reads_a_folder_of_reports_as_one_table() {
    let python = std::env::var("MILLPOND_DUCKDB_PYTHON").unwrap_or_else(|_unset| "python3".into());
    let mut import = Command::new(&python);
    let found = import.args(["-c", "import duckdb"]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        use std::io::Write as _;
        let told = std::io::stderr().write_all(b"skipped: no python3 with duckdb\n");
        return told.unwrap();
    }
    let root = tempfile::tempdir().unwrap();
    for node in ["edge-1", "edge-2"] {
        let folder = format!("popularity/day=2026-11-21/node={node}");
        let folder = root.path().join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        let sketch = sketch(2);
        ask(&sketch, "/a", 100, 0..100, 0..3);
        ask(&sketch, "/b", 100, 0..100, 0..1);
        std::fs::write(folder.join("15-1.parquet"), report(&sketch)).unwrap();
    }
    let query = format!(
        "import duckdb; print(duckdb.sql(\"select node, site, path, sum(plays), sum(requests), \
         max(typeof(plays)), max(typeof(path)) from read_parquet('{}/popularity/**/*.parquet', \
         hive_partitioning = true) group by all order by all\").fetchall())",
        root.path().display()
    );
    let output = Command::new(python).args(["-c", &query]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let row = |node, path, plays, requests| {
        format!("('{node}', 'vod', '{path}', {plays}, {requests}, 'BIGINT', 'VARCHAR')")
    };
    let rows = [
        row("edge-1", "", 1000, 1),
        row("edge-1", "/a", 3000, 3),
        row("edge-2", "", 1000, 1),
        row("edge-2", "/a", 3000, 3),
    ];
    assert_eq!(text.trim(), format!("[{}]", rows.join(", ")), "{output:?}");
}
