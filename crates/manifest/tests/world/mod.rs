//! A node that accepts the manifests of one planner.
#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test file uses another part of it, so none of it is always unused"
)]

use manifest::{
    Accepted, Digest, Encoding, Head, Hints, Keys, Kind, Label, Limits, Manifest, Names, Object,
    Objects, PlannerKey, Refused, Role, Signed, SigningKey, State, accept,
};
use signing::Algorithm;

/// 2026-01-01.
pub(crate) const NOW_S: u64 = 1_767_225_600;

const PATHS: [&str; 12] = [
    "/f/0.m4s", "/f/1.m4s", "/f/2.m4s", "/f/3.m4s", "/f/4.m4s", "/f/5.m4s", "/f/6.m4s", "/f/7.m4s",
    "/f/8.m4s", "/f/9.m4s", "/f/A.m4s", "/f/B.m4s",
];

/// A node, and the key whose manifests it accepts.
pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) signer: SigningKey,
    pub(crate) keys: Keys,
    pub(crate) limits: Limits,
}

impl World {
    pub(crate) fn new() -> Self {
        let signer = key("planner");
        let keys = vec![planner(&signer, &[Role::Plan, Role::Evict])];
        Self {
            signer,
            ..Self::with(Keys::new(keys, []).unwrap())
        }
    }

    pub(crate) fn with(keys: Keys) -> Self {
        Self {
            state: State::new(Label::parse("edge-1").unwrap()),
            signer: key("planner"),
            keys,
            limits: Limits::default(),
        }
    }

    pub(crate) fn accept(&self, file: &[u8]) -> Result<Accepted, Refused> {
        accept(&self.state, file, NOW_S, &self.keys, &self.limits)
    }

    pub(crate) fn apply(&mut self, file: &[u8]) {
        self.state = self.accept(file).unwrap().into_state();
    }

    pub(crate) fn signed(&self, head: Head, objects: &[Object<'_>]) -> Vec<u8> {
        sign(&manifest(head, objects), &[&self.signer])
    }

    pub(crate) fn sign_payload(&self, payload: &[u8]) -> Vec<u8> {
        let mut signed = Signed::draft(payload);
        signed.sign(&self.signer).unwrap();
        signed.to_bytes()
    }
}

pub(crate) fn key(kid: &str) -> SigningKey {
    SigningKey::generate(Algorithm::Ed25519, Label::parse(kid).unwrap()).unwrap()
}

pub(crate) fn planner(key: &SigningKey, roles: &[Role]) -> PlannerKey {
    PlannerKey {
        key: key.verify_key(),
        roles: roles.to_vec(),
    }
}

pub(crate) fn head(generation: u64) -> Head {
    Head {
        audience: Label::parse("edge-1").unwrap(),
        generation,
        previous: None,
        issued_s: NOW_S - 60,
        expires_s: NOW_S + 86_400,
        kind: Kind::Full,
        hints: Hints::default(),
        allow_mass_eviction: false,
    }
}

/// One of twelve objects of 1,000 bytes.
pub(crate) fn object(n: usize) -> Object<'static> {
    Object::fill("films", PATHS[n], 1_000, Digest::of(PATHS[n].as_bytes()))
}

pub(crate) fn objects(count: usize) -> Vec<Object<'static>> {
    (0..count).map(object).collect()
}

pub(crate) fn manifest(head: Head, objects: &[Object<'_>]) -> Manifest {
    let objects = Objects::collect(objects.iter().copied()).unwrap();
    Manifest::new(head, objects, Names::default()).unwrap()
}

pub(crate) fn sign(manifest: &Manifest, keys: &[&SigningKey]) -> Vec<u8> {
    let payload = manifest.to_payload(Encoding::Plain);
    let mut signed = Signed::draft(&payload);
    for key in keys {
        signed.sign(key).unwrap();
    }
    signed.to_bytes()
}

/// A manifest of two objects whose text was changed before it was signed.
pub(crate) fn signed_text(world: &World, change: impl FnOnce(String) -> String) -> Vec<u8> {
    let payload = manifest(head(1), &objects(2)).to_payload(Encoding::Plain);
    world.sign_payload(change(String::from_utf8(payload).unwrap()).as_bytes())
}

/// The first line of a manifest with so many objects.
pub(crate) fn line(head: &Head, objects: usize) -> String {
    let payload = manifest(head.clone(), &[]).to_payload(Encoding::Plain);
    let text = String::from_utf8(payload).unwrap();
    text.replace(r#""objects":0"#, &format!(r#""objects":{objects}"#))
}
