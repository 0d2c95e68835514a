//! rustls as the client, over pipes that deliver little at a time.

use std::{
    io::{Read as _, Write as _},
    sync::Arc,
};

use rustls::{
    CipherSuite, ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, crypto::aws_lc_rs,
    version,
};
use rustls_pki_types::ServerName;
use tls::record::accept;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::support::{HOST, PATIENCE, Pki, serve, settings};

const SUITES: [CipherSuite; 3] = [
    CipherSuite::TLS13_AES_128_GCM_SHA256,
    CipherSuite::TLS13_AES_256_GCM_SHA384,
    CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
];

fn client(pki: &Pki, suite: CipherSuite) -> ClientConfig {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|offered| {
        offered.suite() == suite || offered.version().version == ProtocolVersion::TLSv1_2
    });
    let versions: &[_] = if SUITES.contains(&suite) {
        &[&version::TLS13]
    } else {
        &[&version::TLS12]
    };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(pki.roots())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"echo".to_vec()];
    config
}

fn name() -> ServerName<'static> {
    ServerName::try_from(HOST).unwrap()
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes)
        .map(|at| (at * 7 + at / 251).to_le_bytes()[0])
        .collect()
}

/// Sends `plain`, reads it back, then closes. Returns how the handshake went.
async fn round_trip(
    pipe: DuplexStream,
    config: &Arc<ClientConfig>,
    plain: &[u8],
    updates: bool,
) -> HandshakeKind {
    let stream = TlsConnector::from(Arc::clone(config)).connect(name(), pipe);
    let mut stream = stream.await.unwrap();
    let kind = stream.get_ref().1.handshake_kind().unwrap();
    for piece in plain.chunks(100_000) {
        if updates {
            stream.get_mut().1.refresh_traffic_keys().unwrap();
        }
        let (mut reader, mut writer) = tokio::io::split(&mut stream);
        let mut got = vec![0; piece.len()];
        let write = async {
            writer.write_all(piece).await.unwrap();
            writer.flush().await.unwrap();
        };
        let read = async { reader.read_exact(&mut got).await.unwrap() };
        tokio::join!(write, read);
        assert!(got == piece);
    }
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    // An end that is not `close_notify` would be an error.
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
    kind
}

#[tokio::test]
async fn every_suite_echoes_through_pipes_of_every_size() {
    let pki = Pki::new();
    for suite in SUITES {
        for (pipe_bytes, bytes) in [(7, 3_000), (1_000, 300_000), (1 << 20, 3 << 20)] {
            for updates in [false, true] {
                let (near, far) = duplex(pipe_bytes);
                let config = Arc::new(client(&pki, suite));
                let plain = pattern(bytes);
                let both = async {
                    tokio::join!(
                        round_trip(near, &config, &plain, updates),
                        serve(far, Arc::clone(&pki.server))
                    )
                };
                let (_, (session, is_own, echoed)) =
                    timeout(PATIENCE, Box::pin(both)).await.unwrap();
                assert!(is_own);
                assert_eq!(echoed.unwrap(), bytes as u64);
                assert_eq!(session.alpn.as_deref(), Some(&b"echo"[..]));
                assert_eq!(session.server_name.as_deref(), Some(HOST));
            }
        }
    }
}

#[tokio::test]
async fn tickets_from_before_the_hand_over_resume() {
    let pki = Pki::new();
    let config = Arc::new(client(&pki, SUITES[0]));
    for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let (near, far) = duplex(1 << 16);
        let (kind, (_, is_own, echoed)) = tokio::join!(
            round_trip(near, &config, b"ticket", false),
            serve(far, Arc::clone(&pki.server))
        );
        assert_eq!(kind, expected);
        assert!(is_own);
        echoed.unwrap();
    }
}

#[tokio::test]
async fn tls_1_2_stays_with_rustls() {
    let pki = Pki::new();
    let config = client(&pki, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256);
    let config = Arc::new(config);
    let (near, far) = duplex(1 << 16);
    let plain = pattern(1 << 20);
    let (_, (session, is_own, echoed)) = tokio::join!(
        round_trip(near, &config, &plain, false),
        serve(far, Arc::clone(&pki.server))
    );
    assert!(!is_own);
    assert_eq!(session.alpn.as_deref(), Some(&b"echo"[..]));
    assert_eq!(echoed.unwrap(), 1 << 20);
}

