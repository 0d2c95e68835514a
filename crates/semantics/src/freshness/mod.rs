//! What may be stored, and how long it may be served.
//!
//! [`assess`] reads a response once, when it is stored or refreshed; what it finds goes into the
//! object's head. [`state()`] and its kin judge that against the time of a request.

mod lifetime;
mod state;

use std::time::Duration;

use http::{HeaderMap, HeaderName, StatusCode, header};

pub use state::{State, age, current_age, may_serve_on_error, state, ttl_s};

use crate::{
    date,
    directives::{Directives, clamped},
    lines, vary,
};
use lifetime::{Kind, Said};

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
pub(crate) fn withheld(headers: &HeaderMap) -> Vec<HeaderName> {
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

#[cfg(test)]
mod tests;
