//! A planner: its key, the manifests that it signs, and the folder from which nodes pull them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use manifest::{
    Digest, Encoding, Head, Hints, Keys, Kind, Manifest, Names, Object, Objects, PlannerKey, Role,
    Signed,
};
use signing::{Algorithm, Label, SigningKey};
use tempfile::TempDir;

use crate::{keys::key, oracle, world::Plan};

/// A planner of its own key.
pub struct Planner {
    folder: TempDir,
    key: SigningKey,
}

/// What a manifest says beside its objects.
#[derive(Debug, Clone, Default)]
pub struct Wishes<'a> {
    /// For whom it is; `edge1` unless set.
    pub audience: Option<&'a str>,
    /// The file that it changes, and its generation: a delta.
    pub base: Option<(&'a [u8], u64)>,
    /// What it removes by name.
    pub removed: Vec<&'a str>,
}

impl Planner {
    /// A new key, and a file of those that nodes trust.
    pub fn new() -> Self {
        Self::named("planner1")
    }

    /// The same, with a key of this id.
    pub fn named(kid: &str) -> Self {
        let planner = Self {
            folder: TempDir::with_prefix("millpond-planner-").unwrap(),
            key: key(Algorithm::Ed25519, kid),
        };
        planner.trust(&[&planner]);
        fs::create_dir(planner.root()).unwrap();
        planner
    }

    /// Has nodes trust these planners and no others, once they read the file again.
    pub fn trust(&self, planners: &[&Self]) {
        let keys = planners.iter().map(|planner| PlannerKey {
            key: planner.key.verify_key(),
            roles: vec![Role::Plan, Role::Evict],
        });
        let keys = Keys::new(keys.collect(), []).unwrap();
        fs::write(self.keys(), keys.to_json()).unwrap();
    }

    /// The file of the keys that nodes trust.
    pub fn keys(&self) -> PathBuf {
        self.folder.path().join("keys.json")
    }

    /// Writes its key, for a program that signs in its place.
    pub fn write_key(&self) -> PathBuf {
        let file = self.folder.path().join("key.json");
        fs::write(&file, self.key.to_json()).unwrap();
        file
    }

    /// From where nodes pull: a file for each audience.
    pub fn root(&self) -> PathBuf {
        self.folder.path().join("manifests")
    }

    /// Puts a full manifest of these objects where `edge1` pulls it.
    pub fn publish(&self, generation: u64, objects: &[Object<'_>]) {
        self.publish_as(generation, objects, &Wishes::default());
    }

    /// Puts a manifest where its audience pulls it.
    pub fn publish_as(&self, generation: u64, objects: &[Object<'_>], wishes: &Wishes<'_>) {
        // In one step, as object storage does.
        let new = self.folder.path().join("new");
        fs::write(&new, self.signed_as(generation, objects, wishes)).unwrap();
        let audience = wishes.audience.unwrap_or("edge1");
        fs::rename(new, self.root().join(audience)).unwrap();
    }

    /// A full manifest of these objects.
    pub fn signed(&self, generation: u64, objects: &[Object<'_>]) -> Vec<u8> {
        self.signed_as(generation, objects, &Wishes::default())
    }

    /// A manifest of these objects.
    pub fn signed_as(
        &self,
        generation: u64,
        objects: &[Object<'_>],
        wishes: &Wishes<'_>,
    ) -> Vec<u8> {
        let now_s = message::now().unix_s();
        let digest = |file| Signed::parse(file).unwrap().digest;
        let head = Head {
            audience: Label::parse(wishes.audience.unwrap_or("edge1")).unwrap(),
            generation,
            previous: wishes.base.map(|(file, _)| digest(file)),
            issued_s: now_s - 10,
            expires_s: now_s + 3600,
            kind: match wishes.base {
                Some((_, base)) => Kind::Delta { base },
                None => Kind::Full,
            },
            hints: Hints::default(),
            allow_mass_eviction: true,
        };
        let objects = Objects::collect(objects.iter().copied()).unwrap();
        let removed = wishes.removed.iter().map(|path| ("media", *path));
        let removed = Names::collect(removed).unwrap();
        let manifest = Manifest::new(head, objects, removed).unwrap();
        let payload = manifest.to_payload(Encoding::Plain);
        let mut signed = Signed::draft(&payload);
        signed.sign(&self.key).unwrap();
        signed.to_bytes()
    }

    /// What it makes of any payload: a file with its signature.
    pub fn sign(&self, payload: &[u8]) -> Vec<u8> {
        let mut signed = Signed::draft(payload);
        signed.sign(&self.key).unwrap();
        signed.to_bytes()
    }

    /// Has nodes trust its key for this role alone, and another planner's for plans, of which so many
    /// have to sign.
    pub fn share(&self, role: Role, threshold: usize) {
        let other = key(Algorithm::Ed25519, "planner2");
        let trusted = [(&self.key, role), (&other, Role::Plan)];
        let trusted = trusted.map(|(key, role)| PlannerKey {
            key: key.verify_key(),
            roles: vec![role],
        });
        let keys = Keys::new(trusted.to_vec(), [(Role::Plan, threshold)]).unwrap();
        fs::write(self.keys(), keys.to_json()).unwrap();
    }

    /// An edge with a disk that pulls from here, and may fill at these hours.
    pub fn edge(&self, hours: &str) -> Plan {
        let mut plan = Plan::default().edge_disk(256);
        for (key, value) in self.settings("edge1", hours) {
            plan = plan.edge_key(key, value);
        }
        plan
    }

    /// The keys of an edge's config for that.
    pub fn settings(&self, audience: &str, hours: &str) -> [(&'static str, String); 6] {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        [
            ("fill.keys", text(&self.keys())),
            ("fill.window.0.hours", hours.to_owned()),
            ("fill.pull.object", format!("/{audience}")),
            ("fill.pull.interval", "10s".to_owned()),
            ("fill.pull.origin.kind", "directory".to_owned()),
            ("fill.pull.origin.path", text(&self.root())),
        ]
    }
}

impl Default for Planner {
    fn default() -> Self {
        Self::new()
    }
}

/// What a plan says of an object of the site `media`.
pub fn planned(object: &oracle::Object) -> Object<'_> {
    let digest = Digest::of(&object.content());
    Object {
        expected: 2_000,
        ..Object::fill("media", &object.name, object.bytes, digest)
    }
}
