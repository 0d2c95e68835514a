//! What the access log tells, and what it never tells.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use futures_util::stream;
use http_body_util::BodyExt;
use message::{Client, Kind, Protocol, Told};
use prometheus::{Encoder, Registry, TextEncoder};
use serde_json::Value as Json;
use tempfile::TempDir;

use super::*;
use crate::logs::{LogMetrics, Target};

/// Answers with what it was made of.
struct Canned<F>(F);

impl<F: Fn() -> Response + Send + Sync + 'static> Handler for Canned<F> {
    fn handle(&self, _: Request) -> Answer<'_> {
        Box::pin(async { (self.0)() })
    }
}

struct Never;

impl Handler for Never {
    fn handle(&self, _: Request) -> Answer<'_> {
        Box::pin(std::future::pending())
    }
}

struct Bench {
    _folder: TempDir,
    path: PathBuf,
    registry: Registry,
    metrics: RequestMetrics,
    lines: Lines,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let registry = Registry::new();
        let logs = LogMetrics::new(&registry).unwrap();
        let lines = Lines::start("access", Target::File(path.clone()), &logs).unwrap();
        let metrics = RequestMetrics::new(&registry).unwrap();
        metrics.know_sites([Arc::from("vod")]);
        Self {
            _folder: folder,
            path,
            registry,
            metrics,
            lines,
        }
    }

    fn log<H>(&self, inner: H) -> AccessLog<H> {
        AccessLog::new(inner, self.metrics.clone(), Some(self.lines.clone()))
    }

    fn text(&self) -> String {
        assert!(self.lines.flush(Duration::from_secs(20)));
        fs::read_to_string(&self.path).unwrap()
    }

    /// The only line.
    fn line(&self) -> Json {
        let text = self.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    fn scrape(&self) -> String {
        let mut text = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .unwrap();
        String::from_utf8(text).unwrap()
    }
}

fn request(uri: &str, headers: &[(&str, &str)]) -> Request {
    let mut builder = http::Request::get(uri);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let (head, ()) = builder.body(()).unwrap().into_parts();
    let client = Client {
        address: "198.51.100.7:52110".parse().unwrap(),
        protocol: Protocol::Http2,
        identity: None,
        server_name: None,
    };
    Request {
        head,
        client,
        at: message::now(),
    }
}

async fn read(response: Response) -> Result<Bytes, Error> {
    Ok(response.into_body().collect().await?.to_bytes())
}

fn pieces(items: Vec<Result<&'static str, Error>>, length: Option<u64>) -> Response {
    let items = items
        .into_iter()
        .map(|item| item.map(|text| Bytes::from_static(text.as_bytes())));
    let stream = Box::pin(stream::iter(items));
    let body = match length {
        Some(length) => Body::sized(stream, length),
        None => Body::of_unknown_length(stream),
    };
    let mut response = Response::new(body);
    response.extensions_mut().insert(Trail {
        site: Some("vod".into()),
        outcome: Some("hit"),
        source: Some("ram"),
        reason: None,
        session: Some("s-17".into()),
        told: vec![
            ("bl".into(), Told::Integer(21_300)),
            ("bs".into(), Told::Flag(true)),
            ("pr".into(), Told::Decimal(1.5)),
            ("sid".into(), Told::Text("a\"b".into())),
        ],
    });
    response
}

#[tokio::test]
async fn a_complete_response_is_one_line_that_tells_all() {
    let bench = Bench::new();
    let log = bench.log(Canned(|| pieces(vec![Ok("mill"), Ok("pond")], Some(8))));
    let headers = [
        ("range", "bytes=0-"),
        ("user-agent", "player \"1\"\\"),
        ("cmcd-request", "bl=21300,nor=\"b.m4s?mp=x\""),
        ("referer", "https://a.example/?mp=x"),
    ];
    let request = request(
        "https://cdn.example/vod/a.m4s?x=1&CMCD=sid%3D%22a%22",
        &headers,
    );
    let response = log.handle(request).await;
    assert_eq!(read(response).await.unwrap(), "millpond");

    let line = bench.line();
    let expected = serde_json::json!({
        "client": "198.51.100.7:52110", "protocol": "h2", "method": "GET", "host": "cdn.example",
        "path": "/vod/a.m4s", "range": "bytes=0-", "agent": "player \"1\"\\", "site": "vod",
        "cmcd": { "bl": 21300, "bs": true, "pr": 1.5, "sid": "a\"b" }, "status": 200, "bytes": 8,
        "end": "complete", "outcome": "hit", "source": "ram", "session": "s-17",
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&line[key], value, "{key}");
    }
    assert!(line["time"].as_str().unwrap().ends_with('Z'));
    assert!(line["duration_us"].as_u64() >= line["first_byte_us"].as_u64());
    let known = ["time", "first_byte_us", "duration_us"];
    let keys = line.as_object().unwrap().keys();
    assert!(
        keys.clone()
            .all(|key| expected.get(key).is_some() || known.contains(&key.as_str()))
    );
}

