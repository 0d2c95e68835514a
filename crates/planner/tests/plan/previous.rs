//! What changes against the plan before, by the command.

use std::{fs, path::Path};

use manifest::{Keys, Limits, State, accept};
use signing::Label;
use tempfile::TempDir;

use crate::{
    run::{Run, plan, write_key},
    world::World,
};

/// Two boxes. What is watched moves from night to night, little enough to go without a second flag.
fn night(folder: &Path, hot: &str) {
    World::simple()
        .appliance("a", "par", 1_000, 500)
        .appliance("b", "lyo", 1_000, 500)
        .object("/one", 100)
        .object("/two", 20)
        .object("/three", 20)
        .watched(1, "a", hot, 9)
        .watched(1, "a", "/one", 5)
        .watched(1, "b", "/one", 5)
        .write(folder);
    for node in ["a", "b"] {
        fs::write(folder.join(format!("{node}.held")), "").unwrap();
    }
}

fn plan_again(folder: &Path, generation: &str) -> Run {
    let previous = folder.join("manifests");
    let previous = previous.to_str().unwrap();
    plan(
        folder,
        &["--generation", generation, "--previous", previous],
    )
}

/// A folder with the plans of generation 7, and who signed them.
fn planned() -> (TempDir, Keys) {
    let folder = TempDir::with_prefix("millpond-plan-").unwrap();
    let keys = write_key(folder.path());
    night(folder.path(), "/two");
    plan(folder.path(), &["--generation", "7"]).done();
    (folder, keys)
}

fn file(folder: &Path, name: &str) -> Vec<u8> {
    fs::read(folder.join("manifests").join(name)).unwrap()
}

/// The box `a` takes a file.
fn take(state: &State, file: &[u8], keys: &Keys) -> State {
    let now_s = message::now().unix_s();
    let accepted = accept(state, file, now_s, keys, &Limits::default());
    accepted.unwrap().into_state()
}

#[test]
fn night_after_night_a_box_takes_what_changes() {
    let (folder, keys) = planned();
    let new = State::new(Label::parse("a").unwrap());
    let mut state = take(&new, &file(folder.path(), "a.manifest"), &keys);
    for (generation, hot) in [("8", "/three"), ("9", "/two"), ("10", "/three")] {
        night(folder.path(), hot);
        plan_again(folder.path(), generation).done();

        state = take(&state, &file(folder.path(), "a.delta"), &keys);

        let whole = take(&new, &file(folder.path(), "a.manifest"), &keys);
        assert_eq!(state.plan, whole.plan, "generation {generation}");
        assert!(state.plan.find("vod", hot).is_some());
    }
}

#[test]
fn without_a_plan_before_there_is_no_delta_and_none_is_left_from_another_night() {
    let (folder, _keys) = planned();
    let delta = folder.path().join("manifests/a.delta");
    fs::write(&delta, "of another night").unwrap();
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let elsewhere = elsewhere.to_str().unwrap();

    plan(
        folder.path(),
        &["--generation", "8", "--previous", elsewhere],
    )
    .done();

    assert!(!delta.exists());
}

/// Spoils the plans of generation 7, and tells why there is no plan of generation 8.
fn refused(spoil: impl FnOnce(&Path)) -> String {
    let (folder, _keys) = planned();
    let manifests = folder.path().join("manifests");
    spoil(&manifests);
    let refused = plan_again(folder.path(), "8").refused();
    refused.replace(&format!("{}/", manifests.display()), "")
}

#[test]
fn the_plan_of_another_box_is_no_plan_before() {
    let told = refused(|manifests| {
        fs::copy(manifests.join("b.manifest"), manifests.join("a.manifest")).unwrap();
    });
    assert_eq!(told, "error: a.manifest: it is for b");
}

#[test]
fn a_torn_or_foreign_file_is_no_plan_before() {
    let torn = refused(|manifests| {
        let path = manifests.join("a.manifest");
        let content = fs::read(&path).unwrap();
        fs::write(path, &content[..content.len() / 2]).unwrap();
    });
    assert!(torn.starts_with("error: a.manifest: "), "{torn}");
    let foreign = refused(|manifests| {
        fs::write(manifests.join("a.manifest"), "PAR1").unwrap();
    });
    assert!(foreign.starts_with("error: a.manifest: "), "{foreign}");
}

#[test]
fn a_plan_of_the_same_generation_is_no_plan_before() {
    let (folder, _keys) = planned();
    let told = plan_again(folder.path(), "7").refused();
    assert!(
        told.ends_with(
            "a.manifest: generation 7 is not earlier than 7, which --generation can raise"
        ),
        "{told}"
    );
}

#[test]
fn a_delta_that_is_not_of_the_plan_beside_it_is_refused() {
    let told = refused(|manifests| {
        fs::copy(manifests.join("a.manifest"), manifests.join("a.delta")).unwrap();
    });
    assert_eq!(told, "error: a.delta: a whole plan, not a delta");
    let (folder, _keys) = planned();
    let older = folder.path().join("a.manifest");
    fs::copy(folder.path().join("manifests/a.manifest"), &older).unwrap();
    plan_again(folder.path(), "8").done();
    fs::copy(&older, folder.path().join("manifests/a.manifest")).unwrap();
    let told = plan_again(folder.path(), "9").refused();
    assert!(told.ends_with("a.delta: generation 8 beside 7"), "{told}");
}

#[test]
fn a_folder_of_plans_before_that_is_not_there_is_told_before_the_work() {
    let (folder, _keys) = planned();
    fs::remove_dir_all(folder.path().join("work")).unwrap();
    let told = plan(folder.path(), &["--previous", "/nowhere/manifests"]).refused();
    assert!(told.starts_with("error: /nowhere/manifests: "), "{told}");
    assert!(!folder.path().join("work").exists());
}
