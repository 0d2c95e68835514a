//! RFC 9111 section 4.1: which of several responses.

use super::row::{Asks, Row, Says, controls, gets, hold, row, says};

/// Two responses with one name are stale, the first is confirmed so, and `other` is what comes of the
/// second.
fn one_confirmed(
    section: &'static str,
    etag: &'static str,
    confirmed: Vec<Says>,
    other: Asks,
) -> Row {
    let stale = controls("max-age=1").with("vary", "x-a");
    let confirmed = [vec![stale.clone(), stale], confirmed].concat();
    row(
        section,
        confirmed
            .into_iter()
            .map(|says| says.with("etag", etag))
            .collect(),
        vec![
            gets(1).with("x-a", "1"),
            gets(2).with("x-a", "2"),
            gets(1).with("x-a", "1").after(2).status(200).reads(3),
            other.with("x-a", "2"),
        ],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_are_chosen_by_the_fields_that_vary_names() {
    let varies = |names: &'static str| controls("max-age=100").with("vary", names);
    let both = |names: &'static str| vec![varies(names), varies(names), varies(names)];
    let rows = vec![
        row(
            "9111 4.1",
            both("x-a"),
            vec![gets(1).with("x-a", "1"), gets(1).with("x-a", "1")],
        ),
        row(
            "9111 4.1",
            both("x-a"),
            vec![gets(1).with("x-a", "1"), gets(2).with("x-a", "2")],
        ),
        row(
            "9111 4.1: each stays",
            both("x-a"),
            vec![
                gets(1).with("x-a", "1"),
                gets(2).with("x-a", "2"),
                gets(1).with("x-a", "1").reads(2),
                gets(2).with("x-a", "2"),
            ],
        ),
        row(
            "9111 4.1: absent is not there",
            both("x-a"),
            vec![gets(1).with("x-a", "1"), gets(2)],
        ),
        row(
            "9111 4.1: absent matches absent",
            both("x-a"),
            vec![gets(1), gets(1)],
        ),
        row(
            "9111 4.1: empty is not absent",
            both("x-a"),
            vec![gets(1).with("x-a", ""), gets(2)],
        ),
        row(
            "9110 12.5.5: names in any case",
            both("X-A"),
            vec![gets(1).with("x-a", "1"), gets(1).with("x-a", "1")],
        ),
        row(
            "9111 4.1: values as they are",
            both("x-a"),
            vec![gets(1).with("x-a", "a"), gets(2).with("x-a", "A")],
        ),
        row(
            "9111 4.1: white space",
            both("x-a"),
            vec![gets(1).with("x-a", "1, 2"), gets(1).with("x-a", "1,2")],
        ),
        row(
            "9111 4.1: lines of a list",
            both("x-a"),
            vec![
                gets(1).with("x-a", "1, 2"),
                gets(1).with("x-a", "1").with("x-a", "2"),
            ],
        ),
        row(
            "9111 4.1: all of them",
            both("x-a, x-b"),
            vec![
                gets(1).with("x-a", "1").with("x-b", "1"),
                gets(2).with("x-a", "1").with("x-b", "2"),
                gets(1).with("x-a", "1").with("x-b", "1").reads(2),
            ],
        ),
        row(
            "9111 4.1: over several lines",
            vec![varies("x-a").with("vary", "x-b"), varies("x-a, x-b")],
            vec![gets(1).with("x-b", "1"), gets(2).with("x-b", "2")],
        ),
        row(
            "9111 4.1: others do not count",
            both("x-a"),
            vec![gets(1).with("x-b", "1"), gets(1).with("x-b", "2")],
        ),
        row(
            "9110 12.5.5: an empty one names nothing",
            both(""),
            vec![gets(1).with("x-a", "1"), gets(1).with("x-a", "2")],
        ),
        row(
            "9110 5.6.1.2: empty members and white space",
            both(" ,x-b ,, \tX-A,"),
            vec![
                gets(1).with("x-a", "1"),
                gets(2).with("x-a", "2"),
                gets(1).with("x-a", "1").reads(2),
            ],
        ),
        row(
            "9111 4.1: the order of names makes no difference",
            vec![varies("x-a, x-b"), varies("x-b, x-a"), varies("x-a")],
            vec![
                gets(1).with("x-a", "1"),
                gets(2).with("x-a", "2"),
                gets(1).with("x-a", "1").reads(2),
            ],
        ),
        row(
            "9111 4.1: the order of values does",
            both("x-a"),
            vec![gets(1).with("x-a", "1, 2"), gets(2).with("x-a", "2, 1")],
        ),
        row(
            "9110 12.5.5: what is no name is never chosen",
            vec![varies("x a"), varies("x a")],
            vec![gets(1), gets(2)],
        ),
        row(
            "9111 4.1: a star",
            vec![varies("*"), varies("*")],
            vec![gets(1), gets(2)],
        ),
        row(
            "9111 4.1: a star among others",
            vec![varies("x-a, *"), varies("*")],
            vec![gets(1), gets(2)],
        ),
        row(
            "9111 4.1: a star on its own line",
            vec![varies("x-a").with("vary", "*"), varies("*")],
            vec![gets(1), gets(2)],
        ),
        row(
            "site: what is not forwarded is the same each time",
            both("user-agent"),
            vec![
                gets(1).with("user-agent", "a").sent_no("user-agent"),
                gets(1).with("user-agent", "b"),
            ],
        ),
        row(
            "site: what is in the key needs no Vary",
            vec![controls("max-age=100"), controls("max-age=100")],
            vec![
                gets(1).with("x-k", "1").sent("x-k", "1"),
                gets(2).with("x-k", "2"),
                gets(1).with("x-k", "1").reads(2),
            ],
        ),
        row(
            "site: what is forwarded and not in Vary chooses nothing",
            vec![controls("max-age=100")],
            vec![
                gets(1).with("x-a", "1").sent("x-a", "1"),
                gets(1).with("x-a", "2"),
            ],
        ),
        row(
            "9110 12.5.3: codings are folded",
            both("accept-encoding"),
            vec![
                gets(1)
                    .with("accept-encoding", "gzip, br")
                    .sent("accept-encoding", "br, gzip"),
                gets(1).with("accept-encoding", "br;q=0.5,gzip;q=1, junk"),
                gets(2).with("accept-encoding", "gzip"),
                gets(3).with("accept-encoding", "identity"),
            ],
        ),
        row(
            "9111 4.1: another Vary",
            vec![varies("x-a"), varies("x-b"), varies("x-b")],
            vec![
                gets(1).with("x-a", "1"),
                gets(2).with("x-a", "2").with("x-b", "1"),
                gets(2).with("x-a", "3").with("x-b", "1"),
                gets(3).with("x-b", "2"),
            ],
        ),
        row(
            "9111 4.1: one without Vary is for all",
            vec![varies("x-a"), controls("max-age=100")],
            vec![
                gets(1).with("x-a", "1"),
                gets(2).with("x-a", "2"),
                gets(2).with("x-a", "3"),
            ],
        ),
        row(
            "9111 4.3.1: each is confirmed by its own name",
            vec![
                controls("max-age=1")
                    .with("vary", "x-a")
                    .with("etag", "\"one\""),
                controls("max-age=1")
                    .with("vary", "x-a")
                    .with("etag", "\"two\""),
                says(304)
                    .with("etag", "\"one\"")
                    .with("cache-control", "max-age=100")
                    .with("vary", "x-a"),
            ],
            vec![
                gets(1).with("x-a", "1"),
                gets(2).with("x-a", "2"),
                gets(1)
                    .with("x-a", "1")
                    .after(2)
                    .status(200)
                    .reads(3)
                    .sent("if-none-match", "\"one\""),
                gets(1).with("x-a", "1").reads(3),
            ],
        ),
        one_confirmed(
            "9111 4.3.4: all that have its strong name are updated",
            "\"one\"",
            vec![says(304).with("cache-control", "max-age=100")],
            gets(2).reads(3),
        ),
        one_confirmed(
            "9111 4.3.4: those with a weak one are not",
            "W/\"one\"",
            vec![says(304).with("cache-control", "max-age=100")],
            gets(2).reads(4),
        ),
        one_confirmed(
            "9111 4.3.4, 3: what may not be stored any more is not",
            "\"one\"",
            vec![
                says(304).with("cache-control", "no-store"),
                controls("max-age=100"),
            ],
            gets(4).reads(4).sent_no("if-none-match"),
        ),
        row(
            "9111 4.1: negative answers vary too",
            vec![
                says(404)
                    .with("cache-control", "max-age=50")
                    .with("vary", "x-a"),
                controls("max-age=50").with("vary", "x-a"),
            ],
            vec![
                gets(1).with("x-a", "1"),
                gets(2).with("x-a", "2"),
                gets(1).with("x-a", "1").reads(2),
            ],
        ),
        row(
            "X07: eight of an object, and then none is stored",
            vec![varies("x-a")],
            (1..=8)
                .map(|n| gets(1).body_is_any().with("x-a", NUMBERS[n]).reads(n))
                .chain([
                    gets(1).body_is_any().with("x-a", "9").reads(9),
                    gets(1).body_is_any().with("x-a", "9").reads(10),
                    gets(1).body_is_any().with("x-a", "1").reads(10),
                ])
                .collect(),
        ),
    ];
    hold("vary", rows).await;
}

const NUMBERS: [&str; 9] = ["0", "1", "2", "3", "4", "5", "6", "7", "8"];
