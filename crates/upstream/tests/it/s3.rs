//! A bucket as object storage: a real server, and raw ones that lie.

use message::{Condition, Kind};
use object_store::Attribute;
use prometheus::Registry;
use upstream::{Credentials, Limits, ObjectStorage, ObjectStorageConfig, S3, Store};

use crate::{
    liar::{Act, Liar, sized},
    seaweed::{BUCKET, SECRET_KEY, SeaweedFs},
    support::{Ask, body, content, expect, field, metrics, quick, unhurried},
};

const SIZE: u64 = 2_500_000;

fn bucket(
    endpoint: &str,
    prefix: &str,
    credentials: Credentials,
    limits: Limits,
) -> (ObjectStorage, Registry) {
    let (metrics, registry) = metrics();
    let s3 = S3 {
        endpoint: Some(endpoint.to_owned()),
        bucket: BUCKET.to_owned(),
        region: "us-east-1".to_owned(),
        credentials: Some(credentials),
        virtual_hosted: false,
        allow_http: true,
        prefix: prefix.to_owned(),
        tls: None,
    };
    let config = ObjectStorageConfig {
        name: "bucket".into(),
        store: Store::S3(s3),
        limits,
    };
    (ObjectStorage::new(&config, &metrics).unwrap(), registry)
}

/// One server for all of it: it takes seconds to start.
#[tokio::test]
async fn a_real_s3_server_is_read_by_the_rules() {
    let Some(server) = SeaweedFs::start().await else {
        return;
    };
    let attributes = [
        (Attribute::ContentType, "video/mp4"),
        (Attribute::CacheControl, "max-age=77"),
    ];
    server
        .put("vod/clip.mp4", content("clip", 0, SIZE), &attributes)
        .await;
    server
        .put("vod/ä b+c/seg 1.m4s", content("odd", 0, 1000), &[])
        .await;
    server.put("vod/empty", Vec::new(), &[]).await;
    let (storage, _) = bucket(
        &server.endpoint,
        "vod",
        SeaweedFs::credentials(SECRET_KEY),
        Limits::default(),
    );
    ranges_are_exact(&storage).await;
    conditions_hold(&storage).await;
    what_is_not_there_is_told(&storage).await;
    a_new_version_is_never_mixed_in(&server, &storage).await;
    wrong_credentials_are_our_fault(&server).await;
}

async fn ranges_are_exact(storage: &ObjectStorage) {
    let whole = Ask::whole("/clip.mp4").of(storage).await.unwrap();
    assert_eq!(field(&whole, "content-type"), "video/mp4");
    assert_eq!(field(&whole, "cache-control"), "max-age=77");
    assert_eq!(field(&whole, "content-length"), "2500000");
    assert!(
        whole
            .headers()
            .keys()
            .all(|name| !name.as_str().starts_with("x-amz"))
    );
    expect(whole, 200, &content("clip", 0, SIZE)).await;
    for (first, last, content_range) in [
        (0, 0, "bytes 0-0/2500000"),
        (1_048_576, 2_097_151, "bytes 1048576-2097151/2500000"),
        (0, 4_194_303, "bytes 0-2499999/2500000"),
        (2_499_999, 2_499_999, "bytes 2499999-2499999/2500000"),
        (2_499_990, 3_000_000, "bytes 2499990-2499999/2500000"),
    ] {
        let part = Ask::range("/clip.mp4", first, last)
            .of(storage)
            .await
            .unwrap();
        assert_eq!(field(&part, "content-range"), content_range);
        let length = last.min(SIZE - 1) + 1 - first;
        expect(part, 206, &content("clip", first, length)).await;
    }
    let odd = Ask::range("/%C3%A4%20b+c/seg%201.m4s", 10, 19)
        .of(storage)
        .await
        .unwrap();
    expect(odd, 206, &content("odd", 10, 10)).await;
}

async fn conditions_hold(storage: &ObjectStorage) {
    let head = Ask::range("/clip.mp4", 0, 0).of(storage).await.unwrap();
    let (etag, date) = (
        field(&head, "etag").to_owned(),
        field(&head, "last-modified").to_owned(),
    );
    let part = Ask::range("/clip.mp4", 5, 9)
        .if_match(&etag)
        .of(storage)
        .await
        .unwrap();
    expect(part, 206, &content("clip", 5, 5)).await;
    let other = Ask::range("/clip.mp4", 5, 9)
        .if_match("\"other\"")
        .of(storage)
        .await
        .unwrap();
    expect(other, 412, b"").await;
    for condition in [
        Condition::IfNoneMatch(etag.as_str().into()),
        Condition::IfModifiedSince(date.into()),
    ] {
        let unchanged = Ask::whole("/clip.mp4")
            .with(condition)
            .of(storage)
            .await
            .unwrap();
        expect(unchanged, 304, b"").await;
    }
    let changed = Ask::range("/clip.mp4", 0, 4).with(Condition::IfNoneMatch("\"x\"".into()));
    expect(
        changed.of(storage).await.unwrap(),
        206,
        &content("clip", 0, 5),
    )
    .await;
}

