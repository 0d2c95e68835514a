//! What may be done with a stored response at the time of a request.

use std::time::Duration;

use super::Freshness;

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

/// RFC 9111 section 4.2.3: the age on receipt and the time in the cache. A clock that was set
/// back adds no time.
pub fn age(freshness: &Freshness, stored_at: Duration, now: Duration) -> Duration {
    freshness
        .initial_age
        .saturating_add(now.saturating_sub(stored_at))
}
