//! Bytes that no well-meaning client sends.

use std::time::Duration;

use crate::support::{
    HOST, PATIENCE, Running,
    clients::{self, Speaks, connect, raw, tls, tls_config},
    start,
};
use bytes::Bytes;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};

/// The statuses in a raw answer.
fn statuses(answer: &str) -> Vec<&str> {
    answer
        .split("HTTP/1.")
        .skip(1)
        .map(|part| &part[2..5])
        .collect()
}

const GOOD: &str = "GET /full/1/5 HTTP/1.1\r\nHost: media.test\r\n";

/// H01-H15, H26-H29: each with a smuggled request behind it that must never be seen.
#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_head_is_answered_once_and_nothing_after_it_is_read() {
    let running = start(|_| {});
    let smuggled = "GET /full/2/7 HTTP/1.1\r\nHost: media.test\r\n\r\n";
    for (head, status) in [
        (
            format!("{GOOD}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            "400",
        ),
        (
            format!("{GOOD}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
            "400",
        ),
        (format!("{GOOD}Transfer-Encoding : chunked\r\n\r\n"), "400"),
        (format!("{GOOD}Content-Length: +5\r\n\r\n"), "400"),
        (format!("{GOOD}A: b\r\n c\r\n\r\n"), "400"),
        (format!("{GOOD}A: b\n\n"), "400"),
        (format!("{GOOD}A: \0\r\n\r\n"), "400"),
        (format!("{GOOD}A : b\r\n\r\n"), "400"),
        (
            "GET /full/1/5 HTTP/1.1\nHost: media.test\n\n".to_owned(),
            "400",
        ),
        ("GET /full/1/5\r\n\r\n".to_owned(), "400"),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "505"),
        (
            "POST / HTTP/1.1\r\nHost: media.test\r\nContent-Length: 4\r\n\r\nabcd".to_owned(),
            "405",
        ),
        (format!("GET /{} HTTP/1.1\r\n", "a".repeat(9 << 10)), "414"),
        (format!("{GOOD}A: {}\r\n\r\n", "a".repeat(17 << 10)), "431"),
        (format!("{GOOD}{}\r\n", "A: b\r\n".repeat(64)), "431"),
        ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n".to_owned(), "400"),
    ] {
        let (answer, end) = raw(&running, format!("{head}{smuggled}").as_bytes()).await;
        assert_eq!(statuses(&answer), [status], "{head:?}: {answer}");
        assert!(answer.contains("connection: close"), "{head:?}: {answer}");
        assert_eq!(end, Ok(()), "{head:?}");
    }
    // Answers come in order: what was asked before the bad head is served.
    let (answer, _) = raw(
        &running,
        format!("{GOOD}\r\n{GOOD}A : b\r\n\r\n{smuggled}").as_bytes(),
    )
    .await;
    assert_eq!(statuses(&answer), ["200", "400"], "{answer}");
    assert!(
        running
            .content
            .last
            .lock()
            .unwrap()
            .as_ref()
            .unwrap()
            .contains("/full/1/5")
    );
    running.end().await;
}

