//! The whole way, by the command: from what is told and watched to manifests that a box accepts.

use std::{fs, process::Command};

use manifest::{Limits, Pin, State, accept};
use serde_json::{Value, json};
use signing::Label;
use tempfile::TempDir;

use crate::{
    run::{plan, write_key},
    world::World,
};

#[test]
fn a_box_accepts_the_manifest_that_was_planned_for_it() {
    let folder = TempDir::with_prefix("millpond-plan-").unwrap();
    World::simple()
        .appliance("a", "par", 2_000, 300)
        .appliance("b", "lyo", 2_000, 300)
        .object("/hot", 100)
        .object_with("/pinned", 200, json!({"mandatory": true}))
        .watched(1, "a", "/hot", 5)
        .watched(1, "a", "/stray", 2)
        .write(folder.path());
    let keys = write_key(folder.path());

    let told = plan(folder.path(), &["--generation", "7", "--json"]).done();

    let summaries: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(summaries[0]["appliance"], "a");
    assert_eq!(summaries[0]["fill_bytes"], 300);
    assert_eq!(summaries[1]["seeds"], 0);
    let file = fs::read(folder.path().join("manifests/a.manifest")).unwrap();
    let state = State::new(Label::parse("a").unwrap());
    let now_s = message::now().unix_s();
    let accepted = accept(&state, &file, now_s, &keys, &Limits::default()).unwrap();
    let plan = accepted.plan();
    let paths: Vec<&str> = plan.iter().map(|object| object.path).collect();
    assert_eq!(paths, ["/hot", "/pinned", "/stray"]);
    let pinned = plan.at(1).unwrap();
    assert_eq!((pinned.pin, pinned.size), (Pin::WhilePlanned, 200));
    assert_eq!(plan.at(0).unwrap().expected, 5_000);
}

#[test]
fn people_are_told_what_a_plan_comes_to() {
    let folder = TempDir::with_prefix("millpond-plan-").unwrap();
    World::simple()
        .appliance("a", "par", 2_000, 50)
        .object_with("/pinned", 200, json!({"mandatory": true}))
        .write(folder.path());
    write_key(folder.path());
    let told = plan(folder.path(), &["--without-reports"]).done();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 3, "{told}");
    assert!(lines[1].starts_with("a "), "{told}");
    assert!(lines[2].contains("takes 4 nights"), "{told}");
}

#[test]
fn a_replay_needs_nothing_but_a_workload_and_tells_what_plans_bring() {
    let folder = TempDir::with_prefix("millpond-plan-").unwrap();
    let plot = folder.path().join("n.svg");
    let mut command = Command::new(env!("CARGO_BIN_EXE_millpond-plan"));
    command.args("plan --replay n --scale 0.002 --days 3 --warmup 1 --disk 25 --plot".split(' '));
    let output = command.arg(&plot).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    assert!(text.contains(" 25 %  "), "{text}");
    assert!(fs::read_to_string(plot).unwrap().starts_with("<svg"));
}

#[test]
fn a_replay_that_cannot_be_is_refused_as_bad_arguments() {
    for arguments in [
        "--replay n --forecast-error nan",
        "--replay n --forecast-error=-1",
        "--replay n --scale 0",
        "--replay n --key planner.json",
        "--scale 0.5 --fleet f --catalog c --reports r --key k --output o --work w",
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_millpond-plan"));
        let output = command
            .arg("plan")
            .args(arguments.split(' '))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments}");
    }
}
