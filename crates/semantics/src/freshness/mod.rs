//! What may be stored, and how long it may be served.
//!
//! [`assess`] reads a response once, when it is stored or refreshed; what it finds goes into the
//! object's head. [`state`] and its kin judge that against the time of a request.

use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode, header};

use crate::{
    date,
    directives::{Directives, clamped},
    lines, vary,
};

/// What the owner of a site says about time to live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TtlRules {
    /// Lifetime where the origin says nothing and no heuristic applies.
    pub default: Duration,
    /// The longest lifetime by heuristic: a tenth of the time since the response was last
    /// modified. Zero takes the default in its place.
    pub heuristic_max: Duration,
    /// Lifetime of content and redirects whatever the origin says, `no-cache` and
    /// `must-revalidate` included. `no-store` and `private` hold all the same, and so does `Age`.
    pub force: Option<Duration>,
    /// Lifetime of 404 and 410 where the origin says nothing; zero stores none.
    pub negative: Duration,
    /// Lifetime of 500, 502, 503 and 504 where the origin says nothing; zero stores none.
    pub error: Duration,
    /// The longest lifetime of a status of 400 and above, whatever the origin says. A default
    /// `max-age` for everything is a common mistake of origins, and a mistaken 404 a lasting one.
    pub error_max: Duration,
    /// How long content may be served stale instead of an error, where the origin says nothing.
    pub stale_if_error: Duration,
    /// How long content may be served stale while it is revalidated, where the origin says
    /// nothing.
    pub stale_while_revalidate: Duration,
}

impl Default for TtlRules {
    /// As RFC 9111 has it: what the origin says, else a tenth of the time since the last change and
    /// a day at most, else nothing without asking. Five seconds for 404 and 410. Stale content
    /// stands in for errors for a day (section 4.2.4 permits it when disconnected), and while it is
    /// revalidated only where the origin says so.
    fn default() -> Self {
        Self {
            default: Duration::ZERO,
            heuristic_max: Duration::from_hours(24),
            force: None,
            negative: Duration::from_secs(5),
            error: Duration::ZERO,
            error_max: Duration::from_mins(1),
            stale_if_error: Duration::from_hours(24),
            stale_while_revalidate: Duration::ZERO,
        }
    }
}

/// What a response allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Freshness {
    /// Whether it may be stored at all. If not, all else is zero.
    pub storable: bool,
    /// How old it may get before it is stale.
    pub lifetime: Duration,
    /// How old it was when it was received.
    pub initial_age: Duration,
    /// How long past its lifetime it may be served while it is revalidated.
    pub stale_while_revalidate: Duration,
    /// How long past its lifetime it may be served instead of an error.
    pub stale_if_error: Duration,
    /// Never serve it stale; where it cannot be revalidated, answer 504.
    pub must_revalidate: bool,
    /// RFC 8246: while it is fresh there is nothing to be gained by asking whether it changed.
    pub immutable: bool,
}

/// What may be done with a stored response at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Serve it.
    Fresh {
        /// How long it stays so, more than zero.
        ttl: Duration,
    },
    /// Serve it, and revalidate it in the background.
    StaleUsable {
        /// How long this may go on, more than zero.
        while_revalidate: Duration,
    },
    /// Revalidate it before it is served.
    Stale {
        /// How long ago it ceased to be fresh.
        since: Duration,
    },
}

/// Reads what a response allows.
///
/// `headers` are all those of the upstream response, as received. `received` is wall time; give
/// the moment when the request was *sent*, and the response delay counts as age, as it should
/// (RFC 9111 section 4.2.3); give the same moment as `stored_at` later. After a 304 call
/// [`assess_refreshed`] instead.
pub fn assess(
    status: StatusCode,
    headers: &HeaderMap,
    received: Duration,
    rules: &TtlRules,
) -> Freshness {
    judge(status, headers, Born::of(headers, received), rules)
}

/// Reads what a stored response allows after a 304.
///
/// `status` and `stored` are those of the stored response, already updated by
/// [`crate::fields::refresh`]; its age is the 304's. The rest is as in [`assess`].
pub fn assess_refreshed(
    status: StatusCode,
    stored: &HeaderMap,
    not_modified: &HeaderMap,
    received: Duration,
    rules: &TtlRules,
) -> Freshness {
    // RFC 9111 section 4.3.4: the 304's metadata counts from now on, Age and Date with it.
    judge(status, stored, Born::of(not_modified, received), rules)
}

fn judge(status: StatusCode, headers: &HeaderMap, born: Born, rules: &TtlRules) -> Freshness {
    let Some(kind) = Kind::of(status) else {
        return NEVER;
    };
    let said = Said::by(headers);
    if said.forbids_storing(status) || vary::named(headers).is_none() {
        return NEVER;
    }
    let Some(lifetime) = said.allowed(kind, headers, born.date, rules) else {
        return NEVER;
    };
    let is_error = matches!(kind, Kind::Absence | Kind::Error | Kind::Refusal);
    let is_forced = !is_error && rules.force.is_some();
    let never_stale = is_error || (!is_forced && said.forbids_stale());
    let window = |given: Option<Duration>, default| {
        if never_stale {
            Duration::ZERO
        } else {
            given.unwrap_or(default)
        }
    };
    let directives = &said.directives;
    Freshness {
        storable: true,
        lifetime,
        initial_age: born.age,
        stale_while_revalidate: window(
            directives.stale_while_revalidate,
            rules.stale_while_revalidate,
        ),
        stale_if_error: window(directives.stale_if_error, rules.stale_if_error),
        must_revalidate: never_stale,
        immutable: directives.immutable,
    }
}

