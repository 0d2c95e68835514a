//! The lines of objects and of removals.

use std::{borrow::Cow, fmt};

use serde::{
    Serialize,
    de::{DeserializeSeed, Deserializer, MapAccess, Visitor},
};

use super::json::{Text, Unknown, once, skip};
use crate::{Action, Digest, Object, Pin, Tier, Wrong};

/// Members of an object, for the list of critical ones.
pub(super) const MEMBERS: [&str; 13] = [
    "site",
    "path",
    "size",
    "digest",
    "action",
    "expected",
    "priority",
    "pinned",
    "pin_until_s",
    "live_at_s",
    "first_bytes",
    "tier",
    "fast_track",
];

/// An object as it is written. A removal has a site and a path alone.
#[derive(Debug, Default, Serialize)]
pub(super) struct RawObject<'a> {
    site: Option<Cow<'a, str>>,
    path: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pin_until_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    live_at_s: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tier: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fast_track: Option<bool>,
}

/// Reads an object or a removal, noting what is not known.
pub(super) struct ObjectSeed<'u>(pub(super) &'u mut Unknown);

impl<'de> DeserializeSeed<'de> for ObjectSeed<'_> {
    type Value = RawObject<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ObjectSeed<'_> {
    type Value = RawObject<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of a manifest")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut raw = RawObject::default();
        let mut seen = Vec::new();
        while let Some(Text(name)) = map.next_key()? {
            match &*name {
                "site" => once_text(&mut raw.site, "site", &mut map)?,
                "path" => once_text(&mut raw.path, "path", &mut map)?,
                "size" => once(&mut raw.size, "size", &mut map)?,
                "digest" => once_text(&mut raw.digest, "digest", &mut map)?,
                "action" => once_text(&mut raw.action, "action", &mut map)?,
                "expected" => once(&mut raw.expected, "expected", &mut map)?,
                "priority" => once(&mut raw.priority, "priority", &mut map)?,
                "pinned" => once(&mut raw.pinned, "pinned", &mut map)?,
                "pin_until_s" => once(&mut raw.pin_until_s, "pin_until_s", &mut map)?,
                "live_at_s" => once(&mut raw.live_at_s, "live_at_s", &mut map)?,
                "first_bytes" => once(&mut raw.first_bytes, "first_bytes", &mut map)?,
                "tier" => once_text(&mut raw.tier, "tier", &mut map)?,
                "fast_track" => once(&mut raw.fast_track, "fast_track", &mut map)?,
                other => skip(other, &mut seen, self.0, &mut map)?,
            }
        }
        Ok(raw)
    }
}

fn once_text<'de, A: MapAccess<'de>>(
    slot: &mut Option<Cow<'de, str>>,
    name: &'static str,
    map: &mut A,
) -> Result<(), A::Error> {
    let mut text = slot.take().map(Text);
    once(&mut text, name, map)?;
    *slot = text.map(|Text(text)| text);
    Ok(())
}

impl<'a> RawObject<'a> {
    /// The line of an object: what has its usual value is left out.
    pub(super) fn of(object: &Object<'a>) -> Self {
        let some = |value: u64| (value != 0).then_some(value);
        Self {
            site: Some(object.site.into()),
            path: Some(object.path.into()),
            size: Some(object.size),
            digest: object.digest.map(|digest| digest.to_string().into()),
            action: match object.action {
                Action::Fill => None,
                Action::Seed => Some("seed".into()),
            },
            expected: some(object.expected),
            priority: (object.priority != 0).then_some(object.priority),
            pinned: (object.pin == Pin::WhilePlanned).then_some(true),
            pin_until_s: match object.pin {
                Pin::Until(end_s) => Some(end_s),
                Pin::Unpinned | Pin::WhilePlanned => None,
            },
            live_at_s: object.live_at_s,
            first_bytes: object.first_bytes,
            tier: match object.tier {
                Tier::Any => None,
                Tier::Ram => Some("ram".into()),
                Tier::Disk => Some("disk".into()),
            },
            fast_track: object.fast_track.then_some(true),
        }
    }

    /// The line of a removal.
    pub(super) fn removal(site: &'a str, path: &'a str) -> Self {
        Self {
            site: Some(site.into()),
            path: Some(path.into()),
            ..Self::default()
        }
    }

    /// The name of a removal, which has nothing else.
    pub(super) fn removed(&self) -> Result<(&str, &str), Wrong> {
        let name = self.name()?;
        if self.size.is_some() || self.digest.is_some() || self.action.is_some() {
            let hint = "what is removed has a site and a path alone";
            return Err(Wrong::value("path", name.1, hint));
        }
        Ok(name)
    }

    /// The object, whose own rules are checked where it is kept.
    pub(super) fn object(&self) -> Result<Object<'_>, Wrong> {
        let (site, path) = self.name()?;
        let size = self.size.ok_or(Wrong::Missing("size"))?;
        Ok(Object {
            digest: self.digest.as_deref().map(Digest::parse).transpose()?,
            action: match self.action.as_deref() {
                None | Some("fill") => Action::Fill,
                Some("seed") => Action::Seed,
                Some(other) => return Err(Wrong::value("action", other, "fill or seed")),
            },
            priority: self.priority.unwrap_or(0),
            pin: self.pin()?,
            live_at_s: nonzero("live_at_s", self.live_at_s)?,
            first_bytes: nonzero("first_bytes", self.first_bytes)?,
            tier: match self.tier.as_deref() {
                None | Some("any") => Tier::Any,
                Some("ram") => Tier::Ram,
                Some("disk") => Tier::Disk,
                Some(other) => return Err(Wrong::value("tier", other, "any, ram or disk")),
            },
            fast_track: self.fast_track.unwrap_or(false),
            ..Object::seed(site, path, size, self.expected.unwrap_or(0))
        })
    }

    fn name(&self) -> Result<(&str, &str), Wrong> {
        let site = self.site.as_deref().ok_or(Wrong::Missing("site"))?;
        let path = self.path.as_deref().ok_or(Wrong::Missing("path"))?;
        Ok((site, path))
    }

    fn pin(&self) -> Result<Pin, Wrong> {
        let until_s = nonzero("pin_until_s", self.pin_until_s)?;
        match (self.pinned.unwrap_or(false), until_s) {
            (false, None) => Ok(Pin::Unpinned),
            // The table keeps this one for `WhilePlanned`, and it is as far away.
            (false, Some(u64::MAX)) | (true, None) => Ok(Pin::WhilePlanned),
            (false, Some(end_s)) => Ok(Pin::Until(end_s)),
            (true, Some(end_s)) => {
                let hint = "give `pinned` or `pin_until_s`";
                Err(Wrong::value("pin_until_s", end_s, hint))
            }
        }
    }
}

fn nonzero(what: &'static str, value: Option<u64>) -> Result<Option<u64>, Wrong> {
    match value {
        Some(0) => Err(Wrong::value(what, 0, "leave it out for none")),
        Some(_) | None => Ok(value),
    }
}
