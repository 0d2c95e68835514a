//! RFC 9111 section 3: what is stored at all.

use http::Method;

use super::row::{Row, controls, fails, gets, hold, row, says};

const STATUSES: [u16; 47] = [
    200, 201, 202, 203, 204, 226, 242, 299, 300, 301, 302, 303, 305, 307, 308, 342, 399, 400, 401,
    402, 403, 404, 405, 406, 408, 409, 410, 411, 413, 414, 415, 417, 421, 422, 425, 428, 429, 431,
    451, 499, 500, 501, 502, 503, 504, 505, 599,
];

#[tokio::test(flavor = "multi_thread")]
async fn each_status_is_reused_by_an_explicit_lifetime_and_never_against_its_word() {
    let mut rows = Vec::new();
    for status in STATUSES {
        let fresh = says(status)
            .with("cache-control", "max-age=100")
            .with("x-own", "1");
        rows.push(row(
            "9111 3: any final status with an explicit lifetime",
            vec![fresh, says(200)],
            vec![
                gets(1).has("x-own", "1"),
                gets(1).has("x-own", "1").age(0, 3),
            ],
        ));
        rows.push(row(
            "9111 4.2: stale",
            vec![
                says(status).with("cache-control", "max-age=0"),
                controls("max-age=100"),
            ],
            vec![gets(1), gets(2)],
        ));
        for control in ["no-store", "private, max-age=100", "no-store, max-age=100"] {
            rows.push(row(
                "9111 5.2.2.5, 5.2.2.7",
                vec![says(status).with("cache-control", control), says(status)],
                vec![gets(1).has("cache-control", control), gets(2)],
            ));
        }
    }
    for status in [
        201, 202, 299, 302, 303, 307, 400, 403, 405, 414, 500, 501, 503, 599,
    ] {
        rows.push(row(
            "9111 4.2.2: no heuristic for these, or none here",
            vec![
                says(status).with("last-modified", "{-36000}"),
                controls("max-age=100"),
            ],
            vec![gets(1), gets(2)],
        ));
    }
    for status in [203, 204, 300, 301, 308] {
        rows.push(row(
            "9111 4.2.2: cacheable by heuristic",
            vec![says(status).with("last-modified", "{-36000}"), says(200)],
            vec![gets(1), gets(1)],
        ));
    }
    for status in [201, 202, 302, 303, 307] {
        let public = says(status)
            .with("cache-control", "public")
            .with("last-modified", "{-36000}");
        rows.push(row(
            "9111 4.2.2: public",
            vec![public, says(200)],
            vec![gets(1), gets(1)],
        ));
    }
    for status in [299, 499, 599] {
        let control = "must-understand, max-age=100";
        rows.push(row(
            "9111 5.2.2.3: not understood",
            vec![
                says(status).with("cache-control", control),
                controls("max-age=100"),
            ],
            vec![gets(1), gets(2)],
        ));
    }
    for status in [200, 203, 301, 404] {
        let control = "must-understand, no-store, max-age=100";
        rows.push(row(
            "9111 5.2.2.3: understood",
            vec![says(status).with("cache-control", control), says(200)],
            vec![gets(1), gets(1)],
        ));
    }
    hold("statuses", rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn qualified_directives_withhold_their_fields() {
    let answer = |control: &'static str| {
        controls(control)
            .with("x-mine", "1")
            .with("x-all", "2")
            .with("set-cookie", "a=1")
    };
    let mut rows = Vec::new();
    for control in [
        "max-age=100, private=\"x-mine\"",
        "max-age=100, private=\"X-Mine, x-other\"",
        "max-age=100, no-cache=\"x-mine\"",
        "max-age=100, no-cache=x-mine",
        "private=x-mine, max-age=100",
    ] {
        rows.push(row(
            "9111 5.2.2.4, 5.2.2.7",
            vec![answer(control)],
            vec![
                gets(1).has("x-mine", "1").has("x-all", "2"),
                gets(1).lacks("x-mine").has("x-all", "2"),
            ],
        ));
    }
    rows.push(row(
        "9111 7.3: another viewer has no use for a cookie",
        vec![answer("max-age=100")],
        vec![
            gets(1).has("set-cookie", "a=1"),
            gets(1).lacks("set-cookie").has("x-all", "2"),
        ],
    ));
    hold("qualified", rows).await;
}

fn authorized(control: &'static str, shared: bool) -> Row {
    let second = if shared { 1 } else { 2 };
    row(
        "9111 3.5",
        vec![controls(control), controls(control)],
        vec![
            gets(1)
                .with("authorization", "Basic YTpi")
                .sent("authorization", "Basic YTpi"),
            gets(second).with("authorization", "Basic YzpkCg=="),
        ],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_decide_too() {
    let rows = vec![
        authorized("max-age=100", false),
        authorized("max-age=100, proxy-revalidate", false),
        authorized("max-age=100, public", true),
        authorized("max-age=100, must-revalidate", true),
        authorized("s-maxage=100", true),
        row(
            "9111 3.5: what was stored for all is for all",
            vec![controls("max-age=100")],
            vec![gets(1), gets(1).with("authorization", "Basic YTpi")],
        ),
        row(
            "9110 9.2.1: what is not safe is refused, and nothing is forwarded",
            vec![controls("max-age=100")],
            vec![
                gets(1),
                fails(405)
                    .method(Method::POST)
                    .has("allow", "GET, HEAD, OPTIONS"),
                fails(405).method(Method::PUT),
                fails(405).method(Method::DELETE),
                gets(1).reads(1),
            ],
        ),
        row(
            "9110 9.1: a method that nobody knows",
            vec![controls("max-age=100")],
            vec![
                gets(1),
                fails(501).method(Method::from_bytes(b"FOO").unwrap()),
                gets(1).reads(1),
            ],
        ),
        row(
            "9110 9.3.2: HEAD from a stored GET",
            vec![controls("max-age=100").with("x-own", "1")],
            vec![
                gets(1),
                gets(1).head().has("x-own", "1").has("content-length", "9"),
            ],
        ),
        row(
            "9110 13.1.2, 9.3.2",
            vec![controls("max-age=100").with("etag", "\"v1\"")],
            vec![
                gets(1),
                gets(1).head().with("if-none-match", "\"v1\"").status(304),
                gets(1).head().with("if-none-match", "\"v2\""),
            ],
        ),
        row(
            "9110 9.3.2: GET after HEAD",
            vec![controls("max-age=100")],
            vec![gets(1).head(), gets(1)],
        ),
    ];
    hold("requests", rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn absence_is_believed_for_a_moment() {
    let rows = vec![
        row(
            "site: ttl_negative",
            vec![says(404), says(200)],
            vec![gets(1).has("cache-control", "no-store"), gets(1)],
        ),
        row(
            "site: ttl_negative",
            vec![says(410), says(200)],
            vec![gets(1), gets(1)],
        ),
        row(
            "site: ttl_error is 0s",
            vec![says(503), controls("max-age=90")],
            vec![gets(1), gets(2)],
        ),
        row(
            "9111 4: the origin's word",
            vec![
                says(404).with("cache-control", "max-age=1"),
                controls("max-age=90"),
            ],
            vec![gets(1).has("cache-control", "max-age=1"), gets(2).after(2)],
        ),
    ];
    hold("absence", rows).await;
}
