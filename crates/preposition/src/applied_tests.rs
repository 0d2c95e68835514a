use std::process::Command;

use manifest::{Object, Pin, Tier};

use super::*;

fn audience() -> Label {
    Label::parse("edge-1").unwrap()
}

fn in_force(generation: u64, count: u64) -> InForce {
    let paths: Vec<String> = (0..count)
        .map(|n| format!("/g{generation}/{n}.m4s"))
        .collect();
    let objects = paths.iter().zip(1..).map(|(path, size)| Object {
        expected: size * 7,
        pin: [Pin::Unpinned, Pin::WhilePlanned, Pin::Until(size)]
            [usize::try_from(size % 3).unwrap()],
        first_bytes: (size % 2 == 0).then_some(1),
        live_at_s: (size % 5 == 0).then_some(9),
        tier: [Tier::Any, Tier::Ram, Tier::Disk][usize::try_from(size % 3).unwrap()],
        fast_track: size % 4 == 0,
        priority: u8::try_from(size % 256).unwrap(),
        ..Object::fill("vod", path, size, Digest::of(path.as_bytes()))
    });
    InForce {
        state: State {
            audience: audience(),
            generation,
            digest: Some(Digest::of(&generation.to_le_bytes())),
            plan: Objects::collect(objects).unwrap(),
        },
        told: Some(Told {
            accepted_s: generation,
            bytes_per_s: Some(5),
            ..Told::default()
        }),
        released: Objects::collect([Object::seed("vod", "/gone", 3, 0)]).unwrap(),
    }
}

#[test]
fn what_was_saved_is_what_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        load(folder.path(), &audience()).unwrap().state.generation,
        0
    );
    for generation in [1, 2] {
        let in_force = in_force(generation, 500);
        save(folder.path(), &in_force).unwrap();
        assert_eq!(load(folder.path(), &audience()).unwrap(), in_force);
    }
}

#[test]
fn a_flipped_or_missing_byte_is_damage_and_never_an_empty_plan() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), &in_force(1, 3)).unwrap();
    let path = folder.path().join(FILE);
    let right = fs::read(&path).unwrap();
    for at in 0..right.len() {
        let mut wrong = right.clone();
        wrong[at] ^= 1;
        fs::write(&path, &wrong).unwrap();
        assert!(
            load(folder.path(), &audience()).is_err(),
            "byte {at} flipped"
        );
        fs::write(&path, &right[..at]).unwrap();
        assert!(load(folder.path(), &audience()).is_err(), "cut at {at}");
    }
}

#[test]
fn another_nodes_plan_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    save(folder.path(), &in_force(1, 3)).unwrap();
    let other = Label::parse("edge-2").unwrap();
    let refused = load(folder.path(), &other);
    assert!(
        matches!(refused, Err(Unkept::OtherAudience { .. })),
        "{refused:?}"
    );
}

/// The child of the test below: applies one generation after the other until it is killed.
#[test]
#[ignore = "a child process of another test"]
fn child_that_applies_until_it_is_killed() {
    let Ok(folder) = std::env::var("PREPOSITION_CHILD") else {
        return;
    };
    let folder = Path::new(&folder);
    for turn in load(folder, &audience()).unwrap().state.generation + 1.. {
        save(folder, &in_force(turn, turn % 700)).unwrap();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test's own thread waits for another process"
)]
fn wait(micros: u64) {
    std::thread::sleep(std::time::Duration::from_micros(micros));
}

/// Hardening row M18: the child is killed at moments that a sweep spreads over all its steps, and
/// after each kill the old or the new is there, whole.
#[test]
fn a_child_killed_at_any_step_leaves_the_old_or_the_new_and_never_half() {
    const KILLS: u32 = 200;
    let folder = tempfile::tempdir().unwrap();
    let mut last = 0;
    let mut leftovers = 0;
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "applied::tests::child_that_applies_until_it_is_killed",
            ])
            .env("PREPOSITION_CHILD", folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        wait(4_000 + u64::from(kill) * 137);
        child.kill().unwrap();
        child.wait().unwrap();
        let found = load(folder.path(), &audience()).unwrap();
        let generation = found.state.generation;
        assert!(generation >= last, "{generation} after {last}");
        if generation > 0 {
            assert_eq!(found, in_force(generation, generation % 700));
        }
        last = generation;
        leftovers += u32::from(folder.path().join(NEW).exists());
    }
    assert!(last > KILLS.into(), "the child got to generation {last}");
    assert!(leftovers > 0, "no kill met a write under way");
}
