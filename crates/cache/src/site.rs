//! What one site wants of the cache.

use std::sync::Arc;

use http::HeaderName;
use message::Carried;
use semantics::{fields::Cookies, forward::ForwardRule, freshness::TtlRules, key::Case};

use crate::{TagRules, id::ObjectId, live::LiveRules};

/// What one site wants of the cache.
#[derive(Debug, Clone, Default)]
pub struct SiteRules {
    /// How long its objects live.
    pub ttl: TtlRules,
    /// How its origin names tags.
    pub tags: TagRules,
    /// What holds instead for some paths: the first whose ending fits.
    pub endings: Vec<Ending>,
    /// How its live streams are served, if it has some.
    pub live: Option<Arc<LiveRules>>,
    /// Which request fields go upstream and may choose among responses. None by default.
    pub forward: Vec<ForwardRule>,
    /// What becomes of `Set-Cookie` in what is stored.
    pub cookies: Cookies,
    /// Whether the request directives of RFC 9111 section 5.2.1 are obeyed. `only-if-cached` always
    /// is; the others let whoever asks make work for the origin.
    pub heeds_requests: bool,
    /// Whether those who ask are caches of ours, which a 304 has to bring up to date.
    pub asked_by_tiers: bool,
    /// Whether the case of letters counts in paths. The gate makes names by it, and a purge by pattern
    /// goes by it.
    pub case: Case,
    /// Whether `Cache-Status` tells the key (RFC 9211 section 2.7).
    pub tells_key: bool,
}

/// Rules for paths that end alike, such as `.m3u8`. A query does not count. They are the site's with
/// other times: what is forwarded is the same for all objects.
#[derive(Debug, Clone)]
pub struct Ending {
    /// The last bytes of the path.
    pub ending: String,
    /// What holds for them.
    pub rules: Arc<SiteRules>,
}

impl SiteRules {
    /// Rules of a site whose objects all live alike.
    pub fn new(ttl: TtlRules) -> Self {
        Self {
            ttl,
            ..Self::default()
        }
    }

    /// Where an object's responses to requests that carry this are, or the note of them.
    pub(crate) fn base(&self, object: ObjectId, carried: &Carried) -> ObjectId {
        let in_key = |name: &HeaderName| {
            let mut rules = self.forward.iter();
            rules.any(|rule| rule.in_key && rule.name == *name)
        };
        let keyed = carried.iter().filter(|(name, _)| in_key(name));
        object.chosen_by(keyed.map(|(name, value)| (name, Some(value))))
    }

    /// The rules for one object.
    pub(crate) fn of<'s>(self: &'s Arc<Self>, path: &str) -> &'s Arc<Self> {
        if self.endings.is_empty() {
            return self;
        }
        let plain = plain(path);
        let found = self
            .endings
            .iter()
            .find(|rule| plain.ends_with(rule.ending.as_str()));
        found.map_or(self, |rule| &rule.rules)
    }
}

/// A path without its query.
pub(crate) fn plain(path: &str) -> &str {
    path.split('?').next().unwrap_or(path)
}