/// Data in the same segment as the client's Finished: rustls must not take it.
#[tokio::test]
async fn data_on_the_heels_of_the_handshake_is_ours() {
    let pki = Pki::new();
    let config = Arc::new(client(&pki, SUITES[0]));
    let (mut near, far) = duplex(1 << 16);
    let served = tokio::spawn(serve(far, Arc::clone(&pki.server)));
    let mut client = ClientConnection::new(config, name()).unwrap();
    let mut bytes = vec![0; 1 << 16];
    let mut out = Vec::new();
    client.write_tls(&mut out).unwrap();
    near.write_all(&out).await.unwrap();
    while client.is_handshaking() {
        let read = near.read(&mut bytes).await.unwrap();
        client.read_tls(&mut &bytes[..read]).unwrap();
        client.process_new_packets().unwrap();
    }
    // Finished, data, an update of keys, data under the new ones, and half a record: one write.
    out.clear();
    client.writer().write_all(b"first ").unwrap();
    while client.wants_write() {
        client.write_tls(&mut out).unwrap();
    }
    client.refresh_traffic_keys().unwrap();
    client.writer().write_all(b"second ").unwrap();
    client.writer().write_all(&[b'x'; 1_000]).unwrap();
    while client.wants_write() {
        client.write_tls(&mut out).unwrap();
    }
    let (now, later) = out.split_at(out.len() - 500);
    near.write_all(now).await.unwrap();
    let mut got = Vec::new();
    let mut sent_later = false;
    while got.len() < 13 + 1_000 {
        let read = near.read(&mut bytes).await.unwrap();
        client.read_tls(&mut &bytes[..read]).unwrap();
        let state = client.process_new_packets().unwrap();
        let mut plain = vec![0; state.plaintext_bytes_to_read()];
        client.reader().read_exact(&mut plain).unwrap();
        got.extend(plain);
        if got.len() >= 13 && !sent_later {
            near.write_all(later).await.unwrap();
            sent_later = true;
        }
    }
    assert_eq!(got, [b"first second ", &[b'x'; 1_000][..]].concat());
    drop(near);
    let (_, is_own, echoed) = served.await.unwrap();
    assert!(is_own);
    // No close_notify came.
    assert_eq!(
        echoed.unwrap_err().kind(),
        std::io::ErrorKind::UnexpectedEof
    );
}

#[tokio::test]
async fn what_is_not_a_handshake_is_refused_with_an_alert() {
    let pki = Pki::new();
    for garbage in [
        &b"GET / HTTP/1.1\r\nhost: media.test\r\n\r\n"[..],
        &[22, 3, 1, 0xff, 0xff, 1],
    ] {
        let (mut near, far) = duplex(1 << 16);
        near.write_all(garbage).await.unwrap();
        let config = Arc::clone(&pki.server);
        let settings = settings();
        let refused = timeout(PATIENCE, accept(far, |_| config, &settings));
        let Err(error) = refused.await.unwrap() else {
            panic!("a handshake with garbage")
        };
        let cause = error.get_ref().unwrap().downcast_ref::<rustls::Error>();
        assert!(
            matches!(cause, Some(rustls::Error::InvalidMessage(_))),
            "{error:?}"
        );
        let mut said = Vec::new();
        near.read_to_end(&mut said).await.unwrap();
        assert_eq!(said[0], 21, "{said:?}");
    }
}

#[tokio::test]
async fn a_handshake_without_common_ground_is_refused_with_an_alert() {
    let pki = Pki::new();
    let mut config = client(&pki, SUITES[0]);
    config.alpn_protocols = vec![b"spdy/3".to_vec()];
    let (near, far) = duplex(1 << 16);
    let (server, settings) = (Arc::clone(&pki.server), settings());
    let connector = TlsConnector::from(Arc::new(config));
    let (client, served) = tokio::join!(
        connector.connect(name(), near),
        accept(far, |_| server, &settings)
    );
    let error = client.unwrap_err();
    let cause = error.get_ref().unwrap().downcast_ref::<rustls::Error>();
    assert!(
        matches!(cause, Some(rustls::Error::AlertReceived(_))),
        "{error:?}"
    );
    assert!(served.is_err());
}
