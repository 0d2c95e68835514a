//! Who may talk to whom: real handshakes in memory.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::{CipherSuite, ProtocolVersion};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use tempfile::TempDir;
use tls::{ClientConfig, Error, Identity, MinVersion, Server, ServerConfig, Warning};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::{LazyConfigAcceptor, TlsConnector, client, server};

fn now() -> Duration {
    Duration::from_secs(UnixTime::now().as_secs())
}

struct Pki {
    dir: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Pki {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        fs::write(
            dir.path().join("ca.pem"),
            params.self_signed(&key).unwrap().pem(),
        )
        .unwrap();
        Self {
            dir,
            issuer: Issuer::new(params, key),
        }
    }

    fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    fn identity(&self, name: &str) -> Identity {
        self.identity_with(name, |_| {})
    }

    fn identity_with(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        let path = |suffix: &str| {
            self.dir
                .path()
                .join(format!("{}.{suffix}", name.replace('*', "_")))
        };
        fs::write(path("crt"), leaf.pem()).unwrap();
        fs::write(path("key"), key.serialize_pem()).unwrap();
        fs::set_permissions(path("key"), fs::Permissions::from_mode(0o600)).unwrap();
        Identity {
            cert: path("crt"),
            key: path("key"),
        }
    }
}

fn server(certificates: Vec<Identity>) -> Server {
    let config = ServerConfig {
        certificates,
        ..ServerConfig::default()
    };
    Server::load(config, now()).unwrap().0
}

fn mutual(pki: &Pki) -> Server {
    let certificates = vec![pki.identity("shield.test")];
    let client_ca = Some(pki.ca());
    let config = ServerConfig {
        certificates,
        client_ca,
        ..ServerConfig::default()
    };
    Server::load(config, now()).unwrap().0
}

fn client(ca: &Pki, identity: Option<Identity>) -> Arc<rustls::ClientConfig> {
    let config = ClientConfig {
        ca: vec![ca.ca()],
        identity,
        alpn: vec![b"h2".to_vec()],
    };
    config.build(now()).unwrap().0
}

type Ends = (
    client::TlsStream<DuplexStream>,
    server::TlsStream<DuplexStream>,
);

/// A handshake and a byte each way, which is when a TLS 1.3 client knows that it was accepted.
async fn meet(
    server: &Server,
    client: Arc<rustls::ClientConfig>,
    name: &str,
) -> Result<Ends, String> {
    let (near, far) = tokio::io::duplex(64 << 10);
    let accept = async {
        let acceptor = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), far);
        let started = acceptor.await?;
        let config = server.tcp_for(&started.client_hello());
        let mut stream = started.into_stream(config).await?;
        let byte = stream.read_u8().await?;
        stream.write_u8(byte).await?;
        stream.flush().await?;
        Ok::<_, std::io::Error>(stream)
    };
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connect = async {
        let mut stream = TlsConnector::from(client).connect(name, near).await?;
        stream.write_u8(7).await?;
        stream.flush().await?;
        stream.read_u8().await?;
        Ok::<_, std::io::Error>(stream)
    };
    let (accepted, connected) = tokio::join!(accept, connect);
    match (connected, accepted) {
        (Ok(client), Ok(server)) => Ok((client, server)),
        (client, server) => Err(format!(
            "client {:?}; server {:?}",
            client.err(),
            server.err()
        )),
    }
}

