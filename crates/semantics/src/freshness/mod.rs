//! What may be stored, and how long it may be served.
//!
//! [`assess`] reads a response once, when it is stored or refreshed; what it finds goes into the
//! object's head. [`state`] and its kin judge that against the time of a request.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};

use crate::{
    date,
    directives::{Directives, clamped},
    lines,
};

/// How many field names a `Vary` may hold before its response is not stored.
pub const VARY_NAMES_MAX: usize = 16;

/// What the owner of a site says about time to live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TtlRules {
    /// Lifetime where the origin says nothing.
    pub default: Duration,
    /// Lifetime of content and redirects whatever the origin says, `no-cache` and
    /// `must-revalidate` included. `no-store` and `private` hold all the same, and so does `Age`.
    pub force: Option<Duration>,
    /// The longest lifetime of 404 and 410; zero stores none.
    pub negative: Duration,
    /// How long content may be served stale instead of an error, where the origin says nothing.
    pub stale_if_error: Duration,
    /// How long content may be served stale while it is revalidated, where the origin says
    /// nothing.
    pub stale_while_revalidate: Duration,
}

impl Default for TtlRules {
    /// A minute by default, five seconds for 404 and 410, a day on errors, half a minute while
    /// revalidating.
    fn default() -> Self {
        Self {
            default: Duration::from_mins(1),
            force: None,
            negative: Duration::from_secs(5),
            stale_if_error: Duration::from_hours(24),
            stale_while_revalidate: Duration::from_secs(30),
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
    if said.forbids_storing() || varies_too_much(headers) {
        return NEVER;
    }
    let explicit = said.lifetime(headers, born.date);
    let never_stale = said.forbids_stale();
    let (lifetime, never_stale) = match (kind, rules.force, explicit) {
        (Kind::Content | Kind::Redirect, Some(forced), _) => (forced, false),
        (Kind::Content, None, explicit) => (explicit.unwrap_or(rules.default), never_stale),
        (Kind::Redirect, None, Some(explicit)) => (explicit, never_stale),
        (Kind::Redirect, None, None) => return NEVER,
        (Kind::Absence, _, explicit) => {
            (explicit.unwrap_or(rules.negative).min(rules.negative), true)
        }
    };
    if kind == Kind::Absence && lifetime.is_zero() {
        return NEVER;
    }
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

/// Whether a request wants an answer from the cache or 504 (`R18`).
pub fn only_if_cached(headers: &HeaderMap) -> bool {
    // RFC 9111 section 5.2.1.7.
    Directives::of_cache_control(headers).only_if_cached
}

const NEVER: Freshness = Freshness {
    storable: false,
    lifetime: Duration::ZERO,
    initial_age: Duration::ZERO,
    stale_while_revalidate: Duration::ZERO,
    stale_if_error: Duration::ZERO,
    must_revalidate: true,
};

/// The final statuses that are stored. Errors other than absence never are (`X05`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// RFC 9110 section 15.1: cacheable without a word about it.
    Content,
    /// Cacheable only with an explicit lifetime.
    Redirect,
    /// Cacheable without a word about it, for a moment.
    Absence,
}

impl Kind {
    fn of(status: StatusCode) -> Option<Self> {
        match status.as_u16() {
            200 | 203 | 204 | 206 | 300 | 301 | 308 => Some(Self::Content),
            302 | 303 | 307 => Some(Self::Redirect),
            404 | 410 => Some(Self::Absence),
            _ => None,
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

    fn forbids_storing(&self) -> bool {
        let Directives {
            no_store,
            private,
            must_understand,
            ..
        } = self.directives;
        // RFC 9111 section 5.2.2.3: must-understand voids no-store for a status that is
        // understood, and no other status comes this far.
        private || (no_store && !must_understand)
    }

    fn forbids_stale(&self) -> bool {
        // RFC 9111 section 4.2.4: no-cache, must-revalidate, proxy-revalidate and s-maxage.
        let Directives {
            no_cache,
            must_revalidate,
            s_maxage,
            ..
        } = self.directives;
        no_cache || must_revalidate || s_maxage.is_some()
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

/// Whether no stored response can be chosen by this `Vary` (`X07`).
///
/// Fills carry none of a viewer's fields, so all else that a `Vary` names is the same each time.
fn varies_too_much(headers: &HeaderMap) -> bool {
    let mut names = lines::all_members(headers, &header::VARY);
    // RFC 9111 section 4.1: a star anywhere never matches.
    names.by_ref().take(VARY_NAMES_MAX).any(|name| name == b"*") || names.next().is_some()
}

/// RFC 9111 section 4.2.3: the age on receipt and the time in the cache. A clock that was set
/// back adds no time.
fn age(freshness: &Freshness, stored_at: Duration, now: Duration) -> Duration {
    freshness
        .initial_age
        .saturating_add(now.saturating_sub(stored_at))
}

#[cfg(test)]
mod tests;
