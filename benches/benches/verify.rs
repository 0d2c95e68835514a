//! What it costs to find out whether a token is good: a new one of each kind, and one seen before.

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use signing::{
    Algorithm, Claims, Facts, KeySet, Label, ObjectPath, Policy, Scope, SigningKey, Verifier,
};

/// Many times what the verifier may remember: each comes round as a stranger.
const TOKENS: u64 = 4096;

type Made<T> = Result<T, Box<dyn std::error::Error>>;

struct Fixture {
    verifier: Verifier,
    tokens: Vec<String>,
    path: ObjectPath,
    now_s: u64,
}

impl Fixture {
    fn new(algorithm: Algorithm, tokens: u64, remembered: usize) -> Made<Self> {
        let key = SigningKey::generate(algorithm, Label::parse("bench-1")?)?;
        let site = Label::parse("bench")?;
        let policy = Policy {
            verified_tokens_max: remembered,
            ..Policy::default()
        };
        let verifier = Verifier::new(site.clone(), KeySet::new(vec![key.verify_key()])?, policy);
        let now_s = message::now().unix_s();
        let token = |n| {
            let claims = Claims::new(site.clone(), Scope::prefix("/vod")?, now_s, now_s + 600 + n);
            Ok(signing::sign(&key, &claims)?)
        };
        Ok(Self {
            verifier,
            tokens: (0..tokens).map(token).collect::<Made<_>>()?,
            path: ObjectPath::parse("/vod/clip/v1/segment-17.m4s")?,
            now_s,
        })
    }

    fn bench(&self, criterion: &mut Criterion, label: &str) {
        let facts = Facts::new(&self.path, [127, 0, 0, 1].into(), self.now_s);
        let mut tokens = self.tokens.iter().cycle();
        criterion.bench_function(label, |bencher| {
            bencher.iter(|| {
                let token = tokens.next().map(String::as_str);
                let granted = self.verifier.admit(black_box(token), &facts);
                assert!(granted.is_ok_and(|grant| grant.is_some()), "a good token");
            });
        });
    }
}

#[expect(
    clippy::panic,
    reason = "a bench without its fixture has nothing to measure"
)]
fn verify(criterion: &mut Criterion) {
    for (label, algorithm, tokens, remembered) in [
        ("verify/fresh ed25519", Algorithm::Ed25519, TOKENS, 64),
        ("verify/fresh hmac", Algorithm::HmacSha256, TOKENS, 64),
        ("verify/repeated", Algorithm::Ed25519, 1, 16_384),
    ] {
        match Fixture::new(algorithm, tokens, remembered) {
            Ok(fixture) => fixture.bench(criterion, label),
            Err(error) => panic!("{label}: {error}"),
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = verify
}
criterion_main!(benches);
