//! Drain, recycling, mutual TLS and certificates that change.

use std::time::Duration;

use crate::support::{
    HOST, PATIENCE,
    clients::{ALL, Client, connect, quic, request, tls, tls_config, try_connect},
    content::bytes_of,
    start, start_with,
};
use downstream::{Drained, ServerNames};
use http::Method;
use tokio::time::timeout;

/// F42, T19.
#[tokio::test(flavor = "multi_thread")]
async fn a_drain_finishes_what_is_in_flight_and_refuses_what_is_new() {
    for speaks in ALL {
        let running = start(|_| {});
        let mut client = connect(&running, speaks).await;
        // hyper's client forgets a request whose connection is told to go away before it has
        // looked at what became of it: the drain waits until it has its head.
        let begun = client.begin(request(Method::GET, "/hold/9/300000", &[]));
        let begun = timeout(PATIENCE, begun).await.unwrap().unwrap();
        running.content.wait_held(1).await;
        let waiting = tokio::spawn(begun.finish());
        running.drain.start();
        let refused = async { while try_connect(&running, speaks).await.is_ok() {} };
        timeout(PATIENCE, refused).await.unwrap();
        assert!(!running.done.is_finished(), "{speaks:?}");
        running.content.release.0.add_permits(1);
        let got = timeout(PATIENCE, waiting).await.unwrap().unwrap();
        assert_eq!(got.broken, None, "{speaks:?}");
        assert_eq!(got.body, bytes_of(9, 0..300_000), "{speaks:?}");
        let ended = timeout(PATIENCE, running.done)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert_eq!(ended, Drained::Whole, "{speaks:?}");
        drop(client);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_does_not_hold_a_drain_up() {
    let running = start(|_| {});
    let mut clients = Vec::new();
    for speaks in ALL {
        let mut client = connect(&running, speaks).await;
        client.get("/full/1/10").await;
        clients.push(client);
        clients.push(connect(&running, speaks).await);
    }
    assert_eq!(running.end().await, Drained::Whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_outlasts_its_grace_is_cut_and_never_looks_complete() {
    for speaks in ALL {
        let running = start_with(|_| {}, |_, _| {}, Duration::from_millis(200));
        let mut client = connect(&running, speaks).await;
        let waiting = tokio::spawn(async move {
            client
                .send(request(Method::GET, "/hold/9/300000", &[]))
                .await
        });
        running.content.wait_held(1).await;
        running.drain.start();
        let ended = timeout(PATIENCE, running.done)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert!(
            matches!(ended, Drained::Cut { tasks: 1.. }),
            "{speaks:?}: {ended:?}"
        );
        if let Ok(got) = timeout(PATIENCE, waiting).await.unwrap().unwrap() {
            assert!(got.broken.is_some(), "{speaks:?}: {} bytes", got.body.len());
        }
    }
}

/// H36.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_recycled_after_its_requests() {
    let running = start(|config| config.limits.requests_per_connection = 5);
    for speaks in ALL {
        let mut client = connect(&running, speaks).await;
        let mut served = 0;
        for _ in 0..50 {
            let request = request(Method::GET, "/full/1/1000", &[]);
            match client.send(request).await {
                Ok(got) => {
                    assert_eq!(got.body, bytes_of(1, 0..1000), "{speaks:?}");
                    served += 1;
                }
                Err(_) => break,
            }
        }
        assert!((5..=12).contains(&served), "{speaks:?}: {served}");
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mutual_tls_names_the_client_and_refuses_strangers() {
    let running = start_with(
        |config| config.server_names = ServerNames::Any,
        |tls, pki| tls.client_ca = Some(pki.ca()),
        Duration::from_secs(20),
    );
    let known = |alpn: &[u8]| {
        let identity = Some(running.pki.identity(&["edge-1.test"]));
        let ca = vec![running.pki.ca()];
        let config = tls::ClientConfig {
            ca,
            identity,
            alpn: vec![alpn.to_vec()],
        };
        config.build(message::now().wall).unwrap().0
    };
    let stream = tls(running.address, known(b"h2"), HOST).await.unwrap();
    let (mut send, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    // Another of the shield's names is as good as the one in the handshake.
    let mut other = request(Method::GET, "/identity", &[]);
    *other.uri_mut() = "https://any.test/identity".parse().unwrap();
    let (response, _) = send.send_request(other, true).unwrap();
    assert_eq!(response.await.unwrap().headers()["identity"], "edge-1.test");
    let (_endpoint, quic_connection) = quic(running.address, known(b"h3"), HOST).await.unwrap();
    let h3_connection = h3_quinn::Connection::new(quic_connection);
    let (_driver, send) = h3::client::new(h3_connection).await.unwrap();
    let mut client = Client::Http3 { send, quic: None };
    assert_eq!(
        client.get("/identity").await.header("identity"),
        Some("edge-1.test")
    );
    for speaks in ALL {
        // TLS 1.3 lets a client believe in its handshake until the server has read it.
        if let Ok(mut stranger) = try_connect(&running, speaks).await {
            let answer = stranger.send(request(Method::GET, "/identity", &[])).await;
            assert!(answer.is_err(), "{speaks:?}: {answer:?}");
        }
    }
    // A server may still be at it when its client has given up.
    let failures = "handshake_failures_total";
    running
        .metric_reaches(failures, "client_certificate", 2.0)
        .await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_certificates_are_shown_to_new_connections() {
    let running = start(|_| {});
    let mut before = Vec::new();
    for speaks in ALL {
        before.push(connect(&running, speaks).await);
    }
    let old = leaf(&running).await;
    running.pki.identity(&[HOST]);
    running.tls.reload(message::now().wall).unwrap();
    let new = leaf(&running).await;
    assert!(
        old[0] != new[0] && new[0] == new[1],
        "one new certificate on both"
    );
    for client in &mut before {
        assert_eq!(client.get("/full/1/10").await.body.len(), 10);
    }
    running.end().await;
}

/// The certificates shown on TCP and on QUIC.
async fn leaf(running: &crate::support::Running) -> [Vec<u8>; 2] {
    let stream = tls(running.address, tls_config(running, &[b"h2"]), HOST)
        .await
        .unwrap();
    let tcp = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    let config = tls_config(running, &[b"h3"]);
    let (_endpoint, connection) = quic(running.address, config, HOST).await.unwrap();
    let chain = connection.peer_identity().unwrap();
    let chain = chain
        .downcast::<Vec<rustls_pki_types::CertificateDer<'static>>>()
        .unwrap();
    [tcp, chain[0].to_vec()]
}

/// Measures the whole process, so it runs alone:
/// `cargo test -p downstream --test loopback -- --ignored idle_server`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures the whole process, which must run alone: just idle"]
async fn an_idle_server_uses_no_cpu() {
    let running = start(|_| {});
    let mut clients = Vec::new();
    for speaks in ALL {
        let mut client = connect(&running, speaks).await;
        client.get("/full/1/10").await;
        clients.push(client);
    }
    let ticks = || {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let words: Vec<_> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        words[11].parse::<u64>().unwrap() + words[12].parse::<u64>().unwrap()
    };
    let before = ticks();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let used = ticks() - before;
    assert!(used <= 1, "{used} ticks of 10 ms in 10 s");
    drop(clients);
    running.end().await;
}