#[tokio::test]
async fn a_listener_that_stops_at_the_last_byte_has_a_complete_response() {
    let bench = Bench::new();
    let log = bench.log(Canned(|| pieces(vec![Ok("mill"), Ok("pond")], Some(8))));
    let mut body = log.handle(request("https://a/b", &[])).await.into_body();
    body.frame().await.unwrap().unwrap();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(bench.line()["end"], "complete");
}

#[tokio::test]
async fn a_body_that_is_dropped_is_logged_as_aborted_with_what_was_sent() {
    let bench = Bench::new();
    for length in [Some(8), None] {
        let log = bench.log(Canned(move || pieces(vec![Ok("mill"), Ok("pond")], length)));
        let mut body = log.handle(request("https://a/b", &[])).await.into_body();
        body.frame().await.unwrap().unwrap();
    }
    for line in bench.text().lines() {
        let line: Json = serde_json::from_str(line).unwrap();
        assert_eq!(
            (&line["end"], &line["bytes"]),
            (&"aborted".into(), &4.into())
        );
    }
    assert!(
        bench
            .scrape()
            .contains("responses_broken_total{end=\"aborted\"} 2")
    );
}

#[tokio::test]
async fn a_body_that_fails_is_logged_with_the_reason() {
    let bench = Bench::new();
    let broken = || Error::new(Kind::HttpResponseIncomplete, "4 bytes short");
    let log = bench.log(Canned(move || {
        pieces(vec![Ok("mill"), Err(broken())], Some(8))
    }));
    let response = log.handle(request("https://a/b", &[])).await;
    read(response).await.unwrap_err();
    let line = bench.line();
    assert_eq!(line["end"], "failed");
    assert_eq!(line["reason"], "http_response_incomplete: 4 bytes short");
}

#[tokio::test]
async fn a_request_whose_client_left_before_the_response_is_logged_as_cancelled() {
    let bench = Bench::new();
    let log = bench.log(Never);
    let answer = log.handle(request("https://a/b", &[]));
    assert!(
        tokio::time::timeout(Duration::from_millis(1), answer)
            .await
            .is_err()
    );
    let line = bench.line();
    assert_eq!(
        (&line["end"], &line["status"]),
        (&"cancelled".into(), &Json::Null)
    );
    assert!(bench.scrape().contains("millpond_daemon_requests_active 0"));
}

#[tokio::test]
async fn a_response_without_a_body_stays_one_and_is_logged_at_once() {
    let bench = Bench::new();
    let log = bench.log(Canned(|| Response::new(Body::empty())));
    let response = log.handle(request("https://a/b", &[])).await;
    assert!(response.body().is_end_stream());
    let line = bench.line();
    assert_eq!(
        (&line["end"], &line["bytes"]),
        (&"complete".into(), &0.into())
    );
}

#[tokio::test]
async fn the_surplus_of_a_body_that_is_too_long_is_still_an_error() {
    let bench = Bench::new();
    let log = bench.log(Canned(|| pieces(vec![Ok("millpond"), Ok("!")], Some(8))));
    let response = log.handle(request("https://a/b", &[])).await;
    read(response).await.unwrap_err();
    assert_eq!(bench.line()["end"], "failed");
}

#[tokio::test]
async fn no_token_reaches_the_log_or_the_metrics() {
    let bench = Bench::new();
    let log = bench.log(Canned(|| {
        Error::new(Kind::HttpRequestDenied, "expired").into_response("e")
    }));
    let headers = [
        ("cookie", "mp=canary"),
        ("authorization", "Bearer canary"),
        ("referer", "https://a/~canary/x?mp=canary"),
        ("cmcd-request", "nor=\"..%2Fa.m4s%3Fmp%3Dcanary\""),
        ("x-anything", "canary"),
    ];
    for uri in [
        "https://a/vod/a.m4s?mp=canary",
        "https://a/~canary/vod/a.m4s?Signature=canary&CMCD=url%3D%22canary%22",
        "https://a/%7Ecanary/vod",
        "https://a/vod/a.m4s&mp=canary",
        "https://a/~canary",
    ] {
        drop(log.handle(request(uri, &headers)).await);
    }
    let text = bench.text() + &bench.scrape();
    assert_eq!(text.matches("\"status\":403").count(), 5);
    assert!(!text.contains("canary"), "{text}");
}

