//! Malformed requests: refused before any lookup, over each protocol, and nobody else suffers.

use tests::{
    client::{
        PROTOCOLS, Protocol,
        raw::{Http1, Http2, Http3, Outcome},
    },
    oracle::Object,
    world::World,
};

fn object() -> Object {
    Object::new("/v/a.m4s", 5_000)
}

/// What must hold whatever came before: nothing went upstream, and the edge serves.
async fn is_unharmed(world: &World) {
    assert!(
        world.origin.reads().is_empty(),
        "{:?}",
        world.origin.reads()
    );
    for protocol in PROTOCOLS {
        world
            .client
            .get(protocol, &object().name, &[])
            .await
            .is_whole(&object());
    }
    let (status, _) = world.edge().ask("/healthz").await;
    assert_eq!(status, 200);
}

/// Paths that are refused, never normalised.
const PATHS: [&str; 18] = [
    "/a/../b/x",
    "/v/./a.m4s",
    "/v/.",
    "/v/..",
    "//v/a.m4s",
    "/v//a.m4s",
    "/v/%61.m4s",
    "/v/%2e%2e/a",
    "/v/%252e%252e/a",
    "/v/..%5ca",
    "/v/a%00.m4s",
    "/v/a%0d%0a.m4s",
    "/v/a%09",
    "/v%2Fa.m4s",
    "/v/a.m4s;jsessionid=1",
    "/v/a.m4s;a=b",
    "/v/a.m4s%3Bx",
    "/v/a+b.m4s",
];

/// Queries that are refused.
const QUERIES: [&str; 4] = ["?a", "?a=1&&b=2", "?a=1;b=2", "?a=%0d%0a"];

#[tokio::test(flavor = "multi_thread")]
async fn strange_paths_and_queries_are_400_over_every_protocol() {
    let world = World::start(&[object()]).await;
    for protocol in PROTOCOLS {
        for path in PATHS {
            let reply = world.client.get(protocol, path, &[]).await;
            assert_eq!(reply.status, 400, "{protocol} {path}: {reply:?}");
            assert_eq!(reply.field("cache-control"), "no-store", "{path}");
        }
        for query in QUERIES {
            let target = format!("/v/a.m4s{query}");
            let reply = world.client.get(protocol, &target, &[]).await;
            assert_eq!(reply.status, 400, "{protocol} {target}: {reply:?}");
        }
    }
    is_unharmed(&world).await;
}

/// What becomes of the connection behind a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// Where one message ends is not certain any more: it is closed, and nothing more is read.
    Closed,
    /// The message was whole and only said something wrong: the next one may be answered.
    Either,
}

use Then::{Closed, Either};

