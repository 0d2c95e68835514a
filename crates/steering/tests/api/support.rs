//! A server, its certificates, and calls to it.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};
use serde_json::Value as Json;
use steering::{Config, Pace, Push, Role, Roles, Steering};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::engine::Player;

pub(crate) const STEERING: &str = "steering.internal";
pub(crate) const READER: &str = "monitor.internal";
pub(crate) const OWNER: &str = "owner.example";
pub(crate) const RIVAL: &str = "rival.example";

/// Two authorities, one trusted and one not.
pub(crate) struct Pki {
    pub(crate) folder: TempDir,
    ca: Issuer<'static, KeyPair>,
    stranger: Issuer<'static, KeyPair>,
}

fn authority(file: &Path) -> Issuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().unwrap();
    fs::write(file, params.self_signed(&key).unwrap().pem()).unwrap();
    Issuer::new(params, key)
}

impl Pki {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ca = authority(&folder.path().join("ca.pem"));
        let stranger = authority(&folder.path().join("stranger.pem"));
        Self {
            folder,
            ca,
            stranger,
        }
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    pub(crate) fn identity(&self, name: &str) -> tls::Identity {
        self.sign(&self.ca, name, 2060)
    }

    pub(crate) fn expired(&self, name: &str) -> tls::Identity {
        self.sign(&self.ca, name, 2021)
    }

    pub(crate) fn strange(&self, name: &str) -> tls::Identity {
        self.sign(&self.stranger, name, 2060)
    }

    fn sign(&self, by: &Issuer<'static, KeyPair>, name: &str, until: i32) -> tls::Identity {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, by).unwrap();
        let files = tls::Identity {
            cert: self.folder.path().join(format!("{name}-{until}.pem")),
            key: self.folder.path().join(format!("{name}-{until}.key")),
        };
        fs::write(&files.cert, cert.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        fs::set_permissions(&files.key, fs::Permissions::from_mode(0o600)).unwrap();
        files
    }

    pub(crate) fn client(&self, identity: Option<tls::Identity>) -> tls::ClientConfig {
        tls::ClientConfig {
            ca: vec![self.ca()],
            identity,
            alpn: Vec::new(),
        }
    }
}

/// A served API and its engine.
pub(crate) struct World {
    pub(crate) pki: Pki,
    pub(crate) state: TempDir,
    pub(crate) engine: Arc<Player>,
    pub(crate) steering: Option<Steering>,
    port: u16,
}

#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Got {
    pub(crate) fn json(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn field(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn is(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }

    #[track_caller]
    pub(crate) fn refused(self, status: u16, code: &str) -> Self {
        let got = self.is(status);
        assert_eq!(got.field("content-type"), "application/problem+json");
        assert_eq!(got.json()["code"], code, "{got:?}");
        got
    }
}

pub(crate) async fn start(
    pki: &Pki,
    state: &Path,
    engine: Arc<Player>,
    change: impl FnOnce(&mut Config),
) -> Steering {
    let owner = |site: &str| Role::Owner([site.to_owned()].into());
    let mut config = Config {
        node: "edge1".into(),
        address: "127.0.0.1:0".parse().unwrap(),
        tls: tls::ServerConfig {
            certificates: vec![pki.identity("localhost")],
            client_ca: Some(pki.ca()),
            ..tls::ServerConfig::default()
        },
        roles: Roles::new([
            (STEERING.to_owned(), Role::Steering),
            (READER.to_owned(), Role::Reader),
            (OWNER.to_owned(), owner("vod")),
            (RIVAL.to_owned(), owner("news")),
        ]),
        state: state.to_owned(),
        capacity_bytes_per_s: Some(1_000_000),
        cdn_id: "AS64500:1".to_owned(),
        push: None,
        memory_bytes: 256 << 20,
        pace: Pace::default(),
    };
    change(&mut config);
    Steering::start(config, engine, &message::now())
        .await
        .unwrap()
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_, _| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&Pki, &mut Config)) -> Self {
        let (pki, state, engine) = (Pki::new(), tempfile::tempdir().unwrap(), Player::new());
        let served = start(&pki, state.path(), Arc::clone(&engine), |config| {
            change(&pki, config);
        })
        .await;
        Self {
            port: served.address().port(),
            steering: Some(served),
            pki,
            state,
            engine,
        }
    }

