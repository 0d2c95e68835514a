//! A manifest of a million objects, from its bytes to the head of the queue.
//!
//! `cargo test --release -p preposition --lib -- --ignored --nocapture million`

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

fn file(key: &SigningKey) -> Vec<u8> {
    let name = |n: u64| format!("/title{:05}/1080p/segment{n:07}.m4s", n / 200);
    let paths: Vec<String> = (0..OBJECTS).map(name).collect();
    let objects = paths.iter().zip(0..).map(|(path, n)| Object {
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
        generation: 1,
        previous: None,
        issued_s: 1_000,
        expires_s: 2_000,
        kind: Kind::Full,
        hints: Hints::default(),
        allow_mass_eviction: false,
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
#[ignore = "takes seconds; it prints what it measures and promises no speed"]
fn a_million_objects_are_accepted_kept_and_queued() {
    let key = SigningKey::generate(Algorithm::Ed25519, Label::parse("p").unwrap()).unwrap();
    let roles = vec![Role::Plan];
    let planner = PlannerKey {
        key: key.verify_key(),
        roles,
    };
    let keys = Keys::new(vec![planner], []).unwrap();
    let file = file(&key);
    let folder = tempfile::tempdir().unwrap();
    let before = memory("VmRSS:");
    let begun = Instant::now();
    let lap = |what: &str| println!("{what}: {:.2} s", begun.elapsed().as_secs_f64());
    let state = State::new(Label::parse("edge-1").unwrap());
    let accepted = manifest::accept(&state, &file, 1_500, &keys, &Limits::default()).unwrap();
    lap("accepted");
    let in_force = InForce {
        state: accepted.into_state(),
        told: Some(Told::default()),
        released: Objects::default(),
    };
    applied::save(folder.path(), &in_force).unwrap();
    lap("kept");
    let active = Active::new(in_force);
    lap("ordered");
    let mut lanes = Lanes::default();
    lanes.requeue(&active);
    lap("queued");
    let first = lanes.take(Lane::Window).unwrap();
    let (first, _) = active.at(first).unwrap();
    assert_eq!(first.expected, 49_999);
    assert_eq!(active.fills(), OBJECTS);
    println!(
        "file {} MB; resident {} MB before, {} MB after, {} MB at most in all of the test",
        file.len() / 1_000_000,
        before / 1000,
        memory("VmRSS:") / 1000,
        memory("VmHWM:") / 1000,
    );
    let again = applied::load(folder.path(), &active.in_force.state.audience).unwrap();
    lap("loaded again");
    assert_eq!(again, active.in_force);
}
