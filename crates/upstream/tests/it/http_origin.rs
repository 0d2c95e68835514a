//! HTTP origins that lie, stall and die: rows O01-O06, O11-O16, O23, O32 of the catalogue.

use std::{sync::Arc, time::Duration};

use message::{Condition, Kind, Upstream};
use prometheus::Registry;
use upstream::{Closes, HttpOrigin, HttpOriginConfig, Limits};

use crate::{
    liar::{Act, Liar, close, say, sized},
    shield::{Authority, TestShield},
    support::{Ask, body, content, eventually, expect, field, metric, metrics, quick, unhurried},
};

fn origin(urls: Vec<String>, limits: Limits) -> (HttpOrigin, Registry) {
    let (metrics, registry) = metrics();
    let config = HttpOriginConfig {
        name: "origin".into(),
        node: "shield1".to_owned(),
        base_urls: urls,
        host: None,
        tls: None,
        closes: Closes::Any,
        limits,
    };
    (HttpOrigin::new(&config, &metrics).unwrap(), registry)
}

async fn telling(acts: Vec<Act>) -> (Liar, HttpOrigin) {
    let liar = Liar::start(acts).await;
    let (origin, _) = origin(vec![liar.url()], unhurried());
    (liar, origin)
}

fn good(name: &str, length: u64) -> Act {
    let length_text = usize::try_from(length).unwrap();
    Act::Say(sized("200 OK", length_text, &content(name, 0, length)))
}

#[tokio::test]
async fn bodies_come_byte_for_byte_over_one_kept_connection() {
    let part = sized(
        "206 Partial\r\ncontent-range: bytes 5-14/100",
        10,
        &content("/a", 5, 10),
    );
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n";
    let (liar, origin) = telling(vec![
        good("/a", 100_000),
        Act::Say(part),
        Act::Say(chunked.to_vec()),
    ])
    .await;
    expect(
        Ask::whole("/a").of(&origin).await.unwrap(),
        200,
        &content("/a", 0, 100_000),
    )
    .await;
    expect(
        Ask::range("/a", 5, 14).of(&origin).await.unwrap(),
        206,
        &content("/a", 5, 10),
    )
    .await;
    expect(Ask::whole("/a").of(&origin).await.unwrap(), 200, b"abcd").await;
    assert_eq!(liar.connections(), 1);
}

#[tokio::test]
async fn an_https_origin_that_offers_h2_is_read_over_it() {
    let authority = Authority::new();
    let server = TestShield::start_as(&authority, "localhost", "h2").await;
    let (metrics, _registry) = metrics();
    let config = HttpOriginConfig {
        name: "origin".into(),
        node: "shield1".to_owned(),
        base_urls: vec![format!("https://localhost:{}/base", server.address.port())],
        host: Some("origin.test".to_owned()),
        tls: Some(authority.client(Some(&authority), &["h2", "http/1.1"])),
        closes: Closes::Any,
        limits: Limits::default(),
    };
    let origin = HttpOrigin::new(&config, &metrics).unwrap();
    for _ in 0..3 {
        let part = Ask::range("/a", 10, 19).of(&origin).await.unwrap();
        expect(part, 206, &content("/base/a", 10, 10)).await;
    }
    assert_eq!(server.connections(), 1);
    let request = &server.requests.lock().unwrap()[0];
    assert_eq!(request.uri(), "https://origin.test/base/a");
    let without_tls = HttpOriginConfig {
        tls: None,
        ..config
    };
    assert!(HttpOrigin::new(&without_tls, &metrics).is_err());
}

/// X01.
#[tokio::test]
async fn a_request_is_byte_identical_and_holds_nothing_but_the_fetch() {
    let part = sized(
        "206 P\r\netag: \"v\"\r\ncontent-range: bytes 5-9/10",
        5,
        b"01234",
    );
    let (liar, origin) = telling(vec![Act::Say(part)]).await;
    for _ in 0..3 {
        let ask = Ask::range("/a/b.m4s?v=1", 5, 9).if_match("\"v\"");
        body(ask.of(&origin).await.unwrap()).await.unwrap();
    }
    let expected = format!(
        "GET /a/b.m4s?v=1 HTTP/1.1\r\nhost: {}\r\ncdn-loop: shield1\r\nrange: bytes=5-9\r\n\
         if-match: \"v\"\r\n\r\n",
        liar.address
    );
    assert_eq!(*liar.heads.lock().unwrap(), vec![expected; 3]);
}