async fn what_is_not_there_is_told(storage: &ObjectStorage) {
    for path in ["/none", "/", "/../vod/clip.mp4", "/clip.mp4/", "//clip.mp4"] {
        expect(Ask::range(path, 0, 99).of(storage).await.unwrap(), 404, b"").await;
    }
    for (path, first, size) in [("/clip.mp4", SIZE, SIZE), ("/empty", 0, 0)] {
        let response = Ask::range(path, first, first + 4_194_303)
            .of(storage)
            .await
            .unwrap();
        assert_eq!(field(&response, "content-range"), format!("bytes */{size}"));
        expect(response, 416, b"").await;
    }
    expect(Ask::whole("/empty").of(storage).await.unwrap(), 200, b"").await;
}

async fn a_new_version_is_never_mixed_in(server: &SeaweedFs, storage: &ObjectStorage) {
    server
        .put("vod/flip", content("one", 0, 500_000), &[])
        .await;
    let part = Ask::range("/flip", 0, 99).of(storage).await.unwrap();
    let etag = field(&part, "etag").to_owned();
    expect(part, 206, &content("one", 0, 100)).await;
    server
        .put("vod/flip", content("two", 0, 500_000), &[])
        .await;
    let part = Ask::range("/flip", 100, 199)
        .if_match(&etag)
        .of(storage)
        .await
        .unwrap();
    expect(part, 412, b"").await;
}

/// O23: a clock or key that is wrong is no viewer's 403.
async fn wrong_credentials_are_our_fault(server: &SeaweedFs) {
    let wrong = SeaweedFs::credentials("not the secret");
    let (storage, _) = bucket(&server.endpoint, "vod", wrong, unhurried());
    assert_eq!(
        Ask::whole("/clip.mp4").refused_by(&storage).await,
        Kind::HttpProtocolError
    );
}

async fn telling(acts: Vec<Act>, limits: Limits) -> (Liar, ObjectStorage, Registry) {
    let liar = Liar::start(acts).await;
    let credentials = SeaweedFs::credentials(SECRET_KEY);
    let (storage, registry) = bucket(&liar.url(), "", credentials, limits);
    (liar, storage, registry)
}

const DATE: &str = "last-modified: Sat, 21 Nov 2026 00:00:00 GMT\r\netag: \"v1\"";

fn part(range: &str, length: usize, bytes: &[u8]) -> Act {
    Act::Say(sized(
        &format!("206 P\r\n{DATE}\r\ncontent-range: bytes {range}"),
        length,
        bytes,
    ))
}

fn error(status: &str, code: &str) -> Act {
    let xml = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>");
    Act::Say(sized(status, xml.len(), xml.as_bytes()))
}

