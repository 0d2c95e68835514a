//! RFC 9110 section 14: parts of what is stored, in front of an origin that knows none.

use super::row::{Asks, Ends, Says, controls, fails, gets, hold, row, says};

fn whole() -> Says {
    controls("max-age=100")
        .with("etag", "\"v1\"")
        .body("0123456789")
}

fn part(range: &'static str, told: &'static str, body: &'static str) -> Asks {
    gets(1)
        .with("range", range)
        .status(206)
        .has("content-range", told)
        .body(body)
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_exact() {
    let cases = [
        part("bytes=0-0", "bytes 0-0/10", "0"),
        part("bytes=2-4", "bytes 2-4/10", "234"),
        part("bytes=9-9", "bytes 9-9/10", "9"),
        part("bytes=0-9", "bytes 0-9/10", "0123456789"),
        part("bytes=5-", "bytes 5-9/10", "56789"),
        part("bytes=5-99", "bytes 5-9/10", "56789"),
        part("bytes=-3", "bytes 7-9/10", "789"),
        part("bytes=-99", "bytes 0-9/10", "0123456789"),
        part("BYTES=2-4", "bytes 2-4/10", "234"),
        part("bytes=2-4", "bytes 2-4/10", "234").with("if-range", "\"v1\""),
        gets(1)
            .with("range", "bytes=2-4")
            .with("if-range", "\"v2\""),
        gets(1)
            .with("range", "bytes=2-4")
            .with("if-range", "W/\"v1\""),
        gets(1).with("range", "bytes=4-2"),
        gets(1).with("range", "bytes=a-b"),
        gets(1).with("range", "lines=2-4"),
        gets(1).with("range", "bytes"),
        gets(1)
            .with("range", "bytes=2-4")
            .head()
            .has("content-length", "10"),
        fails(416)
            .with("range", "bytes=10-")
            .has("content-range", "bytes */10"),
        fails(416)
            .with("range", "bytes=99-100")
            .has("content-range", "bytes */10"),
        fails(416)
            .with("range", "bytes=-0")
            .has("content-range", "bytes */10"),
        fails(304)
            .with("range", "bytes=2-4")
            .with("if-none-match", "\"v1\""),
        fails(412)
            .with("range", "bytes=2-4")
            .with("if-match", "\"v2\""),
    ];
    let mut rows = Vec::new();
    for case in cases {
        rows.push(row(
            "9110 14.2, 13.1.5",
            vec![whole()],
            vec![gets(1), case.clone().reads(1)],
        ));
        rows.push(row(
            "9110 14.2, 13.1.5",
            vec![whole()],
            vec![case.reads(1), gets(1)],
        ));
    }
    hold("ranges", rows).await;
}

/// An origin's part of what it was asked for.
fn less(told: &'static str, body: &'static str) -> Says {
    says(206)
        .with("cache-control", "max-age=100")
        .with("content-range", told)
        .body(body)
}

/// A request for a part that the origin's `nth` answer is.
fn asks(nth: usize, range: &'static str) -> Asks {
    gets(nth).with("range", range).status(206)
}

#[tokio::test(flavor = "multi_thread")]
async fn less_than_was_asked_for_is_for_who_wants_it() {
    let mut rows = Vec::new();
    for (range, told, body) in [
        ("bytes=0-0", "bytes 0-0/10", "0"),
        ("bytes=0-4", "bytes 0-4/10", "01234"),
        ("bytes=0-4", "bytes 0-4/*", "01234"),
        ("BYTES=0-4", "bytes 0-4/99999999", "01234"),
    ] {
        rows.push(row(
            "9110 15.3.7, 9111 3.3: it is kept, and used for the same bytes",
            vec![less(told, body), whole()],
            vec![
                asks(1, range).has("content-range", told),
                asks(1, range).has("content-range", told).body(body),
            ],
        ));
        rows.push(row(
            "9111 3.3: not for the whole, nor for other bytes",
            vec![less(told, body), whole()],
            vec![
                asks(1, range),
                gets(2).body("0123456789").lacks("content-range"),
                asks(2, "bytes=1-1").body("1"),
            ],
        ));
        for ends in [Ends::Chunks(""), Ends::Close] {
            rows.push(row(
                "9110 15.3.7, 9112 6.3",
                vec![less(told, body).ends(ends)],
                vec![asks(1, range), asks(1, range).has("content-range", told)],
            ));
        }
        let unstored = less(told, body).with("cache-control", "no-store");
        rows.push(row(
            "9110 15.3.7: what may not be stored goes through",
            vec![unstored],
            vec![asks(1, range).has("content-range", told)],
        ));
    }
    let tagged = || less("bytes 0-6/10", "0123456").with("etag", "\"v1\"");
    rows.extend([
        row(
            "9110 14.2: bytes of it",
            vec![tagged()],
            vec![
                asks(1, "bytes=0-6"),
                asks(1, "bytes=3-5")
                    .body("345")
                    .has("content-range", "bytes 3-5/10")
                    .has("content-length", "3"),
            ],
        ),
        row(
            "9110 13.1.5",
            vec![tagged(), whole()],
            vec![
                asks(1, "bytes=0-6"),
                asks(1, "bytes=0-6").with("if-range", "\"v1\""),
                gets(2)
                    .with("range", "bytes=0-6")
                    .with("if-range", "\"v2\""),
            ],
        ),
        row(
            "9110 13.1.2, 13.1.1",
            vec![tagged()],
            vec![
                asks(1, "bytes=0-6"),
                asks(1, "bytes=0-6")
                    .with("if-none-match", "\"v1\"")
                    .status(304),
                asks(1, "bytes=0-6")
                    .with("if-match", "\"v2\"")
                    .status(412)
                    .body(""),
            ],
        ),
        row(
            "9111 3.3: HEAD is of the whole",
            vec![tagged(), whole()],
            vec![
                asks(1, "bytes=0-6"),
                gets(2).head().has("content-length", "10"),
            ],
        ),
        row(
            "9110 15.3.7: to who wants all of it, it is no answer",
            vec![tagged(), whole()],
            vec![gets(2), gets(2)],
        ),
        row(
            "9110 14.4: what lies about its bytes is refused",
            vec![less("bytes 0-6/10", "012345")],
            vec![fails(502).with("range", "bytes=0-6")],
        ),
        row(
            "9110 15.3.7: what begins elsewhere was not asked for",
            vec![less("bytes 2-6/10", "23456")],
            vec![fails(502).with("range", "bytes=2-6")],
        ),
        row(
            "9110 14.4",
            vec![less("bytes 6-0/10", "0123456")],
            vec![fails(502).with("range", "bytes=0-6")],
        ),
        row(
            "9110 15.3.7: without a Content-Range it says nothing",
            vec![says(206).with("cache-control", "max-age=100")],
            vec![fails(502).with("range", "bytes=0-3")],
        ),
        row(
            "9110 15.5.17",
            vec![whole().body("")],
            vec![
                fails(416)
                    .with("range", "bytes=0-3")
                    .has("content-range", "bytes */0"),
            ],
        ),
    ]);
    hold("parts", rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_range_of_what_may_not_be_stored_is_a_part_or_the_whole() {
    let unstored = || controls("no-store").body("0123456789");
    let rows = vec![
        row(
            "9110 14.2: a server may ignore it",
            vec![unstored()],
            vec![gets(1).with("range", "bytes=2-4").lacks("content-range")],
        ),
        row(
            "9110 13.1.5: another version than the viewer has is sent whole",
            vec![
                unstored().with("etag", "\"v2\""),
                unstored().with("etag", "\"v2\""),
            ],
            vec![
                gets(1),
                gets(2)
                    .with("range", "bytes=2-4")
                    .with("if-range", "\"v1\"")
                    .sent_no("range"),
            ],
        ),
        row(
            "9110 15.3.7.1",
            vec![
                unstored(),
                says(206)
                    .with("cache-control", "no-store")
                    .with("content-range", "bytes 2-4/10")
                    .body("234"),
            ],
            vec![
                gets(1),
                asks(2, "bytes=2-4").has("content-range", "bytes 2-4/10"),
            ],
        ),
    ];
    hold("unstored", rows).await;
}
