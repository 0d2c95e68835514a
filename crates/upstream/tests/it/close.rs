//! Bodies that nothing ends but their connection (RFC 9112 sections 6.3, 8 and 9.8).

use std::sync::Arc;

use message::{Error, Kind};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_util::task::AbortOnDropHandle;
use upstream::{Closes, HttpOrigin, HttpOriginConfig};

use crate::{
    liar::{Act, Liar, close},
    shield::Authority,
    support::{Ask, body, content, expect, metrics, unhurried},
};

fn origin(url: String, tls: Option<Arc<rustls::ClientConfig>>, closes: Closes) -> HttpOrigin {
    let config = HttpOriginConfig {
        name: "origin".into(),
        node: "shield1".to_owned(),
        base_urls: vec![url],
        host: None,
        tls,
        closes,
        limits: unhurried(),
    };
    HttpOrigin::new(&config, &metrics().0).unwrap()
}

async fn plain(act: Act, closes: Closes) -> (Liar, HttpOrigin) {
    let liar = Liar::start(vec![act]).await;
    let origin = origin(liar.url(), None, closes);
    (liar, origin)
}

fn unbounded(status: &str, bytes: &[u8]) -> Vec<u8> {
    let mut text = format!("{status}\r\netag: \"v\"\r\n\r\n").into_bytes();
    text.extend_from_slice(bytes);
    text
}

/// RFC 9112 section 8: complete, unless the connection tells of an error.
#[tokio::test]
async fn a_clean_close_ends_a_body_and_no_connection_is_kept() {
    let bytes = content("/a", 0, 100_000);
    for status in ["HTTP/1.1 200 OK", "HTTP/1.0 200 OK"] {
        let act = Act::SayAndClose(unbounded(status, &bytes));
        let (liar, origin) = plain(act, Closes::Any).await;
        for connections in 1..=2 {
            expect(Ask::whole("/a").of(&origin).await.unwrap(), 200, &bytes).await;
            assert_eq!(liar.connections(), connections, "{status}");
        }
    }
}

/// RFC 9112 section 8.
#[tokio::test]
async fn a_reset_ends_no_body() {
    let act = Act::SayAndReset(unbounded("HTTP/1.1 200 OK", b"half"));
    let (_liar, origin) = plain(act, Closes::Any).await;
    let answer = Ask::whole("/a").of(&origin).await.unwrap();
    let error = body(answer).await.unwrap_err();
    assert_eq!(error.kind(), Kind::ConnectionTerminated);
}

#[tokio::test]
async fn an_origin_that_may_end_bodies_so_only_over_tls_is_502_without() {
    let act = Act::SayAndClose(unbounded("HTTP/1.1 200 OK", b"whole"));
    let (_liar, origin) = plain(act, Closes::Https).await;
    let kind = Ask::whole("/a").refused_by(&origin).await;
    assert_eq!(kind, Kind::HttpProtocolError);
}

/// RFC 9110 section 15.3.7: a part has the length of its range, whatever ends it.
#[tokio::test]
async fn a_part_that_is_cut_by_a_clean_close_never_ends_cleanly() {
    let head = "HTTP/1.1 206 P\r\ncontent-range: bytes 0-9/100";
    for (bytes, whole) in [(10, true), (9, false)] {
        let act = Act::SayAndClose(unbounded(head, &content("/a", 0, bytes)));
        for closes in [Closes::Any, Closes::Https] {
            let (_liar, origin) = plain(act.clone(), closes).await;
            let answer = Ask::range("/a", 0, 9).of(&origin).await.unwrap();
            assert_eq!(body(answer).await.is_ok(), whole, "{bytes}");
        }
    }
}

/// RFC 9112 section 6.1: the framing of such a message is faulty.
#[tokio::test]
async fn a_transfer_coding_in_http_1_0_is_502() {
    let head = "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n";
    let (_liar, origin) = plain(close(head), Closes::Any).await;
    let kind = Ask::whole("/a").refused_by(&origin).await;
    assert_eq!(kind, Kind::HttpProtocolError);
}

/// Says one thing over TLS and closes the connection, with a `close_notify` or without.
async fn over_tls(notifies: bool) -> Result<Vec<u8>, Error> {
    let authority = Authority::new();
    let acceptor = tokio_rustls::TlsAcceptor::from(authority.server("localhost", "http/1.1"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!(
        "https://localhost:{}",
        listener.local_addr().unwrap().port()
    );
    let serving = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut tls = acceptor.accept(tcp).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tls.read_u8().await.unwrap());
        }
        let answer = unbounded("HTTP/1.1 200 OK", b"whole");
        tls.write_all(&answer).await.unwrap();
        tls.flush().await.unwrap();
        if notifies {
            tls.shutdown().await.unwrap();
        } else {
            tls.get_mut().0.shutdown().await.unwrap();
        }
        // Until the other side has closed, so that nothing is reset.
        let _closed = tls.get_mut().0.read_u8().await;
    });
    let _serving = AbortOnDropHandle::new(serving);
    let tls = authority.client(Some(&authority), &["http/1.1"]);
    let origin = origin(url, Some(tls), Closes::Https);
    let answer = Ask::whole("/a").of(&origin).await.unwrap();
    body(answer).await
}

/// RFC 9112 section 9.8.
#[tokio::test]
async fn over_tls_a_close_notify_ends_a_body_and_nothing_less_does() {
    assert_eq!(over_tls(true).await.unwrap(), b"whole");
    let error = over_tls(false).await.unwrap_err();
    assert_eq!(error.kind(), Kind::HttpResponseIncomplete);
}
