//! A manifest of a million objects, from its bytes to the head of the queue, on a node that has another
//! million already: `just million`.

use manifest::{
    Digest, Encoding, Head, Hints, Keys, Kind, Label, Limits, Manifest, Names, Object, Objects,
    PlannerKey, Role, Signed, SigningKey, State,
};
use signing::Algorithm;
use tokio::time::Instant;

use crate::{
    active::Active,
    applied::{self, InForce, Told},
    lanes::Lanes,
    schedule::Lane,
};

const OBJECTS: u64 = 1_000_000;
/// Of them are others than a night before.
const CHANGED: u64 = OBJECTS / 5;

fn file(key: &SigningKey, generation: u64) -> Vec<u8> {
    let first = (generation - 1) * CHANGED;
    let name = |n: u64| format!("/title{:05}/1080p/segment{n:07}.m4s", n / 200);
    let paths: Vec<String> = (first..first + OBJECTS).map(name).collect();
    let objects = paths.iter().zip(first..).map(|(path, n)| Object {
        expected: n % 50_000,
        ..Object::fill(
            "vod",
            path,
            1_000_000 + n % 1000,
            Digest::of(path.as_bytes()),
        )
    });
    let head = Head {
        audience: Label::parse("edge-1").unwrap(),
        generation,
        previous: None,
        issued_s: 1_000,
        expires_s: 2_000,
        kind: Kind::Full,
        hints: Hints::default(),
        allow_mass_eviction: true,
    };
    let objects = Objects::collect(objects).unwrap();
    let manifest = Manifest::new(head, objects, Names::default()).unwrap();
    let payload = manifest.to_payload(Encoding::Zstd);
    let mut signed = Signed::draft(&payload);
    signed.sign(key).unwrap();
    signed.to_bytes()
}

/// Kilobytes, as the kernel counts.
fn memory(what: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(what));
    let kilobytes = line.and_then(|line| line.split_whitespace().next());
    kilobytes.unwrap().parse().unwrap()
}

#[test]
#[ignore = "takes seconds when optimised, and prints what it measures: just million"]
fn a_million_objects_are_accepted_compared_kept_and_queued() {
    let key = SigningKey::generate(Algorithm::Ed25519, Label::parse("p").unwrap()).unwrap();
    let planner = PlannerKey {
        key: key.verify_key(),
        roles: vec![Role::Plan, Role::Evict],
    };
    let keys = Keys::new(vec![planner], []).unwrap();
    let (first, second) = (file(&key, 1), file(&key, 2));
    let folder = tempfile::tempdir().unwrap();
    let accept =
        |state: &State, file| manifest::accept(state, file, 1_500, &keys, &Limits::default());
    let in_force = |accepted: manifest::Accepted| InForce {
        state: accepted.into_state(),
        told: Some(Told::default()),
        released: Objects::default(),
    };
    let state = State::new(Label::parse("edge-1").unwrap());
    let old = Active::new(in_force(accept(&state, &first).unwrap()), u64::MAX);
    println!("file {} MB", second.len() / 1_000_000);
    let before = memory("VmRSS:");

    let begun = Instant::now();
    let lap = |what: &str| println!("{what}: {:.2} s", begun.elapsed().as_secs_f64());
    let accepted = accept(&old.in_force.state, &second).unwrap();
    assert_eq!(accepted.diff.added.len() as u64, CHANGED);
    lap("accepted and compared");
    let in_force = in_force(accepted);
    applied::save(folder.path(), &in_force).unwrap();
    lap("kept");
    let counted = in_force.memory_bytes() + second.len() as u64;
    let active = Active::new(in_force, u64::MAX);
    active.inherit(&old);
    lap("ordered");
    let mut lanes = Lanes::default();
    lanes.requeue(&active);
    let first = lanes.take(Lane::Window).unwrap();
    lap("queued");
    let after = memory("VmRSS:");
    println!(
        "resident {} MB with one plan, {} MB with both, {} MB at most; {} MB are counted for one",
        before / 1000,
        after / 1000,
        memory("VmHWM:") / 1000,
        counted / 1_000_000,
    );
    // What is set aside for it in a node's budget covers what it took.
    assert!(after.saturating_sub(before) * 1024 <= counted);

    let (first, _) = active.at(first).unwrap();
    assert_eq!(first.expected, 49_999);
    assert_eq!(active.fills(), OBJECTS);
    let again = applied::load(folder.path(), &active.in_force.state.audience).unwrap();
    assert_eq!(again, active.in_force);
}
