//! The first line of a payload.

use std::fmt;

use serde::{
    Deserialize, Serialize,
    de::{DeserializeSeed, Deserializer, MapAccess, Visitor},
};
use signing::Label;

use super::{
    json::{Text, Unknown, once, skip},
    object,
};
use crate::{Digest, Head, Hints, Kind, Refused, Wrong, wrong::cut};

/// The newest schema that is known, major and minor.
const SCHEMA: &str = "1.0";
const MAJOR: u32 = 1;

/// Members of a head, for the list of critical ones.
const MEMBERS: [&str; 14] = [
    "schema",
    "critical",
    "audience",
    "generation",
    "previous",
    "issued_s",
    "expires_s",
    "kind",
    "base",
    "objects",
    "removed",
    "hints",
    "allow_mass_eviction",
    "comment",
];

/// A head as it is written.
#[derive(Debug, Default, Serialize)]
pub(super) struct RawHead {
    pub(super) schema: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) generation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) previous: Option<String>,
    pub(super) issued_s: Option<u64>,
    pub(super) expires_s: Option<u64>,
    pub(super) kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) base: Option<u64>,
    pub(super) objects: Option<u64>,
    pub(super) removed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hints: Option<RawHints>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allow_mass_eviction: Option<bool>,
}

#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHints {
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_per_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_per_window: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    concurrency: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline_s: Option<u64>,
}

/// What decides whether the rest can be read at all.
#[derive(Deserialize)]
struct Probe {
    schema: String,
    #[serde(default)]
    critical: Vec<String>,
}

/// Refuses what came after this program, before anything else of it is read.
pub(super) fn check_schema(line: &[u8]) -> Result<(), ProbeError> {
    let Probe { schema, critical } =
        serde_json::from_slice(line).map_err(|error| ProbeError::Malformed(error.to_string()))?;
    let numbers = schema.split_once('.').and_then(|(major, minor)| {
        let minor: u32 = minor.parse().ok()?;
        Some((major.parse::<u32>().ok()?, minor))
    });
    let Some((major, _)) = numbers else {
        let problem = format!("schema {:?} is not major.minor", cut(&schema));
        return Err(ProbeError::Malformed(problem));
    };
    if major != MAJOR {
        return Err(ProbeError::Refused(Refused::NewerSchema {
            found: cut(&schema),
            known: SCHEMA,
        }));
    }
    let is_known = |name: &str| MEMBERS.contains(&name) || object::MEMBERS.contains(&name);
    match critical.into_iter().find(|name| !is_known(name)) {
        Some(name) => Err(ProbeError::Refused(Refused::CriticalUnknown(cut(&name)))),
        None => Ok(()),
    }
}

pub(super) enum ProbeError {
    Malformed(String),
    Refused(Refused),
}

/// Reads a head, noting what is not known.
pub(super) struct HeadSeed<'u>(pub(super) &'u mut Unknown);

impl<'de> DeserializeSeed<'de> for HeadSeed<'_> {
    type Value = RawHead;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<RawHead, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for HeadSeed<'_> {
    type Value = RawHead;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the head of a manifest")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHead, A::Error> {
        let mut raw = RawHead::default();
        let (mut critical, mut comment) = (None::<Vec<String>>, None::<String>);
        let mut seen = Vec::new();
        while let Some(Text(name)) = map.next_key()? {
            match &*name {
                "schema" => once(&mut raw.schema, "schema", &mut map)?,
                "audience" => once(&mut raw.audience, "audience", &mut map)?,
                "generation" => once(&mut raw.generation, "generation", &mut map)?,
                "previous" => once(&mut raw.previous, "previous", &mut map)?,
                "issued_s" => once(&mut raw.issued_s, "issued_s", &mut map)?,
                "expires_s" => once(&mut raw.expires_s, "expires_s", &mut map)?,
                "kind" => once(&mut raw.kind, "kind", &mut map)?,
                "base" => once(&mut raw.base, "base", &mut map)?,
                "objects" => once(&mut raw.objects, "objects", &mut map)?,
                "removed" => once(&mut raw.removed, "removed", &mut map)?,
                "hints" => once(&mut raw.hints, "hints", &mut map)?,
                "allow_mass_eviction" => {
                    once(
                        &mut raw.allow_mass_eviction,
                        "allow_mass_eviction",
                        &mut map,
                    )?;
                }
                "critical" => once(&mut critical, "critical", &mut map)?,
                "comment" => once(&mut comment, "comment", &mut map)?,
                other => skip(other, &mut seen, self.0, &mut map)?,
            }
        }
        Ok(raw)
    }
}

