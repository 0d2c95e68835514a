//! What a run that fails, or is in the way of another, leaves behind.

use std::{fs, path::Path};

use planner::Hold;
use tempfile::TempDir;

use crate::{
    run::{Run, over, plan, prepare, write_key},
    world::World,
};

/// A folder with plans of two boxes, of generation 7.
fn planned() -> TempDir {
    let folder = TempDir::with_prefix("millpond-plan-").unwrap();
    World::simple()
        .appliance("a", "par", 1_000, 500)
        .appliance("b", "lyo", 1_000, 500)
        .object("/one", 100)
        .watched(1, "a", "/one", 5)
        .watched(1, "b", "/one", 5)
        .write(folder.path());
    write_key(folder.path());
    plan(folder.path(), &["--generation", "7"]).done();
    folder
}

/// Names and contents, sorted.
fn manifests(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder.join("manifests")).unwrap();
    let mut found: Vec<_> = entries
        .map(|entry| entry.unwrap())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    found.sort();
    found
}

#[test]
fn unless_all_manifests_can_be_written_those_of_before_stay() {
    let folder = planned();
    let previous = folder.path().join("previous");
    fs::create_dir(&previous).unwrap();
    let [(_, a), (_, b)] = &manifests(folder.path())[..] else {
        panic!("two boxes")
    };
    fs::write(previous.join("a.manifest"), a).unwrap();
    fs::write(previous.join("b.manifest"), &b[..b.len() / 2]).unwrap();
    let before = manifests(folder.path());

    let previous = previous.to_str().unwrap();
    let told = plan(
        folder.path(),
        &["--generation", "8", "--previous", previous],
    )
    .refused();

    assert!(told.contains("b.manifest: "), "{told}");
    assert_eq!(manifests(folder.path()), before);
}

#[test]
fn what_a_run_that_was_broken_off_left_is_not_in_the_way() {
    let folder = planned();
    for name in ["a.manifest.part", "a.delta.part"] {
        fs::write(folder.path().join("manifests").join(name), "torn").unwrap();
    }
    plan(folder.path(), &["--generation", "8"]).done();
    let found = manifests(folder.path());
    let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a.delta.part", "a.manifest", "b.manifest"]);
}

#[test]
fn a_folder_that_manifests_cannot_go_to_is_told_before_the_work() {
    let folder = planned();
    fs::remove_dir_all(folder.path().join("work")).unwrap();
    let output = folder.path().join("manifests");
    fs::remove_dir_all(&output).unwrap();
    fs::write(&output, "no folder").unwrap();
    let told = plan(folder.path(), &[]).refused();
    let named = told.starts_with(&format!("error: {}: ", output.display()));
    assert!(named, "{told}");
    assert!(!folder.path().join("work").exists());
}

#[test]
fn after_a_prepare_that_failed_nothing_is_planned_from_the_job_before() {
    let folder = planned();
    fs::write(folder.path().join("catalog.ndjson"), "{}\n").unwrap();
    prepare(folder.path()).refused();
    let told = Run::of(&mut over("solve", folder.path())).refused();
    assert!(told.contains("work/job.json: No such file"), "{told}");
}

#[test]
fn a_folder_that_another_works_in_is_left_to_it() {
    let folder = planned();
    let work = folder.path().join("work");
    let held = Hold::of_job(&work).unwrap();
    for run in [
        prepare(folder.path()),
        Run::of(&mut over("solve", folder.path())),
        Run::of(&mut over("digest", folder.path())),
    ] {
        let told = run.refused();
        let problem = "work/lock: another millpond-plan works in this folder";
        assert!(told.ends_with(problem), "{told}");
    }
    assert!(work.join("job.json").exists());
    drop(held);
    prepare(folder.path()).done();
}