    /// Ends and starts again over the same folder.
    pub(crate) async fn restart(&mut self) {
        self.steering.take().unwrap().end().await;
        self.start_again().await;
    }

    /// Starts over the same folder.
    pub(crate) async fn start_again(&mut self) {
        let engine = Arc::clone(&self.engine);
        let served = start(&self.pki, self.state.path(), engine, |_| {}).await;
        self.port = served.address().port();
        self.steering = Some(served);
    }

    pub(crate) fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    pub(crate) fn client(&self, name: &str) -> steering::client::Client {
        let tls = self.pki.client(Some(self.pki.identity(name)));
        steering::client::Client::new(&self.url(), &tls, message::now().wall).unwrap()
    }

    pub(crate) async fn connect(
        &self,
        identity: Option<tls::Identity>,
        alpn: &[u8],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        // Not by the room's own client side: it would not show a certificate that has expired.
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(self.pki.ca()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            Some(files) => {
                let chain = vec![CertificateDer::from_pem_file(&files.cert).unwrap()];
                let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
                config.with_client_auth_cert(chain, key).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        config.alpn_protocols = vec![alpn.to_vec()];
        let socket = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config))
            .connect(name, socket)
            .await
    }

    /// A request of `name` over HTTP/1.1.
    pub(crate) async fn send(&self, name: &str, request: Request<Full<Bytes>>) -> Got {
        let stream = self
            .connect(Some(self.pki.identity(name)), b"http/1.1")
            .await
            .unwrap();
        let (mut requests, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        let driver = tokio::spawn(driver);
        let got = read(requests.send_request(request).await.unwrap()).await;
        driver.abort();
        got
    }

    pub(crate) async fn send_http2(&self, name: &str, request: Request<Full<Bytes>>) -> Got {
        let stream = self
            .connect(Some(self.pki.identity(name)), b"h2")
            .await
            .unwrap();
        let handshake =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (mut requests, driver) = handshake.await.unwrap();
        let driver = tokio::spawn(driver);
        let got = read(requests.send_request(request).await.unwrap()).await;
        driver.abort();
        got
    }

    pub(crate) async fn get(&self, name: &str, path: &str) -> Got {
        self.send(name, request(Method::GET, path, "", Bytes::new()))
            .await
    }

    pub(crate) async fn post(
        &self,
        name: &str,
        path: &str,
        media: &str,
        body: impl Into<Bytes>,
    ) -> Got {
        self.send(name, request(Method::POST, path, media, body.into()))
            .await
    }

    pub(crate) async fn delete(&self, name: &str, path: &str) -> Got {
        self.send(name, request(Method::DELETE, path, "", Bytes::new()))
            .await
    }
}

async fn read(response: http::Response<hyper::body::Incoming>) -> Got {
    let (head, body) = response.into_parts();
    Got {
        status: head.status,
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

pub(crate) fn request(
    method: Method,
    path: &str,
    media: &str,
    body: Bytes,
) -> Request<Full<Bytes>> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("https://localhost{path}"));
    request = request.header("host", "localhost");
    if !media.is_empty() {
        request = request.header("content-type", media);
    }
    request.body(Full::new(body)).unwrap()
}

/// Asks until it gets what it wants, for at most ten seconds.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(got) = ask().await {
                return got;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let got = tokio::time::timeout(Duration::from_secs(10), asking).await;
    got.unwrap_or_else(|_elapsed| panic!("{what} did not come"))
}

/// Where heartbeats of a test go.
pub(crate) fn pushed_to(pki: &Pki, url: String, every: Duration) -> Push {
    Push {
        url,
        every,
        tls: pki.client(Some(pki.identity("edge1.internal"))),
    }
}