/// O01.
#[tokio::test]
async fn a_body_shorter_than_announced_never_ends_cleanly() {
    for end in [Act::SayAndClose as fn(Vec<u8>) -> Act, Act::SayAndReset] {
        let (_liar, origin) = telling(vec![end(sized("200 OK", 1000, &[7; 999]))]).await;
        let response = Ask::whole("/a").of(&origin).await.unwrap();
        let error = body(response).await.unwrap_err();
        let kinds = [Kind::HttpResponseIncomplete, Kind::ConnectionTerminated];
        assert!(kinds.contains(&error.kind()), "{error}");
    }
}

/// O02: what comes after a body is dropped, and never becomes the next answer.
#[tokio::test]
async fn junk_after_a_body_is_dropped_with_its_connection() {
    let mut poison = sized("200 OK", 4, b"good");
    poison.extend(sized("200 OK", 4, b"evil"));
    let (liar, origin) = telling(vec![Act::Say(poison), good("/b", 4)]).await;
    expect(Ask::whole("/a").of(&origin).await.unwrap(), 200, b"good").await;
    expect(
        Ask::whole("/b").of(&origin).await.unwrap(),
        200,
        &content("/b", 0, 4),
    )
    .await;
    assert_eq!(liar.connections(), 2);
}

/// O03.
#[tokio::test]
async fn a_chunked_body_without_its_end_is_an_error() {
    let cut = close("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n");
    let (_liar, origin) = telling(vec![cut]).await;
    let error = body(Ask::whole("/a").of(&origin).await.unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::HttpResponseIncomplete);
}

/// O03, O04, O06, O11, O16, O23: one table of heads that must be 502, none of which may leave
/// its connection to another request.
#[tokio::test]
async fn an_answer_that_makes_no_sense_is_502_and_its_connection_is_not_used_again() {
    let many = format!(
        "HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n",
        "a: b\r\n".repeat(10_000)
    );
    let huge = format!(
        "HTTP/1.1 200 OK\r\na: {}\r\ncontent-length: 0\r\n\r\n",
        "x".repeat(10 << 20)
    );
    let reason = format!(
        "HTTP/1.1 200 {}\r\ncontent-length: 0\r\n\r\n",
        "r".repeat(1 << 20)
    );
    let rows = [
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 5\r\n\r\nabcde",
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-length: 4\r\n\r\nabcd",
        "HTTP/1.1 200 OK\r\ncontent-length: 4, 5\r\n\r\nabcde",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 206 P\r\ncontent-range: bytes 0-3/9\r\ncontent-length: 4\r\n\r\nabcd",
        "HTTP/1.1 304 Not Modified\r\n\r\n",
        "HTTP/1.1 099 Low\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 1000 High\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\nbad name: 1\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\0c\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\r\n folded\r\ncontent-length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        &many,
        &huge,
        &reason,
    ];
    for row in rows {
        let (liar, origin) = telling(vec![say(row), good("/b", 4)]).await;
        let kind = Ask::whole("/a").refused_by(&origin).await;
        assert_eq!(
            kind,
            Kind::HttpProtocolError,
            "{}",
            &row[..row.len().min(80)]
        );
        expect(
            Ask::whole("/b").of(&origin).await.unwrap(),
            200,
            &content("/b", 0, 4),
        )
        .await;
        assert_eq!(liar.connections(), 2, "{}", &row[..row.len().min(80)]);
    }
}

/// O06.
#[tokio::test]
async fn an_answer_to_another_range_is_502() {
    for row in [
        sized("206 P\r\ncontent-range: bytes 0-9/100", 10, &[7; 10]),
        sized("206 P\r\ncontent-range: bytes 10-20/100", 11, &[7; 11]),
        sized("206 P\r\ncontent-range: bytes 10-19/100", 9, &[7; 9]),
        sized("206 P", 10, &[7; 10]),
        sized("200 OK", 100, &[7; 100]),
        sized("416 R\r\ncontent-range: bytes */100", 0, b""),
    ] {
        let (_liar, origin) = telling(vec![Act::Say(row)]).await;
        let kind = Ask::range("/a", 10, 19).refused_by(&origin).await;
        assert_eq!(kind, Kind::HttpProtocolError);
    }
}

/// O16.
#[tokio::test]
async fn interim_responses_without_end_are_502() {
    let hint = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".to_vec();
    let (_liar, origin) = telling(vec![Act::Repeat(hint)]).await;
    assert_eq!(
        Ask::whole("/a").refused_by(&origin).await,
        Kind::HttpProtocolError
    );
}

#[tokio::test]
async fn a_few_interim_responses_are_skipped() {
    let mut bytes = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n".repeat(3);
    bytes.extend(sized("200 OK", 4, b"good"));
    let (_liar, origin) = telling(vec![Act::Say(bytes)]).await;
    expect(Ask::whole("/a").of(&origin).await.unwrap(), 200, b"good").await;
}

