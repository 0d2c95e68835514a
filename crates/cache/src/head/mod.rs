//! What the cache knows of an object: its current version, how it is cut, its header fields.

mod stored;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{HeaderMap, HeaderName, StatusCode, header};
use message::{ObjectName, Timestamp};
use semantics::freshness::{self, Freshness};
use store::Epoch;
use tokio::time::Instant;

use crate::{
    confirm::{Confirmation, Refreshed},
    geometry::Geometry,
    id::{Identity, ObjectId, Unique, VersionId},
    kept::Kept,
    tags::Tags,
    variants::{Note, Selection},
};

/// What an entry takes in memory beside its own size: its key and the cache's books.
const ENTRY_BYTES: usize = 160;

/// A revalidation that failed longer ago than this says nothing of upstream now.
const FAILING: Duration = Duration::from_secs(30);

/// A head from further ahead than this was received before the clock was set back.
const CLOCK_SLACK: Duration = Duration::from_mins(1);

/// One version of an object.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) name: ObjectName,
    pub(crate) id: Identity,
    /// Which request fields chose it.
    pub(crate) selection: Selection,
    pub(crate) version: VersionId,
    pub(crate) geometry: Geometry,
    /// The fields that every answer carries; hop-by-hop and upstream's own are gone, and
    /// `Cache-Status` is settled.
    pub(crate) fields: HeaderMap,
    pub(crate) freshness: Freshness,
    /// When these fields were received or last confirmed, since the Unix epoch.
    pub(crate) received: Duration,
    /// The purge epoch at which the fill began.
    pub(crate) stamp: Epoch,
    /// The purge epoch at which it was last asked for upstream, be it that it was confirmed.
    pub(crate) confirmed: Epoch,
    /// By which it is purged together with others.
    pub(crate) tags: Tags,
    /// When upstream failed to confirm it; not kept on disk.
    pub(crate) failed_at: Option<Instant>,
    /// The purges by pattern or tag that were found not to reach it; not kept on disk.
    pub(crate) checked: Checked,
    /// When the store was last told of its use; not kept on disk.
    pub(crate) told: Told,
}

/// How often the store is told that a head is in use. A log goes round in hours.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// When, in whole seconds since the Unix epoch, the store was last told that a head is in use.
///
/// Memory answers for a head that is asked for all the time, so that nobody reads it from disk. Were
/// the store not told, it would let go of just those, and a restart would lose them.
#[derive(Debug, Default)]
pub(crate) struct Told(AtomicU64);

