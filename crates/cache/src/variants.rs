//! Several responses of one name: which request fields chose each, and how many there may be.
//!
//! At an object's own key is either its one head or a note of the fields by which its responses
//! vary; each response is then at a key of its own, made of the values that chose it.

use std::sync::Arc;

use http::{HeaderMap, HeaderName};
use message::{Carried, ObjectName};
use semantics::{forward::ForwardRule, vary};
use serde::{Deserialize, Serialize};
use store::Epoch;

use crate::{
    Inner,
    head::Entry,
    id::{Identity, ObjectId},
};

/// Responses that one object may have at a time (`X07`); what comes beyond is not stored.
const VARIANTS_MAX: usize = 8;

/// Tells a note from a head in the store.
pub(crate) const NOTE: u8 = 0x80;

/// Which request fields chose a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    /// Where the note is, if there is one; else where the response itself is.
    pub(crate) base: ObjectId,
    /// The fields of its `Vary` that go upstream on this site; all others are the same each time.
    pub(crate) varies: Box<[HeaderName]>,
    /// What was carried of those, and of those that are in the key: every further read for this
    /// response carries it again.
    pub(crate) carried: Carried,
}

/// What is known of an object that has several responses.
#[derive(Debug, Clone)]
pub(crate) struct Note {
    pub(crate) varies: Box<[HeaderName]>,
    keys: Vec<ObjectId>,
    pub(crate) stamp: Epoch,
}

#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    site: &'a str,
    path: &'a str,
    varies: Vec<&'a str>,
    keys: Vec<[u8; 16]>,
}

impl Selection {
    /// What chose a response to a request that carried this; `None` if nothing ever chooses it.
    pub(crate) fn of(
        base: ObjectId,
        carried: &Carried,
        rules: &[ForwardRule],
        response: &HeaderMap,
    ) -> Option<Self> {
        let named = vary::named(response)?;
        let rule = |name: &HeaderName| rules.iter().find(|rule| rule.name == *name);
        let varies = named.into_iter().filter(|name| {
            // What is in the key chose already.
            rule(name).is_some_and(|rule| !rule.in_key)
        });
        let varies: Box<[HeaderName]> = varies.collect();
        let chose =
            |name: &HeaderName| varies.contains(name) || rule(name).is_some_and(|rule| rule.in_key);
        let carried = carried.only(chose);
        Some(Self {
            base,
            varies,
            carried,
        })
    }

    /// The selection of what has one response.
    pub(crate) fn none(base: ObjectId) -> Self {
        Self {
            base,
            varies: Box::default(),
            carried: Carried::default(),
        }
    }

    /// Where the response is.
    pub(crate) fn key(&self) -> ObjectId {
        key(self.base, &self.varies, &self.carried)
    }

    /// Whether a request that carries this is answered by the response.
    pub(crate) fn matches(&self, carried: &Carried) -> bool {
        // RFC 9111 section 4.1: all fields that Vary names match; absent matches absent.
        let mut names = self.varies.iter();
        names.all(|name| self.carried.value(name) == carried.value(name))
    }
}

impl Note {
    /// Where the response to a request that carries this would be.
    pub(crate) fn key(&self, base: ObjectId, carried: &Carried) -> ObjectId {
        key(base, &self.varies, carried)
    }

    /// Where its responses are.
    pub(crate) fn keys(&self) -> impl Iterator<Item = ObjectId> {
        self.keys.iter().copied()
    }

    pub(crate) fn weight(&self) -> usize {
        size_of::<Self>() + self.keys.len() * size_of::<ObjectId>() + self.varies.len() * 48
    }

    fn encode(&self, name: &ObjectName) -> Vec<u8> {
        let stored = Stored {
            site: &name.site,
            path: &name.path,
            varies: self.varies.iter().map(HeaderName::as_str).collect(),
            keys: self.keys.iter().map(|key| key.0).collect(),
        };
        // Encoding into a growing buffer cannot fail; an empty note would decode to a miss.
        postcard::to_extend(&stored, vec![NOTE]).unwrap_or_default()
    }

    /// The note that `body` holds, behind its first byte, unless it is another object's.
    pub(crate) fn decode(body: &[u8], name: &ObjectName, stamp: Epoch) -> Option<Self> {
        let stored: Stored<'_> = postcard::from_bytes(body).ok()?;
        if stored.site != &*name.site || stored.path != &*name.path {
            return None;
        }
        let varies = stored.varies.iter().map(|name| name.parse());
        Some(Self {
            varies: varies.collect::<Result<_, _>>().ok()?,
            keys: stored
                .keys
                .into_iter()
                .map(ObjectId)
                .take(VARIANTS_MAX)
                .collect(),
            stamp,
        })
    }
}