/// H10, H16, H17, H23, H26: what hyper sees and the gate lets pass.
#[tokio::test(flavor = "multi_thread")]
async fn http1_requests_are_answered_as_they_stand() {
    let running = start(|_| {});
    let close = "Connection: close\r\n\r\n";
    for (head, expected) in [
        (format!("{GOOD}{close}"), vec!["200"]),
        (format!("\r\n\r\n{GOOD}{close}"), vec!["200"]),
        (format!("{GOOD}Content-Length: 0\r\n{close}"), vec!["200"]),
        (format!("{GOOD}\r\n{GOOD}{close}"), vec!["200", "200"]),
        (
            format!("GET /full/1/5 HTTP/1.1\r\nHost: MEDIA.test.:443\r\n{close}"),
            vec!["200"],
        ),
        (
            format!("GET https://media.test/full/1/5 HTTP/1.1\r\nHost: media.test\r\n{close}"),
            vec!["200"],
        ),
        (
            format!("GET https://x.test/full/1/5 HTTP/1.1\r\nHost: media.test\r\n{close}"),
            vec!["400"],
        ),
        (format!("GET /full/1/5 HTTP/1.1\r\n{close}"), vec!["400"]),
        (
            format!("GET /full/1/5 HTTP/1.1\r\nHost: a\r\nHost: a\r\n{close}"),
            vec!["400"],
        ),
        (
            format!("GET /full/1/5 HTTP/1.1\r\nHost: music.test\r\n{close}"),
            vec!["421"],
        ),
        (
            format!("OPTIONS * HTTP/1.1\r\nHost: media.test\r\n{close}"),
            vec!["400"],
        ),
        (
            format!("GET media.test:443 HTTP/1.1\r\nHost: media.test\r\n{close}"),
            vec!["400"],
        ),
        (
            format!("CONNECT media.test:443 HTTP/1.1\r\nHost: media.test\r\n{close}"),
            vec!["405"],
        ),
        (
            format!("{GOOD}Expect: 100-continue\r\n{close}"),
            vec!["417"],
        ),
        (
            format!("{GOOD}Connection: upgrade\r\nUpgrade: h2c\r\n\r\n{GOOD}{close}"),
            vec!["200", "200"],
        ),
        (
            "GET /full/1/5 HTTP/1.0\r\nHost: media.test\r\n\r\n".to_owned(),
            vec!["200"],
        ),
    ] {
        let (answer, end) = raw(&running, head.as_bytes()).await;
        assert_eq!(statuses(&answer), expected, "{head:?}: {answer}");
        // hyper ends a connection that was offered an upgrade without a word at the end.
        assert!(end.is_ok() || head.contains("Upgrade"), "{head:?}");
    }
    let many = format!("{}{GOOD}{close}", format!("{GOOD}\r\n").repeat(999));
    let (answer, _) = raw(&running, many.as_bytes()).await;
    assert_eq!(statuses(&answer), ["200"; 1000]);
    running.end().await;
}

/// H30, H32, H33, H41.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_dawdles_is_closed() {
    // Of the times only one is short: a busy machine may be slow to do what comes before.
    let running = start(|config| {
        config.limits.handshake_timeout = Duration::from_millis(300);
    });
    let started = Instant::now();
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    let ended = timeout(PATIENCE, silent.read_u8()).await.unwrap();
    assert!(ended.is_err() && started.elapsed() >= Duration::from_millis(300));
    running
        .metric_becomes("handshake_failures_total", "timeout", 1.0)
        .await;
    running.end().await;
    // A head that never ends, though a byte comes every now and then.
    let running = start(|config| config.limits.head_timeout = Duration::from_secs(2));
    for start in ["", "GET / HT"] {
        let config = tls_config(&running, &[b"http/1.1"]);
        let mut slow = tls(running.address, config, HOST).await.unwrap();
        slow.write_all(start.as_bytes()).await.unwrap();
        slow.flush().await.unwrap();
        let mut answer = Vec::new();
        timeout(PATIENCE, slow.read_to_end(&mut answer))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(answer, b"");
    }
    running.end().await;
    // An idle connection after a request.
    let running = start(|config| config.limits.idle_timeout = Duration::from_secs(2));
    let (answer, end) = raw(&running, format!("{GOOD}\r\n").as_bytes()).await;
    assert_eq!((statuses(&answer), end), (vec!["200"], Ok(())));
    running.end().await;
}

/// H33.
#[tokio::test(flavor = "multi_thread")]
async fn plain_http_on_the_tls_port_is_closed_without_content() {
    let running = start(|_| {});
    for bytes in [
        &b"GET /full/1/5 HTTP/1.1\r\nHost: media.test\r\n\r\n"[..],
        &[0x80; 16 << 10],
    ] {
        let mut plain = TcpStream::connect(running.address).await.unwrap();
        drop(plain.write_all(bytes).await);
        let mut answer = Vec::new();
        drop(
            timeout(PATIENCE, plain.read_to_end(&mut answer))
                .await
                .unwrap(),
        );
        assert!(
            !String::from_utf8_lossy(&answer).contains("HTTP"),
            "{answer:?}"
        );
    }
    running
        .metric_becomes("handshake_failures_total", "not_tls", 2.0)
        .await;
    running.end().await;
}