impl Told {
    /// Whether the store is to be told at `now`. Of those who ask at once one is.
    pub(crate) fn is_due(&self, now: Duration) -> bool {
        let (now_s, last_s) = (now.as_secs(), self.0.load(Ordering::Relaxed));
        now_s.saturating_sub(last_s) >= TELL_EVERY.as_secs()
            && self
                .0
                .compare_exchange(last_s, now_s, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

impl Clone for Told {
    /// What is made of a head is written anew, and told of anew.
    fn clone(&self) -> Self {
        Self::default()
    }
}

/// Up to which version of the purges by pattern or tag something was checked.
#[derive(Debug, Default)]
pub(crate) struct Checked(AtomicU64);

impl Checked {
    pub(crate) fn upto(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn raise(&self, version: u64) {
        self.0.fetch_max(version, Ordering::Relaxed);
    }
}

impl Clone for Checked {
    fn clone(&self) -> Self {
        Self(AtomicU64::new(self.upto()))
    }
}

/// What a lookup can find for an object.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    /// A version that can be served.
    Object(Arc<Head>),
    /// An answer that is no object: that there is none, or where else it is.
    Kept(Arc<Kept>),
    /// It has several responses, each at a key of its own.
    Varies(Arc<Note>),
    /// Upstream's answers may not be stored; requests are not collapsed until then (the field
    /// calls it hit-for-miss).
    Pass { until: Instant, stamp: Epoch },
}

impl Head {
    /// The entity tag, quoted as on the wire.
    pub(crate) fn etag(&self) -> Option<&str> {
        text(&self.fields, &header::ETAG)
    }

    /// The entity tag, if it names these exact bytes.
    pub(crate) fn strong_etag(&self) -> Option<&str> {
        self.etag()
            .filter(|etag| semantics::validator::is_strong(etag))
    }

    pub(crate) fn last_modified(&self) -> Option<&str> {
        text(&self.fields, &header::LAST_MODIFIED)
    }

    /// Seconds since the origin made or confirmed it.
    pub(crate) fn age_s(&self, now: &Timestamp) -> u64 {
        freshness::current_age(&self.freshness, self.received, now.wall)
    }

    /// The same without what is of one moment: what upstream said, and when.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        // To the millisecond, as on disk.
        self.version == other.version && self.received.as_millis() == other.received.as_millis()
    }

    /// Whether it was received before the clock was set back, so that its age is not known.
    pub(crate) fn is_from_the_future(&self, now: &Timestamp) -> bool {
        self.received > now.wall + CLOCK_SLACK
    }

    /// Whether upstream failed to confirm it a moment ago.
    pub(crate) fn is_failing(&self, now: &Timestamp) -> bool {
        self.failed_at
            .is_some_and(|failed| now.mono < failed + FAILING)
    }

    /// Whether upstream may be asked again, `pause` after a failure.
    pub(crate) fn may_be_confirmed(&self, now: &Timestamp, pause: Duration) -> bool {
        self.failed_at
            .is_none_or(|failed| now.mono >= failed + pause)
    }

    /// Roughly what it occupies in memory, for the budget of parsed heads.
    pub(crate) fn weight(&self) -> usize {
        let carried = self
            .selection
            .carried
            .iter()
            .map(|(name, value)| (name, value));
        let fields = self.fields.iter().chain(carried);
        let fields: usize = fields
            .map(|(name, value)| name.as_str().len() + value.len() + 64)
            .sum();
        ENTRY_BYTES + size_of::<Self>() + self.name.path.len() + fields + self.tags.weight()
    }

    /// This head as a purge leaves it that has it confirmed: stale, whatever it allowed.
    pub(crate) fn to_be_confirmed(&self) -> Self {
        Self {
            freshness: revoked(self.freshness),
            ..self.clone()
        }
    }

    /// Whether [`Self::to_be_confirmed`] made it.
    pub(crate) fn is_to_be_confirmed(&self) -> bool {
        self.freshness == revoked(self.freshness)
    }

    /// This head, confirmed by a 304.
    pub(crate) fn confirmed(&self, by: &Confirmation<'_>) -> Self {
        let Refreshed {
            fields,
            freshness,
            tags,
        } = by.refresh(&self.name.site, StatusCode::OK, &self.fields, &self.tags);
        Self {
            fields,
            freshness,
            received: by.at.wall,
            // The slices were filled under the older stamp: a purge since then still counts.
            stamp: by.asked.min(self.stamp),
            confirmed: by.asked.max(self.confirmed),
            tags,
            failed_at: None,
            // Tags that are new to it may have been purged.
            checked: Checked::default(),
            ..self.clone()
        }
    }
}

impl Entry {
    /// What purges by tag know it by, beside its name.
    pub(crate) fn tags(&self) -> Tags {
        match self {
            Self::Object(head) => head.tags.clone(),
            Self::Kept(kept) => kept.tags.clone(),
            Self::Varies(_) | Self::Pass { .. } => Tags::default(),
        }
    }

    pub(crate) fn stamp(&self) -> Epoch {
        match self {
            Self::Object(head) => head.stamp,
            Self::Kept(kept) => kept.stamp,
            Self::Varies(note) => note.stamp,
            Self::Pass { stamp, .. } => *stamp,
        }
    }

    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Object(head) => head.weight(),
            Self::Kept(kept) => ENTRY_BYTES + kept.weight(),
            Self::Varies(note) => ENTRY_BYTES + note.weight(),
            Self::Pass { .. } => ENTRY_BYTES + size_of::<Self>(),
        }
    }
}

/// The identity of the version that `fields` describe. Without a strong validator nothing can say
/// that two fills are of one version, so each fill is its own: `unique` tells them apart.
pub(crate) fn version_of(
    object: ObjectId,
    fields: &HeaderMap,
    geometry: Geometry,
    generation: Epoch,
    unique: &Unique,
) -> VersionId {
    match semantics::validator::strong(fields) {
        Some(etag) => VersionId::of(object, etag.as_bytes(), geometry, generation),
        None => VersionId::of(object, &unique.next(), geometry, generation),
    }
}

fn revoked(freshness: Freshness) -> Freshness {
    Freshness {
        lifetime: Duration::ZERO,
        stale_while_revalidate: Duration::ZERO,
        stale_if_error: Duration::ZERO,
        must_revalidate: true,
        ..freshness
    }
}

pub(crate) fn text<'a>(fields: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    fields.get(name).and_then(|value| value.to_str().ok())
}
