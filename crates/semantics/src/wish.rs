//! What a request's own cache directives ask of a cache.
//!
//! RFC 9111 section 5.2.1: they are advisory. A node obeys `only-if-cached` always, because it saves
//! work; the others only where the site says so, because some of them make work for its origin.

use std::time::Duration;

use http::{HeaderMap, header};

use crate::{directives::Directives, freshness::Freshness, lines};

/// The directives of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish(Directives);

/// What a stored response is to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It may be served.
    Serve,
    /// It must be confirmed first.
    Confirm,
}

impl Wish {
    /// Reads `Cache-Control`, or `Pragma` where there is none.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut directives = Directives::of_cache_control(headers);
        // RFC 9111 section 5.4: Pragma: no-cache is Cache-Control: no-cache, where that is absent.
        if !headers.contains_key(header::CACHE_CONTROL) {
            directives.no_cache = lines::all_members(headers, &header::PRAGMA)
                .any(|member| member.eq_ignore_ascii_case(b"no-cache"));
        }
        Self(directives)
    }

    /// RFC 9111 section 5.2.1.5: no part of the request or its response may be stored.
    pub fn forbids_storing(&self) -> bool {
        self.0.no_store
    }

    /// RFC 9111 section 5.2.1.7.
    pub fn only_if_cached(&self) -> bool {
        self.0.only_if_cached
    }

    /// RFC 9111 section 5.2.1.4: nothing stored will do unless the origin has confirmed it.
    pub fn wants_the_origin(&self) -> bool {
        self.0.no_cache
    }

    /// Whether a response that is fresh for another `ttl` at this age will do.
    pub fn of_fresh(&self, freshness: &Freshness, age: Duration, ttl: Duration) -> Use {
        let Directives {
            no_cache,
            max_age,
            min_fresh,
            ..
        } = self.0;
        // RFC 9111 section 5.2.1.1: not older than max-age. RFC 8246 section 2: what is immutable
        // is not asked about again for want of youth alone.
        let too_old = max_age.is_some_and(|max_age| age > max_age || max_age.is_zero());
        // RFC 9111 section 5.2.1.3: fresh for at least so long.
        let too_short = min_fresh.is_some_and(|min_fresh| ttl < min_fresh);
        // RFC 9111 section 5.2.1.4.
        if no_cache || too_short || (too_old && !freshness.immutable) {
            Use::Confirm
        } else {
            Use::Serve
        }
    }

    /// Whether a response that ceased to be fresh this long ago will do.
    pub fn of_stale(&self, freshness: &Freshness, age: Duration, since: Duration) -> Use {
        let Directives {
            no_cache,
            max_age,
            max_stale,
            ..
        } = self.0;
        // RFC 9111 section 5.2.1.2; section 4.2.4: never where the response forbids it.
        let wanted = max_stale.is_some_and(|most| since <= most) && !freshness.must_revalidate;
        let too_old = max_age.is_some_and(|max_age| age > max_age);
        if wanted && !no_cache && !too_old {
            Use::Serve
        } else {
            Use::Confirm
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::freshness::{TtlRules, assess};

    fn wish(lines: &[(&'static str, &str)]) -> Wish {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        Wish::of(&headers)
    }

    fn freshness(control: &str) -> Freshness {
        let headers = HeaderMap::from_iter([(header::CACHE_CONTROL, control.parse().unwrap())]);
        assess(
            StatusCode::OK,
            &headers,
            Duration::ZERO,
            &TtlRules::default(),
        )
    }

    #[test]
    fn a_fresh_response_is_judged_by_the_request() {
        // RFC 9111 sections 5.2.1.1, 5.2.1.3, 5.2.1.4 and 5.4: age 30, fresh for another 30.
        let rows: [(&[(&'static str, &str)], Use); 12] = [
            (&[], Use::Serve),
            (&[("cache-control", "no-cache")], Use::Confirm),
            (&[("cache-control", "max-age=0")], Use::Confirm),
            (&[("cache-control", "max-age=29")], Use::Confirm),
            (&[("cache-control", "max-age=30")], Use::Serve),
            (&[("cache-control", "min-fresh=30")], Use::Serve),
            (&[("cache-control", "min-fresh=31")], Use::Confirm),
            (&[("cache-control", "max-stale")], Use::Serve),
            (&[("pragma", "no-cache")], Use::Confirm),
            (
                &[("pragma", "no-cache"), ("cache-control", "x")],
                Use::Serve,
            ),
            (&[("pragma", "foo")], Use::Serve),
            (&[("cache-control", "No-Cache=\"x\"")], Use::Serve),
        ];
        let (age, ttl) = (Duration::from_secs(30), Duration::from_secs(30));
        for (lines, expected) in rows {
            let got = wish(lines).of_fresh(&freshness("max-age=60"), age, ttl);
            assert_eq!(got, expected, "{lines:?}");
        }
    }

    #[test]
    fn what_is_immutable_is_confirmed_only_by_a_clear_word() {
        // RFC 8246 section 2.
        let immutable = freshness("max-age=60, immutable");
        let of = |line| {
            let (age, ttl) = (Duration::from_secs(30), Duration::from_secs(30));
            wish(&[("cache-control", line)]).of_fresh(&immutable, age, ttl)
        };
        assert_eq!(of("max-age=0"), Use::Serve);
        assert_eq!(of("no-cache"), Use::Confirm);
    }

    #[test]
    fn a_stale_response_is_served_to_who_wants_one() {
        // RFC 9111 sections 5.2.1.2 and 4.2.4: stale for 10 seconds, 70 old.
        for (line, control, expected) in [
            ("max-stale", "max-age=60", Use::Serve),
            ("max-stale=10", "max-age=60", Use::Serve),
            ("max-stale=9", "max-age=60", Use::Confirm),
            ("max-age=70, max-stale=10", "max-age=60", Use::Serve),
            ("max-age=69, max-stale=10", "max-age=60", Use::Confirm),
            ("max-stale, no-cache", "max-age=60", Use::Confirm),
            ("max-stale", "max-age=60, must-revalidate", Use::Confirm),
            ("max-stale", "max-age=60, proxy-revalidate", Use::Confirm),
            ("max-stale", "s-maxage=60", Use::Confirm),
            ("max-stale", "max-age=60, no-cache", Use::Confirm),
            ("x", "max-age=60", Use::Confirm),
        ] {
            let (age, since) = (Duration::from_secs(70), Duration::from_secs(10));
            let got = wish(&[("cache-control", line)]).of_stale(&freshness(control), age, since);
            assert_eq!(got, expected, "{line} on {control}");
        }
    }
}
