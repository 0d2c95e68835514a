//! Identities: what the store knows an object, a version and a purge scope by.
//!
//! All are SHA-256 over length-prefixed parts, cut to 128 bits: no two names share an identity by
//! accident or by design, and an identity outlives the process without a secret to keep. The head
//! of an object carries its full name all the same, and a head whose name is another's is a miss.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

use http::{HeaderName, HeaderValue};
use message::ObjectName;
use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};
use store::{Epoch, Key};

use crate::{Paths, Reach, geometry::Geometry};

/// An object's identity: spread evenly, the same in every process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub(crate) [u8; 16]);

/// The identity of one immutable content of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct VersionId(pub(crate) [u8; 16]);

/// What a request asks for, as purges and as the store know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    /// Of its name: what purges, plans and audiences go by.
    pub(crate) object: ObjectId,
    /// Where its head is: the same, unless request fields chose among several.
    pub(crate) key: ObjectId,
}

impl From<ObjectId> for Identity {
    fn from(object: ObjectId) -> Self {
        let key = object;
        Self { object, key }
    }
}

impl ObjectId {
    /// The identity of what has this name. It costs one SHA-256.
    pub fn of(name: &ObjectName) -> Self {
        Self::named(&name.site, &name.path)
    }

    /// The same of a name in parts: a plan has a million of them.
    pub fn named(site: &str, path: &str) -> Self {
        Self(digest(b"object", &[site.as_bytes(), path.as_bytes()]))
    }

    /// The identity of what these request fields choose here; a field that is absent has no value.
    /// Without any it is this one.
    pub(crate) fn chosen_by<'f>(
        self,
        fields: impl Iterator<Item = (&'f HeaderName, Option<&'f HeaderValue>)>,
    ) -> Self {
        let mut parts: Vec<&[u8]> = vec![&self.0];
        for (name, value) in fields {
            parts.push(name.as_str().as_bytes());
            // An empty value is not an absent one.
            let is_there: &[u8] = if value.is_some() { b"=" } else { b"" };
            parts.extend([is_there, value.map_or(b"", HeaderValue::as_bytes)]);
        }
        if parts.len() == 1 {
            return self;
        }
        Self(digest(b"variant", &parts))
    }

    /// Half of it: as good as any hash of it.
    pub fn spread(&self) -> u64 {
        // What is left of 128 bits without their lower half.
        (u128::from_be_bytes(self.0) >> u64::BITS) as u64
    }

    /// Where the store keeps this object's head.
    pub(crate) fn head_key(self) -> Key {
        Key {
            id: self.0,
            part: Key::HEAD,
        }
    }

    /// The scopes that purge this object.
    pub(crate) fn scopes(self) -> Scopes {
        Scopes::of(self.0)
    }
}

/// Stands in for the validator of a version that has no strong one: no two are alike, in this
/// process or another, whatever the clock does.
#[derive(Debug, Default)]
pub(crate) struct Unique {
    process: RandomState,
    count: AtomicU64,
}

impl Unique {
    pub(crate) fn next(&self) -> [u8; 16] {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let half = |half: u8| u128::from(self.process.hash_one((count, half)));
        (half(0) << 64 | half(1)).to_be_bytes()
    }
}

impl VersionId {
    /// `validator` is the strong entity tag, or something unique to one fill where there is none.
    /// `slice_bytes` is part of it because slices of two cuts share indexes. `generation` is that of the last purge: slices from before it have other identities, so a
    /// purge also reaches content that comes back under the same entity tag.
    pub(crate) fn of(
        object: ObjectId,
        validator: &[u8],
        geometry: Geometry,
        generation: Epoch,
    ) -> Self {
        let parts: [&[u8]; 5] = [
            &object.0,
            validator,
            &geometry.total_bytes().to_be_bytes(),
            &geometry.slice_bytes().to_be_bytes(),
            &generation.as_u64().to_be_bytes(),
        ];
        Self(digest(b"version", &parts))
    }

    /// The content that a plan names by its SHA-256, whatever validator it comes with: only who has
    /// compared the digest publishes a head of this version, so that the version is the proof.
    pub(crate) fn planned(
        object: ObjectId,
        sha256: &[u8; 32],
        geometry: Geometry,
        generation: Epoch,
    ) -> Self {
        let parts: [&[u8]; 5] = [
            &object.0,
            sha256,
            &geometry.total_bytes().to_be_bytes(),
            &geometry.slice_bytes().to_be_bytes(),
            &generation.as_u64().to_be_bytes(),
        ];
        Self(digest(b"planned", &parts))
    }

