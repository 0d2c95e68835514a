//! The built `millpond demo --night`, made small: it runs to its end, and what it tells adds up.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Sessions a day: some five hundred requests.
const SESSIONS: &str = "60";

fn demo(folder: &Path, planner: &str) -> Output {
    demo_of(folder, planner, &[])
}

fn demo_of(folder: &Path, planner: &str, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_millpond"))
        .args([
            "demo",
            "--night",
            "--sessions",
            SESSIONS,
            "--planner",
            planner,
        ])
        .arg("--folder")
        .arg(folder.join("demo"))
        .arg("--plot")
        .arg(folder.join("night.svg"))
        .args(more)
        .output()
        .unwrap()
}

/// What must hold whoever plans: the demo compares every byte of every answer itself, and fails where one
/// is wrong.
fn holds(folder: &Path, run: &Output) {
    assert!(run.status.success(), "{run:?}");
    let told = String::from_utf8(run.stdout.clone()).unwrap();
    assert!(
        told.contains("every byte of every answer was compared"),
        "{told}"
    );
    for night in ["night 1", "night 2"] {
        let closed = format!("{night}  ");
        let closed = told.lines().filter(|line| line.starts_with(&closed));
        let closed = closed.filter(|line| line.contains("the window is closed"));
        assert_eq!(closed.count(), 1, "{told}");
    }
    let rows: Vec<&str> = told.lines().filter(|line| line.contains("x  ")).collect();
    assert_eq!(rows.len(), 3, "{told}");
    assert!(
        rows[0].ends_with("  0 B"),
        "nothing was filled before the first day: {told}"
    );
    let served = rows[1..].iter().filter(|row| !row.ends_with("  0 B"));
    assert!(served.count() > 0, "what was filled was served: {told}");
    let svg = fs::read_to_string(folder.join("night.svg")).unwrap();
    assert_eq!(svg.matches("<polyline").count(), 2, "{svg}");
}

#[test]
fn three_days_go_by_and_what_nights_have_filled_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let run = demo(folder.path(), "here");
    holds(folder.path(), &run);
    let told = String::from_utf8(run.stdout).unwrap();
    assert!(told.contains("in this process"), "{told}");
    assert!(
        told.contains("cargo build --profile plan -p planner"),
        "{told}"
    );
    let reports = folder.path().join("demo/reports/popularity");
    for day in fs::read_dir(reports).unwrap() {
        let node = day.unwrap().path().join("node=filled");
        let hours = fs::read_dir(node).unwrap().count();
        assert!(
            hours > 12,
            "the edge reports each hour with viewers: {hours}"
        );
    }
}

#[test]
fn the_planner_itself_plans_where_it_is_built() {
    let beside = Path::new(env!("CARGO_BIN_EXE_millpond"));
    let program: PathBuf = beside.with_file_name("millpond-plan");
    if !program.is_file() {
        println!("skipped: millpond-plan is not built (cargo build -p planner)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = demo(folder.path(), program.to_str().unwrap());
    holds(folder.path(), &run);
}

#[test]
fn another_preset_is_played_and_one_that_is_none_is_told_which_there_are() {
    let folder = tempfile::tempdir().unwrap();
    let run = demo_of(folder.path(), "here", &["--preset", "A"]);
    assert!(run.status.success(), "{run:?}");
    let told = String::from_utf8(run.stdout).unwrap();
    assert!(told.contains("2048 times smaller"), "{told}");
    assert!(
        told.contains("every byte of every answer was compared"),
        "{told}"
    );

    let run = demo_of(folder.path(), "here", &["--preset", "x"]);
    assert_eq!(run.status.code(), Some(2));
    let told = String::from_utf8(run.stderr).unwrap();
    assert!(told.contains("[possible values: n, a, l]"), "{told}");
}

#[test]
fn a_planner_that_is_not_there_is_told_with_how_it_is_built() {
    let folder = tempfile::tempdir().unwrap();
    let run = demo(folder.path(), "/nowhere/millpond-plan");
    assert_eq!(run.status.code(), Some(1));
    let told = String::from_utf8(run.stderr).unwrap();
    assert!(
        told.contains("cargo build --profile plan -p planner"),
        "{told}"
    );
}