/// Heads for HTTP/1.1, with the statuses that may answer them. `HOST` stands for the host's line.
const HEADS: &[(&str, &[u16], Then)] = &[
    ("GET /v/a.m4s HTTP/1.1\r\n\r\n", &[400], Either),
    (
        "GET /v/a.m4s HTTP/1.1\r\nHOST\r\nHOST\r\n\r\n",
        &[400],
        Either,
    ),
    ("GET /v/a.m4s HTTP/1.1\r\nhost: a b\r\n\r\n", &[400], Either),
    ("GET /v/a.m4s HTTP/1.1\r\nhost:\r\n\r\n", &[400], Either),
    (
        "GET /v/a.m4s HTTP/1.1\r\nhost: user@media.test\r\n\r\n",
        &[400],
        Either,
    ),
    (
        "GET /v/a.m4s HTTP/1.1\r\nhost: media.test:99999\r\n\r\n",
        &[400],
        Either,
    ),
    (
        "GET /v/a.m4s HTTP/1.1\r\nhost: elsewhere.test\r\n\r\n",
        &[421],
        Either,
    ),
    (
        "GET /v/a.m4s HTTP/1.1\r\nhost: signed.test\r\n\r\n",
        &[421],
        Either,
    ),
    ("GET * HTTP/1.1\r\nHOST\r\n\r\n", &[400, 405], Either),
    (
        "GET media.test:443 HTTP/1.1\r\nHOST\r\n\r\n",
        &[400],
        Either,
    ),
    (
        "GET https://other.test/v/a.m4s HTTP/1.1\r\nHOST\r\n\r\n",
        &[400, 421],
        Either,
    ),
    ("get /v/a.m4s HTTP/1.1\r\nHOST\r\n\r\n", &[501], Either),
    ("PURGE /v/a.m4s HTTP/1.1\r\nHOST\r\n\r\n", &[501], Either),
    (
        "CONNECT media.test:443 HTTP/1.1\r\nHOST\r\n\r\n",
        &[400, 405],
        Either,
    ),
    ("TRACE /v/a.m4s HTTP/1.1\r\nHOST\r\n\r\n", &[405], Either),
    (
        "GET /v/a.m4s HTTP/1.1\r\nHOST\r\nexpect: 100-continue\r\n\r\n",
        &[417, 400],
        Either,
    ),
    (
        "GET /v/a.m4s HTTP/1.1\r\nHOST\r\nrange: bytes=0-1\r\nrange: bytes=2-3\r\n\r\n",
        &[400],
        Either,
    ),
    (
        "GET /v/a.m4s HTTP/1.1\nhost: media.test\n\n",
        &[400],
        Closed,
    ),
    (
        "GET /v/a.m4s HTTP/1.1\r\nHOST\r\nx: a\rb\r\n\r\n",
        &[400],
        Closed,
    ),
    (
        "GET /v/a.m4s HTTP/1.1\r\nHOST\r\nx: a\0b\r\n\r\n",
        &[400],
        Closed,
    ),
    (
        "GET /v/a.m4s HTTP/1.1\r\nHOST\r\nx : a\r\n\r\n",
        &[400],
        Closed,
    ),
    (
        "GET /v/a.m4s HTTP/1.1\r\nHOST\r\nx: a\r\n b\r\n\r\n",
        &[400],
        Closed,
    ),
    (
        "GET /v/a.m4s HTTP/1.1\r\nHOST\r\nno colon\r\n\r\n",
        &[400],
        Closed,
    ),
    (
        "GET /v/a.m4s HTTP/1.1\r\nHOST\r\n: empty\r\n\r\n",
        &[400],
        Closed,
    ),
    (
        "GET /v/a.m4s HTTP/1.1\r\n x: folded\r\nHOST\r\n\r\n",
        &[400],
        Closed,
    ),
    ("GET /v/a.m4s  HTTP/1.1\r\nHOST\r\n\r\n", &[400], Closed),
    ("GET /v/a b HTTP/1.1\r\nHOST\r\n\r\n", &[400], Closed),
    ("GET /v/a.m4s#x HTTP/1.1\r\nHOST\r\n\r\n", &[400], Closed),
    ("GET /v/a.m4s HTTP/1.2\r\nHOST\r\n\r\n", &[400, 505], Closed),
    ("GET /v/a.m4s HTTP/2.0\r\nHOST\r\n\r\n", &[400, 505], Closed),
    ("GET /v/a.m4s http/1.1\r\nHOST\r\n\r\n", &[400, 505], Closed),
    ("GET /v/a.m4s\r\n\r\n", &[400, 505], Closed),
    (
        "POST /v/a.m4s HTTP/1.1\r\nHOST\r\ncontent-length: 3\r\n\r\nabc",
        &[405, 400],
        Closed,
    ),
    (
        "GET /v/a.m4s HTTP/1.1\r\nHOST\r\ncontent-length: 3\r\n\r\nabc",
        &[400],
        Closed,
    ),
    (
        "GET /v/a.m4s HTTP/1.1\r\nHOST\r\ncontent-length: +0\r\n\r\n",
        &[400],
        Closed,
    ),
    (
        "GET /v/a.m4s HTTP/1.1\r\nHOST\r\ncontent-length: 0\r\ncontent-length: 1\r\n\r\n",
        &[400],
        Closed,
    ),
    (
        "GET /v/a.m4s HTTP/1.1\r\nHOST\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        &[400, 501],
        Closed,
    ),
    (
        "GET /v/a.m4s HTTP/1.1\r\nHOST\r\ntransfer-encoding: identity\r\n\r\n",
        &[400, 501],
        Closed,
    ),
    (
        "GET /v/a.m4s HTTP/1.1\r\nHOST\r\ntransfer-encoding : chunked\r\n\r\n",
        &[400],
        Closed,
    ),
    (
        "GET /v/a.m4s HTTP/1.0\r\nHOST\r\ntransfer-encoding: chunked\r\n\r\n",
        &[400, 501],
        Closed,
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_http1_head_is_refused_and_hides_nothing() {
    let world = World::start(&[object()]).await;
    let behind = "GET /v/behind.m4s HTTP/1.1\r\nhost: media.test\r\nconnection: close\r\n\r\n";
    let mut wrong = Vec::new();
    for (head, statuses, then) in HEADS {
        let mut raw = Http1::connect(&world.client).await;
        let request = head.replace("HOST", "host: media.test") + behind;
        raw.send(request.as_bytes()).await;
        let answer = raw.until_closed(head, 10).await;
        let answers: Vec<&str> = answer
            .match_indices("HTTP/1.1 ")
            .map(|(at, _)| &answer[at + 9..at + 12])
            .collect();
        let refused = answers
            .first()
            .is_some_and(|status| statuses.iter().any(|known| *status == known.to_string()));
        let rest = &answers[1.min(answers.len())..];
        if !refused || !(rest.is_empty() || (*then == Either && *rest == ["404"])) {
            wrong.push(format!("{head:?}: {answers:?}, not one of {statuses:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let asked: Vec<_> = world
        .origin
        .reads()
        .into_iter()
        .map(|read| read.target)
        .collect();
    assert!(
        asked.iter().all(|target| target == "/v/behind.m4s"),
        "{asked:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_is_told_by_its_status() {
    let world = World::start(&[object()]).await;
    let long = format!("/v/{}", "a".repeat(9_000));
    let value = "a".repeat(17_000);
    let names: Vec<String> = (0..70).map(|n| format!("x-{n}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    for protocol in PROTOCOLS {
        let request = world.client.request(&http::Method::GET, &long, &[]);
        is_refused_with(&world, protocol, request, 414).await;
        let large = world
            .client
            .request(&http::Method::GET, "/v/a.m4s", &[("x-a", &value)]);
        is_refused_with(&world, protocol, large, 431).await;
        let request = world.client.request(&http::Method::GET, "/v/a.m4s", &many);
        is_refused_with(&world, protocol, request, 431).await;
    }
    is_unharmed(&world).await;
}

/// The status, or a stream that was reset because the head did not fit where it is parsed.
async fn is_refused_with(
    world: &World,
    protocol: Protocol,
    request: http::Request<()>,
    status: u16,
) {
    let outcome = world.client.try_send(protocol, request).await;
    match outcome {
        // What parses HPACK and QPACK counts the target as one of the fields.
        Ok(reply) if protocol != Protocol::Http1 && reply.status == 431 => {}
        Ok(reply) => assert_eq!(reply.status, status, "{protocol}: {reply:?}"),
        Err(error) => assert_ne!(protocol, Protocol::Http1, "no {status}: {error}"),
    }
    world.client.hang_up();
}

/// Requests for HTTP/2 and 3, all of which are refused.
fn multiplexed() -> Vec<(&'static str, Vec<(&'static str, &'static str)>)> {
    let base = [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "media.test"),
        (":path", "/v/a.m4s"),
    ];
    let with = |name: &'static str, value: &'static str| {
        let mut fields = base.to_vec();
        fields.push((name, value));
        fields
    };
    let but = |name: &'static str, value: &'static str| {
        base.iter()
            .map(|&field| {
                if field.0 == name {
                    (name, value)
                } else {
                    field
                }
            })
            .collect()
    };
    let without = |name: &str| {
        base.iter()
            .copied()
            .filter(|field| field.0 != name)
            .collect()
    };
    vec![
        ("no path", without(":path")),
        ("an empty path", but(":path", "")),
        ("a path without a slash", but(":path", "v/a.m4s")),
        ("no method", without(":method")),
        ("no scheme", without(":scheme")),
        ("no authority", without(":authority")),
        ("another scheme", but(":scheme", "ftp")),
        ("another authority", but(":authority", "elsewhere.test")),
        ("user information", but(":authority", "user@media.test")),
        ("a host that differs", with("host", "signed.test")),
        ("connection", with("connection", "close")),
        ("transfer-encoding", with("transfer-encoding", "chunked")),
        ("te: gzip", with("te", "gzip")),
        ("upgrade", with("upgrade", "websocket")),
        ("an upper-case name", with("X-Upper", "1")),
        ("an empty name", with("", "1")),
        ("a line feed in a value", with("x-a", "a\nb")),
        ("a carriage return in a value", with("x-a", "a\rb")),
        ("a zero byte in a value", with("x-a", "a\0b")),
        ("an unknown pseudo field", with(":version", "2")),
        ("two ranges", {
            let mut fields = with("range", "bytes=0-1");
            fields.push(("range", "bytes=2-3"));
            fields
        }),
        (
            "connect",
            vec![(":method", "CONNECT"), (":authority", "media.test:443")],
        ),
        ("a length without a body", with("content-length", "5")),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_http2_requests_are_refused() {
    let world = World::start(&[object()]).await;
    let mut taken = Vec::new();
    for (what, fields) in multiplexed() {
        let mut raw = Http2::connect(&world.client).await;
        raw.request(1, &fields).await;
        let outcome = raw.outcome(1).await;
        if !outcome.is_refusal() {
            taken.push(format!("{what}: {outcome:?}"));
        }
    }
    for fields in disordered() {
        let mut raw = Http2::connect(&world.client).await;
        raw.request(1, &fields).await;
        assert!(raw.outcome(1).await.is_refusal(), "{fields:?}");
    }
    let mut raw = Http2::connect(&world.client).await;
    raw.request_with_body(1, &good(), b"body").await;
    assert!(raw.outcome(1).await.is_refusal(), "a body");
    assert!(taken.is_empty(), "{taken:#?}");
    is_unharmed(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_http3_requests_are_refused() {
    let world = World::start(&[object()]).await;
    let mut taken = Vec::new();
    for (what, fields) in multiplexed() {
        let raw = Http3::connect(&world.client).await;
        let outcome = raw.request(&fields).await;
        if !outcome.is_refusal() {
            taken.push(format!("{what}: {outcome:?}"));
        }
    }
    for fields in disordered() {
        let raw = Http3::connect(&world.client).await;
        assert!(raw.request(&fields).await.is_refusal(), "{fields:?}");
    }
    let [method, scheme, authority, _] = good();
    let fragment = [method, scheme, authority, (":path", "/v/a.m4s#b")];
    let raw = Http3::connect(&world.client).await;
    assert_eq!(raw.request(&fragment).await, Outcome::Status(400));
    let raw = Http3::connect(&world.client).await;
    assert!(
        raw.request_with_body(&good(), b"body").await.is_refusal(),
        "a body"
    );
    assert!(taken.is_empty(), "{taken:#?}");
    is_unharmed(&world).await;
}

/// Pseudo fields that come late or twice (RFC 9113 section 8.3, RFC 9114 section 4.3).
fn disordered() -> [[(&'static str, &'static str); 5]; 2] {
    let [method, scheme, authority, path] = good();
    [
        [method, scheme, authority, ("x-a", "1"), path],
        [method, scheme, authority, path, (":path", "/v/b.m4s")],
    ]
}

/// A request that is right, to show that the refusals above are not the harness's doing.
fn good() -> [(&'static str, &'static str); 4] {
    [
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "media.test"),
        (":path", "/v/a.m4s"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn hand_made_requests_that_are_right_are_answered() {
    let world = World::start(&[object()]).await;
    let mut raw = Http2::connect(&world.client).await;
    raw.request(1, &good()).await;
    assert_eq!(raw.outcome(1).await, Outcome::Status(200));
    let raw = Http3::connect(&world.client).await;
    assert_eq!(raw.request(&good()).await, Outcome::Status(200));
    let mut raw = Http1::connect(&world.client).await;
    raw.send(b"GET /v/a.m4s HTTP/1.1\r\nhost: MEDIA.test.\r\nconnection: close\r\n\r\n")
        .await;
    assert!(
        raw.until_closed("a good request", 10)
            .await
            .starts_with("HTTP/1.1 200 ")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_make_no_sense_end_the_stream_or_the_connection() {
    let world = World::start(&[object()]).await;
    let frames: &[(&str, u8, u8, u32, &[u8])] = &[
        ("data on an idle stream", 0, 1, 7, b"x"),
        ("headers on stream 0", 1, 5, 0, &[0x82]),
        ("headers on an even stream", 1, 5, 2, &[0x82]),
        (
            "a header block that is no HPACK",
            1,
            5,
            1,
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        ),
        ("a push promise", 5, 4, 1, &[0, 0, 0, 2, 0x82]),
        ("settings of a wrong size", 4, 0, 0, &[0; 5]),
        (
            "an initial window beyond all bounds",
            4,
            0,
            0,
            &[0, 4, 0xff, 0xff, 0xff, 0xff],
        ),
        ("a continuation of nothing", 9, 4, 1, &[0x82]),
        ("an empty window update", 8, 0, 0, &[0; 4]),
    ];
    for (what, kind, flags, stream, payload) in frames {
        let mut raw = Http2::connect(&world.client).await;
        raw.frame(*kind, *flags, *stream, payload).await;
        let outcome = raw.outcome(*stream).await;
        assert!(outcome.is_refusal(), "{what}: {outcome:?}");
    }
    // DATA before HEADERS, a reserved frame of HTTP/2, a HEADERS frame that is cut.
    for bytes in [&[0x00, 0x01, b'x'][..], &[0x02, 0x00], &[0x01, 0x20, 0x00]] {
        let raw = Http3::connect(&world.client).await;
        let outcome = raw.bytes(bytes).await;
        assert!(outcome.is_refusal(), "{bytes:?}: {outcome:?}");
    }
    is_unharmed(&world).await;
}