#[tokio::test]
async fn hostile_fields_stay_within_their_line_and_their_bounds() {
    let bench = Bench::new();
    let log = bench.log(Canned(|| pieces(vec![], Some(0))));
    let long = "\u{7f}x\"},{\"status\":200\t".replace('\u{7f}', "") + &"é".repeat(60_000);
    let mut request = request("https://a/b", &[]);
    for name in ["user-agent", "range", "cmcd-object", "cmcd-session"] {
        request
            .head
            .headers
            .insert(name, long.as_bytes().try_into().unwrap());
    }
    drop(log.handle(request).await);
    let text = bench.text();
    assert_eq!(text.lines().count(), 1);
    assert!(text.len() < 10_000, "{}", text.len());
    let line: Json = serde_json::from_str(&text).unwrap();
    assert!(
        line["agent"]
            .as_str()
            .unwrap()
            .starts_with("x\"},{\"status\":200\t")
    );
}

#[tokio::test]
async fn labels_come_only_from_configured_names() {
    let bench = Bench::new();
    let log = bench.log(Canned(|| {
        let mut response = pieces(vec![Ok("x")], Some(1));
        let trail = response.extensions_mut().get_mut::<Trail>().unwrap();
        trail.site = Some("not-configured".into());
        trail.outcome = Some("invented");
        response
    }));
    read(log.handle(request("https://a/b", &[])).await)
        .await
        .unwrap();
    let vod = bench.log(Canned(|| pieces(vec![Ok("millpond")], Some(8))));
    read(vod.handle(request("https://a/b", &[])).await)
        .await
        .unwrap();
    let scrape = bench.scrape();
    assert!(!scrape.contains("not-configured") && !scrape.contains("invented"));
    let other = "requests_total{outcome=\"other\",site=\"other\",status=\"2xx\"} 1";
    let known = "requests_total{outcome=\"hit\",site=\"vod\",status=\"2xx\"} 1";
    assert!(scrape.contains(other) && scrape.contains(known), "{scrape}");
    assert!(
        scrape.contains("body_bytes_total{source=\"ram\"} 9"),
        "{scrape}"
    );
}

#[tokio::test]
async fn without_lines_requests_are_still_counted() {
    let bench = Bench::new();
    let log = AccessLog::new(
        Canned(|| pieces(vec![Ok("x")], Some(1))),
        bench.metrics.clone(),
        None,
    );
    read(log.handle(request("https://a/b", &[])).await)
        .await
        .unwrap();
    assert_eq!(bench.text(), "");
    assert!(
        bench
            .scrape()
            .contains("requests_total{outcome=\"hit\",site=\"vod\",status=\"2xx\"} 1")
    );
}

#[test]
fn a_request_that_a_listener_refused_is_in_the_log() {
    let bench = Bench::new();
    let log = bench.log(Never);
    let client = request("https://h/", &[]).client;
    let error = Error::request(http::StatusCode::BAD_REQUEST, "bare cr");
    let response = error.into_response("edge1");
    let refused = Refused {
        head: None,
        client: &client,
        at: message::now(),
        response: &response,
    };
    log.refused(&refused);
    let line = bench.line();
    assert_eq!(
        (&line["status"], &line["end"]),
        (&400.into(), &"refused".into())
    );
    assert_eq!(line["reason"], "bare cr");
    assert_eq!(line["client"], "198.51.100.7:52110");
    assert!(line.get("path").is_none(), "{line}");
}

#[test]
fn a_refused_head_is_logged_without_its_token() {
    let bench = Bench::new();
    let log = bench.log(Never);
    let Request { head, client, at } = request("https://h/~canary/a?mp=canary", &[]);
    let error = Error::request(http::StatusCode::BAD_REQUEST, "two range fields");
    let response = error.into_response("edge1");
    let refused = Refused {
        head: Some(&head),
        client: &client,
        at,
        response: &response,
    };
    log.refused(&refused);
    let line = bench.line();
    assert_eq!(line["path"], "/~-/a");
    assert!(!line.to_string().contains("canary"), "{line}");
}
