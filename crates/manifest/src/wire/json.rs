//! What serde lets pass and a manifest must not have: members that are there twice.

use std::{borrow::Cow, collections::BTreeSet, fmt};

use serde::{
    Deserialize,
    de::{Deserializer, Error, MapAccess, SeqAccess, Visitor},
};

use crate::wrong::cut;

/// Members that are not known, of all lines together: so many are named.
const UNKNOWN_MAX: usize = 16;

/// Members with which a planner would send nodes elsewhere. They would be ignored like others
/// that are not known, but who writes one expects that it is followed.
const HOSTS: [&str; 10] = [
    "href", "host", "hosts", "include", "includes", "origin", "origins", "source", "sources", "url",
];

/// A text that is borrowed from the line unless it has an escape.
#[derive(Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// Names of members that are not known.
#[derive(Debug, Default)]
pub(crate) struct Unknown {
    names: BTreeSet<String>,
    /// One that names a host.
    pub(super) host: Option<String>,
}

impl Unknown {
    /// Notes a member.
    pub(super) fn note(&mut self, name: &str) {
        if HOSTS.contains(&name) {
            self.host = Some(name.to_owned());
        }
        if self.names.len() < UNKNOWN_MAX && !self.names.contains(name) {
            self.names.insert(cut(name));
        }
    }

    pub(crate) fn into_names(self) -> Vec<String> {
        self.names.into_iter().collect()
    }
}

/// Takes a member's value, once.
pub(super) fn once<'de, A: MapAccess<'de>, T: Deserialize<'de>>(
    slot: &mut Option<T>,
    name: &'static str,
    map: &mut A,
) -> Result<(), A::Error> {
    if slot.replace(map.next_value()?).is_some() {
        return Err(Error::duplicate_field(name));
    }
    Ok(())
}

/// Any JSON value in which no member is there twice. Its depth is bounded by `serde_json`, at 128.
pub(super) struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SkippedVisitor)
    }
}

struct SkippedVisitor;

impl<'de> Visitor<'de> for SkippedVisitor {
    type Value = Skipped;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_str<E>(self, _: &str) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_unit<E>(self) -> Result<Skipped, E> {
        Ok(Skipped)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Skipped, A::Error> {
        while items.next_element::<Skipped>()?.is_some() {}
        Ok(Skipped)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Skipped, A::Error> {
        let mut names = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if names.contains(&name) {
                return Err(Error::custom(format_args!(
                    "duplicate field `{}`",
                    cut(&name)
                )));
            }
            names.insert(name);
            map.next_value::<Skipped>()?;
        }
        Ok(Skipped)
    }
}

/// A member that is not known: checked, noted and forgotten. `seen` are those of this text.
pub(super) fn skip<'de, A: MapAccess<'de>>(
    name: &str,
    seen: &mut Vec<String>,
    unknown: &mut Unknown,
    map: &mut A,
) -> Result<(), A::Error> {
    if seen.iter().any(|known| known == name) {
        return Err(Error::custom(format_args!(
            "duplicate field `{}`",
            cut(name)
        )));
    }
    // A line has few: its length is bounded, and so is how often this is gone through.
    if seen.len() == UNKNOWN_MAX {
        return Err(Error::custom("more than 16 unknown members"));
    }
    seen.push(name.to_owned());
    unknown.note(name);
    map.next_value::<Skipped>().map(|_| ())
}
