//! A million objects within a bound of memory. Run with `--release`, or it takes a minute:
//! `cargo test --release -p manifest --test scale -- --ignored --nocapture`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod world;

use std::{env, fs, process::Command};

use manifest::{Digest, Encoding, Keys, Manifest, Names, Object, Objects, Role, Signed};
use world::{World, head, planner};

const OBJECTS: usize = 1_000_000;

/// What everything may take: the present plan, the next one and what lies between.
const MEMORY_KIB: u64 = 1 << 20;

/// Tells the limited process where the files are.
const FOLDER: &str = "MILLPOND_MANIFEST_FOLDER";

fn write(world: &World, generation: u64, from: usize) -> Vec<u8> {
    let paths: Vec<String> = (from..from + OBJECTS)
        .map(|n| format!("/title-{:05}/video-{}/segment-{n:07}.m4s", n / 200, n % 5))
        .collect();
    let objects = paths.iter().map(|path| Object {
        expected: path.len() as u64 * 100,
        ..Object::fill("films", path, 1_700_000, Digest::of(path.as_bytes()))
    });
    let objects = Objects::collect(objects).unwrap();
    let manifest = Manifest::new(head(generation), objects, Names::default()).unwrap();
    let payload = manifest.to_payload(Encoding::Zstd);
    let mut signed = Signed::draft(&payload);
    signed.sign(&world.signer).unwrap();
    signed.to_bytes()
}

/// Accepted, compared and put in order in 1 GiB. The address space is limited, which is
/// stricter than what is resident.
#[test]
#[ignore = "takes a minute without optimisation: just manifest"]
fn a_million_objects_are_accepted_compared_and_ordered_in_1_gib() {
    let folder = env::temp_dir().join(format!("millpond-manifest-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let world = World::new();
    let keys = vec![planner(&world.signer, &[Role::Plan])];
    fs::write(folder.join("keys"), Keys::new(keys, []).unwrap().to_json()).unwrap();
    for (name, generation, from) in [("first", 1, 0), ("second", 2, OBJECTS / 5)] {
        let file = write(&world, generation, from);
        println!("{name}: {} bytes", file.len());
        fs::write(folder.join(name), file).unwrap();
    }
    let script =
        format!("ulimit -v {MEMORY_KIB} && exec \"$0\" --ignored --exact --nocapture limited");
    let run = Command::new("sh")
        .args(["-c", &script])
        .arg(env::current_exe().unwrap())
        .env(FOLDER, &folder)
        .output()
        .unwrap();
    fs::remove_dir_all(&folder).unwrap();
    println!("{}", String::from_utf8_lossy(&run.stdout));
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stderr)
    );
}

/// The limited process: a node that has one manifest and gets the next.
#[test]
#[ignore = "a child process of the test above, not a test"]
fn limited() {
    let Some(folder) = env::var_os(FOLDER) else {
        println!("skipped: run by the other test of this file");
        return;
    };
    let read = |name| fs::read(std::path::Path::new(&folder).join(name)).unwrap();
    let mut world = World::with(Keys::parse(&read("keys")).unwrap());
    world.apply(&read("first"));
    let accepted = world.accept(&read("second")).unwrap();
    let order = accepted.plan().order(u64::MAX, world::NOW_S);
    assert_eq!(accepted.diff.added.len(), OBJECTS / 5);
    assert_eq!(accepted.diff.removed.len(), OBJECTS / 5);
    assert_eq!(order.fill.len(), OBJECTS);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .filter(|line| line.starts_with("VmHWM") || line.starts_with("VmPeak"));
    println!("{}", peak.collect::<Vec<_>>().join(", "));
    println!("plan: {} bytes", accepted.plan().memory_bytes());
}