/// X01: the same signed request but for its date, and only to the bucket's endpoint.
#[tokio::test]
async fn a_request_holds_the_fetch_and_its_signature() {
    let (liar, storage, _) = telling(vec![part("5-9/10", 5, b"56789")], unhurried()).await;
    let ask = Ask::range("/a.m4s?v=1", 5, 9).if_match("\"v1\"");
    expect(ask.of(&storage).await.unwrap(), 206, b"56789").await;
    let heads = liar.heads.lock().unwrap();
    assert!(
        heads[0].starts_with("GET /origin/a.m4s HTTP/1.1\r\n"),
        "{}",
        heads[0]
    );
    let mut names: Vec<_> = heads[0]
        .lines()
        .skip(1)
        .filter_map(|line| Some(line.split_once(':')?.0))
        .collect();
    names.sort_unstable();
    let expected = [
        "authorization",
        "host",
        "if-match",
        "range",
        "x-amz-content-sha256",
        "x-amz-date",
    ];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn an_answer_that_lies_is_502() {
    for act in [
        part("0-9/100", 10, &[7; 10]),
        part("10-19/100", 9, &[7; 9]),
        part("10-18446744073709551615/18446744073709551615", 10, &[7; 10]),
        Act::Say(sized(&format!("200 OK\r\n{DATE}"), 100, &[7; 100])),
        Act::Say(sized("416 R\r\ncontent-range: bytes */100", 0, b"")),
        Act::Say(sized("307 T\r\nlocation: http://127.0.0.1:1/", 0, b"")),
        Act::Say(sized("301 M", 0, b"")),
        Act::Say(sized("400 B", 0, b"")),
        error("403 Forbidden", "RequestTimeTooSkewed"),
        error("403 Forbidden", "SignatureDoesNotMatch"),
        error("401 Unauthorized", "InvalidAccessKeyId"),
    ] {
        let (liar, storage, _) = telling(
            vec![act],
            Limits {
                retries_max: 2,
                ..unhurried()
            },
        )
        .await;
        let kind = Ask::range("/a", 10, 19).refused_by(&storage).await;
        assert_eq!(kind, Kind::HttpProtocolError);
        assert_eq!(liar.requests(), 1);
    }
}

#[tokio::test]
async fn a_store_that_ignores_if_match_cannot_pass_off_another_version() {
    let (_liar, storage, _) = telling(vec![part("10-19/100", 10, &[7; 10])], unhurried()).await;
    let ask = Ask::range("/a", 10, 19).if_match("\"v0\"");
    expect(ask.of(&storage).await.unwrap(), 412, b"").await;
}

#[tokio::test]
async fn an_object_that_the_bucket_keeps_to_itself_is_403() {
    let (_liar, storage, _) = telling(vec![error("403 F", "AccessDenied")], unhurried()).await;
    expect(Ask::whole("/a").of(&storage).await.unwrap(), 403, b"").await;
}

/// O23.
#[tokio::test]
async fn throttling_is_retried_within_the_budget_and_then_told() {
    let slow = || error("503 Slow Down", "SlowDown");
    let limits = Limits {
        retries_max: 2,
        ..unhurried()
    };
    let (liar, storage, _) = telling(
        vec![slow(), slow(), part("0-3/4", 4, b"good")],
        limits.clone(),
    )
    .await;
    expect(
        Ask::range("/a", 0, 9).of(&storage).await.unwrap(),
        206,
        b"good",
    )
    .await;
    assert_eq!(liar.requests(), 3);
    let (liar, storage, _) = telling(vec![slow()], limits).await;
    assert_eq!(
        Ask::whole("/a").refused_by(&storage).await,
        Kind::DestinationUnavailable
    );
    assert_eq!(liar.requests(), 3);
}

/// O23: a gigabyte of XML is not read.
#[tokio::test]
async fn of_an_error_only_the_beginning_is_read() {
    let mut head = b"HTTP/1.1 403 F\r\ncontent-length: 1073741824\r\n\r\n".to_vec();
    head.extend(b"<Error><Code>AccessDenied</Code>".repeat(100));
    let (_liar, storage, _) = telling(vec![Act::Repeat(head)], unhurried()).await;
    expect(Ask::whole("/a").of(&storage).await.unwrap(), 403, b"").await;
}

#[tokio::test]
async fn a_size_that_a_416_does_not_tell_is_asked_for() {
    let empty = Act::Say(sized(&format!("200 OK\r\n{DATE}"), 0, b""));
    let (liar, storage, _) =
        telling(vec![error("416 R", "InvalidRange"), empty], unhurried()).await;
    let response = Ask::range("/a", 0, 4_194_303).of(&storage).await.unwrap();
    assert_eq!(field(&response, "content-range"), "bytes */0");
    assert!(liar.heads.lock().unwrap()[1].starts_with("HEAD "));
}

/// O01, O15.
#[tokio::test]
async fn a_body_that_breaks_off_or_stalls_never_ends_cleanly() {
    let head = |bytes: &[u8]| {
        sized(
            &format!("206 P\r\n{DATE}\r\ncontent-range: bytes 0-9/10"),
            10,
            bytes,
        )
    };
    for (act, kind) in [
        (
            Act::SayAndClose(head(b"012345678")),
            Kind::HttpResponseIncomplete,
        ),
        (
            Act::SayAndReset(head(b"012345678")),
            Kind::ConnectionTerminated,
        ),
        (
            Act::SayAndStall(head(b"012345678")),
            Kind::ConnectionReadTimeout,
        ),
    ] {
        let (liar, storage, _) = telling(
            vec![act],
            Limits {
                retries_max: 2,
                ..quick()
            },
        )
        .await;
        let response = Ask::range("/a", 0, 9).of(&storage).await.unwrap();
        assert_eq!(body(response).await.unwrap_err().kind(), kind);
        assert_eq!(liar.requests(), 1);
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_a_timeout_or_a_refusal() {
    let (_liar, storage, _) = telling(vec![Act::SayAndStall(Vec::new())], quick()).await;
    assert_eq!(
        Ask::whole("/a").refused_by(&storage).await,
        Kind::HttpResponseTimeout
    );
    let credentials = SeaweedFs::credentials(SECRET_KEY);
    let (storage, _) = bucket("http://127.0.0.1:1", "", credentials, unhurried());
    assert_eq!(
        Ask::whole("/a").refused_by(&storage).await,
        Kind::ConnectionRefused
    );
}

#[test]
fn secrets_do_not_show_and_plain_http_needs_leave() {
    assert!(!format!("{:?}", SeaweedFs::credentials("hush")).contains("hush"));
    let s3 = S3 {
        endpoint: Some("http://127.0.0.1:1".to_owned()),
        bucket: BUCKET.to_owned(),
        region: "us-east-1".to_owned(),
        credentials: None,
        virtual_hosted: false,
        allow_http: false,
        prefix: String::new(),
        tls: None,
    };
    let store = Store::S3(s3);
    let config = ObjectStorageConfig {
        name: "b".into(),
        store,
        limits: Limits::default(),
    };
    let refused = ObjectStorage::new(&config, &metrics().0);
    assert!(matches!(refused, Err(upstream::Error::PlainHttp(_))));
}
