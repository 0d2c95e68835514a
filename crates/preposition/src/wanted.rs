//! What a plan wants of an object, as the cache is told.

use cache::{Cache, Expected, Wanted};
use manifest::Object;
use message::ObjectName;

/// What is expected of an object of a plan.
pub(crate) fn expected(object: &Object<'_>, now_s: u64) -> Expected {
    Expected {
        requests_per_day: u32::try_from(object.expected).unwrap_or(u32::MAX),
        is_pinned: object.is_pinned(now_s),
    }
}

/// Whether an object is filled whatever would have to go for it: what an operator wants, and what nobody
/// can have counted yet.
fn is_sure(object: &Object<'_>, now_s: u64) -> bool {
    let is_launch = object.live_at_s.is_some_and(|live_s| now_s < live_s);
    let is_wanted = object.fast_track || object.priority > 0 || object.expected == 0;
    is_launch || is_wanted || object.is_pinned(now_s)
}

/// What a plan wants of an object.
pub(crate) fn wanted(object: &Object<'_>, now_s: u64) -> Wanted {
    Wanted {
        size: object.size,
        sha256: object.digest.map(|digest| *digest.as_bytes()),
        first_bytes: object.first_bytes.unwrap_or(object.size),
        expected: expected(object, now_s),
    }
}

pub(crate) fn name(object: &Object<'_>) -> ObjectName {
    ObjectName {
        site: object.site.into(),
        path: object.path.into(),
    }
}

/// Whether what would have to go for an object is worth as much. What `was_here` has its place back for
/// less than what is new.
pub(crate) fn is_outbid(cache: &Cache, object: &Object<'_>, was_here: bool, now_s: u64) -> bool {
    let expected = expected(object, now_s);
    let is_worth_it = if was_here {
        cache.is_worth_keeping(expected)
    } else {
        cache.is_worth_filling(expected)
    };
    !is_worth_it && !is_sure(object, now_s)
}

#[cfg(test)]
mod tests {
    use manifest::{Digest, Pin};

    use super::*;

    #[test]
    fn what_is_wanted_for_sure_is_told_from_what_has_to_be_worth_it() {
        let usual = Object {
            expected: 1,
            ..Object::fill("vod", "/a", 10, Digest::of(b"a"))
        };
        assert!(!is_sure(&usual, 100));
        let (live_at_s, pin) = (Some(200), Pin::Until(150));
        let sure = [
            Object {
                expected: 0,
                ..usual
            },
            Object {
                priority: 1,
                ..usual
            },
            Object {
                fast_track: true,
                ..usual
            },
            Object { live_at_s, ..usual },
            Object { pin, ..usual },
        ];
        assert!(sure.iter().all(|object| is_sure(object, 100)));
        assert!(
            !is_sure(
                &Object {
                    live_at_s,
                    pin,
                    ..usual
                },
                200
            ),
            "its time has come"
        );
    }
}
