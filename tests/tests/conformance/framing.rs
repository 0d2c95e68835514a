//! RFC 9112 sections 6 to 8, RFC 9110 sections 6.5 and 15.2: where an answer begins and ends.

use super::row::{Ends, Row, Says, controls, fails, gets, hold, row, says};

/// What may not be stored goes through, each time anew, without this field.
fn passes(section: &'static str, answer: Says, without: &'static str) -> Row {
    row(
        section,
        vec![answer.with("cache-control", "no-store"); 2],
        vec![gets(1).lacks(without), gets(2).lacks(without)],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_whole_or_no_answer() {
    let fresh = || controls("max-age=100").with("etag", "\"v1\"");
    let mut rows = Vec::new();
    for ends in [
        Ends::Length,
        Ends::Chunks(""),
        Ends::Chunks("x-after: 1\r\n"),
        Ends::Close,
    ] {
        rows.push(row(
            "9112 6.3, 8: it is stored, and its length is told",
            vec![fresh().ends(ends)],
            vec![
                gets(1),
                gets(1).has("content-length", "9").lacks("x-after"),
                gets(1).with("range", "bytes=7-7").status(206).body("1"),
            ],
        ));
        rows.push(passes(
            "9112 6.3, 8: it goes through",
            says(200).ends(ends),
            "x-after",
        ));
        rows.push(row(
            "9112 6.3: answers that are no objects",
            vec![says(404).with("cache-control", "max-age=50").ends(ends)],
            vec![gets(1), gets(1)],
        ));
    }
    for ends in [Ends::Length, Ends::Chunks("")] {
        rows.push(row(
            "9111 3.3, 9112 8: what is cut short is not stored, nor told as whole",
            vec![controls("max-age=100").ends(ends).cut(), fresh()],
            vec![gets(1).breaks(), gets(2), gets(2)],
        ));
    }
    for ends in [Ends::Chunks("x-after: 1\r\n"), Ends::Close] {
        let part = fresh()
            .with("trailer", "x-after")
            .body("0123456789")
            .ends(ends);
        rows.push(row(
            "9110 6.5: trailers end here",
            vec![part],
            vec![gets(1).lacks("trailer"); 2],
        ));
    }
    hold("framing", rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn interim_responses_are_no_answers() {
    let mut rows = Vec::new();
    for interim in [
        "100 Continue",
        "102 Processing",
        "103 Early Hints\r\nlink: </style.css>; rel=preload\r\netag: \"v0\"",
    ] {
        let answer = controls("max-age=100").with("etag", "\"v1\"");
        rows.push(row(
            "9110 15.2: the final answer counts, and its fields alone",
            vec![answer.interim(interim).interim(interim)],
            vec![gets(1).has("etag", "\"v1\"").lacks("link"); 2],
        ));
        rows.push(passes("9110 15.2", says(200).interim(interim), "link"));
    }
    rows.push(row(
        "9110 15.2.2: nobody asked for another protocol",
        vec![says(101), controls("max-age=100")],
        vec![fails(502).reads(1), gets(2)],
    ));
    hold("interim", rows).await;
}