/// O15.
#[tokio::test]
async fn a_head_that_does_not_come_in_time_is_504() {
    let slow = sized("200 OK\r\nx: a long head that takes its time", 4, b"good");
    for act in [
        Act::Trickle(slow, Duration::from_millis(50)),
        Act::SayAndStall(Vec::new()),
    ] {
        let liar = Liar::start(vec![act]).await;
        let (origin, _) = origin(vec![liar.url()], quick());
        assert_eq!(
            Ask::whole("/a").refused_by(&origin).await,
            Kind::HttpResponseTimeout
        );
    }
}

/// O15.
#[tokio::test]
async fn a_body_that_stalls_ends_with_a_read_timeout() {
    let liar = Liar::start(vec![Act::SayAndStall(sized("200 OK", 10, b"good"))]).await;
    let (origin, _) = origin(vec![liar.url()], quick());
    let error = body(Ask::whole("/a").of(&origin).await.unwrap())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::ConnectionReadTimeout);
}

/// O32.
#[tokio::test]
async fn a_body_is_cut_off_at_the_length_it_declared() {
    let endless = Act::Repeat(sized("200 OK", 10, &content("/a", 0, 10)));
    let (liar, origin) = telling(vec![endless]).await;
    for connections in 1..=3 {
        expect(
            Ask::whole("/a").of(&origin).await.unwrap(),
            200,
            &content("/a", 0, 10),
        )
        .await;
        assert_eq!(liar.connections(), connections);
    }
}

#[tokio::test]
async fn an_origin_that_ignores_if_match_cannot_pass_off_another_version() {
    let other = sized(
        "206 P\r\netag: \"v2\"\r\ncontent-range: bytes 5-9/10",
        5,
        b"wrong",
    );
    let (_liar, origin) = telling(vec![Act::Say(other)]).await;
    let response = Ask::range("/a", 5, 9)
        .if_match("\"v1\"")
        .of(&origin)
        .await
        .unwrap();
    expect(response, 412, b"").await;
}

#[tokio::test]
async fn what_the_origin_says_of_an_object_is_told_as_it_is() {
    let answers = vec![
        Act::Say(b"HTTP/1.1 304 N\r\netag: \"v\"\r\ncache-control: max-age=9\r\n\r\n".to_vec()),
        Act::Say(sized("404 Not Found", 4, b"none")),
        Act::Say(sized("416 R\r\ncontent-range: bytes */3", 0, b"")),
        Act::Say(sized(
            "403 F\r\nconnection: close, x-inner\r\nx-inner: 1",
            0,
            b"",
        )),
    ];
    let (_liar, origin) = telling(answers).await;
    let ask = Ask::whole("/a").with(Condition::IfNoneMatch("\"v\"".into()));
    let response = ask.of(&origin).await.unwrap();
    assert_eq!(field(&response, "cache-control"), "max-age=9");
    expect(response, 304, b"").await;
    expect(Ask::whole("/a").of(&origin).await.unwrap(), 404, b"none").await;
    let response = Ask::range("/a", 3, 9).of(&origin).await.unwrap();
    assert_eq!(field(&response, "content-range"), "bytes */3");
    expect(response, 416, b"").await;
    let response = Ask::whole("/a").of(&origin).await.unwrap();
    assert!(!response.headers().contains_key("x-inner"));
    expect(response, 403, b"").await;
}

#[tokio::test]
async fn a_connection_that_the_origin_closed_while_idle_costs_no_error() {
    let first = Act::SayAndClose(sized("200 OK", 4, b"good"));
    let (liar, origin) = telling(vec![first, good("/b", 4)]).await;
    expect(Ask::whole("/a").of(&origin).await.unwrap(), 200, b"good").await;
    expect(
        Ask::whole("/b").of(&origin).await.unwrap(),
        200,
        &content("/b", 0, 4),
    )
    .await;
    assert_eq!((liar.connections(), liar.requests()), (2, 2));
}

/// F11: half of the answers are 503.
#[tokio::test]
async fn retries_stay_within_their_budget() {
    let acts = (0..4_000).map(|number| match number % 5 {
        0 | 1 => Act::Say(sized("503 Busy", 0, b"")),
        _ => Act::Say(sized("200 OK", 4, b"good")),
    });
    let liar = Liar::start(acts.collect()).await;
    let (origin, _) = origin(
        vec![liar.url()],
        Limits {
            retries_max: 2,
            ..Limits::default()
        },
    );
    let started = tokio::time::Instant::now();
    for _ in 0..1_000 {
        body(Ask::whole("/a").of(&origin).await.unwrap())
            .await
            .unwrap();
    }
    let granted = 5.0 + 5.0 * started.elapsed().as_secs_f64();
    let amplified = f64::from(u32::try_from(liar.requests()).unwrap()) - granted;
    assert!(
        amplified <= 1_100.0,
        "{} requests, {granted} granted by time",
        liar.requests()
    );
}