/// H31, T08: over each protocol a client that reads nothing is cut, and what it held is let go.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_nothing_is_cut() {
    let running = start(|config| config.limits.stall_timeout = Duration::from_secs(1));
    let config = tls_config(&running, &[b"http/1.1"]);
    let mut one = tls(running.address, config, HOST).await.unwrap();
    one.write_all(b"GET /endless HTTP/1.1\r\nHost: media.test\r\n\r\n")
        .await
        .unwrap();
    one.flush().await.unwrap();
    running
        .metric_becomes("rejected_total", "stalled", 1.0)
        .await;
    running
        .metric_becomes("downstream_connections", "http/1.1", 0.0)
        .await;
    // A window that the client never opens again: h2 reads frames, and nobody the body.
    let config = tls_config(&running, &[b"h2"]);
    let two = tls(running.address, config, HOST).await.unwrap();
    let (mut send, connection) = h2::client::handshake(two).await.unwrap();
    tokio::spawn(connection);
    let request = clients::request(http::Method::GET, "/endless", &[]);
    let (response, _) = send.send_request(request, true).unwrap();
    let mut body = response.await.unwrap().into_body();
    running
        .metric_becomes("rejected_total", "stalled", 2.0)
        .await;
    let broken = loop {
        match timeout(PATIENCE, body.data()).await.unwrap() {
            Some(Ok(_)) => {}
            Some(Err(error)) => break error,
            None => panic!("a clean end"),
        }
    };
    assert_eq!(broken.reason(), Some(h2::Reason::CANCEL));
    let clients::Client::Http3 { mut send, quic } = connect(&running, Speaks::Http3).await else {
        unreachable!()
    };
    let request = clients::request(http::Method::GET, "/endless", &[]);
    let mut stream = send.send_request(request).await.unwrap();
    stream.finish().await.unwrap();
    stream.recv_response().await.unwrap();
    running
        .metric_becomes("rejected_total", "stalled", 3.0)
        .await;
    drop((stream, quic));
    running.end().await;
}

/// T01, T06: floods over a connection that otherwise behaves.
#[tokio::test(flavor = "multi_thread")]
async fn an_http2_flood_ends_the_connection_with_goaway() {
    let running = start(|_| {});
    let ping = frame(6, 0, 0, &[0; 8]);
    let settings = frame(4, 0, 0, &[]);
    let priority = frame(2, 0, 1, &[0, 0, 0, 0, 1]);
    let unknown = frame(0x77, 0, 0, &[1, 2, 3]);
    for (flood, count) in [
        (ping, 200),
        (settings, 200),
        (priority, 500),
        (unknown, 2_000),
    ] {
        let answer = pour(&running, (0..count).map(|_| flood.clone())).await;
        assert!(
            has_goaway(&answer),
            "kind {}: no goaway in {answer:?}",
            flood[3]
        );
    }
    assert!((running.metric("rejected_total", "flood") - 4.0).abs() < 0.1);
    running.end().await;
}

/// An HTTP/2 frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[a, b, c, kind, flags][..], &stream.to_be_bytes(), payload].concat()
}

/// Opens an HTTP/2 connection, sends frames as long as it lasts, and returns what came back.
async fn pour(running: &Running, frames: impl Iterator<Item = Vec<u8>>) -> Vec<u8> {
    let config = tls_config(running, &[b"h2"]);
    let mut stream = tls(running.address, config, HOST).await.unwrap();
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .await
        .unwrap();
    stream.write_all(&frame(4, 0, 0, &[])).await.unwrap();
    for frame in frames {
        if stream.write_all(&frame).await.is_err() {
            break;
        }
    }
    drop(stream.flush().await);
    let mut answer = Vec::new();
    // The connection may end with a reset behind the GOAWAY.
    drop(
        timeout(PATIENCE, stream.read_to_end(&mut answer))
            .await
            .unwrap(),
    );
    answer
}

fn has_goaway(mut bytes: &[u8]) -> bool {
    while bytes.len() >= 9 {
        let length = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]) as usize;
        if bytes[3] == 7 {
            return true;
        }
        bytes = bytes.get(9 + length..).unwrap_or_default();
    }
    false
}