fn key(base: ObjectId, varies: &[HeaderName], carried: &Carried) -> ObjectId {
    base.chosen_by(varies.iter().map(|name| (name, carried.value(name))))
}

impl Inner {
    /// Whether there is room for a response of this selection among those of its object.
    pub(crate) fn admits(&self, object: ObjectId, name: &ObjectName, new: &Selection) -> bool {
        new.varies.is_empty() || self.note_with(object, name, new, Epoch::ZERO).is_some()
    }

    /// Notes a response among those of its object. What has one response needs no note.
    pub(crate) fn note(&self, id: Identity, name: &ObjectName, new: &Selection, stamp: Epoch) {
        if new.varies.is_empty() {
            return;
        }
        if let Some(note) = self.note_with(id.object, name, new, stamp) {
            let bytes = note.encode(name).into();
            self.heads.insert(new.base, Entry::Varies(Arc::new(note)));
            self.put_head(new.base, stamp, bytes);
        }
    }

    fn note_with(
        &self,
        object: ObjectId,
        name: &ObjectName,
        new: &Selection,
        stamp: Epoch,
    ) -> Option<Note> {
        let base = Identity {
            object,
            key: new.base,
        };
        let mut keys = match self.remembered(base, name) {
            // RFC 9111 section 4.1: another Vary makes another choice among other responses.
            Some(Entry::Varies(note)) if note.varies == new.varies => note.keys.clone(),
            _ => Vec::new(),
        };
        let key = new.key();
        if !keys.contains(&key) {
            if keys.len() >= VARIANTS_MAX {
                // One that is held no more makes room.
                let gone = keys.iter().position(|key| !self.heads.contains(key))?;
                keys.remove(gone);
            }
            keys.push(key);
        }
        Some(Note {
            varies: new.varies.clone(),
            keys,
            stamp,
        })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn carried(fields: &[(&'static str, &'static str)]) -> Carried {
        let fields = fields.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        Carried::new(fields.collect())
    }

    fn selection(vary: &'static str, fields: &[(&'static str, &'static str)]) -> Option<Selection> {
        let rules: Vec<_> = ["x-a", "x-b", "key:x-k"]
            .iter()
            .map(|rule| ForwardRule::parse(rule).unwrap())
            .collect();
        let response = HeaderMap::from_iter([(http::header::VARY, HeaderValue::from_static(vary))]);
        Selection::of(ObjectId([7; 16]), &carried(fields), &rules, &response)
    }

    #[test]
    fn only_what_goes_upstream_chooses() {
        // RFC 9111 section 4.1; a field that no rule names is the same in every request upstream.
        let chosen = selection("X-B, user-agent", &[("x-a", "1"), ("x-b", "2")]).unwrap();
        assert_eq!(*chosen.varies, [HeaderName::from_static("x-b")]);
        assert_eq!(chosen.carried, carried(&[("x-b", "2")]));
        assert!(chosen.matches(&carried(&[("x-b", "2"), ("x-a", "9")])));
        assert!(!chosen.matches(&carried(&[("x-b", "3")])));
        assert!(
            !chosen.matches(&carried(&[])),
            "absent matches absent alone"
        );
        assert!(selection("*", &[]).is_none());
        let keyed = selection("x-k", &[("x-k", "1")]).unwrap();
        assert!(keyed.varies.is_empty(), "it is in the key already");
        assert_eq!(keyed.carried, carried(&[("x-k", "1")]));
    }

    #[test]
    fn each_choice_has_its_own_place_and_none_has_the_objects() {
        let key = |fields: &[(&'static str, &'static str)]| selection("x-a", fields).unwrap().key();
        assert_ne!(key(&[("x-a", "1")]), key(&[("x-a", "2")]));
        assert_ne!(
            key(&[("x-a", "")]),
            key(&[]),
            "an empty value is not an absent one"
        );
        assert_eq!(key(&[("x-a", "1"), ("x-b", "1")]), key(&[("x-a", "1")]));
        assert_eq!(selection("x-z", &[]).unwrap().key(), ObjectId([7; 16]));
    }

    #[test]
    fn a_note_reads_back_and_another_objects_does_not() {
        let name = |path: &str| ObjectName {
            site: "tv".into(),
            path: path.into(),
        };
        let note = Note {
            varies: [HeaderName::from_static("x-a")].into(),
            keys: vec![ObjectId([1; 16])],
            stamp: Epoch::ZERO,
        };
        let bytes = note.encode(&name("/a"));
        let read = Note::decode(&bytes[1..], &name("/a"), Epoch::ZERO).unwrap();
        assert_eq!((read.varies, read.keys), (note.varies, note.keys));
        assert!(Note::decode(&bytes[1..], &name("/b"), Epoch::ZERO).is_none());
    }
}
