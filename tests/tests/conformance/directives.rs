//! RFC 9111 section 5.2.1: what a request may ask for, where a site heeds it.

use super::row::{Asks, Row, controls, fails, gets, hold, row, says};

fn held(section: &'static str, control: &'static str, second: Asks) -> Row {
    row(
        section,
        vec![controls(control), controls("max-age=100")],
        vec![gets(1), second],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_heeded() {
    let asks = |nth: usize, control: &'static str| gets(nth).with("cache-control", control);
    let rows = vec![
        held("9111 5.2.1.4", "max-age=100", asks(2, "no-cache")),
        held(
            "9111 5.4",
            "max-age=100",
            gets(2).with("pragma", "no-cache"),
        ),
        held("9111 5.4", "max-age=100", gets(1).with("pragma", "foo")),
        held(
            "9111 5.4",
            "max-age=100",
            asks(1, "foo").with("pragma", "no-cache"),
        ),
        held("9111 5.2.1.1", "max-age=100", asks(2, "max-age=0")),
        held("9111 5.2.1.1", "max-age=100", asks(1, "max-age=50")),
        held("9111 5.2.1.1", "max-age=100", asks(2, "max-age=1").after(3)),
        held("9111 5.2.1.3", "max-age=100", asks(1, "min-fresh=50")),
        held("9111 5.2.1.3", "max-age=100", asks(2, "min-fresh=101")),
        held(
            "9111 5.2.1.2",
            "max-age=1",
            asks(1, "max-stale=100").after(2),
        ),
        held("9111 5.2.1.2", "max-age=1", asks(1, "max-stale").after(2)),
        held("9111 5.2.1.2", "max-age=1", asks(2, "max-stale=1").after(4)),
        held(
            "9111 5.2.1.2",
            "max-age=1, must-revalidate",
            asks(2, "max-stale=100").after(2),
        ),
        held(
            "9111 5.2.1.2",
            "s-maxage=1",
            asks(2, "max-stale=100").after(2),
        ),
        held("8246 2", "max-age=100, immutable", asks(1, "max-age=0")),
        held("8246 2", "max-age=100, immutable", asks(2, "no-cache")),
        row(
            "9111 5.2.1.7",
            vec![controls("max-age=100")],
            vec![
                fails(504).with("cache-control", "only-if-cached").reads(0),
                gets(1),
                gets(1).with("cache-control", "only-if-cached"),
            ],
        ),
        row(
            "9111 5.2.1.5",
            vec![controls("max-age=100"), controls("max-age=100")],
            vec![gets(1).with("cache-control", "no-store"), gets(2), gets(2)],
        ),
        row(
            "9111 5.2.1.4: confirmed, and by the origin itself",
            vec![
                controls("max-age=100").with("etag", "\"v1\""),
                says(304).with("etag", "\"v1\""),
            ],
            vec![
                gets(1),
                asks(1, "no-cache")
                    .reads(2)
                    .sent("if-none-match", "\"v1\"")
                    .sent("cache-control", "no-cache"),
                gets(1).reads(2),
            ],
        ),
        row(
            "9111 5.2.1.4",
            vec![says(404).with("cache-control", "max-age=50"), says(404)],
            vec![gets(1), asks(2, "no-cache")],
        ),
    ];
    hold("heeded", rows).await;
}
