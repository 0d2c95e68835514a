//! How long a response may be served: by what its origin says, by heuristic, or by its site's rules.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};

use super::TtlRules;
use crate::{
    date,
    directives::{Directives, clamped},
};

/// What a status may be stored for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// RFC 9110 section 15.1: cacheable without a word about it.
    Content,
    /// Cacheable only with an explicit lifetime, or as `public`.
    Other,
    /// Cacheable without a word about it, for a moment.
    Absence,
    /// A server's failure: the owner may want it remembered for a moment.
    Error,
    /// A status of 400 and above that is kept only where the origin says for how long.
    Refusal,
}

impl Kind {
    pub(super) fn of(status: StatusCode) -> Option<Self> {
        match status.as_u16() {
            // RFC 9111 section 3: a final status, and a 304 is about another response.
            ..200 | 304 => None,
            200 | 203 | 204 | 206 | 300 | 301 | 308 => Some(Self::Content),
            201..400 => Some(Self::Other),
            404 | 410 => Some(Self::Absence),
            500 | 502 | 503 | 504 => Some(Self::Error),
            _ => Some(Self::Refusal),
        }
    }
}

/// Whose directives count.
pub(super) struct Said {
    pub(super) directives: Directives,
    /// RFC 9213 section 2.2: a targeted field makes `Cache-Control` and `Expires` ignored.
    targeted: bool,
}

impl Said {
    pub(super) fn by(headers: &HeaderMap) -> Self {
        match Directives::targeted(headers) {
            Some(directives) => Self {
                directives,
                targeted: true,
            },
            None => Self {
                directives: Directives::of_cache_control(headers),
                targeted: false,
            },
        }
    }

    pub(super) fn forbids_storing(&self, status: StatusCode) -> bool {
        let Directives {
            no_store,
            private,
            must_understand,
            ..
        } = self.directives;
        // RFC 9111 section 5.2.2.3: with must-understand a status that is not understood is never
        // stored, and no-store is void for one that is.
        let is_understood = status.canonical_reason().is_some();
        private
            || if must_understand {
                !is_understood
            } else {
                no_store
            }
    }

    /// The lifetime, where the response may be stored at all.
    pub(super) fn allowed(
        &self,
        kind: Kind,
        headers: &HeaderMap,
        date: Duration,
        rules: &TtlRules,
    ) -> Option<Duration> {
        let explicit = self.lifetime(headers, date);
        // RFC 9111 section 4.2.2: by heuristic only where nothing is said, and only for statuses
        // that are cacheable by default or responses that are public.
        let guessed = || heuristic(headers, date, rules).unwrap_or(rules.default);
        let for_errors = |unsaid: Duration| {
            let lifetime = explicit.unwrap_or(unsaid).min(rules.error_max);
            (!lifetime.is_zero()).then_some(lifetime)
        };
        match (kind, rules.force) {
            (Kind::Content | Kind::Other, Some(forced)) => Some(forced),
            (Kind::Content, None) => Some(explicit.unwrap_or_else(guessed)),
            (Kind::Other, None) if self.directives.public => Some(explicit.unwrap_or_else(guessed)),
            (Kind::Other, None) => explicit,
            (Kind::Absence, _) => for_errors(rules.negative),
            (Kind::Error, _) => for_errors(rules.error),
            (Kind::Refusal, _) => for_errors(Duration::ZERO),
        }
    }

    pub(super) fn forbids_stale(&self) -> bool {
        // RFC 9111 section 4.2.4: no-cache, must-revalidate, proxy-revalidate and s-maxage.
        let Directives {
            no_cache,
            must_revalidate,
            proxy_revalidate,
            s_maxage,
            ..
        } = self.directives;
        no_cache || must_revalidate || proxy_revalidate || s_maxage.is_some()
    }

    fn lifetime(&self, headers: &HeaderMap, date: Duration) -> Option<Duration> {
        // RFC 9111 section 5.2.2.4: not to be used without validation is having no lifetime.
        if self.directives.no_cache {
            return Some(Duration::ZERO);
        }
        // RFC 9111 section 4.2.1: s-maxage, then max-age, then Expires.
        self.directives
            .s_maxage
            .or(self.directives.max_age)
            .or_else(|| {
                if self.targeted {
                    None
                } else {
                    expires(headers, date)
                }
            })
    }
}

/// RFC 9111 section 4.2.2: a tenth of the time since the response was last modified.
fn heuristic(headers: &HeaderMap, date: Duration, rules: &TtlRules) -> Option<Duration> {
    let modified = date::only(headers, &header::LAST_MODIFIED)?;
    let tenth = Duration::from_secs(date.checked_sub(modified)?.as_secs() / 10);
    (!rules.heuristic_max.is_zero()).then(|| tenth.min(rules.heuristic_max))
}

/// The lifetime that `Expires` gives.
fn expires(headers: &HeaderMap, date: Duration) -> Option<Duration> {
    // RFC 9111 section 4.2.1: of several the first. Section 5.3: what is no date is in the past.
    let expires = headers.get(header::EXPIRES)?;
    let Some(expires) = date::of(expires) else {
        return Some(Duration::ZERO);
    };
    // RFC 9111 section 4.2.1: Expires minus Date.
    Some(clamped(expires.saturating_sub(date).as_secs()))
}
