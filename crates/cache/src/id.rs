//! Identities: what the store knows an object, a version and a purge scope by.
//!
//! All are SHA-256 over length-prefixed parts, cut to 128 bits: no two names share an identity by
//! accident or by design, and an identity outlives the process without a secret to keep. The head
//! of an object carries its full name all the same, and a head whose name is another's is a miss.

use message::ObjectName;
use ring::digest::{Context, SHA256};
use store::{Epoch, Key};

/// An object's identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ObjectId(pub(crate) [u8; 16]);

/// The identity of one immutable content of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct VersionId(pub(crate) [u8; 16]);

impl ObjectId {
    pub(crate) fn of(name: &ObjectName) -> Self {
        Self(digest(
            b"object",
            &[name.site.as_bytes(), name.path.as_bytes()],
        ))
    }

    /// Where the store keeps this object's head.
    pub(crate) fn head_key(self) -> Key {
        Key {
            id: self.0,
            part: Key::HEAD,
        }
    }

    /// The scope that purges this object.
    pub(crate) fn scope(self) -> u64 {
        scope_of(self.0)
    }
}

impl VersionId {
    /// `validator` is the strong entity tag, or something unique to one fill where there is none.
    /// `generation` is that of the last purge: slices from before it have other identities, so a
    /// purge also reaches content that comes back under the same entity tag.
    pub(crate) fn of(
        object: ObjectId,
        validator: &[u8],
        total_bytes: u64,
        generation: Epoch,
    ) -> Self {
        let parts: [&[u8]; 4] = [
            &object.0,
            validator,
            &total_bytes.to_be_bytes(),
            &generation.as_u64().to_be_bytes(),
        ];
        Self(digest(b"version", &parts))
    }

    /// Where the store keeps slice `index` of this version.
    pub(crate) fn slice_key(self, index: u32) -> Key {
        Key {
            id: self.0,
            part: index,
        }
    }
}

/// The scope that purges a whole site.
pub(crate) fn site_scope(site: &str) -> u64 {
    scope_of(digest(b"site", &[site.as_bytes()]))
}

fn scope_of(id: [u8; 16]) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&id[..8]);
    u64::from_be_bytes(first)
}

fn digest(domain: &[u8], parts: &[&[u8]]) -> [u8; 16] {
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
        let version = VersionId::of(object, b"\"1\"", 10, zero);
        assert_ne!(version, VersionId::of(object, b"\"2\"", 10, zero));
        assert_ne!(version, VersionId::of(object, b"\"1\"", 11, zero));
        assert_ne!(version, VersionId::of(id("tv", "/b"), b"\"1\"", 10, zero));
    }
}
