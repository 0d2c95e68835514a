//! One promise each of RFC 9111, 5861 and 9213.

use proptest::prelude::*;

use super::*;

const DATE: &str = "Fri, 15 Jan 2027 08:00:00 GMT";
const NOW: Duration = Duration::from_hours(500_000);

fn rules() -> TtlRules {
    TtlRules {
        default: s(100),
        heuristic_max: s(86_400),
        force: None,
        negative: s(5),
        error: s(0),
        error_max: s(60),
        stale_if_error: s(1000),
        stale_while_revalidate: s(10),
    }
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn fields(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

fn of(status: u16, given: &[(&'static str, &str)], rules: &TtlRules) -> Freshness {
    assess(
        StatusCode::from_u16(status).unwrap(),
        &fields(given),
        NOW,
        rules,
    )
}

fn ok(given: &[(&'static str, &str)]) -> Freshness {
    of(200, given, &rules())
}

#[test]
fn the_test_date_is_the_test_clock() {
    assert_eq!(date::parse(DATE), Some(NOW));
}

#[test]
fn lifetimes_come_in_the_standards_order() {
    // RFC 9213 section 2.2, RFC 9111 section 4.2.1: targeted, s-maxage, max-age, Expires, ours.
    let all = [
        ("cdn-cache-control", "max-age=1"),
        ("cache-control", "s-maxage=2"),
        ("cache-control", "max-age=3"),
        ("expires", "Fri, 15 Jan 2027 08:00:04 GMT"),
    ];
    for (from, seconds) in [(0, 1), (1, 2), (2, 3), (3, 4), (4, 100)] {
        assert_eq!(ok(&all[from..]).lifetime, s(seconds), "from {from}");
    }
}

#[test]
fn a_targeted_field_silences_the_others() {
    // RFC 9213 section 2.2: Cache-Control and Expires are ignored, even no-store.
    let both = [
        ("cdn-cache-control", "max-age=60"),
        ("cache-control", "no-store, private"),
    ];
    assert_eq!(ok(&both).lifetime, s(60));
    let no_lifetime = [
        ("cdn-cache-control", "x"),
        ("cache-control", "max-age=7"),
        ("expires", "0"),
    ];
    assert_eq!(ok(&no_lifetime).lifetime, s(100));
    let invalid = [
        ("cdn-cache-control", "max-age=60, &"),
        ("cache-control", "max-age=7"),
    ];
    assert_eq!(ok(&invalid).lifetime, s(7));
    let empty = [("cdn-cache-control", ""), ("cache-control", "no-store")];
    assert!(!ok(&empty).storable);
    assert!(
        !ok(&[
            ("cdn-cache-control", "no-store"),
            ("cache-control", "max-age=7")
        ])
        .storable
    );
}

#[test]
fn no_store_and_private_are_not_stored() {
    // RFC 9111 section 3; the owner's word does not lift it.
    let forced = TtlRules {
        force: Some(s(60)),
        ..rules()
    };
    for line in [
        "no-store",
        "private",
        "max-age=60, private=\"\"",
        "NO-STORE",
    ] {
        assert!(!ok(&[("cache-control", line)]).storable, "{line}");
        assert!(
            !of(200, &[("cache-control", line)], &forced).storable,
            "{line}"
        );
    }
}

#[test]
fn must_understand_voids_no_store() {
    // RFC 9111 section 5.2.2.3.
    assert!(ok(&[("cache-control", "must-understand, no-store, max-age=9")]).storable);
    for (status, storable) in [(599, false), (299, false), (500, true)] {
        let line = [("cache-control", "must-understand, no-store, max-age=9")];
        assert_eq!(of(status, &line, &rules()).storable, storable, "{status}");
        let line = [("cache-control", "must-understand, max-age=9")];
        assert_eq!(of(status, &line, &rules()).storable, storable, "{status}");
    }
}

#[test]
fn no_cache_is_stored_and_always_validated() {
    // RFC 9111 section 5.2.2.4.
    let freshness = ok(&[("cache-control", "no-cache, max-age=60")]);
    assert!(freshness.storable);
    assert_eq!(state(&freshness, NOW, NOW), State::Stale { since: s(0) });
    assert!(!may_serve_on_error(&freshness, NOW, NOW));
}

#[test]
fn each_final_status_has_its_terms() {
    // RFC 9111 section 3, RFC 9110 section 15.1: what is stored without a word, with a lifetime,
    // as public; `None` is not stored.
    let rows = [
        (200, Some(100), Some(9), Some(100)),
        (203, Some(100), Some(9), Some(100)),
        (204, Some(100), Some(9), Some(100)),
        (300, Some(100), Some(9), Some(100)),
        (301, Some(100), Some(9), Some(100)),
        (308, Some(100), Some(9), Some(100)),
        (201, None, Some(9), Some(100)),
        (202, None, Some(9), Some(100)),
        (299, None, Some(9), Some(100)),
        (302, None, Some(9), Some(100)),
        (303, None, Some(9), Some(100)),
        (307, None, Some(9), Some(100)),
        (399, None, Some(9), Some(100)),
        // X05: absence for a moment, and errors only by the origin's own word.
        (404, Some(5), Some(9), Some(5)),
        (410, Some(5), Some(9), Some(5)),
        (400, None, Some(9), None),
        (403, None, Some(9), None),
        (405, None, Some(9), None),
        (414, None, Some(9), None),
        (500, None, Some(9), None),
        (501, None, Some(9), None),
        (503, None, Some(9), None),
        (599, None, Some(9), None),
        (100, None, None, None),
        (304, None, None, None),
    ];
    for (status, silent, explicit, public) in rows {
        let lifetime = |given: &[(&'static str, &str)]| {
            let freshness = of(status, given, &rules());
            freshness.storable.then_some(freshness.lifetime)
        };
        assert_eq!(lifetime(&[]), silent.map(s), "{status}");
        let given = [("cache-control", "max-age=9")];
        assert_eq!(lifetime(&given), explicit.map(s), "{status}");
        assert_eq!(
            lifetime(&[("cache-control", "public")]),
            public.map(s),
            "{status}"
        );
        assert_eq!(lifetime(&[("cache-control", "no-store")]), None, "{status}");
    }
}

#[test]
fn an_error_is_believed_for_so_long_and_never_served_stale() {
    for status in [404, 410, 403, 500, 503] {
        let long = of(
            status,
            &[("cache-control", "public, max-age=600")],
            &rules(),
        );
        assert_eq!(long.lifetime, s(60), "{status}");
        let forced = TtlRules {
            force: Some(s(600)),
            error: s(5),
            ..rules()
        };
        let silent = of(status, &[], &forced);
        assert!(silent.lifetime <= s(5), "{status}");
        assert!(!may_serve_on_error(&long, NOW, NOW + s(60)), "{status}");
    }
    let remembered = TtlRules {
        error: s(2),
        ..rules()
    };
    assert_eq!(of(503, &[], &remembered).lifetime, s(2));
    let forgotten = TtlRules {
        negative: s(0),
        ..rules()
    };
    assert!(!of(404, &[], &forgotten).storable);
}

#[test]
fn a_tenth_of_the_time_since_the_last_change_is_the_heuristic() {
    // RFC 9111 section 4.2.2.
    let modified = |date: &str| {
        let headers = [("last-modified", date), ("date", DATE)];
        ok(&headers).lifetime
    };
    assert_eq!(modified("Fri, 15 Jan 2027 07:00:00 GMT"), s(360));
    assert_eq!(modified("Thu, 01 Jan 1970 00:00:00 GMT"), s(86_400));
    assert_eq!(modified("Fri, 15 Jan 2100 07:00:00 GMT"), s(100));
    assert_eq!(modified("junk"), s(100));
    let old = ("last-modified", "Fri, 15 Jan 2027 07:00:00 GMT");
    assert_eq!(ok(&[old, ("cache-control", "max-age=7")]).lifetime, s(7));
    assert_eq!(ok(&[old, ("expires", "0")]).lifetime, s(0));
    assert!(!of(201, &[old], &rules()).storable);
    assert_eq!(
        of(201, &[old, ("cache-control", "public")], &rules()).lifetime,
        s(360)
    );
    let off = TtlRules {
        heuristic_max: s(0),
        ..rules()
    };
    assert_eq!(of(200, &[old], &off).lifetime, s(100));
}

#[test]
fn authorization_is_shared_only_by_a_clear_word() {
    // RFC 9111 section 3.5.
    for (line, shared) in [
        ("max-age=60", false),
        ("public", true),
        ("s-maxage=0", true),
        ("must-revalidate, max-age=60", true),
        ("proxy-revalidate, max-age=60", false),
        ("x", false),
    ] {
        let headers = fields(&[("cache-control", line)]);
        assert_eq!(
            is_shared_in_spite_of_authorization(&headers),
            shared,
            "{line}"
        );
    }
}

#[test]
fn temporary_redirects_need_an_explicit_lifetime() {
    // RFC 9110 section 15.1: not cacheable without a word about it.
    for status in [302, 303, 307] {
        assert!(!of(status, &[], &rules()).storable);
        assert_eq!(
            of(status, &[("cache-control", "max-age=9")], &rules()).lifetime,
            s(9)
        );
    }
    assert_eq!(of(301, &[], &rules()).lifetime, s(100));
}

#[test]
fn the_owner_may_override_the_origin() {
    let forced = TtlRules {
        force: Some(s(60)),
        ..rules()
    };
    for line in ["max-age=1", "no-cache", "s-maxage=9, must-revalidate", "x"] {
        let freshness = of(200, &[("cache-control", line), ("age", "20")], &forced);
        assert_eq!(
            state(&freshness, NOW, NOW),
            State::Fresh { ttl: s(40) },
            "{line}"
        );
        assert!(may_serve_on_error(&freshness, NOW, NOW + s(999)), "{line}");
    }
}

#[test]
fn expires_counts_from_date() {
    // RFC 9111 section 4.2.1: Expires minus Date, or minus the time of receipt without one.
    let expires = "Fri, 15 Jan 2027 08:01:00 GMT";
    let earlier = "Fri, 15 Jan 2027 07:59:00 GMT";
    assert_eq!(ok(&[("expires", expires)]).lifetime, s(60));
    assert_eq!(
        ok(&[("expires", expires), ("date", earlier)]).lifetime,
        s(120)
    );
    assert_eq!(
        ok(&[("expires", expires), ("date", "junk")]).lifetime,
        s(60)
    );
    assert_eq!(ok(&[("expires", earlier)]).lifetime, s(0));
}

#[test]
fn an_expires_that_is_no_date_is_past() {
    // X17. RFC 9111 section 5.3.
    for junk in [
        "0",
        "-1",
        "",
        "never",
        "Fri, 15 Jan 2027 08:01:00 GMT+2",
        "2027-01-15",
    ] {
        assert_eq!(ok(&[("expires", junk)]).lifetime, s(0), "{junk}");
    }
    let twice = [
        ("expires", "0"),
        ("expires", "Fri, 15 Jan 2100 08:01:00 GMT"),
    ];
    assert_eq!(ok(&twice).lifetime, s(0));
}

#[test]
fn the_age_is_the_greater_of_date_and_age() {
    // RFC 9111 section 4.2.3, section 5.1.
    let before = ("date", "Fri, 15 Jan 2027 07:59:30 GMT");
    assert_eq!(ok(&[("date", DATE), ("age", "7")]).initial_age, s(7));
    assert_eq!(ok(&[before, ("age", "7")]).initial_age, s(30));
    assert_eq!(ok(&[before, ("age", "70")]).initial_age, s(70));
    assert_eq!(ok(&[("age", "7, 9")]).initial_age, s(7));
    assert_eq!(ok(&[("age", "7"), ("age", "9")]).initial_age, s(7));
    for junk in ["-7", "7.5", "x", "", "\"7\""] {
        assert_eq!(ok(&[("age", junk)]).initial_age, s(0), "{junk}");
    }
}

#[test]
fn after_a_304_the_age_is_the_304s() {
    // RFC 9111 section 4.3.4: the 304's metadata counts from now on, Age and Date with it.
    let yesterday = ("date", "Thu, 14 Jan 2027 08:00:00 GMT");
    let kept = fields(&[
        yesterday,
        ("cache-control", "max-age=60"),
        ("etag", "\"a\""),
    ]);
    let after = |not_modified: &[(&'static str, &str)]| {
        let (mut kept, not_modified) = (kept.clone(), fields(not_modified));
        crate::fields::refresh(&mut kept, &not_modified, crate::fields::Cookies::Drop);
        let freshness = assess_refreshed(StatusCode::OK, &kept, &not_modified, NOW, &rules());
        state(&freshness, NOW, NOW)
    };
    assert_eq!(after(&[("date", DATE)]), State::Fresh { ttl: s(60) });
    assert_eq!(after(&[]), State::Fresh { ttl: s(60) });
    assert_eq!(after(&[("age", "20")]), State::Fresh { ttl: s(40) });
    assert_eq!(
        after(&[("cache-control", "max-age=9")]),
        State::Fresh { ttl: s(9) }
    );
    let expires = [
        ("cache-control", "x"),
        ("expires", "Fri, 15 Jan 2027 08:00:30 GMT"),
    ];
    assert_eq!(after(&expires), State::Fresh { ttl: s(30) });
    let late = [
        yesterday,
        ("cache-control", "max-age=60, stale-while-revalidate=0"),
    ];
    assert_eq!(
        after(&late),
        State::Stale {
            since: s(86_400 - 60)
        }
    );
}

#[test]
fn extremes_are_clamped() {
    // X17: Age 2^63, Date 1970/2100, max-age beyond all bounds.
    let most = s(1 << 31);
    assert_eq!(ok(&[("age", "9223372036854775808")]).initial_age, most);
    assert_eq!(
        ok(&[("cache-control", "max-age=99999999999999999999")]).lifetime,
        most
    );
    let old = ok(&[
        ("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("cache-control", "max-age=60"),
    ]);
    assert!(matches!(state(&old, NOW, NOW), State::Stale { .. }));
    let young = ok(&[
        ("date", "Fri, 01 Jan 2100 00:00:00 GMT"),
        ("cache-control", "max-age=60"),
    ]);
    assert_eq!(state(&young, NOW, NOW), State::Fresh { ttl: s(60) });
    let epochs = [
        ("date", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("expires", "Fri, 31 Dec 9999 00:00:00 GMT"),
    ];
    assert_eq!(ok(&epochs).lifetime, most);
}

#[test]
fn a_response_goes_from_fresh_to_usable_to_stale() {
    // RFC 9111 section 4.2: fresh while the lifetime is greater than the age.
    // RFC 5861 section 3: for so long past its lifetime, and no longer.
    let freshness = ok(&[
        ("cache-control", "max-age=60, stale-while-revalidate=20"),
        ("age", "10"),
    ]);
    let at = |seconds| state(&freshness, NOW, NOW + s(seconds));
    assert_eq!(at(0), State::Fresh { ttl: s(50) });
    assert_eq!(at(49), State::Fresh { ttl: s(1) });
    assert_eq!(
        at(50),
        State::StaleUsable {
            while_revalidate: s(20)
        }
    );
    assert_eq!(
        at(69),
        State::StaleUsable {
            while_revalidate: s(1)
        }
    );
    assert_eq!(at(70), State::Stale { since: s(20) });
    assert_eq!(current_age(&freshness, NOW, NOW + s(49)), 59);
    assert_eq!(ttl_s(&freshness, NOW, NOW + s(49)), 1);
    assert_eq!(ttl_s(&freshness, NOW, NOW + s(70)), -20);
}

#[test]
fn stale_is_served_on_error_for_a_while() {
    // RFC 5861 section 4: the origin's window, else the owner's.
    let freshness = ok(&[("cache-control", "max-age=60, stale-if-error=30")]);
    assert!(may_serve_on_error(&freshness, NOW, NOW + s(89)));
    assert!(!may_serve_on_error(&freshness, NOW, NOW + s(90)));
    let freshness = ok(&[("cache-control", "max-age=60")]);
    assert!(may_serve_on_error(&freshness, NOW, NOW + s(1059)));
    assert!(!may_serve_on_error(&freshness, NOW, NOW + s(1060)));
}

#[test]
fn what_must_be_revalidated_is_never_served_stale() {
    // RFC 9111 section 4.2.4: no-cache, must-revalidate, proxy-revalidate and s-maxage.
    for line in [
        "max-age=60, must-revalidate, stale-if-error=99, stale-while-revalidate=99",
        "max-age=60, proxy-revalidate",
        "s-maxage=60, stale-while-revalidate=99",
    ] {
        let freshness = ok(&[("cache-control", line)]);
        assert_eq!(
            state(&freshness, NOW, NOW + s(59)),
            State::Fresh { ttl: s(1) },
            "{line}"
        );
        assert_eq!(
            state(&freshness, NOW, NOW + s(60)),
            State::Stale { since: s(0) },
            "{line}"
        );
        assert!(!may_serve_on_error(&freshness, NOW, NOW + s(60)), "{line}");
    }
}

#[test]
fn must_revalidate_wins_over_any_window() {
    // RFC 9111 section 4.2.4. Such a head is not made here, but may be read from a disk.
    let odd = Freshness {
        must_revalidate: true,
        ..ok(&[("cache-control", "max-age=60")])
    };
    assert!(odd.stale_if_error > s(0) && odd.stale_while_revalidate > s(0));
    assert_eq!(state(&odd, NOW, NOW + s(61)), State::Stale { since: s(1) });
    assert!(!may_serve_on_error(&odd, NOW, NOW + s(61)));
}

#[test]
fn a_clock_set_back_neither_expires_nor_panics() {
    // S01: no mass expiry.
    let freshness = ok(&[("cache-control", "max-age=60")]);
    assert_eq!(state(&freshness, NOW, s(0)), State::Fresh { ttl: s(60) });
    assert_eq!(current_age(&freshness, NOW, s(0)), 0);
}

#[test]
fn a_star_or_a_crowd_in_vary_is_not_stored() {
    // X07. RFC 9111 section 4.1: a star anywhere never matches.
    let crowd = |count| {
        (0..count)
            .map(|n| format!("x-{n}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    assert!(!ok(&[("vary", "*")]).storable);
    assert!(!ok(&[("vary", "accept-encoding, *")]).storable);
    assert!(!ok(&[("vary", "accept-encoding"), ("vary", "*")]).storable);
    assert!(!ok(&[("vary", &crowd(vary::NAMES_MAX + 1))]).storable);
    assert!(!ok(&[("vary", &crowd(1000))]).storable);
    assert!(ok(&[("vary", &crowd(vary::NAMES_MAX))]).storable);
    assert!(ok(&[("vary", "Origin, User-Agent")]).storable);
}

#[test]
fn only_if_cached_is_told() {
    // R18. RFC 9111 section 5.2.1.7.
    assert!(only_if_cached(&fields(&[(
        "cache-control",
        "max-age=0, Only-If-Cached"
    )])));
    assert!(!only_if_cached(&fields(&[("cache-control", "max-age=0")])));
}

proptest! {
    #[test]
    fn arbitrary_headers_never_panic_and_age_only_grows(
        control in r#"(max-age|s-maxage|no-cache|stale-while-revalidate)(=["0-9a-z]{0,24})?"#,
        junk in "[ -~]{0,40}",
        status in 100..1000u16,
        times: [u64; 3],
    ) {
        let headers = fields(&[
            ("cache-control", &control), ("expires", &junk), ("date", &junk), ("age", &junk),
            ("vary", &junk), ("cdn-cache-control", &junk),
        ]);
        let [stored_at, first, second] = times.map(Duration::from_secs);
        let status = StatusCode::from_u16(status).unwrap();
        let huge = TtlRules { stale_if_error: Duration::MAX, default: Duration::MAX, ..rules() };
        let freshness = assess(status, &headers, stored_at, &huge);
        let (first, second) = (first.min(second), first.max(second));
        let age = |now| current_age(&freshness, stored_at, now);
        prop_assert!(age(first) <= age(second));
        prop_assert!(ttl_s(&freshness, stored_at, first) >= ttl_s(&freshness, stored_at, second));
        let fresh = |now| matches!(state(&freshness, stored_at, now), State::Fresh { .. });
        prop_assert!(fresh(first) || !fresh(second), "what was stale is fresh again");
        if !fresh(second) && freshness.must_revalidate {
            prop_assert!(!may_serve_on_error(&freshness, stored_at, second));
        }
    }
}
