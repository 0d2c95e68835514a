//! The rules of `answer`, one table each.

use super::*;

const V1: &str = "\"v1\"";

fn asked(range: Option<(u64, u64)>, condition: Option<Condition>) -> Asked {
    Asked {
        range: range.map(|(first, last)| ByteRange { first, last }),
        condition,
        carried: message::Carried::default(),
        demand: message::Demand::Any,
    }
}

fn head(status: u16, version: Version, fields: &[(&str, &str)]) -> Parts {
    let mut builder = http::Response::builder().status(status).version(version);
    for (name, value) in fields {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

fn h1(status: u16, fields: &[(&str, &str)]) -> Parts {
    head(status, Version::HTTP_11, fields)
}

fn judge(asked: &Asked, head: &Parts) -> Result<Shape, Error> {
    super::judge(asked, head, Close::EndsNothing)
}

fn refused(asked: &Asked, head: &Parts) -> bool {
    judge(asked, head).is_err_and(|error| error.kind() == Kind::HttpProtocolError)
}

/// RFC 8673 section 2.2.
#[test]
fn all_the_rest_goes_on_until_it_ends_or_has_a_length_or_comes_from_the_start() {
    let question = asked(Some((10, ByteRange::OPEN)), None);
    for (status, range, expected) in [
        (
            206,
            Some("bytes 10-9007199254740991/*"),
            Some(Shape::Body(None)),
        ),
        (206, Some("bytes 10-19/20"), Some(Shape::Body(Some(10)))),
        (200, None, Some(Shape::Body(None))),
        (206, Some("bytes 10-19/*"), None),
        (206, Some("bytes 9-9007199254740991/*"), None),
    ] {
        let fields: Vec<_> = range
            .iter()
            .map(|range| ("content-range", *range))
            .collect();
        let judged = judge(&question, &head(status, Version::HTTP_2, &fields));
        assert_eq!(judged.ok(), expected, "{status} {range:?}");
    }
    let in_parts = asked(Some((10, 19)), None);
    assert!(refused(&in_parts, &head(200, Version::HTTP_2, &[])));
}

/// O04, O03.
#[test]
fn a_body_is_framed_in_one_way_or_refused() {
    let plain = asked(None, None);
    for fields in [
        &[("content-length", "5"), ("transfer-encoding", "chunked")][..],
        &[("content-length", "5"), ("content-length", "5")],
        &[("content-length", "5"), ("content-length", "6")],
        &[("content-length", "5,6")],
        &[("content-length", "+5")],
        &[("content-length", "")],
        &[("content-length", "99999999999999999999")],
        &[("transfer-encoding", "gzip, chunked")],
        &[("transfer-encoding", "identity")],
        &[],
    ] {
        assert!(refused(&plain, &h1(200, fields)), "{fields:?}");
    }
    let sized = h1(200, &[("content-length", "5")]);
    assert_eq!(judge(&plain, &sized).unwrap(), Shape::Body(Some(5)));
    let chunked = h1(200, &[("transfer-encoding", "Chunked")]);
    assert_eq!(judge(&plain, &chunked).unwrap(), Shape::Body(None));
    let h2 = head(200, Version::HTTP_2, &[]);
    assert_eq!(judge(&plain, &h2).unwrap(), Shape::Body(None));
    // RFC 9112 section 6.3, where the hop may end bodies so.
    let until_close = super::judge(&plain, &h1(200, &[]), Close::EndsBodies);
    assert_eq!(until_close.unwrap(), Shape::Body(None));
    let part = ("content-range", "bytes 0-4/9");
    let some = asked(Some((0, 9)), None);
    assert_eq!(
        judge(&some, &h1(206, &[part])).unwrap(),
        Shape::Body(Some(5))
    );
    let open = asked(Some((0, ByteRange::OPEN)), None);
    let growing = format!("bytes 0-{}/*", ByteRange::OPEN);
    let growing = h1(206, &[("content-range", &growing)]);
    assert!(refused(&open, &growing), "nothing else would end it");
    let old = head(200, Version::HTTP_10, &[("transfer-encoding", "chunked")]);
    assert!(refused(&plain, &old), "RFC 9112 section 6.1");
}

/// O06.
#[test]
fn a_part_begins_where_was_asked_and_ends_not_beyond_or_is_refused() {
    let question = asked(Some((10, 19)), None);
    for (field, fits) in [
        ("bytes 10-19/100", true),
        ("bytes 10-19/*", true),
        ("bytes 10-14/15", true),
        ("bytes 10-14/100", true),
        ("bytes 10-14/*", true),
        ("bytes 12-14/*", false),
        ("bytes 10-20/100", false),
        ("bytes 0-9/100", false),
        ("bytes 11-19/100", false),
        ("bytes 9-19/100", false),
        ("bytes 14-12/100", false),
        ("bytes 10-19/19", false),
        ("bytes 10-19/0", false),
        ("bytes 19-10/100", false),
        ("bytes */100", false),
        ("bytes 10-18446744073709551615/18446744073709551615", false),
        ("bytes 10-19", false),
        ("bytes 10 - 19/100", false),
        ("octets 10-19/100", false),
        ("", false),
    ] {
        let head = head(206, Version::HTTP_2, &[("content-range", field)]);
        assert_eq!(judge(&question, &head).is_ok(), fits, "{field}");
    }
    let of_unknown = head(206, Version::HTTP_2, &[("content-range", "bytes 10-19/*")]);
    assert_eq!(
        judge(&question, &of_unknown).unwrap(),
        Shape::Body(Some(10))
    );
    assert!(refused(&question, &head(206, Version::HTTP_2, &[])));
    assert!(refused(
        &asked(None, None),
        &h1(206, &[("content-range", "bytes 10-19/100")])
    ));
}

#[test]
fn a_part_is_as_long_as_its_range_says() {
    let question = asked(Some((10, 19)), None);
    let range = ("content-range", "bytes 10-19/100");
    assert_eq!(
        judge(&question, &h1(206, &[range, ("content-length", "10")])).unwrap(),
        Shape::Body(Some(10))
    );
    assert_eq!(
        judge(
            &question,
            &h1(206, &[range, ("transfer-encoding", "chunked")])
        )
        .unwrap(),
        Shape::Body(Some(10))
    );
    assert!(refused(
        &question,
        &h1(206, &[range, ("content-length", "9")])
    ));
    assert!(refused(
        &question,
        &h1(206, &[range, range, ("content-length", "10")])
    ));
}

/// O06: accepted from 0 only.
#[test]
fn the_whole_object_for_a_range_is_taken_only_from_its_start() {
    let whole = h1(200, &[("content-length", "100")]);
    assert_eq!(
        judge(&asked(Some((0, 9)), None), &whole).unwrap(),
        Shape::Body(Some(100))
    );
    assert!(refused(&asked(Some((1, 9)), None), &whole));
}

#[test]
fn a_416_must_be_true() {
    let question = asked(Some((10, 19)), None);
    let beyond = [("content-range", "bytes */10"), ("content-length", "0")];
    assert!(judge(&question, &h1(416, &beyond)).is_ok());
    assert!(refused(
        &question,
        &h1(
            416,
            &[("content-range", "bytes */11"), ("content-length", "0")]
        )
    ));
    assert!(refused(
        &question,
        &h1(416, &[("content-range", "junk"), ("content-length", "0")])
    ));
    assert!(
        judge(&asked(None, None), &h1(416, &beyond)).is_ok(),
        "a status as any other"
    );
    let empty = asked(Some((0, 4_194_303)), None);
    assert!(
        judge(
            &empty,
            &h1(
                416,
                &[("content-range", "bytes */0"), ("content-length", "0")]
            )
        )
        .is_ok()
    );
}

/// O11.
#[test]
fn a_304_needs_a_condition() {
    let none = asked(None, None);
    let if_match = asked(None, Some(Condition::IfMatch(V1.into())));
    let if_none = asked(None, Some(Condition::IfNoneMatch(V1.into())));
    let since = asked(None, Some(Condition::IfModifiedSince("date".into())));
    assert!(refused(&none, &h1(304, &[])));
    assert!(refused(&if_match, &h1(304, &[])));
    assert_eq!(
        judge(&if_none, &h1(304, &[("etag", "W/\"v1\"")])).unwrap(),
        Shape::Bare
    );
    assert_eq!(judge(&since, &h1(304, &[])).unwrap(), Shape::Bare);
    assert!(refused(&if_none, &h1(304, &[("etag", "\"v2\"")])));
    assert!(judge(&none, &h1(412, &[("content-length", "0")])).is_ok());
    assert!(judge(&if_match, &h1(412, &[("content-length", "0")])).is_ok());
}

#[test]
fn a_hop_that_ignores_if_match_cannot_pass_off_another_version() {
    let question = asked(Some((10, 19)), Some(Condition::IfMatch(V1.into())));
    let fields = |etag| {
        [
            ("content-range", "bytes 10-19/100"),
            ("content-length", "10"),
            etag,
        ]
    };
    let same = h1(206, &fields(("etag", V1)));
    assert_eq!(judge(&question, &same).unwrap(), Shape::Body(Some(10)));
    let other = h1(206, &fields(("etag", "\"v2\"")));
    assert_eq!(judge(&question, &other).unwrap(), Shape::OtherVersion);
    let weak = h1(206, &fields(("etag", "W/\"v1\"")));
    assert_eq!(judge(&question, &weak).unwrap(), Shape::OtherVersion);
    assert!(refused(&question, &h1(206, &fields(("x", "y")))));
}

/// O16, O23.
#[test]
fn statuses_that_do_not_exist_are_refused_and_all_others_go_on() {
    for status in [100, 199, 600, 999] {
        assert!(
            refused(&asked(None, None), &h1(status, &[("content-length", "0")])),
            "{status}"
        );
    }
    for status in [
        201, 300, 301, 302, 307, 308, 400, 403, 404, 410, 429, 500, 503, 599,
    ] {
        assert!(judge(&asked(None, None), &h1(status, &[("content-length", "0")])).is_ok());
    }
}

/// X11.
#[test]
fn connection_cannot_strip_what_integrity_rests_on() {
    let mut head = h1(
        200,
        &[
            ("connection", "etag, x-private, Cache-Control, close"),
            ("etag", V1),
            ("cache-control", "max-age=60"),
            ("x-private", "1"),
            ("keep-alive", "timeout=5"),
            ("alt-svc", "h3=\":443\""),
            ("x-kept", "1"),
        ],
    );
    strip_hop_by_hop(&mut head.headers);
    let mut names: Vec<_> = head.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["cache-control", "etag", "x-kept"]);
}
