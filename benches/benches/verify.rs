//! What it costs to find out whether a token is good: a new one of each kind, and one seen before.

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair as _, UnparsedPublicKey,
    },
};
use signing::{
    Algorithm, Claims, Facts, KeySet, Label, ObjectPath, Policy, Scheme, Scope, SigningKey, Token,
    Verifier, edge_auth, media_cdn, uri_signing,
};

/// Many times what the verifier may remember: each comes round as a stranger.
const TOKENS: u64 = 4096;

type Made<T> = Result<T, Box<dyn std::error::Error>>;

struct Fixture {
    scheme: Scheme,
    verifier: Verifier,
    tokens: Vec<String>,
    path: ObjectPath,
    now_s: u64,
}

impl Fixture {
    fn new(scheme: Scheme, algorithm: Algorithm, tokens: u64, remembered: usize) -> Made<Self> {
        let key = SigningKey::generate_for(scheme, algorithm, Label::parse("bench-1")?)?;
        let site = Label::parse("bench")?;
        let policy = Policy {
            verified_tokens_max: remembered,
            ..Policy::default()
        };
        let verifier = Verifier::new(site.clone(), KeySet::new(vec![key.verify_key()])?, policy);
        let now_s = message::now().unix_s();
        let token = |n| {
            let end_s = now_s + 600 + n;
            Ok(match scheme {
                Scheme::Native => {
                    let claims = Claims::new(site.clone(), Scope::prefix("/vod")?, now_s, end_s);
                    signing::sign(&key, &claims)?
                }
                Scheme::EdgeAuth => edge_auth::sign_patterns(&key, &["/vod/*"], None, end_s, None)?,
                Scheme::MediaCdn => media_cdn::sign_patterns(&key, &["/vod/*"], None, end_s, None)?,
                Scheme::UriSigning => {
                    let what = uri_signing::Signed::Regex(r"https://cdn\.example/vod/.*");
                    uri_signing::sign(&key, &what, now_s, end_s, None)?
                }
                Scheme::CloudFront => return Err("an RSA key signs elsewhere".into()),
            })
        };
        Ok(Self {
            scheme,
            verifier,
            tokens: (0..tokens).map(token).collect::<Made<_>>()?,
            path: ObjectPath::parse("/vod/clip/v1/segment-17.m4s")?,
            now_s,
        })
    }

    fn bench(&self, criterion: &mut Criterion, label: &str) {
        let mut facts = Facts::new(&self.path, [127, 0, 0, 1].into(), self.now_s);
        facts.origin = "https://cdn.example";
        let mut tokens = self.tokens.iter().cycle();
        criterion.bench_function(label, |bencher| {
            bencher.iter(|| {
                let token = tokens.next().map(|text| match self.scheme {
                    Scheme::EdgeAuth => Token::EdgeAuth(text),
                    Scheme::MediaCdn => Token::MediaCdn(media_cdn::Sent::Dual(text)),
                    Scheme::UriSigning => Token::UriSigning(text),
                    Scheme::Native | Scheme::CloudFront => Token::Native(text),
                });
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
    use {Algorithm as A, Scheme as S};
    for (label, scheme, algorithm, tokens, remembered) in [
        ("verify/fresh ed25519", S::Native, A::Ed25519, TOKENS, 64),
        ("verify/fresh hmac", S::Native, A::HmacSha256, TOKENS, 64),
        ("verify/repeated", S::Native, A::Ed25519, 1, 16_384),
        (
            "verify/media-cdn fresh",
            S::MediaCdn,
            A::Ed25519,
            TOKENS,
            64,
        ),
        (
            "verify/media-cdn repeated",
            S::MediaCdn,
            A::Ed25519,
            1,
            16_384,
        ),
        (
            "verify/edge-auth fresh",
            S::EdgeAuth,
            A::HmacSha256,
            TOKENS,
            64,
        ),
        (
            "verify/edge-auth repeated",
            S::EdgeAuth,
            A::HmacSha256,
            1,
            16_384,
        ),
        (
            "verify/uri-signing fresh",
            S::UriSigning,
            A::EcdsaP256,
            TOKENS,
            64,
        ),
        (
            "verify/uri-signing repeated",
            S::UriSigning,
            A::EcdsaP256,
            1,
            16_384,
        ),
    ] {
        match Fixture::new(scheme, algorithm, tokens, remembered) {
            Ok(fixture) => fixture.bench(criterion, label),
            Err(error) => panic!("{label}: {error}"),
        }
    }
    if let Err(error) = floor(criterion) {
        panic!("floor: {error}");
    }
}

/// What no verifier can do without: the signature of a message as long as a token.
fn floor(criterion: &mut Criterion) -> Made<()> {
    let message = [7; 120];
    let pair = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).map_err(|_error| "ed25519")?;
    let signature = pair.sign(&message);
    let public = UnparsedPublicKey::new(&ED25519, pair.public_key().as_ref().to_vec());
    criterion.bench_function("verify/floor ed25519", |bencher| {
        bencher.iter(|| {
            public
                .verify(black_box(&message), signature.as_ref())
                .is_ok()
        });
    });
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|_error| "ecdsa")?;
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random);
    let pair = pair.map_err(|_error| "ecdsa")?;
    let signature = pair.sign(&random, &message).map_err(|_error| "ecdsa")?;
    let public = pair.public_key().as_ref().to_vec();
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public);
    criterion.bench_function("verify/floor es256", |bencher| {
        bencher.iter(|| {
            public
                .verify(black_box(&message), signature.as_ref())
                .is_ok()
        });
    });
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[9; 32]);
    let tag = hmac::sign(&key, &message);
    criterion.bench_function("verify/floor hmac", |bencher| {
        bencher.iter(|| hmac::verify(&key, black_box(&message), tag.as_ref()).is_ok());
    });
    Ok(())
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = verify
}
criterion_main!(benches);
