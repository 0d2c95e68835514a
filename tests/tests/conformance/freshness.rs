//! RFC 9111 section 4.2: how long, and how old.

use super::row::{Row, Says, controls, gets, hold, row, says};

/// Reused at once, and told how old it is.
fn reused(section: &'static str, fields: &[(&'static str, &'static str)]) -> Row {
    let mut answer = says(200);
    answer.fields = fields.to_vec();
    aged(section, answer, 0, 3)
}

/// Asked for again.
fn anew(section: &'static str, fields: &[(&'static str, &'static str)]) -> Row {
    let mut answer = says(200);
    answer.fields = fields.to_vec();
    row(
        section,
        vec![answer, controls("max-age=100")],
        vec![gets(1), gets(2)],
    )
}

/// Reused at once, and its age told.
fn aged(section: &'static str, answer: Says, from_s: u64, to_s: u64) -> Row {
    let answers = vec![answer, says(200)];
    row(section, answers, vec![gets(1), gets(1).age(from_s, to_s)])
}

/// Too old from the beginning.
fn too_old(section: &'static str, answer: Says) -> Row {
    row(section, vec![answer, says(200)], vec![gets(1), gets(2)])
}

#[tokio::test(flavor = "multi_thread")]
async fn lifetimes_are_as_the_response_says() {
    let mut rows = Vec::new();
    for control in [
        "max-age=100",
        "MAX-AGE=100",
        "max-age=\"100\"",
        "max-age=100, max-age=100",
        "max-age=99999999999999999999",
        "max-age=2147483648",
        "max-age=0100",
        "s-maxage=100",
        "s-maxage=100, max-age=0",
        "public, max-age=100",
        "max-age=100, foo",
        "foo=\"a, no-store\", max-age=100",
        "max-age=100, foo=bar, immutable",
        " ,, max-age=100 ,,",
        "max-age=100;foo",
    ] {
        // What is no number is no lifetime; see `anew`.
        if control != "max-age=100;foo" {
            rows.push(reused(
                "9111 5.2.2.1, 5.2.2.10",
                &[("cache-control", control)],
            ));
        }
    }
    for control in [
        "max-age=0",
        "max-age=-100",
        "max-age=1.5",
        "max-age=abc",
        "max-age=",
        "max-age",
        "max-age='100'",
        "max-age=100;foo",
        "max-age =100",
        "max-age= 100",
        "max-age=0, max-age=100",
        "s-maxage=0, max-age=100",
        "s-maxage=x, max-age=100",
        "no-cache, max-age=100",
        "no-cache",
        "foo",
        "xmax-age=100",
    ] {
        rows.push(anew("9111 4.2.1, 5.2.2", &[("cache-control", control)]));
    }
    rows.extend([
        reused(
            "9111 5.2",
            &[("cache-control", "foo"), ("cache-control", "max-age=100")],
        ),
        reused(
            "9111 5.4: Pragma says nothing in a response",
            &[("cache-control", "max-age=100"), ("pragma", "no-cache")],
        ),
        reused(
            "9111 4.2.1: of several the first, over lines too",
            &[
                ("cache-control", "max-age=100"),
                ("cache-control", "max-age=0"),
            ],
        ),
        anew(
            "9111 4.2.1",
            &[
                ("cache-control", "max-age=0"),
                ("cache-control", "max-age=100"),
            ],
        ),
        anew(
            "9111 5.2: in any case, on any line",
            &[
                ("cache-control", "max-age=100"),
                ("cache-control", "NO-STORE"),
            ],
        ),
        anew("9111 5.2", &[("cache-control", "Max-Age=100,PRIVATE")]),
        anew("9111 5.2", &[("cache-control", "max-age=100, No-Cache")]),
        reused("9111 5.2", &[("cache-control", "\tmax-age=100\t,\tfoo")]),
        reused("9111 5.2.2.10", &[("cache-control", "S-MaxAge=\"100\"")]),
        reused(
            "9111 5.2.3: what is not known is ignored, its argument too",
            &[(
                "cache-control",
                "foo=\"max-age=0\", max-age=100, bar=no-store",
            )],
        ),
        anew(
            "9111 5.2.2.4, 5.2.2.1: the stricter holds",
            &[("cache-control", "no-cache, s-maxage=100")],
        ),
        anew(
            "9111 5.3: another year, and no zone",
            &[("expires", "Thu, 01 Jan 2060 00:00:00")],
        ),
        anew("9111 5.3", &[("expires", "Thu, 01 Jan 60 00:00:00 GMT")]),
        reused(
            "9111 4.2.2: a date of change in the other forms",
            &[("last-modified", "Sunday, 06-Nov-94 08:49:37 GMT")],
        ),
        reused(
            "9111 4.2.2",
            &[("last-modified", "Sun Nov  6 08:49:37 1994")],
        ),
        reused("9111 5.3", &[("expires", "{+100}"), ("date", "{+0}")]),
        reused("9111 5.3", &[("expires", "{+100}")]),
        reused(
            "9111 5.3",
            &[
                ("expires", "0"),
                ("date", "{+0}"),
                ("cache-control", "max-age=200"),
            ],
        ),
        anew("9111 5.3", &[("expires", "0")]),
        anew("9111 5.3", &[("expires", "-1")]),
        anew("9111 5.3", &[("expires", "never")]),
        anew("9111 5.3", &[("expires", "")]),
        anew("9111 5.3", &[("expires", "{+0}"), ("date", "{+0}")]),
        anew("9111 5.3", &[("expires", "{-10}"), ("date", "{+0}")]),
        anew(
            "9111 4.2.1",
            &[("expires", "{+100}"), ("cache-control", "max-age=0")],
        ),
        anew(
            "9111 4.2.1",
            &[("expires", "{+100}"), ("cache-control", "no-cache")],
        ),
        anew(
            "9111 4.2.1: of several the first",
            &[("expires", "0"), ("expires", "{+100}")],
        ),
        reused(
            "9110 5.6.7: RFC 850",
            &[("expires", "Thursday, 01-Jan-60 00:00:00 GMT")],
        ),
        reused(
            "9110 5.6.7: asctime",
            &[("expires", "Thu Jan  1 00:00:00 2060")],
        ),
        anew(
            "9110 5.6.7",
            &[("expires", "Thu, 01 Jan 2060 00:00:00 PST")],
        ),
        anew("9110 5.6.7", &[("expires", "2060-01-01T00:00:00Z")]),
        anew("9111 4.2.2: without a date of change", &[]),
        reused("9111 4.2.2", &[("last-modified", "{-36000}")]),
        anew("9111 4.2.2", &[("last-modified", "{-1}")]),
        anew("9111 4.2.2", &[("last-modified", "{+3600}")]),
        anew("9111 4.2.2", &[("last-modified", "junk")]),
        anew(
            "9111 4.2.2",
            &[
                ("last-modified", "{-36000}"),
                ("cache-control", "max-age=0"),
            ],
        ),
        anew(
            "9111 4.2.2",
            &[("last-modified", "{-36000}"), ("expires", "0")],
        ),
        anew(
            "9111 4.2.2",
            &[("last-modified", "{-36000}"), ("cache-control", "no-cache")],
        ),
    ]);
    hold("lifetimes", rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ages_count() {
    let fresh = || controls("max-age=100");
    let age = |age: &'static str| fresh().with("age", age);
    let date = |date: &'static str| fresh().with("date", date);
    let rows = vec![
        row(
            "9111 5.1: none comes with the origin's own",
            vec![fresh()],
            vec![gets(1).lacks("age")],
        ),
        row(
            "9111 5.1",
            vec![fresh()],
            vec![gets(1), gets(1).after(2).age(2, 5)],
        ),
        row(
            "9111 4.2.3",
            vec![age("50")],
            vec![gets(1).age(50, 53), gets(1).age(50, 53)],
        ),
        too_old("9111 4.2.3", age("200")),
        too_old("9111 4.2.3", age("100")),
        too_old("9111 5.1: of a list the first", age("200, 0")),
        aged("9111 5.1: of a list the first", age("0, 200"), 0, 3),
        too_old(
            "9111 5.1: of several lines the first",
            age("200").with("age", "0"),
        ),
        aged("9111 5.1", age("0").with("age", "200"), 0, 3),
        aged("9111 5.1", age("1.5"), 0, 3),
        row(
            "9110 6.6.1: of two dates neither counts",
            vec![date("{-200}").with("date", "{-300}")],
            vec![gets(1).dated(), gets(1).dated().age(0, 3)],
        ),
        aged("9111 5.1", age("-1"), 0, 3),
        aged("9111 5.1", age("abc"), 0, 3),
        aged("9111 5.1", age("7200;foo"), 0, 3),
        too_old("9111 1.2.2", age("99999999999999999999")),
        // Date has whole seconds: the origin may have entered the next one after it was asked.
        aged("9111 4.2.3: Date in the past is age", date("{-60}"), 59, 64),
        too_old("9111 4.2.3", date("{-200}")),
        aged("9111 4.2.3: a clock ahead is no age", date("{+200}"), 0, 3),
        aged(
            "9111 4.2.3: the greater of both",
            date("{-20}").with("age", "60"),
            60,
            64,
        ),
        row(
            "9111 4.2: stale is when the age is the lifetime",
            vec![controls("max-age=1"), controls("max-age=100")],
            vec![gets(1), gets(2).after(2), gets(2)],
        ),
        row(
            "9111 4.2.1",
            vec![says(200).with("expires", "{+1}"), controls("max-age=100")],
            vec![gets(1), gets(2).after(2), gets(2)],
        ),
        row(
            "9111 4.2.1",
            vec![controls("s-maxage=1, max-age=100"), controls("max-age=100")],
            vec![gets(1), gets(2).after(2)],
        ),
    ];
    hold("ages", rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_targeted_field_rules_alone() {
    let targeted = |cdn: &'static str, control: &'static str| {
        [("cdn-cache-control", cdn), ("cache-control", control)]
    };
    let rows = vec![
        reused("9213 2.2", &targeted("max-age=100", "no-store")),
        reused("9213 2.2", &targeted("max-age=100", "max-age=0")),
        reused("9213 2.2", &targeted("max-age=100", "private")),
        reused(
            "9213 2.2",
            &[("cdn-cache-control", "max-age=100"), ("expires", "0")],
        ),
        reused(
            "9213 2.1: parameters are ignored",
            &targeted("max-age=100;foo=1", "no-store"),
        ),
        reused("9213 2.1", &targeted("max-age=100, foo=(a b)", "no-store")),
        anew("9213 2.2", &targeted("max-age=0", "max-age=100")),
        anew("9213 2.2", &targeted("no-store", "max-age=100")),
        anew("9213 2.2", &targeted("private", "max-age=100")),
        anew("9213 2.2", &targeted("no-cache", "max-age=100")),
        anew(
            "9213 2.1: another type is not consumed",
            &targeted("max-age=1.5", "max-age=100"),
        ),
        anew("9213 2.1", &targeted("max-age=\"100\"", "max-age=100")),
        reused(
            "9213 2.1: what is no dictionary is ignored",
            &targeted("max-age=1, &&", "max-age=100"),
        ),
        reused("9213 2.1", &targeted("", "max-age=100")),
        reused(
            "9213 2.1: keys are in lower case",
            &targeted("Max-Age=0", "max-age=100"),
        ),
        anew("9213 2.1", &targeted("Max-Age=100", "max-age=0")),
        reused(
            "9213 2.1: the last of equal keys",
            &targeted("max-age=0, max-age=100", "no-store"),
        ),
        row(
            "9213 2.2: it goes on",
            vec![controls("no-store").with("cdn-cache-control", "max-age=100")],
            vec![
                gets(1)
                    .has("cdn-cache-control", "max-age=100")
                    .has("cache-control", "no-store"),
                gets(1).has("cdn-cache-control", "max-age=100"),
            ],
        ),
    ];
    hold("targeted", rows).await;
}
