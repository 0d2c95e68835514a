//! The R rows of ranges, and a model of what each resolved range must hold.

use proptest::prelude::*;

use super::*;

fn asked(range: &str) -> Wanted {
    let headers = HeaderMap::from_iter([(header::RANGE, range.parse().unwrap())]);
    wanted(&Method::GET, &headers).unwrap()
}

#[test]
fn a_single_range_is_read() {
    // R01, R02.
    assert_eq!(asked("bytes=0-0"), Wanted::FromTo { first: 0, last: 0 });
    assert_eq!(asked("bytes=5-"), Wanted::From { first: 5 });
    assert_eq!(asked("bytes=-5"), Wanted::Suffix { length: 5 });
    // RFC 9110 section 14.1: range unit names are case-insensitive.
    assert_eq!(asked("Bytes=0-4"), Wanted::FromTo { first: 0, last: 4 });
}

#[test]
fn numbers_too_big_to_hold_lie_beyond_any_end() {
    let far = "99999999999999999999999999";
    assert_eq!(
        resolve(asked(&format!("bytes=0-{far}")), 10),
        whole_part(10)
    );
    assert_eq!(
        resolve(asked(&format!("bytes={far}-")), u64::MAX),
        Resolved::Unsatisfiable
    );
    assert_eq!(resolve(asked(&format!("bytes=-{far}")), 10), whole_part(10));
}

#[test]
fn an_unknown_unit_or_an_invalid_range_is_ignored() {
    // R05, R06.
    // RFC 9110 section 14.1.1: invalid if last is before first; no white space but around commas.
    let rows = [
        "items=0-4",
        "bytes",
        "bytes 0-4",
        "bytes =0-4",
        "bytes= 0-4",
        "bytes=4-0",
        "bytes=a-b",
        "bytes=-",
        "bytes=--1",
        "bytes=0 -4",
        "bytes=0- 4",
        "bytes=+1-4",
        "bytes=0x1-4",
        "bytes=1-2-3",
        "bytes=0-4, x",
        "bytes=0-4;5-6",
        "bytes=1.5-2",
        "",
        "=0-4",
        "bytes=0-4, 9-7",
    ];
    for range in rows {
        assert_eq!(asked(range), Wanted::Whole, "{range}");
    }
}

#[test]
fn a_range_without_a_byte_is_unsatisfiable() {
    // R02, R05.
    for range in ["bytes=", "bytes=,", "bytes=-0", "bytes=-0, -00"] {
        assert_eq!(asked(range), Wanted::Empty, "{range}");
        assert_eq!(
            resolve(asked(range), 10),
            Resolved::Unsatisfiable,
            "{range}"
        );
    }
}

#[test]
fn several_ranges_become_one_that_covers_them() {
    // R07.
    assert_eq!(
        asked("bytes=0-4,10-14"),
        Wanted::FromTo { first: 0, last: 14 }
    );
    assert_eq!(
        asked("bytes=10-14 ,, 0-4"),
        Wanted::FromTo { first: 0, last: 14 }
    );
    assert_eq!(asked("bytes=10-14,3-"), Wanted::From { first: 3 });
    assert_eq!(asked("bytes=-3,-7"), Wanted::Suffix { length: 7 });
    assert_eq!(asked("bytes=-0,1-2"), Wanted::FromTo { first: 1, last: 2 });
    assert_eq!(asked("bytes=0-4,-5"), Wanted::Whole);
    assert_eq!(asked("bytes=-5,0-4,7-"), Wanted::Whole);
}

#[test]
fn many_ranges_are_ignored() {
    let ranges = |count| format!("bytes={}", vec!["1-2"; count].join(","));
    assert_eq!(
        asked(&ranges(RANGES_MAX)),
        Wanted::FromTo { first: 1, last: 2 }
    );
    assert_eq!(asked(&ranges(RANGES_MAX + 1)), Wanted::Whole);
}

#[test]
fn a_range_counts_with_get_alone() {
    // R11.
    // RFC 9110 section 14.2: ignored with any method but GET.
    let headers = HeaderMap::from_iter([(header::RANGE, "bytes=0-4".parse().unwrap())]);
    assert_eq!(wanted(&Method::HEAD, &headers), Ok(Wanted::Whole));
    assert_eq!(wanted(&Method::GET, &HeaderMap::new()), Ok(Wanted::Whole));
}

