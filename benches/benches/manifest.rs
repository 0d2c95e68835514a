//! What a manifest of a million objects costs: to accept, to compare, to put in order.

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use manifest::{
    Diff, Digest, Encoding, Head, Hints, Keys, Kind, Label, Limits, Manifest, Names, Object,
    Objects, PlannerKey, Role, Signed, SigningKey, State, accept,
};

const OBJECTS: usize = 1_000_000;
const NOW_S: u64 = 1_767_225_600;

type Made<T> = Result<T, Box<dyn std::error::Error>>;

/// A node that holds one plan, and a signed manifest of the next one, a fifth of it new.
struct Fixture {
    state: State,
    keys: Keys,
    plain: Vec<u8>,
    zstd: Vec<u8>,
    next: Objects,
}

impl Fixture {
    fn new() -> Made<Self> {
        let kid = Label::parse("planner")?;
        let signer = SigningKey::generate(signing::Algorithm::Ed25519, kid)?;
        let planner = PlannerKey {
            key: signer.verify_key(),
            roles: vec![Role::Plan],
        };
        let (plan, next) = (plan(0)?, plan(OBJECTS / 5)?);
        let head = head()?;
        let manifest = Manifest::new(head.clone(), next.clone(), Names::default())?;
        let sign = |encoding| -> Made<Vec<u8>> {
            let payload = manifest.to_payload(encoding);
            let mut signed = Signed::draft(&payload);
            signed.sign(&signer)?;
            Ok(signed.to_bytes())
        };
        let mut state = State::new(head.audience);
        (state.generation, state.plan) = (1, plan);
        Ok(Self {
            state,
            keys: Keys::new(vec![planner], [])?,
            plain: sign(Encoding::Plain)?,
            zstd: sign(Encoding::Zstd)?,
            next,
        })
    }

    fn accept(&self, file: &[u8]) -> bool {
        // Not compressed, a million objects are larger than a file may be.
        let limits = Limits {
            file_bytes_max: u64::MAX,
            ..Limits::default()
        };
        let accepted = accept(&self.state, black_box(file), NOW_S, &self.keys, &limits);
        accepted.is_ok_and(|accepted| accepted.diff.added.len() == OBJECTS / 5)
    }
}

fn head() -> Made<Head> {
    Ok(Head {
        audience: Label::parse("edge-1")?,
        generation: 2,
        previous: None,
        issued_s: NOW_S,
        expires_s: NOW_S + 86_400,
        kind: Kind::Full,
        hints: Hints::default(),
        allow_mass_eviction: false,
    })
}

fn plan(from: usize) -> Made<Objects> {
    let paths: Vec<String> = (from..from + OBJECTS)
        .map(|n| format!("/title-{:05}/video-{}/segment-{n:07}.m4s", n / 200, n % 5))
        .collect();
    let objects = paths.iter().map(|path| Object {
        expected: path.len() as u64 * 100,
        ..Object::fill("films", path, 1_700_000, Digest::of(path.as_bytes()))
    });
    Ok(Objects::collect(objects)?)
}

#[expect(
    clippy::panic,
    reason = "a bench without its fixture has nothing to measure"
)]
fn manifest(criterion: &mut Criterion) {
    let fixture = match Fixture::new() {
        Ok(fixture) => fixture,
        Err(error) => panic!("{error}"),
    };
    for (label, file) in [("zstd", &fixture.zstd), ("plain", &fixture.plain)] {
        criterion.bench_function(
            &format!("manifest/accept 1 M objects, {label}"),
            |bencher| {
                bencher.iter(|| assert!(fixture.accept(file), "a good manifest"));
            },
        );
    }
    criterion.bench_function("manifest/diff 1 M objects", |bencher| {
        bencher.iter(|| black_box(Diff::between(&fixture.state.plan, &fixture.next)));
    });
    criterion.bench_function("manifest/order 1 M objects", |bencher| {
        bencher.iter(|| black_box(fixture.next.order(u64::MAX, NOW_S)));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(10));
    targets = manifest
}
criterion_main!(benches);
