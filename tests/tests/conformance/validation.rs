//! RFC 9111 section 4.3, RFC 9110 section 13, RFC 5861: what is asked again, and what then.

use super::row::{controls, fails, gets, hold, row, says};

/// A request's field.
type Field = (&'static str, &'static str);

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stale_is_confirmed() {
    let stale = |name: &'static str, value: &'static str| controls("max-age=0").with(name, value);
    let confirmed = |control: &'static str| says(304).with("cache-control", control);
    let v1 = ("etag", "\"v1\"");
    let with = |answer: super::row::Says| answer.with(v1.0, v1.1);
    let mut rows = vec![
        row(
            "9111 4.3.1, 4.3.3",
            vec![
                stale("etag", "\"v1\""),
                confirmed("max-age=100").with("etag", "\"v1\""),
            ],
            vec![
                gets(1).sent_no("if-none-match"),
                gets(1)
                    .reads(2)
                    .sent("if-none-match", "\"v1\"")
                    .has("etag", "\"v1\""),
                gets(1).reads(2).age(0, 3),
            ],
        ),
        row(
            "9111 4.3.1: weak",
            vec![stale("etag", "W/\"v1\""), confirmed("max-age=100")],
            vec![
                gets(1),
                gets(1).reads(2).sent("if-none-match", "W/\"v1\""),
                gets(1).reads(2),
            ],
        ),
        row(
            "9111 4.3.1: by date",
            vec![
                stale("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
                confirmed("max-age=100"),
            ],
            vec![
                gets(1),
                gets(1)
                    .reads(2)
                    .sent("if-modified-since", "Thu, 01 Jan 2026 00:00:00 GMT"),
                gets(1).reads(2),
            ],
        ),
        row(
            "9111 4.3.3: 200 replaces",
            vec![
                with(controls("max-age=0")),
                controls("max-age=100").with("etag", "\"v2\""),
            ],
            vec![gets(1), gets(2).has("etag", "\"v2\""), gets(2)],
        ),
        row(
            "9111 4.3.3: a refusal goes on",
            vec![
                with(controls("max-age=0")),
                says(403),
                controls("max-age=100"),
            ],
            vec![gets(1), gets(2), gets(3)],
        ),
        row(
            "9111 4.3.4: 304 without a lifetime keeps the stored one",
            vec![with(controls("max-age=1")), with(says(304))],
            vec![gets(1), gets(1).after(2).reads(2), gets(1).reads(2)],
        ),
        row(
            "9111 4.3.4: Date of the 304 counts",
            vec![
                with(controls("max-age=10").with("date", "{-20}")),
                with(says(304).with("date", "{+0}")),
            ],
            vec![gets(1), gets(1).reads(2), gets(1).reads(2).age(0, 3)],
        ),
        row(
            "9111 4.3.1: without a validator there is no condition",
            vec![controls("max-age=0"), controls("max-age=0")],
            vec![
                gets(1),
                gets(2)
                    .sent_no("if-none-match")
                    .sent_no("if-modified-since"),
            ],
        ),
        row(
            "9111 5.2.2.4: no-cache is confirmed each time",
            vec![
                with(controls("no-cache, max-age=100")),
                with(says(304)),
                with(says(304)),
            ],
            vec![gets(1), gets(1).reads(2), gets(1).reads(3)],
        ),
    ];
    for (name, old, new) in [
        ("x-own", "1", "2"),
        ("content-type", "text/plain", "text/html"),
        ("content-language", "en", "de"),
        (
            "content-security-policy",
            "default-src 'self'",
            "default-src 'none'",
        ),
        ("cache-control", "max-age=0", "max-age=50"),
        (
            "expires",
            "Thu, 01 Jan 2026 00:00:00 GMT",
            "Thu, 01 Jan 2060 00:00:00 GMT",
        ),
        (
            "last-modified",
            "Thu, 01 Jan 2026 00:00:00 GMT",
            "Fri, 02 Jan 2026 00:00:00 GMT",
        ),
    ] {
        let mut first = with(says(200)).with(name, old);
        let mut second = with(says(304)).with(name, new);
        if name != "cache-control" {
            first = first.with("cache-control", "max-age=0");
            second = second.with("cache-control", "max-age=100");
        }
        rows.push(row(
            "9111 3.2: what a 304 has replaces",
            vec![first, second],
            vec![
                gets(1).has(name, old),
                gets(1).reads(2).has(name, new),
                gets(1).reads(2).has(name, new),
            ],
        ));
    }
    rows.push(row(
        "9111 3.2: how the body is to be read stays as it was",
        vec![
            with(controls("max-age=0").with("content-encoding", "x-one")),
            with(controls("max-age=90").with("content-encoding", "x-two")).status(304),
        ],
        vec![
            gets(1),
            gets(1).reads(2).has("content-encoding", "x-one"),
            gets(1).reads(2).has("content-encoding", "x-one"),
        ],
    ));
    rows.push(row(
        "9111 3.1: what Connection names in a 304 is not stored",
        vec![
            with(controls("max-age=0").with("x-own", "1")),
            with(says(304))
                .with("cache-control", "max-age=90")
                .with("connection", "x-own")
                .with("x-own", "2"),
        ],
        vec![gets(1), gets(1).reads(2).has("x-own", "1")],
    ));
    rows.push(row(
        "9111 4.3.4: a 304 for another version confirms nothing",
        vec![
            with(controls("max-age=0")),
            says(304).with("etag", "\"v2\""),
            controls("max-age=90").with("etag", "\"v2\""),
        ],
        vec![gets(1), gets(3).reads(3).sent_no("if-none-match"), gets(3)],
    ));
    rows.push(row(
        "9111 3.2: what it lacks stays, and the length is the body's",
        vec![
            with(controls("max-age=0").with("x-own", "1")),
            with(says(304).with("cache-control", "max-age=90")),
        ],
        vec![
            gets(1),
            gets(1)
                .reads(2)
                .has("x-own", "1")
                .has("content-length", "9"),
        ],
    ));
    hold("confirmed", rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_no_objects_are_confirmed_too() {
    let mut rows = Vec::new();
    for status in [203, 300, 301, 302, 307, 308, 404, 410] {
        let stale = says(status)
            .with("cache-control", "max-age=0, stale-if-error=60")
            .with("etag", "\"v1\"")
            .with("location", "/b");
        let fresh = says(304)
            .with("cache-control", "max-age=50")
            .with("etag", "\"v1\"");
        // What is 400 and above is not kept without a lifetime.
        let stale = if status < 400 {
            stale
        } else {
            says(status)
                .with("cache-control", "max-age=1")
                .with("etag", "\"v1\"")
                .with("location", "/b")
        };
        let after = if status < 400 { 0 } else { 2 };
        rows.push(row(
            "9111 4.3.1, 4.3.4",
            vec![stale.clone(), fresh.clone().with("x-own", "2")],
            vec![
                gets(1).sent_no("if-none-match"),
                gets(1)
                    .after(after)
                    .reads(2)
                    .sent("if-none-match", "\"v1\"")
                    .has("location", "/b")
                    .has("x-own", "2"),
                gets(1).reads(2).has("x-own", "2").age(0, 3),
            ],
        ));
        rows.push(row(
            "9111 4.3.3: another answer replaces it",
            vec![stale.clone(), controls("max-age=50")],
            vec![gets(1), gets(2).after(after), gets(2)],
        ));
        let second = if status < 400 { 1 } else { 2 };
        rows.push(row(
            "5861 4: content and redirects stand in for a failure, refusals never do",
            vec![stale, says(503)],
            vec![gets(1), gets(second).after(after).reads(2)],
        ));
    }
    rows.push(row(
        "9111 4.3.1: the date of a refusal is not that of the object",
        vec![
            says(404)
                .with("cache-control", "max-age=1")
                .with("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
            controls("max-age=50"),
        ],
        vec![gets(1), gets(2).after(2).sent_no("if-modified-since")],
    ));
    hold("answers", rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_date_of_change_has_its_date() {
    let (before, at, after) = (
        "Wed, 31 Dec 2025 00:00:00 GMT",
        "Thu, 01 Jan 2026 00:00:00 GMT",
        "Fri, 02 Jan 2026 00:00:00 GMT",
    );
    let held = || controls("max-age=2000000000").with("date", at);
    let mut rows = Vec::new();
    for (since, status) in [(before, 200), (at, 304), (after, 304)] {
        rows.push(row(
            "9111 4.3.2",
            vec![held()],
            vec![
                gets(1),
                gets(1).with("if-modified-since", since).status(status),
            ],
        ));
    }
    rows.push(row(
        "9110 13.1.4: without a date of change it is ignored",
        vec![held()],
        vec![gets(1), gets(1).with("if-unmodified-since", before)],
    ));
    rows.push(row(
        "9110 6.6.1: what is no date is replaced",
        vec![controls("max-age=50").with("date", "yesterday")],
        vec![gets(1).dated(), gets(1).dated()],
    ));
    hold("dates", rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn preconditions_have_their_order() {
    let held = || {
        controls("max-age=100")
            .with("etag", "\"v1\"")
            .with("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")
    };
    let (before, at, after) = (
        "Wed, 31 Dec 2025 00:00:00 GMT",
        "Thu, 01 Jan 2026 00:00:00 GMT",
        "Fri, 02 Jan 2026 00:00:00 GMT",
    );
    let cases: Vec<(&'static str, Vec<Field>, u16)> = vec![
        ("9110 13.1.2", vec![("if-none-match", "\"v1\"")], 304),
        ("9110 13.1.2", vec![("if-none-match", "W/\"v1\"")], 304),
        (
            "9110 13.1.2",
            vec![("if-none-match", "\"v0\", \"v1\"")],
            304,
        ),
        ("9110 13.1.2", vec![("if-none-match", "*")], 304),
        ("9110 13.1.2", vec![("if-none-match", "\"v2\"")], 200),
        ("9110 13.1.2", vec![("if-none-match", "v1")], 200),
        ("9110 13.1.3", vec![("if-modified-since", at)], 304),
        ("9110 13.1.3", vec![("if-modified-since", after)], 304),
        ("9110 13.1.3", vec![("if-modified-since", before)], 200),
        ("9110 13.1.3", vec![("if-modified-since", "junk")], 200),
        (
            "9110 13.2.2",
            vec![("if-none-match", "\"v2\""), ("if-modified-since", after)],
            200,
        ),
        (
            "9110 13.2.2",
            vec![("if-none-match", "\"v1\""), ("if-modified-since", before)],
            304,
        ),
        ("9110 13.1.1", vec![("if-match", "\"v1\"")], 200),
        ("9110 13.1.1", vec![("if-match", "*")], 200),
        ("9110 13.1.1", vec![("if-match", "\"v2\"")], 412),
        ("9110 13.1.1", vec![("if-match", "W/\"v1\"")], 412),
        ("9110 13.1.4", vec![("if-unmodified-since", before)], 412),
        ("9110 13.1.4", vec![("if-unmodified-since", at)], 200),
        (
            "9110 13.2.2",
            vec![("if-match", "\"v1\""), ("if-unmodified-since", before)],
            200,
        ),
        (
            "9110 13.2.2",
            vec![("if-match", "\"v2\""), ("if-none-match", "\"v1\"")],
            412,
        ),
    ];
    let mut rows = Vec::new();
    for (section, fields, status) in cases {
        for cold in [true, false] {
            let mut asks = gets(1).status(status);
            for (name, value) in &fields {
                asks = asks.with(name, value);
            }
            asks = match status {
                304 => asks
                    .has("etag", "\"v1\"")
                    .has("cache-control", "max-age=100")
                    .lacks("content-length"),
                412 => asks.body(""),
                _ => asks.has("etag", "\"v1\""),
            };
            let steps = if cold {
                vec![asks.reads(1)]
            } else {
                vec![gets(1), asks.reads(1)]
            };
            rows.push(row(section, vec![held()], steps));
        }
    }
    for (status, fields) in [
        (404, "max-age=50"),
        (301, "max-age=50"),
        (500, "max-age=50"),
    ] {
        rows.push(row(
            "9110 13.2.1: not for what is no success",
            vec![
                says(status)
                    .with("cache-control", fields)
                    .with("etag", "\"v1\""),
            ],
            vec![gets(1), gets(1).with("if-none-match", "\"v1\"")],
        ));
    }
    hold("preconditions", rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_is_served_where_it_may_be() {
    let etag = |answer: super::row::Says| answer.with("etag", "\"v1\"");
    let mut rows = vec![
        row(
            "5861 3",
            vec![
                controls("max-age=1, stale-while-revalidate=60"),
                controls("max-age=100"),
            ],
            vec![gets(1), gets(1).after(2).body_is_any().age(2, 9)],
        ),
        row(
            "5861 3: and no longer",
            vec![
                controls("max-age=1, stale-while-revalidate=1"),
                controls("max-age=100"),
            ],
            vec![gets(1), gets(2).after(3)],
        ),
        row(
            "9111 4.2.4: not without permission",
            vec![controls("max-age=1"), controls("max-age=100")],
            vec![gets(1), gets(2).after(2)],
        ),
        row(
            "5861 4",
            vec![etag(controls("max-age=1, stale-if-error=60")), says(503)],
            vec![gets(1), gets(1).after(2).reads(2).age(2, 9)],
        ),
        row(
            "5861 3: it is fetched behind the viewer's back, once",
            vec![
                controls("max-age=1, stale-while-revalidate=60"),
                controls("max-age=100"),
            ],
            vec![
                gets(1),
                // Each of two tiers serves what is stale once.
                gets(1).after(2).body_is_any(),
                gets(1).after(2).body_is_any(),
                gets(2).after(2),
            ],
        ),
        row(
            "5861 3: not what is no number",
            vec![
                controls("max-age=1, stale-while-revalidate=x"),
                controls("max-age=100"),
            ],
            vec![gets(1), gets(2).after(2)],
        ),
        row(
            "5861 4: and no longer",
            vec![controls("max-age=1, stale-if-error=1"), says(503)],
            vec![gets(1), gets(2).after(4)],
        ),
        row(
            "9111 4.3.3: another refusal is an answer",
            vec![controls("max-age=1, stale-if-error=60"), says(404)],
            vec![gets(1), gets(2).after(2)],
        ),
    ];
    for control in [
        "max-age=1, must-revalidate, stale-if-error=60, stale-while-revalidate=60",
        "max-age=1, proxy-revalidate, stale-if-error=60, stale-while-revalidate=60",
        "s-maxage=1, stale-if-error=60, stale-while-revalidate=60",
        "max-age=1, no-cache, stale-if-error=60, stale-while-revalidate=60",
    ] {
        rows.push(row(
            "9111 4.2.4: forbidden",
            vec![controls(control), says(503), controls("max-age=100")],
            vec![gets(1), gets(2).after(2), gets(3)],
        ));
    }
    for status in [500, 502, 504] {
        rows.push(row(
            "5861 4",
            vec![controls("max-age=1, stale-if-error=60"), says(status)],
            vec![gets(1), gets(1).after(2).reads(2)],
        ));
    }
    rows.push(row(
        "9111 4.2.4: the origin cannot be reached",
        vec![controls("max-age=1"), says(200).hangs_up()],
        vec![gets(1), gets(1).after(2).body_is_any().age(2, 9)],
    ));
    for control in [
        "max-age=1, must-revalidate",
        "max-age=1, proxy-revalidate",
        "s-maxage=1",
        "no-cache",
    ] {
        rows.push(row(
            "9111 4.2.4, 5.2.2.2: forbidden, be it out of reach",
            vec![controls(control), says(200).hangs_up()],
            vec![gets(1), gets(1).body_is_any().after(2).breaks()],
        ));
    }
    rows.push(row(
        "9111 4.3.3",
        vec![says(500), says(501)],
        vec![fails(500), fails(501)],
    ));
    hold("stale", rows).await;
}