#[test]
fn two_lines_are_refused() {
    // H35.
    let mut headers = HeaderMap::new();
    headers.append(header::RANGE, "bytes=0-4".parse().unwrap());
    headers.append(header::RANGE, "bytes=0-4".parse().unwrap());
    assert_eq!(
        wanted(&Method::GET, &headers),
        Err(Malformed::Repeated("range"))
    );
    let mut headers = HeaderMap::new();
    headers.append(header::IF_RANGE, r#""a""#.parse().unwrap());
    headers.append(header::IF_RANGE, r#""a""#.parse().unwrap());
    assert_eq!(
        wanted(&Method::GET, &headers),
        Err(Malformed::Repeated("if-range"))
    );
    assert!(!if_range_allows(&headers, Some(r#""a""#), None));
}

#[test]
fn ranges_resolve_at_the_edges() {
    // R01, R02, R03, R12.
    // RFC 9110 section 14.1.2: what lies beyond the end.
    let part = |first, last| Resolved::Partial { first, last };
    let rows = [
        (Wanted::FromTo { first: 0, last: 0 }, 10, part(0, 0)),
        (Wanted::FromTo { first: 9, last: 9 }, 10, part(9, 9)),
        (Wanted::FromTo { first: 0, last: 9 }, 10, part(0, 9)),
        (Wanted::FromTo { first: 5, last: 99 }, 10, part(5, 9)),
        (
            Wanted::FromTo {
                first: 10,
                last: 10,
            },
            10,
            Resolved::Unsatisfiable,
        ),
        (Wanted::From { first: 9 }, 10, part(9, 9)),
        (Wanted::From { first: 10 }, 10, Resolved::Unsatisfiable),
        (Wanted::Suffix { length: 5 }, 10, part(5, 9)),
        (Wanted::Suffix { length: 11 }, 10, part(0, 9)),
        (Wanted::Empty, 10, Resolved::Unsatisfiable),
        (Wanted::Suffix { length: 0 }, 10, Resolved::Unsatisfiable),
        (Wanted::Whole, 10, Resolved::Whole),
        (
            Wanted::FromTo { first: 0, last: 0 },
            0,
            Resolved::Unsatisfiable,
        ),
        (Wanted::From { first: 0 }, 0, Resolved::Unsatisfiable),
        (Wanted::Suffix { length: 1 }, 0, Resolved::Unsatisfiable),
        (Wanted::Whole, 0, Resolved::Whole),
        (Wanted::From { first: 0 }, u64::MAX, part(0, u64::MAX - 1)),
    ];
    for (wanted, total, resolved) in rows {
        assert_eq!(resolve(wanted, total), resolved, "{wanted:?} of {total}");
    }
}

#[test]
fn if_range_needs_an_exact_strong_match() {
    // R10.
    // RFC 9110 section 13.1.5: strong comparison; a date only if strong, and exactly.
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    let allows = |value: &str, etag, modified| {
        let headers = HeaderMap::from_iter([(header::IF_RANGE, value.parse().unwrap())]);
        if_range_allows(&headers, etag, modified)
    };
    assert!(if_range_allows(&HeaderMap::new(), None, None));
    assert!(allows(r#""a""#, Some(r#""a""#), None));
    assert!(allows(date, Some(r#""a""#), Some(date)));
    assert!(allows("Sunday, 06-Nov-94 08:49:37 GMT", None, Some(date)));
    let refused = [
        (r#""b""#, Some(r#""a""#), None),
        (r#"W/"a""#, Some(r#"W/"a""#), None),
        (r#""a""#, Some(r#"W/"a""#), None),
        (r#""a", "b""#, Some(r#""a""#), None),
        ("*", Some(r#""a""#), None),
        ("a", Some(r#""a""#), None),
        (r#""a""#, None, None),
        (date, Some(r#""a""#), None),
        (date, None, Some("Sun, 06 Nov 1994 08:49:36 GMT")),
        ("Sun, 06 Nov 1994 08:49:38 GMT", None, Some(date)),
        ("junk", None, Some("junk")),
        ("junk", None, None),
    ];
    for (value, etag, modified) in refused {
        assert!(
            !allows(value, etag, modified),
            "{value} {etag:?} {modified:?}"
        );
    }
}

fn whole_part(total: u64) -> Resolved {
    Resolved::Partial {
        first: 0,
        last: total - 1,
    }
}

/// The offsets that one valid range-spec names in an object of `total` bytes.
fn named(spec: (Option<u64>, Option<u64>), total: u64) -> std::ops::Range<u64> {
    match spec {
        (Some(first), Some(last)) => first.min(total)..(last + 1).min(total),
        (Some(first), None) => first.min(total)..total,
        (None, Some(length)) => total.saturating_sub(length)..total,
        (None, None) => 0..0,
    }
}

prop_compose! {
    fn spec()(a in 0..40u64, more in 0..40u64, shape in 0..3) -> (Option<u64>, Option<u64>) {
        match shape {
            0 => (Some(a), Some(a + more)),
            1 => (Some(a), None),
            _ => (None, Some(a)),
        }
    }
}

proptest! {
    #[test]
    fn a_resolved_range_is_inside_the_object_and_covers_what_was_named(
        specs in proptest::collection::vec(spec(), 1..5),
        total in 0..60u64,
    ) {
        let text = |n: Option<u64>| n.map_or_else(String::new, |n| n.to_string());
        let members: Vec<_> =
            specs.iter().map(|(a, b)| format!("{}-{}", text(*a), text(*b))).collect();
        let wanted = asked(&format!("bytes={}", members.join(",")));
        let named: Vec<_> =
            specs.iter().map(|spec| named(*spec, total)).filter(|range| !range.is_empty()).collect();
        match resolve(wanted, total) {
            Resolved::Partial { first, last } => {
                prop_assert!(first <= last && last < total);
                for range in &named {
                    prop_assert!(first <= range.start && range.end <= last + 1);
                }
                if let ([_], [range]) = (specs.as_slice(), named.as_slice()) {
                    prop_assert_eq!((first, last + 1), (range.start, range.end));
                }
            }
            Resolved::Whole => prop_assert!(specs.len() > 1),
            Resolved::Unsatisfiable => prop_assert!(named.is_empty()),
        }
    }

    #[test]
    fn arbitrary_ranges_never_panic(junk in "[!-~]{0,40}", tail in "[-0-9, ]{0,40}", total: u64) {
        for range in [junk, format!("bytes={tail}")] {
            let wanted = asked(&range);
            if let Resolved::Partial { first, last } = resolve(wanted, total) {
                prop_assert!(first <= last && last < total);
            }
        }
    }
}

#[test]
fn a_few_ranges_that_lie_apart_are_parts() {
    // RFC 9110 sections 14.2 and 15.3.7.2.
    let of = |value: &str| {
        let headers = HeaderMap::from_iter([(header::RANGE, value.parse().unwrap())]);
        parts(&headers, 1_000)
    };
    let many = |count: usize| {
        let ranges: Vec<_> = (0..count).map(|n| format!("{0}-{0}", n * 100)).collect();
        of(&format!("bytes={}", ranges.join(",")))
    };
    assert_eq!(of("bytes=0-9, 500-509"), [(0, 9), (500, 509)]);
    assert_eq!(of("bytes=500-509,0-9"), [(0, 9), (500, 509)]);
    assert_eq!(of("bytes=0-9,-10"), [(0, 9), (990, 999)]);
    assert_eq!(of("bytes=0-9,500-509,2000-"), [(0, 9), (500, 509)]);
    assert_eq!(many(PARTS_MAX).len(), PARTS_MAX);
    for one in [
        "bytes=0-9",
        "bytes=0-9,5-20",
        "bytes=0-9,10-19",
        "bytes=0-9,80-89",
        "bytes=0-9,2000-",
        "bytes=0-9,x",
        "lines=0-9,500-509",
    ] {
        assert!(of(one).is_empty(), "{one}");
    }
    assert!(many(PARTS_MAX + 1).is_empty());
}

#[test]
fn a_part_answers_who_wants_bytes_of_it_alone() {
    // RFC 9111 section 3.3, RFC 9110 section 15.3.7: bytes 2 to 5 are there, of ten or of nobody knows.
    let from_to = |first, last| Wanted::FromTo { first, last };
    for (wanted, of_ten, of_unknown) in [
        (from_to(2, 5), Some((2, 5)), Some((2, 5))),
        (from_to(3, 4), Some((3, 4)), Some((3, 4))),
        (from_to(1, 4), None, None),
        (from_to(3, 6), None, None),
        (from_to(10, 11), None, None),
        (Wanted::From { first: 2 }, None, None),
        (Wanted::Suffix { length: 5 }, None, None),
        (Wanted::Whole, None, None),
        (Wanted::Empty, None, None),
    ] {
        assert_eq!(within(wanted, (2, 5), Some(10)), of_ten, "{wanted:?}");
        assert_eq!(within(wanted, (2, 5), None), of_unknown, "{wanted:?}");
    }
    let end = (5, 9);
    assert_eq!(
        within(Wanted::Suffix { length: 5 }, end, Some(10)),
        Some(end)
    );
    assert_eq!(
        within(Wanted::From { first: 7 }, end, Some(10)),
        Some((7, 9))
    );
    assert_eq!(within(from_to(8, 99), end, Some(10)), Some((8, 9)));
    assert_eq!(within(Wanted::Whole, (0, 9), Some(10)), None);
}