#[tokio::test]
async fn the_right_authority_is_trusted_and_another_is_not() {
    let (ours, theirs) = (Pki::new(), Pki::new());
    let server = server(vec![ours.identity("media.test")]);
    let (client_end, _) = meet(&server, client(&ours, None), "media.test")
        .await
        .unwrap();
    assert_eq!(
        client_end.get_ref().1.protocol_version(),
        Some(ProtocolVersion::TLSv1_3)
    );
    assert_eq!(client_end.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let error = meet(&server, client(&theirs, None), "media.test")
        .await
        .unwrap_err();
    // Two authorities of one name: it is the signature that tells them apart.
    assert!(error.contains("BadSignature"), "{error}");
}

#[tokio::test]
async fn an_empty_list_of_authorities_trusts_nobody() {
    let pki = Pki::new();
    let server = server(vec![pki.identity("media.test")]);
    let (nobody, _) = ClientConfig::default().build(now()).unwrap();
    assert!(meet(&server, nobody, "media.test").await.is_err());
}

/// A01.
#[tokio::test]
async fn mutual_tls_asks_for_a_certificate_of_ours() {
    let (ours, theirs) = (Pki::new(), Pki::new());
    let server = mutual(&ours);
    let known = client(&ours, Some(ours.identity("edge-1.test")));
    let (_, server_end) = meet(&server, known, "shield.test").await.unwrap();
    let chain = server_end.get_ref().1.peer_certificates().unwrap();
    assert_eq!(tls::peer_identity(chain).as_deref(), Some("edge-1.test"));
    let nobody = meet(&server, client(&ours, None), "shield.test")
        .await
        .unwrap_err();
    assert!(nobody.contains("NoCertificatesPresented"), "{nobody}");
    let stranger = client(&ours, Some(theirs.identity("edge-1.test")));
    let stranger = meet(&server, stranger, "shield.test").await.unwrap_err();
    assert!(stranger.contains("BadSignature"), "{stranger}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() {
    let pki = Pki::new();
    let server = server(vec![pki.identity("media.test")]);
    // The server knows no such name and says so.
    let error = meet(&server, client(&pki, None), "music.test")
        .await
        .unwrap_err();
    assert!(error.contains("AlertReceived"), "{error}");
    // Without a server name it shows its first certificate, which the client refuses.
    let mut silent = (*client(&pki, None)).clone();
    silent.enable_sni = false;
    let error = meet(&server, silent.into(), "music.test")
        .await
        .unwrap_err();
    assert!(error.contains("NotValidForName"), "{error}");
}

#[tokio::test]
async fn each_name_gets_its_own_certificate() {
    let pki = Pki::new();
    let names = ["media.test", "*.cdn.test", "127.0.0.1"];
    let server = server(names.iter().map(|name| pki.identity(name)).collect());
    for name in ["media.test", "a.cdn.test", "b.cdn.test"] {
        meet(&server, client(&pki, None), name).await.unwrap();
        assert!(server.serves(name), "{name}");
    }
    assert!(server.serves("127.0.0.1"));
    for name in ["cdn.test", "a.b.cdn.test", "other.test", "::1"] {
        assert!(!server.serves(name), "{name}");
    }
}

#[tokio::test]
async fn the_cipher_is_aes_128_unless_the_client_would_rather_not() {
    let pki = Pki::new();
    let server = server(vec![pki.identity("media.test")]);
    let suite = |client: &client::TlsStream<DuplexStream>| {
        client
            .get_ref()
            .1
            .negotiated_cipher_suite()
            .unwrap()
            .suite()
    };
    let ordered = |first: CipherSuite| {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        provider
            .cipher_suites
            .sort_by_key(|suite| suite.suite() != first);
        let mut roots = rustls::RootCertStore::empty();
        let pem = fs::read(pki.ca()).unwrap();
        roots
            .add(CertificateDer::from_pem_slice(&pem).unwrap())
            .unwrap();
        let builder = rustls::ClientConfig::builder_with_provider(provider.into());
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
    };
    for (first, expected) in [
        (
            CipherSuite::TLS13_AES_256_GCM_SHA384,
            CipherSuite::TLS13_AES_128_GCM_SHA256,
        ),
        (
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        ),
    ] {
        let (client, _) = meet(&server, ordered(first), "media.test").await.unwrap();
        assert_eq!(suite(&client), expected);
    }
}

#[tokio::test]
async fn tls_1_2_is_refused_unless_asked_for() {
    let pki = Pki::new();
    let mut roots = rustls::RootCertStore::empty();
    let pem = fs::read(pki.ca()).unwrap();
    roots
        .add(CertificateDer::from_pem_slice(&pem).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let old = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let old = Arc::new(old);
    let certificates = vec![pki.identity("media.test")];
    let strict = server(certificates.clone());
    assert!(meet(&strict, Arc::clone(&old), "media.test").await.is_err());
    let min_version = MinVersion::Tls12;
    let config = ServerConfig {
        certificates,
        min_version,
        ..ServerConfig::default()
    };
    let (lenient, _) = Server::load(config, now()).unwrap();
    let (client, _) = meet(&lenient, old, "media.test").await.unwrap();
    assert_eq!(
        client.get_ref().1.protocol_version(),
        Some(ProtocolVersion::TLSv1_2)
    );
}

#[tokio::test]
async fn a_second_connection_resumes_but_not_under_mutual_tls() {
    let pki = Pki::new();
    let open = server(vec![pki.identity("media.test")]);
    let closed = mutual(&pki);
    let edge = client(&pki, Some(pki.identity("edge-1.test")));
    for (server, client, name, resumes) in [
        (&open, client(&pki, None), "media.test", true),
        (&closed, edge, "shield.test", false),
    ] {
        meet(server, Arc::clone(&client), name).await.unwrap();
        let (second, _) = meet(server, client, name).await.unwrap();
        let kind = second.get_ref().1.handshake_kind();
        let resumed = kind == Some(rustls::HandshakeKind::Resumed);
        assert_eq!(resumed, resumes, "{name}: {kind:?}");
    }
}

/// G05.
#[test]
fn what_cannot_serve_is_a_clear_error() {
    let pki = Pki::new();
    let load = |identity: Identity| {
        let certificates = vec![identity];
        Server::load(
            ServerConfig {
                certificates,
                ..ServerConfig::default()
            },
            now(),
        )
        .map(drop)
    };
    let (one, two) = (pki.identity("one.test"), pki.identity("two.test"));
    let mixed = Identity {
        cert: one.cert.clone(),
        key: two.key,
    };
    let error = load(mixed).unwrap_err();
    assert!(matches!(error, Error::Mismatch { .. }) && error.to_string().contains("two.test.key"));
    let expired = pki.identity_with("old.test", |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let error = load(expired).unwrap_err();
    assert!(
        matches!(
            error,
            Error::Expired {
                not_after_unix_s: 1_609_459_200,
                ..
            }
        ),
        "{error}"
    );
    let early = pki.identity_with("new.test", |params| {
        params.not_before = date_time_ymd(2099, 1, 1);
    });
    assert!(matches!(
        load(early).unwrap_err(),
        Error::NotYetValid { .. }
    ));
    let missing = Identity {
        cert: pki.dir.path().join("none"),
        key: one.key.clone(),
    };
    assert!(matches!(load(missing).unwrap_err(), Error::Read { .. }));
    let keyless = Identity {
        cert: one.cert.clone(),
        key: one.cert.clone(),
    };
    assert!(matches!(load(keyless).unwrap_err(), Error::NoKey { .. }));
    let swapped = Identity {
        cert: one.key.clone(),
        key: one.key.clone(),
    };
    assert!(matches!(
        load(swapped).unwrap_err(),
        Error::NoCertificate { .. }
    ));
    let directory = Identity {
        cert: pki.dir.path().to_owned(),
        key: one.key,
    };
    assert!(matches!(load(directory).unwrap_err(), Error::Read { .. }));
    let none = Server::load(ServerConfig::default(), now()).unwrap_err();
    assert!(matches!(none, Error::NoIdentity));
}

/// A04, G06.
#[test]
fn hostile_files_are_refused_without_a_panic() {
    let pki = Pki::new();
    let good = pki.identity("one.test");
    let path = pki.dir.path().join("hostile.crt");
    let armour =
        |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
    let leaf = fs::read_to_string(&good.cert).unwrap();
    for content in [
        Vec::new(),
        vec![0; 4096],
        vec![b'a'; 3 << 20],
        armour("AAAA").into_bytes(),
        armour("!!!!").into_bytes(),
        leaf.as_bytes()[..leaf.len() / 2].to_vec(),
        leaf.repeat(11).into_bytes(),
        leaf.replace('M', "N").into_bytes(),
    ] {
        fs::write(&path, &content).unwrap();
        let identity = Identity {
            cert: path.clone(),
            key: good.key.clone(),
        };
        let config = ServerConfig {
            certificates: vec![identity],
            ..ServerConfig::default()
        };
        let outcome = Server::load(config, now());
        assert!(outcome.is_err(), "{} bytes were taken", content.len());
    }
}

#[test]
fn a_key_that_others_can_read_is_a_warning() {
    let pki = Pki::new();
    let identity = pki.identity("one.test");
    let load = || {
        let certificates = vec![identity.clone()];
        Server::load(
            ServerConfig {
                certificates,
                ..ServerConfig::default()
            },
            now(),
        )
        .unwrap()
        .1
    };
    assert_eq!(load(), []);
    fs::set_permissions(&identity.key, fs::Permissions::from_mode(0o640)).unwrap();
    let path = identity.key.clone();
    assert_eq!(load(), [Warning::KeyReadableByOthers { path, mode: 0o640 }]);
}

#[tokio::test]
async fn a_reload_swaps_certificates_and_a_bad_one_changes_nothing() {
    let pki = Pki::new();
    let identity = pki.identity("media.test");
    let server = server(vec![identity.clone()]);
    let kept = server.quic();
    let shown = || async {
        let (client, _) = meet(&server, client(&pki, None), "media.test")
            .await
            .unwrap();
        client.get_ref().1.peer_certificates().unwrap()[0].to_vec()
    };
    let first = shown().await;
    pki.identity("media.test");
    server.reload(now()).unwrap();
    let second = shown().await;
    assert_ne!(first, second);
    assert!(!Arc::ptr_eq(&kept, &server.quic()));
    fs::write(&identity.cert, "rubbish").unwrap();
    assert!(server.reload(now()).is_err());
    assert_eq!(shown().await, second);
    let other = pki.identity("other.test");
    fs::copy(other.cert, &identity.cert).unwrap();
    assert!(matches!(
        server.reload(now()).unwrap_err(),
        Error::Mismatch { .. }
    ));
    assert_eq!(shown().await, second);
}

#[test]
fn a_peer_without_a_dns_name_is_its_common_name() {
    let pki = Pki::new();
    let identity = pki.identity_with("192.0.2.1", |params| {
        params.distinguished_name.push(DnType::CommonName, "edge 7");
    });
    let leaf = CertificateDer::from_pem_file(identity.cert).unwrap();
    assert_eq!(tls::peer_identity(&[leaf]).as_deref(), Some("edge 7"));
    assert_eq!(tls::peer_identity(&[]), None);
    assert_eq!(tls::peer_identity(&[vec![1, 2, 3].into()]), None);
}
