//! What is known of a named object, and of a site.

use std::sync::Arc;

use crate::{
    crowd::Crowd,
    tally::{Rest, Tally},
};

/// What else is known of a named object. Two cache lines, and not parts of three.
#[derive(Clone, Default)]
#[repr(align(64))]
pub(crate) struct Entry {
    pub(crate) path: Option<Arc<str>>,
    /// Plays of others that may be in its count.
    pub(crate) error: f64,
    pub(crate) size: u64,
    pub(crate) tally: Tally,
    /// Index into the shard's sites.
    pub(crate) site: u16,
    /// Who asked in hours that have ended.
    pub(crate) crowd: Crowd,
    /// Enough viewers came within a week.
    pub(crate) was_public: bool,
}

const _: () = assert!(size_of::<Entry>() == 128);

impl Entry {
    /// Whether its name may be told: so many viewers came within a week at some time.
    pub(crate) fn is_public(&self, sessions_min: u32) -> bool {
        self.was_public || self.has_crowd(sessions_min)
    }

    /// Whether so many viewers came within an hour, or a week.
    pub(crate) fn has_crowd(&self, sessions_min: u32) -> bool {
        self.crowd.is_enough(self.tally.sessions, sessions_min)
    }

    /// A number of each of its cache lines.
    pub(crate) fn touch(&self) -> u64 {
        self.size ^ u64::from(self.was_public)
    }
}

/// A site, and what was served of its objects that are not named.
pub(crate) struct Site {
    pub(crate) name: Arc<str>,
    pub(crate) rest: Rest,
}

/// A named object, to look at.
pub(crate) struct Named<'s> {
    pub(crate) slot: u32,
    pub(crate) tag: u64,
    pub(crate) site: &'s Arc<str>,
    pub(crate) path: &'s Arc<str>,
    pub(crate) plays: f64,
    pub(crate) entry: &'s Entry,
}
