//! A head in the store: `format (1 byte) | postcard of Stored`, under the object's id.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use message::{Carried, ObjectName};
use semantics::{
    cache_status,
    freshness::{self, Freshness, TtlRules},
};
use serde::{Deserialize, Serialize};
use store::Epoch;

use super::{Checked, Head, Told};
use crate::{
    geometry::Geometry,
    id::{Identity, ObjectId, VersionId},
    tags::Tags,
    variants::Selection,
};

/// Bumped when [`Stored`] changes; a head of another format is a miss.
const FORMAT: u8 = 4;

#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    site: &'a str,
    path: &'a str,
    version: [u8; 16],
    total_bytes: u64,
    slice_bytes: u64,
    received_ms: u64,
    /// On receipt. What upstream told of it is no stored field.
    initial_age_ms: u64,
    confirmed: u64,
    tags: Tags,
    fields: Vec<(&'a str, &'a [u8])>,
    base: [u8; 16],
    varies: Vec<&'a str>,
    carried: Vec<(&'a str, &'a [u8])>,
}

impl Head {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let fields = self
            .fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_bytes()));
        let carried = self.selection.carried.iter();
        let carried = carried.map(|(name, value)| (name.as_str(), value.as_bytes()));
        let stored = Stored {
            site: &self.name.site,
            path: &self.name.path,
            version: self.version.0,
            total_bytes: self.geometry.total_bytes(),
            slice_bytes: self.geometry.slice_bytes(),
            received_ms: whole_ms(self.received),
            initial_age_ms: whole_ms(self.freshness.initial_age),
            confirmed: self.confirmed.as_u64(),
            tags: self.tags.clone(),
            fields: fields.collect(),
            base: self.selection.base.0,
            varies: self
                .selection
                .varies
                .iter()
                .map(HeaderName::as_str)
                .collect(),
            carried: carried.collect(),
        };
        // Encoding into a growing buffer cannot fail; an empty head would decode to a miss.
        postcard::to_extend(&stored, vec![FORMAT]).unwrap_or_default()
    }

    /// The head that `bytes` hold, unless they are another object's or another format's.
    pub(crate) fn decode(
        bytes: &[u8],
        (id, name): (Identity, &ObjectName),
        rules: &TtlRules,
        stamp: Epoch,
    ) -> Option<Self> {
        let (&FORMAT, body) = bytes.split_first()? else {
            return None;
        };
        let stored: Stored<'_> = postcard::from_bytes(body).ok()?;
        if stored.site != &*name.site || stored.path != &*name.path {
            return None;
        }
        let field = |&(name, value): &(&str, &[u8])| {
            let name = name.parse::<HeaderName>().ok()?;
            Some((name, HeaderValue::from_bytes(value).ok()?))
        };
        let mut fields = HeaderMap::with_capacity(stored.fields.len());
        for stored in &stored.fields {
            let (name, value) = field(stored)?;
            fields.append(name, value);
        }
        let varies = stored.varies.iter().map(|name| name.parse().ok());
        let selection = Selection {
            base: ObjectId(stored.base),
            varies: varies.collect::<Option<_>>()?,
            carried: Carried::new(stored.carried.iter().map(field).collect::<Option<_>>()?),
        };
        cache_status::settle(&mut fields);
        let received = Duration::from_millis(stored.received_ms);
        Some(Self {
            name: name.clone(),
            id,
            selection,
            version: VersionId(stored.version),
            geometry: Geometry::stored(stored.total_bytes, stored.slice_bytes)?,
            freshness: Freshness {
                initial_age: Duration::from_millis(stored.initial_age_ms),
                ..freshness::assess(StatusCode::OK, &fields, received, rules)
            },
            fields,
            received,
            stamp,
            confirmed: Epoch::new(stored.confirmed),
            tags: stored.tags,
            failed_at: None,
            checked: Checked::default(),
            told: Told::default(),
        })
    }
}

fn whole_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
