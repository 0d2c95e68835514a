//! RFC 9110 section 14: parts of what is stored, in front of an origin that knows none.

use super::row::{Asks, Says, controls, fails, gets, hold, row};

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
