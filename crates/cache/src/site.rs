//! What one site wants of the cache.

use std::sync::Arc;

use semantics::freshness::TtlRules;

use crate::{TagRules, live::LiveRules};

/// What one site wants of the cache.
#[derive(Debug, Clone)]
pub struct SiteRules {
    /// How long its objects live.
    pub ttl: TtlRules,
    /// How its origin names tags.
    pub tags: TagRules,
    /// What holds instead for some paths: the first whose ending fits.
    pub endings: Vec<Ending>,
    /// How its live streams are served, if it has some.
    pub live: Option<Arc<LiveRules>>,
}

/// Rules for paths that end alike, such as `.m3u8`. A query does not count.
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
            tags: TagRules::default(),
            endings: Vec::new(),
            live: None,
        }
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
