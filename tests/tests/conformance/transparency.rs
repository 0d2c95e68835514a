//! RFC 9110 section 7.6, RFC 9111 section 3.1: what goes through as it came.

use super::row::{controls, gets, hold, row, says};

#[tokio::test(flavor = "multi_thread")]
async fn fields_go_through_on_the_first_answer_and_on_later_ones() {
    let mut rows = Vec::new();
    for (name, value) in [
        ("x-own", "1"),
        ("x-own", "a, b"),
        ("content-type", "text/x-own; charset=utf-8"),
        ("content-language", "de"),
        ("content-encoding", "x-own"),
        ("content-location", "/elsewhere"),
        ("content-disposition", "attachment"),
        ("content-security-policy", "default-src 'none'"),
        ("date", "Thu, 01 Jan 2060 00:00:00 GMT"),
        ("etag", "\"a,b\""),
        ("etag", "W/\"weak\""),
        ("expires", "Thu, 01 Jan 2060 00:00:00 GMT"),
        ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ("link", "</a>; rel=preload"),
        ("location", "https://elsewhere.test/"),
        ("referrer-policy", "no-referrer"),
        ("refresh", "5"),
        ("retry-after", "120"),
        ("server", "own/1"),
        ("strict-transport-security", "max-age=1"),
        ("warning", "199 - \"x\""),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "deny"),
        ("x-powered-by", "own"),
    ] {
        rows.push(row(
            "9111 3.1",
            vec![controls("max-age=100").with(name, value)],
            vec![gets(1).has(name, value), gets(1).has(name, value)],
        ));
        rows.push(row(
            "9110 7.6",
            vec![controls("no-store").with(name, value)],
            vec![gets(1).has(name, value)],
        ));
    }
    for (name, value) in [
        ("keep-alive", "timeout=5"),
        ("proxy-authenticate", "Basic"),
        ("te", "trailers"),
        ("x-named", "1"),
    ] {
        let connection = "x-named";
        for control in ["max-age=100", "no-store"] {
            let answer = controls(control)
                .with(name, value)
                .with("connection", connection);
            rows.push(row("9110 7.6.1", vec![answer], vec![gets(1).lacks(name)]));
        }
    }
    rows.push(row(
        "9110 5.3: lines of a field in their order",
        vec![
            controls("max-age=100")
                .with("x-own", "1")
                .with("x-own", "2"),
        ],
        vec![gets(1).has("x-own", "1, 2"), gets(1).has("x-own", "1, 2")],
    ));
    rows.push(row(
        "9110 6.6.1: a date is put on what has none",
        vec![controls("max-age=100")],
        vec![gets(1), gets(1).after(1).age(1, 4)],
    ));
    hold("fields", rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_and_bodies_go_through() {
    let mut rows = Vec::new();
    for status in [
        201, 202, 203, 226, 299, 300, 301, 302, 303, 307, 308, 400, 401, 402, 403, 405, 406, 409,
        412, 413, 415, 418, 422, 429, 451, 500, 501, 502, 503, 504, 505, 599,
    ] {
        let answer = says(status)
            .with("cache-control", "no-store")
            .with("location", "/b");
        rows.push(row(
            "9110 15: as it is, and no redirect is followed",
            vec![answer.clone(), answer],
            vec![gets(1).has("location", "/b"), gets(2)],
        ));
    }
    for status in [204, 205] {
        let answer = says(status).with("cache-control", "max-age=90").body("");
        rows.push(row("9110 15.3.5", vec![answer], vec![gets(1), gets(1)]));
    }
    let cookie = controls("no-store")
        .with("set-cookie", "a=1")
        .with("set-cookie", "b=2");
    rows.push(row(
        "6265 4.1",
        vec![cookie],
        vec![gets(1).has("set-cookie", "a=1, b=2")],
    ));
    rows.push(row(
        "9110 8.6: an empty body",
        vec![controls("max-age=100").body("")],
        vec![
            gets(1).has("content-length", "0"),
            gets(1).has("content-length", "0"),
        ],
    ));
    hold("statuses", rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_know_and_name_themselves() {
    let rows = vec![
        row(
            "8586 2",
            vec![controls("max-age=100")],
            vec![gets(1).sent("cdn-loop", "shield1")],
        ),
        row(
            "site: nothing else of a request goes upstream",
            vec![controls("max-age=100")],
            vec![
                gets(1)
                    .with("cookie", "a=1")
                    .sent_no("cookie")
                    .sent_no("via")
                    .sent_no("user-agent"),
            ],
        ),
    ];
    hold("names", rows).await;
}
