//! What cannot be planned from says which file, and what is wrong with it.

use std::{fs, path::Path, sync::Arc};

use datafusion::{
    arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray},
    parquet::arrow::ArrowWriter,
};
use serde_json::json;
use signing::{Algorithm, Label, SigningKey};
use tempfile::TempDir;

use crate::{
    run::{Run, over, plan, prepare, write_key},
    world::{DAY, World},
};

const REPORT: &str = "popularity/day=2026-11-20/node=a/00-0.parquet";

fn world() -> World {
    World::simple()
        .appliance("a", "par", 1_000, 500)
        .object("/one", 100)
        .watched(1, "a", "/one", 5)
}

/// What is said of inputs that were good until they were spoilt.
fn refused(spoil: impl FnOnce(&Path)) -> String {
    let folder = TempDir::with_prefix("millpond-plan-").unwrap();
    world().write(folder.path());
    spoil(folder.path());
    let root = folder.path().canonicalize().unwrap();
    let told = prepare(folder.path()).refused();
    let told = told.replace(&format!("{}/", root.display()), "");
    told.replace(&format!("{}/", folder.path().display()), "")
}

fn write_parquet(path: &Path, columns: &[(&str, ArrayRef)]) {
    let columns = columns
        .iter()
        .map(|(name, column)| (*name, Arc::clone(column)));
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let file = fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn texts(values: [&str; 2]) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn numbers(values: [Option<i64>; 2]) -> ArrayRef {
    Arc::new(Int64Array::from_iter(values))
}

/// A report with another column `plays`, or none.
fn refused_with(plays: Option<ArrayRef>) -> String {
    refused(|folder| {
        let some = numbers([Some(100), Some(100)]);
        let mut columns = vec![
            ("site", texts(["vod", "vod"])),
            ("path", texts(["/one", "/two"])),
            ("size", Arc::clone(&some)),
            ("first_bytes", some),
        ];
        columns.extend(plays.map(|plays| ("plays", plays)));
        write_parquet(&folder.join(REPORT), &columns);
    })
}

#[test]
fn a_report_without_a_column_is_refused() {
    let told = refused_with(None);
    assert_eq!(told, format!("error: {REPORT}: it has no column plays"));
}

#[test]
fn a_report_with_a_column_of_another_type_is_refused() {
    let told = refused_with(Some(Arc::new(Float64Array::from(vec![1.0, 2.0]))));
    assert_eq!(
        told,
        format!("error: {REPORT}: its column plays is Float64")
    );
}

#[test]
fn a_report_with_a_number_missing_is_refused() {
    let told = refused_with(Some(numbers([Some(1), None])));
    assert_eq!(
        told,
        format!("error: {REPORT}: rows of it may have no plays")
    );
}

#[test]
fn a_report_that_is_cut_short_is_refused() {
    for left in [0, 3, 200] {
        let told = refused(|folder| {
            let file = fs::File::options().write(true).open(folder.join(REPORT));
            file.unwrap().set_len(left).unwrap();
        });
        let named = told.starts_with(&format!("error: {REPORT}: "));
        assert!(named && told.contains("Parquet"), "{left}: {told}");
    }
}

#[test]
fn a_report_whose_rows_are_damaged_leads_to_no_plan() {
    let folder = TempDir::with_prefix("millpond-plan-").unwrap();
    // What is the same in all rows is read from the footer.
    let world = world().object("/two", 200).watched(1, "a", "/two", 7);
    world.write(folder.path());
    write_key(folder.path());
    let path = folder.path().join(REPORT);
    let mut content = fs::read(&path).unwrap();
    content[4..400].fill(0xff);
    fs::write(&path, content).unwrap();
    let told = plan(folder.path(), &[]).refused();
    let path = path.canonicalize().unwrap();
    let named = told.starts_with(&format!("error: {}: ", path.display()));
    assert!(named, "{told}");
    assert!(!folder.path().join("manifests/a.manifest").exists());
}

#[test]
fn no_reports_at_all_are_refused_unless_it_is_said_that_there_are_none() {
    let folder = TempDir::with_prefix("millpond-plan-").unwrap();
    World::default()
        .knobs("days = 3\n")
        .appliance("a", "par", 1_000, 500)
        .object_with("/pinned", 100, json!({"mandatory": true}))
        .write(folder.path());
    write_key(folder.path());
    let told = plan(folder.path(), &[]).refused();
    assert!(
        told.contains("has no report of a box of the fleet from 2026-11-18 to 2026-11-20"),
        "{told}"
    );
    plan(folder.path(), &["--without-reports"]).done();
}

#[test]
fn days_and_boxes_without_reports_are_told_and_the_others_planned_from() {
    let folder = TempDir::with_prefix("millpond-plan-").unwrap();
    World::default()
        .knobs("days = 2\n")
        .appliance("a", "par", 1_000, 500)
        .appliance("b", "lyo", 1_000, 500)
        .object("/one", 100)
        .watched(1, "a", "/one", 5)
        .write(folder.path());
    let run = prepare(folder.path());
    assert!(
        run.errors.contains("no report on 2026-11-19 (1 in all)"),
        "{}",
        run.errors
    );
    assert!(
        run.errors.contains("no report from b (1 in all)"),
        "{}",
        run.errors
    );
    run.done();
}

#[test]
fn reports_of_a_box_that_the_fleet_does_not_have_are_told() {
    let folder = TempDir::with_prefix("millpond-plan-").unwrap();
    world().write(folder.path());
    let day = folder.path().join("popularity/day=2026-11-20");
    fs::create_dir(day.join("node=A1")).unwrap();
    fs::copy(
        day.join("node=a/00-0.parquet"),
        day.join("node=A1/0.parquet"),
    )
    .unwrap();
    let run = prepare(folder.path());
    let told = "reports are passed over, since the fleet does not have it, of A1 (1 in all)";
    assert!(run.errors.contains(told), "{}", run.errors);
    fs::remove_dir_all(day.join("node=a")).unwrap();
    let told = prepare(folder.path()).refused();
    assert!(
        told.contains("from 2026-11-20 to 2026-11-20, only of \"A1\";"),
        "{told}"
    );
}

#[test]
fn a_folder_of_reports_that_is_not_there_is_named() {
    let told = refused(|folder| fs::remove_dir_all(folder.join("popularity")).unwrap());
    assert!(
        told.ends_with("popularity: No such file or directory (os error 2)"),
        "{told}"
    );
}

#[test]
fn a_fleet_that_contradicts_itself_is_refused_with_all_that_is_wrong() {
    let told = refused(|folder| {
        let boxes = [
            "name = 'a'\nregion = 'eu'\ncluster = 'par'\ncapacity = '1TB'\n",
            "name = 'a'\nregion = 'us'\ncluster = 'par'\ncapacity = '1TB'\n",
            "name = 'par'\nregion = 'eu'\ncapacity = '1TB'\n",
        ];
        let fleet = boxes.map(|facts| format!("[[appliance]]\n{facts}"));
        fs::write(folder.join("fleet.toml"), fleet.concat()).unwrap();
    });
    for problem in [
        "error: fleet.toml:",
        "two boxes are named \"a\"",
        "cluster \"par\" lies in \"eu\" and in \"us\"",
        "\"par\" names no cluster, and others name one \"par\"",
    ] {
        assert!(told.contains(problem), "{problem}: {told}");
    }
}

#[test]
fn a_fleet_that_is_none_is_refused() {
    for (fleet, problem) in [
        ("appliance = []\n", "0 boxes"),
        ("[[appliance]\n", "fleet.toml:"),
        ("[plan]\ndays = 7\n", "missing field `appliance`"),
        (
            "[[appliance]]\nname = 'a'\nregion = 'eu'\ncapacity = '1TB'\nspeed = 3\n",
            "unknown field `speed`",
        ),
        (
            "[[appliance]]\nname = 'a'\nregion = ''\ncapacity = '1TB'\n",
            "\"a\": its region or its cluster has no name",
        ),
        (
            "[[appliance]]\nname = 'a'\nregion = 'eu'\n",
            "missing field `capacity`",
        ),
        (
            "[[appliance]]\nname = 'a'\nregion = 'eu'\ncapacity = 0\n",
            "\"a\": its capacity is not from 1 byte to 10 PB",
        ),
    ] {
        let told = refused(|folder| fs::write(folder.join("fleet.toml"), fleet).unwrap());
        assert!(told.contains(problem), "{fleet}: {told}");
    }
}

#[test]
fn a_line_of_a_catalogue_that_cannot_be_is_refused_by_its_number() {
    let good = json!({"site": "vod", "path": "/one", "size": 100}).to_string();
    for (line, problem) in [
        (r#"{"site": "vod", "path": "/two"}"#, "missing field `size`"),
        (
            r#"{"site": "vod", "path": "/two", "size": 1, "rung": "hd"}"#,
            "unknown field `rung`",
        ),
        (
            r#"{"site": "vod", "path": "/two", "size": 0}"#,
            "/two: 0 bytes",
        ),
        (good.as_str(), "/one is there twice"),
        (
            r#"{"site": "vod", "path": "/two", "size": 1, "mandatory": true}"#,
            "mandatory, and excluded or without a digest",
        ),
        (
            r#"{"site": "vod", "path": "/two", "size": 1, "digest": "sha256:12"}"#,
            "/two: ",
        ),
        (
            r#"{"site": "vod", "path": "/two", "size": 1, "live_at": 1795305600000}"#,
            "/two: live_at 1795305600000 is beyond 9999",
        ),
        (
            r#"{"site": "vod", "path": "/two", "size": 1, "live_at": 18446744073709551615}"#,
            "/two: live_at 18446744073709551615 is beyond 9999",
        ),
        (r#"{"site": "vod", "#, "EOF"),
        (
            " ".repeat(70_000).as_str(),
            "a line of 65536 bytes and more",
        ),
    ] {
        let told = refused(|folder| {
            let catalog = format!("{good}\n{line}\n");
            fs::write(folder.join("catalog.ndjson"), catalog).unwrap();
        });
        let named = told.starts_with("error: catalog.ndjson: 2: ");
        assert!(named && told.contains(problem), "{line:.80}: {told}");
    }
}

#[test]
fn a_catalogue_without_objects_is_refused() {
    let told = refused(|folder| fs::write(folder.join("catalog.ndjson"), "").unwrap());
    assert_eq!(told, "error: catalog.ndjson: it has no objects");
}

/// What is said of a catalogue in Parquet.
fn refused_catalog(write: impl FnOnce(&Path)) -> String {
    let folder = TempDir::with_prefix("millpond-plan-").unwrap();
    world().write(folder.path());
    let catalog = folder.path().join("catalog.parquet");
    write(&catalog);
    let mut command = over("prepare", folder.path());
    command.args(["--day", DAY]);
    for (argument, name) in [
        ("--fleet", "fleet.toml"),
        ("--catalog", "catalog.parquet"),
        ("--reports", "popularity"),
    ] {
        command.arg(argument).arg(folder.path().join(name));
    }
    let told = Run::of(&mut command).refused();
    told.replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn a_catalogue_in_parquet_with_columns_that_cannot_be_is_refused() {
    let names = [
        ("site", texts(["vod", "vod"])),
        ("path", texts(["/one", "/two"])),
    ];
    for (name, column, problem) in [
        (
            "bytes",
            numbers([Some(1), Some(1)]),
            "1: a column \"bytes\" is not known",
        ),
        ("size", texts(["1", "many"]), "1: column size: "),
        ("size", numbers([Some(1), None]), "2: no size"),
        ("size", numbers([Some(1), Some(-1)]), "2: size is -1"),
    ] {
        let told = refused_catalog(|path| {
            let columns = [&names[..], &[(name, Arc::clone(&column))]].concat();
            write_parquet(path, &columns);
        });
        let named = told.starts_with(&format!("error: catalog.parquet: {problem}"));
        assert!(named, "{problem}: {told}");
    }
}

#[test]
fn a_catalogue_in_parquet_that_is_none_is_refused() {
    let told = refused_catalog(|path| fs::write(path, "PAR1 and nothing more").unwrap());
    assert!(told.starts_with("error: catalog.parquet: "), "{told}");
}

#[test]
fn what_a_box_holds_is_refused_by_its_line() {
    let told = refused(|folder| fs::write(folder.join("a.held"), "{\"site\": 1}\n").unwrap());
    assert!(told.starts_with("error: a.held: 1: invalid type"), "{told}");
    let told = refused(|folder| fs::remove_file(folder.join("a.held")).unwrap());
    assert!(told.starts_with("error: a.held: No such file"), "{told}");
}

#[test]
fn a_key_that_is_none_is_told_before_the_work() {
    let folder = TempDir::with_prefix("millpond-plan-").unwrap();
    world().write(folder.path());
    let path = folder.path().join("planner.key");
    let kid = Label::parse("edge-1").unwrap();
    let hmac = SigningKey::generate(Algorithm::HmacSha256, kid).unwrap();
    for (key, problem) in [
        ("{}".to_owned(), ": "),
        (hmac.to_json(), "key edge-1 is not ed25519"),
    ] {
        fs::write(&path, key).unwrap();
        let told = plan(folder.path(), &[]).refused();
        let named = told.starts_with(&format!("error: {}: ", path.display()));
        assert!(named && told.contains(problem), "{told}");
        assert!(!folder.path().join("work").exists());
    }
}

#[test]
fn a_folder_that_was_not_prepared_is_not_solved() {
    let folder = TempDir::with_prefix("millpond-plan-").unwrap();
    let solve = || Run::of(&mut over("solve", folder.path())).refused();
    assert!(
        solve().contains("work/job.json: No such file"),
        "{}",
        solve()
    );
    fs::create_dir(folder.path().join("work")).unwrap();
    fs::write(folder.path().join("work/job.json"), "{}").unwrap();
    assert!(
        solve().contains("job.json: not a prepared job: "),
        "{}",
        solve()
    );
}

#[test]
fn rows_that_no_plan_has_become_no_manifests() {
    let folder = TempDir::with_prefix("millpond-plan-").unwrap();
    world().write(folder.path());
    write_key(folder.path());
    plan(folder.path(), &[]).done();
    let rows = folder.path().join("rows");
    fs::create_dir_all(rows.join("plan")).unwrap();
    let written = folder.path().join("written");
    let write = || {
        let mut command = over("write", folder.path());
        command.arg("--key").arg(folder.path().join("planner.key"));
        command.arg("--rows").arg(rows.join("plan"));
        Run::of(command.arg("--output").arg(&written)).refused()
    };
    let none = write();
    assert!(none.starts_with("error: reading the plan in "), "{none}");

    let some = |value: i64| -> ArrayRef { Arc::new(Int64Array::from(vec![value])) };
    let text = |value: &str| -> ArrayRef { Arc::new(StringArray::from(vec![value])) };
    let pinned = [("appliance", some(0)), ("bytes", some(0))];
    fs::create_dir_all(rows.join("pinned")).unwrap();
    write_parquet(&rows.join("pinned/0.parquet"), &pinned);
    let plan = |appliance: i64, bytes: Option<i64>| {
        let bytes: ArrayRef = Arc::new(Int64Array::from(vec![bytes]));
        let columns = [
            ("appliance", some(appliance)),
            ("rank", some(1)),
            ("object", some(1)),
            ("size", some(5_000)),
            ("action", some(1)),
            ("bytes", bytes),
            ("need", some(0)),
            ("expected", some(1)),
            ("pinned", some(0)),
            ("site", text("")),
            ("path", text("")),
        ];
        write_parquet(&rows.join("plan/0.parquet"), &columns);
        write()
    };
    for (appliance, bytes, problem) in [
        (0, Some(5_000), "a is to hold more than it can"),
        (7, Some(100), "a box 7"),
        (0, None, "a row lacks a number"),
        (0, Some(-1), "-1 in column 4"),
    ] {
        assert_eq!(
            plan(appliance, bytes),
            format!("error: the plan: {problem}")
        );
    }
    assert!(fs::read_dir(&written).unwrap().next().is_none());
}