/// T01: requests that are taken back as soon as they are made.
#[tokio::test(flavor = "multi_thread")]
async fn a_rapid_reset_ends_the_connection_and_leaves_no_work() {
    let running = start(|_| {});
    let head = [
        &[0x82, 0x87, 0x04, 6][..],
        b"/never",
        &[0x01, 10],
        HOST.as_bytes(),
    ]
    .concat();
    let attack = (0..4_000_u32).map(|n| {
        let stream = n / 2 * 2 + 1;
        let is_head = n % 2 == 0;
        if is_head {
            frame(1, 5, stream, &head)
        } else {
            frame(3, 0, stream, &[0, 0, 0, 8])
        }
    });
    let answer = pour(&running, attack).await;
    assert!(has_goaway(&answer), "no goaway in {answer:?}");
    running.content.wait_held(0).await;
    running
        .metric_becomes("downstream_connections", "h2", 0.0)
        .await;
    running.end().await;
}

/// A body on the multiplexed protocols, with and without a length.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_body_is_refused() {
    let running = start(|_| {});
    let config = tls_config(&running, &[b"h2"]);
    let stream = tls(running.address, config, HOST).await.unwrap();
    let (mut send, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    for (bytes, status) in [(&b"x"[..], 400), (b"", 200)] {
        let request = clients::request(http::Method::GET, "/full/1/1", &[]);
        send = send.ready().await.unwrap();
        let (response, mut body) = send.send_request(request, false).unwrap();
        body.send_data(Bytes::from_static(bytes), true).unwrap();
        assert_eq!(
            timeout(PATIENCE, response).await.unwrap().unwrap().status(),
            status
        );
    }
    let clients::Client::Http3 { mut send, quic } = connect(&running, Speaks::Http3).await else {
        unreachable!()
    };
    for (bytes, status) in [(Some(&b"x"[..]), 400), (None, 200)] {
        let request = clients::request(http::Method::GET, "/full/1/1", &[]);
        let mut stream = send.send_request(request).await.unwrap();
        if let Some(bytes) = bytes {
            // It may be refused before it is sent: the answer comes all the same (RFC 9114 section 4.1).
            let _early = stream.send_data(Bytes::from_static(bytes)).await;
            let _early = stream.finish().await;
        } else {
            stream.finish().await.unwrap();
        }
        let response = timeout(PATIENCE, stream.recv_response())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(response.status(), status);
    }
    drop(quic);
    running.end().await;
}

/// Q14: a frame that is announced as endless and dripped.
#[tokio::test(flavor = "multi_thread")]
async fn an_endless_http3_frame_is_excessive_load() {
    let running = start(|_| {});
    let config = tls_config(&running, &[b"h3"]);
    let (_endpoint, quic) = clients::quic(running.address, config, HOST).await.unwrap();
    let mut control = quic.open_uni().await.unwrap();
    control.write_all(&[0, 4, 0]).await.unwrap();
    let (mut send, _recv) = quic.open_bi().await.unwrap();
    // HEADERS of 2^62 - 1 bytes.
    send.write_all(&[1]).await.unwrap();
    send.write_all(&[0xff; 8]).await.unwrap();
    let drip = async { while send.write_all(&[0; 1024]).await.is_ok() {} };
    timeout(PATIENCE, drip).await.unwrap();
    let reason = timeout(PATIENCE, quic.closed()).await.unwrap();
    let quinn::ConnectionError::ApplicationClosed(close) = reason else {
        panic!("{reason:?}")
    };
    assert_eq!(close.error_code, quinn::VarInt::from_u32(0x107));
    running.metric_becomes("rejected_total", "flood", 1.0).await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_are_closed_at_once() {
    let running = start(|config| config.limits.connections_per_ipv4 = 3);
    let mut held = Vec::new();
    for speaks in [Speaks::Http1, Speaks::Http2, Speaks::Http3] {
        held.push(connect(&running, speaks).await);
    }
    for speaks in clients::ALL {
        assert!(
            clients::try_connect(&running, speaks).await.is_err(),
            "{speaks:?}"
        );
    }
    assert!(running.metric("rejected_total", "place") >= 3.0);
    held.clear();
    running
        .metric_becomes("downstream_connections", "http/1.1", 0.0)
        .await;
    assert!(clients::try_connect(&running, Speaks::Http1).await.is_ok());
    running.end().await;
}