#[tokio::test]
async fn retry_after_is_not_run_over() {
    let busy = sized("503 Busy\r\nretry-after: 1000000000", 0, b"");
    let liar = Liar::start(vec![Act::Say(busy)]).await;
    let (origin, _) = origin(
        vec![liar.url()],
        Limits {
            retries_max: 2,
            ..Limits::default()
        },
    );
    expect(Ask::whole("/a").of(&origin).await.unwrap(), 503, b"").await;
    assert_eq!(liar.requests(), 1);
}

#[tokio::test]
async fn the_second_origin_answers_when_the_first_is_gone() {
    let gone = Liar::start(vec![good("/a", 4)]).await;
    let url = gone.url();
    drop(gone);
    let liar = Liar::start(vec![good("/a", 4)]).await;
    let limits = Limits {
        retries_max: 2,
        ..unhurried()
    };
    let (origin, registry) = origin(vec![url.clone(), liar.url()], limits);
    eventually("the port is free", || {
        std::net::TcpStream::connect(&url[7..]).is_err()
    })
    .await;
    for _ in 0..20 {
        expect(
            Ask::whole("/a").of(&origin).await.unwrap(),
            200,
            &content("/a", 0, 4),
        )
        .await;
    }
    assert_eq!(
        metric(&registry, "millpond_upstream_breaker_state", &url),
        2
    );
    assert_eq!(
        metric(&registry, "millpond_upstream_retries_total", "unreachable"),
        5
    );
}

/// O20.
#[tokio::test]
async fn a_dead_origin_is_refused_at_once_by_its_breaker() {
    let limits = Limits {
        retries_max: 0,
        ..unhurried()
    };
    let (origin, _) = origin(vec!["http://127.0.0.1:1".to_owned()], limits);
    for _ in 0..5 {
        assert_eq!(
            Ask::whole("/a").refused_by(&origin).await,
            Kind::ConnectionRefused
        );
    }
    assert_eq!(
        Ask::whole("/a").refused_by(&origin).await,
        Kind::DestinationUnavailable
    );
}

/// O13.
#[tokio::test]
async fn private_addresses_are_refused_when_they_are_prohibited() {
    let liar = Liar::start(vec![good("/a", 4)]).await;
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let url = format!("http://{host}:{}", liar.address.port());
        let limits = Limits {
            allow_private_addresses: false,
            ..unhurried()
        };
        let (origin, _) = origin(vec![url], limits);
        assert_eq!(
            Ask::whole("/a").refused_by(&origin).await,
            Kind::DestinationIpProhibited
        );
    }
    assert_eq!(liar.connections(), 0);
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_a_dns_error() {
    let (origin, _) = origin(vec!["http://nothing.invalid:80".to_owned()], unhurried());
    let kind = Ask::whole("/a").refused_by(&origin).await;
    assert!(
        [Kind::DnsError, Kind::DnsTimeout].contains(&kind),
        "{kind:?}"
    );
}

/// F10: reads in flight are bounded, and whoever waits is told in time.
#[tokio::test]
async fn reads_beyond_the_limit_are_refused() {
    let (liar, _) = telling(vec![Act::SayAndStall(sized("200 OK", 10, b"good"))]).await;
    let limits = Limits {
        in_flight_max: 2,
        queue_max: 1,
        queue_timeout: Duration::from_millis(100),
        ..unhurried()
    };
    let (origin, registry) = origin(vec![liar.url()], limits);
    let origin: Arc<dyn Upstream> = Arc::new(origin);
    let held = [
        Ask::whole("/a").of(&*origin).await.unwrap(),
        Ask::whole("/b").of(&*origin).await.unwrap(),
    ];
    assert_eq!(
        Ask::whole("/c").refused_by(&*origin).await,
        Kind::ConnectionLimitReached
    );
    assert_eq!(
        metric(&registry, "millpond_upstream_requests_in_flight", ""),
        2
    );
    drop(held);
    assert_eq!(
        metric(&registry, "millpond_upstream_requests_in_flight", ""),
        0
    );
    assert!(Ask::whole("/d").of(&*origin).await.is_ok());
}