/// What may be done at `now` with a response that was stored at `stored_at` (both wall time).
pub fn state(freshness: &Freshness, stored_at: Duration, now: Duration) -> State {
    let age = age(freshness, stored_at, now);
    // RFC 9111 section 4.2: fresh while the lifetime is greater than the age.
    if freshness.lifetime > age {
        return State::Fresh {
            ttl: freshness.lifetime.saturating_sub(age),
        };
    }
    let since = age.saturating_sub(freshness.lifetime);
    // RFC 5861 section 3: for so long past its lifetime, and no longer.
    if freshness.stale_while_revalidate > since && !freshness.must_revalidate {
        let left = freshness.stale_while_revalidate.saturating_sub(since);
        return State::StaleUsable {
            while_revalidate: left,
        };
    }
    State::Stale { since }
}

/// Whether a response may be served in place of what would be a 500, 502, 503 or 504.
pub fn may_serve_on_error(freshness: &Freshness, stored_at: Duration, now: Duration) -> bool {
    match state(freshness, stored_at, now) {
        State::Fresh { .. } | State::StaleUsable { .. } => true,
        // RFC 5861 section 4, RFC 9111 section 4.2.4: not where a directive forbids stale ones.
        State::Stale { since } => !freshness.must_revalidate && freshness.stale_if_error > since,
    }
}

/// The value of `Age`, in whole seconds.
pub fn current_age(freshness: &Freshness, stored_at: Duration, now: Duration) -> u64 {
    age(freshness, stored_at, now).as_secs()
}

/// Seconds that are left of the lifetime, negative past it: RFC 9211's `ttl`.
pub fn ttl_s(freshness: &Freshness, stored_at: Duration, now: Duration) -> i64 {
    let whole = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    let age = age(freshness, stored_at, now);
    whole(freshness.lifetime).saturating_sub(whole(age))
}

/// Whether a response to a request with `Authorization` may be stored for others.
pub fn is_shared_in_spite_of_authorization(headers: &HeaderMap) -> bool {
    // RFC 9111 section 3.5: must-revalidate, public or s-maxage. Of a targeted field the same count.
    let said = Said::by(headers).directives;
    said.public || said.s_maxage.is_some() || said.must_revalidate
}

/// Whether the origin said anything about caching its response.
pub fn is_said(headers: &HeaderMap) -> bool {
    headers.contains_key(header::CACHE_CONTROL)
        || headers.contains_key(header::EXPIRES)
        || Directives::targeted(headers).is_some()
}

/// The fields that a response must not be stored with: those that the qualified forms of `private`
/// and `no-cache` name.
pub fn withheld(headers: &HeaderMap) -> Vec<HeaderName> {
    // RFC 9111 sections 5.2.2.4 and 5.2.2.7.
    Said::by(headers).directives.withheld
}

/// Whether a request wants an answer from the cache or 504 (`R18`).
pub fn only_if_cached(headers: &HeaderMap) -> bool {
    // RFC 9111 section 5.2.1.7.
    Directives::of_cache_control(headers).only_if_cached
}

/// What may neither be stored nor served again.
pub const NEVER: Freshness = Freshness {
    storable: false,
    lifetime: Duration::ZERO,
    initial_age: Duration::ZERO,
    stale_while_revalidate: Duration::ZERO,
    stale_if_error: Duration::ZERO,
    must_revalidate: true,
    immutable: false,
};

/// What a status may be stored for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
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
    fn of(status: StatusCode) -> Option<Self> {
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
struct Said {
    directives: Directives,
    /// RFC 9213 section 2.2: a targeted field makes `Cache-Control` and `Expires` ignored.
    targeted: bool,
}

impl Said {
    fn by(headers: &HeaderMap) -> Self {
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

    fn forbids_storing(&self, status: StatusCode) -> bool {
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
    fn allowed(
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

    fn forbids_stale(&self) -> bool {
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

/// When a response was made, by its own account.
#[derive(Clone, Copy)]
struct Born {
    /// RFC 9110 section 6.6.1: without a `Date` the time of receipt stands in.
    date: Duration,
    /// On receipt.
    age: Duration,
}

impl Born {
    fn of(headers: &HeaderMap, received: Duration) -> Self {
        let date = date::only(headers, &header::DATE).unwrap_or(received);
        // RFC 9111 section 4.2.3: the greater of what Date and what Age say.
        let apparent = clamped(received.saturating_sub(date).as_secs());
        // RFC 9111 section 5.1: of a list the first member; what is no number is ignored.
        let age = lines::all_members(headers, &header::AGE)
            .next()
            .and_then(lines::number);
        Self {
            date,
            age: apparent.max(clamped(age.unwrap_or(0))),
        }
    }
}

/// RFC 9111 section 4.2.3: the age on receipt and the time in the cache. A clock that was set
/// back adds no time.
pub fn age(freshness: &Freshness, stored_at: Duration, now: Duration) -> Duration {
    freshness
        .initial_age
        .saturating_add(now.saturating_sub(stored_at))
}

#[cfg(test)]
mod tests;