impl RawHead {
    pub(super) fn of(head: &Head, objects: usize, removed: usize) -> Self {
        let Hints {
            bytes_per_s,
            bytes_per_window,
            concurrency,
            deadline_s,
        } = head.hints;
        let hints = RawHints {
            bytes_per_s,
            bytes_per_window,
            concurrency,
            deadline_s,
        };
        let (kind, base) = match head.kind {
            Kind::Full => ("full", None),
            Kind::Delta { base } => ("delta", Some(base)),
        };
        Self {
            schema: Some(SCHEMA.to_owned()),
            audience: Some(head.audience.to_string()),
            generation: Some(head.generation),
            previous: head.previous.map(|digest| digest.to_string()),
            issued_s: Some(head.issued_s),
            expires_s: Some(head.expires_s),
            kind: Some(kind.to_owned()),
            base,
            objects: Some(objects as u64),
            removed: Some(removed as u64),
            hints: (head.hints != Hints::default()).then_some(hints),
            allow_mass_eviction: head.allow_mass_eviction.then_some(true),
        }
    }

    /// The head, and how many objects and removals follow.
    pub(super) fn checked(self) -> Result<(Head, u64, u64), Wrong> {
        let given = self.audience.as_deref();
        let given = given.ok_or(Wrong::Missing("audience"))?;
        let audience = Label::parse(given).ok();
        let audience = audience.ok_or_else(|| Wrong::label("audience", given))?;
        let head = Head {
            audience,
            generation: self.generation.ok_or(Wrong::Missing("generation"))?,
            previous: self.previous.as_deref().map(Digest::parse).transpose()?,
            issued_s: self.issued_s.ok_or(Wrong::Missing("issued_s"))?,
            expires_s: self.expires_s.ok_or(Wrong::Missing("expires_s"))?,
            kind: kind(self.kind.as_deref(), self.base)?,
            hints: self.hints.map(Hints::from).unwrap_or_default(),
            allow_mass_eviction: self.allow_mass_eviction.unwrap_or(false),
        };
        head.check()?;
        let objects = self.objects.ok_or(Wrong::Missing("objects"))?;
        let removed = self.removed.ok_or(Wrong::Missing("removed"))?;
        Ok((head, objects, removed))
    }
}

impl From<RawHints> for Hints {
    fn from(raw: RawHints) -> Self {
        Self {
            bytes_per_s: raw.bytes_per_s,
            bytes_per_window: raw.bytes_per_window,
            concurrency: raw.concurrency,
            deadline_s: raw.deadline_s,
        }
    }
}

fn kind(kind: Option<&str>, base: Option<u64>) -> Result<Kind, Wrong> {
    match (kind, base) {
        (Some("full"), None) => Ok(Kind::Full),
        (Some("full"), Some(base)) => Err(Wrong::value("base", base, "only a delta has one")),
        (Some("delta"), Some(base)) => Ok(Kind::Delta { base }),
        (Some("delta"), None) => Err(Wrong::Missing("base (of a delta)")),
        (Some(other), _) => Err(Wrong::value("kind", other, "full or delta")),
        (None, _) => Err(Wrong::Missing("kind")),
    }
}