    /// Where the store keeps slice `index` of this version.
    pub(crate) fn slice_key(self, index: u32) -> Key {
        Key {
            id: self.0,
            part: index,
        }
    }
}

/// What is purged as one: to be forgotten, or to be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Scopes {
    pub(crate) forget: u64,
    pub(crate) confirm: u64,
}

impl Scopes {
    /// Of everything. No name has these, but by an accident of one in 2^64.
    pub(crate) const ALL: Self = Self {
        forget: 1,
        confirm: 2,
    };

    /// Purged whenever the list of patterns is: what tells a list that is lost from one that never
    /// was.
    pub(crate) const PATTERNS: u64 = 3;

    /// Of a whole site.
    pub(crate) fn of_site(site: &str) -> Self {
        Self::of(digest(b"site", &[site.as_bytes()]))
    }

    pub(crate) fn of(id: [u8; 16]) -> Self {
        let both = u128::from_be_bytes(id);
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the two halves are what is wanted"
        )]
        let (forget, confirm) = ((both >> 64) as u64, both as u64);
        Self { forget, confirm }
    }

    pub(crate) fn for_reach(self, reach: Reach) -> u64 {
        match reach {
            Reach::Forget => self.forget,
            Reach::Confirm => self.confirm,
        }
    }
}

/// The scope of all of a site's objects that match.
pub(crate) fn paths_scope(site: &str, paths: &Paths, reach: Reach) -> u64 {
    let id = match paths {
        Paths::Pattern(pattern) => {
            let flags = [pattern.is_case_sensitive(), pattern.has_query()].map(u8::from);
            let text = pattern.to_string();
            digest(b"pattern", &[site.as_bytes(), text.as_bytes(), &flags])
        }
        Paths::Expression(one) => {
            let flags = [one.is_case_sensitive(), one.has_query()].map(u8::from);
            let mut parts = vec![site.as_bytes(), one.text().as_bytes(), &flags];
            parts.extend(one.starts().iter().map(String::as_bytes));
            digest(b"expression", &parts)
        }
    };
    Scopes::of(id).for_reach(reach)
}

pub(crate) fn digest(domain: &[u8], parts: &[&[u8]]) -> [u8; 16] {
    let mut context = Context::new(&SHA256);
    for part in std::iter::once(&domain).chain(parts) {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut id = [0; 16];
    id.copy_from_slice(&context.finish().as_ref()[..16]);
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(site: &str, path: &str) -> ObjectId {
        ObjectId::of(&ObjectName {
            site: site.into(),
            path: path.into(),
        })
    }

    #[test]
    fn a_delimiter_cannot_move_between_site_and_path() {
        assert_ne!(id("a|b", "/c"), id("a", "|b/c"));
        assert_ne!(id("ab", "/c"), id("a", "b/c"));
    }

    #[test]
    fn another_validator_or_length_is_another_version() {
        let object = id("tv", "/a");
        let zero = Epoch::default();
        let ten = Geometry::of(10);
        let version = VersionId::of(object, b"\"1\"", ten, zero);
        assert_ne!(version, VersionId::of(object, b"\"2\"", ten, zero));
        assert_ne!(
            version,
            VersionId::of(object, b"\"1\"", Geometry::of(11), zero)
        );
        assert_ne!(version, VersionId::of(id("tv", "/b"), b"\"1\"", ten, zero));
    }

    #[test]
    fn slices_of_another_cut_have_other_names() {
        let object = id("tv", "/a");
        let cut = |slice_bytes| {
            let geometry = Geometry::stored(6 << 20, slice_bytes).unwrap();
            VersionId::of(object, b"\"1\"", geometry, Epoch::ZERO)
        };
        assert_ne!(cut(1 << 20), cut(2 << 20));
    }

    #[test]
    fn what_is_unique_never_comes_again() {
        let unique = Unique::default();
        assert_ne!(unique.next(), unique.next());
        assert_ne!(Unique::default().next(), Unique::default().next());
    }
}
