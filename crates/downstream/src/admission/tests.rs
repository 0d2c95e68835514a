use http::Request;
use message::Kind;

use super::*;

fn head(method: &str, target: &str, version: Version, fields: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .version(version);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap().into_parts().0
}

fn ours(host: &str) -> bool {
    matches!(host, "media.test" | "music.test" | "::1")
}

fn judge(head: &mut Parts, protocol: Protocol, server_name: Option<&str>) -> u16 {
    let limits = Limits::default();
    let facts = Facts {
        protocol,
        has_body: false,
        server_name,
        serves: Some(&ours),
        limits: &limits,
    };
    match admit(head, &facts) {
        Ok(()) => 200,
        Err(error) => match error.kind() {
            Kind::HttpRequestError(status) => status.as_u16(),
            other => panic!("{other:?}"),
        },
    }
}

fn http1(method: &str, target: &str, fields: &[(&str, &str)]) -> u16 {
    let mut head = head(method, target, Version::HTTP_11, fields);
    judge(&mut head, Protocol::Http1, Some("media.test"))
}

fn http2(target: &str, fields: &[(&str, &str)]) -> u16 {
    let mut head = head("GET", target, Version::HTTP_2, fields);
    judge(&mut head, Protocol::Http2, Some("media.test"))
}

const HOST: (&str, &str) = ("host", "media.test");

#[test]
fn an_admitted_head_is_canonical() {
    let fields = [
        ("host", "MEDIA.test.:8443"),
        ("connection", "close"),
        ("accept", "a"),
    ];
    let mut head = head("GET", "/a/b?c=d", Version::HTTP_11, &fields);
    assert_eq!(judge(&mut head, Protocol::Http1, None), 200);
    assert_eq!(head.uri, "https://media.test/a/b?c=d");
    assert_eq!(head.headers.keys().collect::<Vec<_>>(), ["accept"]);
}

#[test]
fn methods_are_three() {
    for (method, status) in [
        ("GET", 200),
        ("HEAD", 200),
        ("OPTIONS", 200),
        ("POST", 405),
        ("PUT", 405),
        ("DELETE", 405),
        ("TRACE", 405),
        ("CONNECT", 405),
        ("PATCH", 405),
        ("PURGE", 501),
        ("get", 501),
    ] {
        assert_eq!(http1(method, "/", &[HOST]), status, "{method}");
    }
}

#[test]
fn a_body_is_refused_however_it_is_announced() {
    assert_eq!(http1("GET", "/", &[HOST, ("content-length", "0")]), 200);
    for (name, value, status) in [
        ("content-length", "1", 400),
        ("content-length", "00", 400),
        ("content-length", "+0", 400),
        ("transfer-encoding", "chunked", 400),
        ("transfer-encoding", "identity", 400),
        ("expect", "100-continue", 417),
        ("expect", "x", 417),
    ] {
        assert_eq!(
            http1("GET", "/", &[HOST, (name, value)]),
            status,
            "{name}: {value}"
        );
    }
    let twice = [HOST, ("content-length", "0"), ("content-length", "0")];
    assert_eq!(http1("GET", "/", &twice), 400);
}

#[test]
fn targets_are_paths_or_our_own_urls() {
    for (target, status) in [
        ("/", 200),
        ("https://media.test/a", 200),
        ("https://MEDIA.test:443/a", 200),
        ("https://other.test/a", 400),
        ("https://user@media.test/a", 400),
        ("http://media.test/a", 400),
        ("ftp://media.test/a", 400),
        ("*", 400),
        ("media.test:443", 400),
    ] {
        assert_eq!(http1("GET", target, &[HOST]), status, "{target}");
    }
}

#[test]
fn hosts_are_one_and_ours() {
    for (host, status) in [
        ("media.test", 200),
        ("music.test", 421),
        ("other.test", 421),
        ("", 400),
        ("a,b", 400),
        ("u@media.test", 400),
        ("media.test/x", 400),
        ("media.test:99999", 400),
    ] {
        assert_eq!(http1("GET", "/", &[("host", host)]), status, "{host}");
    }
    assert_eq!(http1("GET", "/", &[]), 400);
    assert_eq!(http1("GET", "/", &[HOST, HOST]), 400);
}

#[test]
fn without_a_server_name_any_host_of_ours_will_do() {
    for (host, status) in [
        ("media.test", 200),
        ("music.test", 200),
        ("[::1]:1", 200),
        ("x.test", 421),
    ] {
        let mut head = head("GET", "/", Version::HTTP_11, &[("host", host)]);
        assert_eq!(judge(&mut head, Protocol::Http1, None), status, "{host}");
    }
}

#[test]
fn a_multiplexed_head_keeps_its_own_rules() {
    let url = "https://media.test/a";
    assert_eq!(http2(url, &[]), 200);
    assert_eq!(http2(url, &[HOST]), 200);
    assert_eq!(http2("/a", &[HOST]), 200);
    assert_eq!(http2("/a", &[]), 400);
    assert_eq!(http2(url, &[("host", "other.test")]), 400);
    assert_eq!(http2("http://media.test/a", &[]), 400);
    assert_eq!(http2(url, &[("te", "trailers")]), 200);
    for (name, value) in [
        ("te", "gzip"),
        ("connection", "close"),
        ("upgrade", "h2c"),
        ("keep-alive", "1"),
    ] {
        assert_eq!(http2(url, &[(name, value)]), 400, "{name}");
    }
}

#[test]
fn sizes_are_bounded() {
    let long = format!("/{}", "a".repeat(8 << 10));
    assert_eq!(http1("GET", &long, &[HOST]), 414);
    let value = "v".repeat(17 << 10);
    assert_eq!(http1("GET", "/", &[HOST, ("a", &value)]), 431);
    let names: Vec<_> = (0..64).map(|n| format!("x-{n}")).collect();
    let mut fields: Vec<_> = names.iter().map(|name| (name.as_str(), "v")).collect();
    fields.push(HOST);
    assert_eq!(http1("GET", "/", &fields), 431);
    fields.remove(0);
    assert_eq!(http1("GET", "/", &fields), 200);
}

#[test]
fn two_ranges_are_refused() {
    let fields = [HOST, ("range", "bytes=0-1"), ("range", "bytes=2-3")];
    assert_eq!(http1("GET", "/", &fields), 400);
    assert_eq!(
        http2(
            "https://media.test/",
            &[("if-range", "\"a\""), ("if-range", "\"b\"")]
        ),
        400
    );
}
