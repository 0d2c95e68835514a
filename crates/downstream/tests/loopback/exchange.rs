//! Requests and responses over each protocol: bytes, fields, errors in the middle.

use crate::support::{
    clients::{ALL, Speaks, connect, request},
    content::byte_at,
    start,
};
use http::Method;

fn check(object: u64, body: &[u8]) {
    for (offset, byte) in body.iter().enumerate() {
        assert_eq!(
            *byte,
            byte_at(object, offset as u64),
            "object {object}, offset {offset}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_body_arrives_byte_for_byte() {
    let running = start(|_| {});
    for speaks in ALL {
        let mut client = connect(&running, speaks).await;
        for (object, path, length) in [
            (1, "/full/1/0", 0),
            (2, "/full/2/1", 1),
            (3, "/full/3/1048576", 1 << 20),
            (4, "/stream/4/1000003/4099", 1_000_003),
            (5, "/unsized/5/300007/65536", 300_007),
        ] {
            let got = client.get(path).await;
            assert_eq!(got.status, 200, "{speaks:?} {path}");
            assert_eq!(got.broken, None, "{speaks:?} {path}");
            assert_eq!(got.body.len(), length, "{speaks:?} {path}");
            check(object, &got.body);
            assert!(got.header("date").is_some(), "{speaks:?} {path}");
            assert_eq!(got.header("server"), None);
            let alt_svc = format!("h3=\":{}\"; ma=86400", running.address.port());
            let expected = (speaks != Speaks::Http3).then_some(alt_svc.as_str());
            assert_eq!(got.header("alt-svc"), expected, "{speaks:?}");
            if !path.starts_with("/unsized") {
                let length = length.to_string();
                assert_eq!(
                    got.header("content-length"),
                    Some(length.as_str()),
                    "{speaks:?} {path}"
                );
            }
        }
    }
    assert!(running.metric("body_bytes_total", "h3") >= 2_000_000.0);
    assert!((running.metric("requests_total", "2xx") - 15.0).abs() < 0.1);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn head_has_a_length_and_no_body_and_304_has_neither() {
    let running = start(|_| {});
    for speaks in ALL {
        let mut client = connect(&running, speaks).await;
        for (method, path, status, length) in [
            (Method::HEAD, "/bare-head", 200, "12345"),
            (Method::HEAD, "/full/1/77", 200, "77"),
            (Method::HEAD, "/nothing", 404, "10"),
        ] {
            let got = client.send(request(method, path, &[])).await.unwrap();
            assert_eq!(got.status, status, "{speaks:?} {path}");
            assert_eq!(got.body.len(), 0, "{speaks:?} {path}");
            assert_eq!(
                got.header("content-length"),
                Some(length),
                "{speaks:?} {path}"
            );
        }
        let got = client.get("/not-modified").await;
        assert_eq!(
            (got.status.as_u16(), got.body.len()),
            (304, 0),
            "{speaks:?}"
        );
        assert_eq!(got.header("content-length"), None, "{speaks:?}");
        // The connection is as good as before.
        assert_eq!(client.get("/full/1/10").await.body.len(), 10, "{speaks:?}");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_never_looks_complete() {
    let running = start(|_| {});
    for speaks in ALL {
        for path in [
            "/break/7/200000/100000",
            "/break-unsized/7/0/100000",
            "/break/7/9/0",
        ] {
            let mut client = connect(&running, speaks).await;
            let outcome = client.send(request(Method::GET, path, &[])).await;
            if let Ok(got) = outcome {
                assert!(
                    got.broken.is_some(),
                    "{speaks:?} {path}: {} bytes",
                    got.body.len()
                );
                check(7, &got.body);
            }
        }
    }
    // On HTTP/2 and 3 only the stream breaks.
    for speaks in [Speaks::Http2, Speaks::Http3] {
        let mut client = connect(&running, speaks).await;
        let broken = client
            .send(request(Method::GET, "/break/7/200000/100000", &[]))
            .await;
        // A reset may overtake the head.
        let broken = broken.map_or_else(|error| error, |got| got.broken.unwrap());
        let reset = if speaks == Speaks::Http2 {
            "INTERNAL_ERROR"
        } else {
            "H3_INTERNAL_ERROR"
        };
        assert!(broken.contains(reset), "{speaks:?}: {broken}");
        assert_eq!(client.get("/full/1/10").await.body.len(), 10, "{speaks:?}");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_admitted_is_answered_and_never_handed_over() {
    let running = start(|_| {});
    for speaks in ALL {
        for (method, path, fields, status) in [
            (Method::POST, "/full/1/1", vec![], 405),
            (Method::TRACE, "/full/1/1", vec![], 405),
            (
                Method::from_bytes(b"PURGE").unwrap(),
                "/full/1/1",
                vec![],
                501,
            ),
            (Method::GET, "/full/1/1", vec![("host", "music.test")], 0),
            (
                Method::GET,
                "/full/1/1",
                vec![("range", "bytes=0-1"), ("range", "bytes=1-2")],
                400,
            ),
            (Method::GET, "/full/1/1", vec![("expect", "x")], 417),
        ] {
            let mut client = connect(&running, speaks).await;
            // A host beside the authority: HTTP/1 has no authority, the others must agree.
            let status = match (status, speaks) {
                (0, Speaks::Http1) => 421,
                (0, _) => 400,
                (status, _) => status,
            };
            let outcome = client.send(request(method.clone(), path, &fields)).await;
            // h3 calls a host that disagrees malformed and resets.
            let Ok(got) = outcome else {
                assert!(speaks == Speaks::Http3 && status == 400, "{outcome:?}");
                continue;
            };
            assert_eq!(got.status, status, "{speaks:?} {method} {fields:?}");
            assert_eq!(got.header("cache-control"), Some("no-store"));
            assert_eq!(got.header("allow").is_some(), status == 405);
            if status == 421 {
                assert_eq!(got.header("alt-svc"), None);
            }
        }
        let mut client = connect(&running, speaks).await;
        let long = format!("/{}", "a".repeat(8 << 10));
        let too_long = client.send(request(Method::GET, &long, &[])).await;
        // On HTTP/2 and 3 the whole list is limited to 8 KiB, which comes first.
        let status = too_long.map(|got| got.status.as_u16());
        assert!(
            matches!(status, Ok(414 | 431) | Err(_)),
            "{speaks:?}: {status:?}"
        );
        let names: Vec<_> = (0..65).map(|n| format!("x-{n}")).collect();
        let fields: Vec<_> = names.iter().map(|name| (name.as_str(), "v")).collect();
        let mut client = connect(&running, speaks).await;
        let got = client
            .send(request(Method::GET, "/full/1/1", &fields))
            .await
            .unwrap();
        assert_eq!(got.status, 431, "{speaks:?}");
    }
    assert_eq!(*running.content.last.lock().unwrap(), None);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_handed_over_in_one_form() {
    let running = start(|_| {});
    for speaks in ALL {
        let mut client = connect(&running, speaks).await;
        client
            .send(request(Method::GET, "/full/1/1?a=b&c", &[("x-y", "z")]))
            .await
            .unwrap();
        let head = running.content.last.lock().unwrap().take().unwrap();
        assert!(
            head.contains("uri: https://media.test/full/1/1?a=b&c"),
            "{speaks:?} {head}"
        );
        assert!(
            head.contains(r#"headers: {"x-y": "z"}"#),
            "{speaks:?} {head}"
        );
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_cancels_its_request() {
    let running = start(|_| {});
    for speaks in ALL {
        let mut client = connect(&running, speaks).await;
        let waiting = tokio::spawn(async move { client.get("/never").await });
        running.content.wait_held(1).await;
        waiting.abort();
        running.content.wait_held(0).await;
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_clients_at_once_get_their_own_bytes() {
    let running = start(|_| {});
    for speaks in ALL {
        let clients = (0..200_u64).map(|object| {
            let running = &running;
            async move {
                let mut client = connect(running, speaks).await;
                for turn in 0..4_u64 {
                    let object = object * 10 + turn;
                    let length = 1000 + object * 13;
                    let path = format!("/stream/{object}/{length}/1500");
                    let got = client.get(&path).await;
                    assert_eq!(
                        (got.status.as_u16(), &got.broken),
                        (200, &None),
                        "{speaks:?}"
                    );
                    assert_eq!(got.body.len() as u64, length, "{speaks:?}");
                    check(object, &got.body);
                }
            }
        });
        futures_util::future::join_all(clients).await;
    }
    for protocol in ["http/1.1", "h2", "h3"] {
        running
            .metric_becomes("downstream_connections", protocol, 0.0)
            .await;
    }
    running.end().await;
}
