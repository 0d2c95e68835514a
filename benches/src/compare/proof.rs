//! Before anything is measured: every body of every server is read over its protocols with the
//! one cipher, and compared byte for byte. It warms the caches as well.

use std::{io::ErrorKind, path::Path, sync::Arc, time::Duration};

use benches::bodies::{self, LARGE_BYTES, SMALL_BYTES};
use bytes::{Bytes, BytesMut};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio::{net::TcpStream, time};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Error, Target, http3, measure::Protocol, target::Kind, world::World};

/// How long a server may take to come up: recovery of an empty disk takes milliseconds.
const START: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(20);

/// Asks until there is an answer.
pub(crate) async fn within_start<T>(
    what: &str,
    mut ask: impl FnMut() -> Result<Option<T>, Error>,
) -> Result<T, Error> {
    let asking = async {
        loop {
            if let Some(answer) = ask()? {
                return Ok(answer);
            }
            time::sleep(PAUSE).await;
        }
    };
    time::timeout(START, asking)
        .await
        .unwrap_or_else(|_| Err(Error::Broken(format!("waited in vain: {what}"))))
}

/// Waits until somebody accepts connections there.
pub(crate) async fn listening(port: u16) -> Result<(), Error> {
    let what = format!("somebody listens on port {port}");
    within_start(&what, || {
        match std::net::TcpStream::connect(("127.0.0.1", port)) {
            Ok(_) => Ok(Some(())),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(None),
            Err(error) => Err(Error::io(format!("port {port}"))(error)),
        }
    })
    .await
}

/// Reads and compares all of it.
pub(crate) async fn warm_and_check(world: &World, targets: &[Target]) -> Result<(), Error> {
    let tls = client_config(&world.ca())?;
    for target in targets {
        let served =
            |protocol: &Protocol| *protocol != Protocol::Http3 || target.kind != Kind::Nginx;
        for protocol in Protocol::ALL.into_iter().filter(served) {
            let mut client = Client::open(&tls, target, protocol).await?;
            for length in [SMALL_BYTES, LARGE_BYTES] {
                for number in 0..World::objects(length) {
                    client.check(target, number, length).await?;
                }
            }
        }
    }
    Ok(())
}

/// Trusts one authority and offers one cipher.
pub(crate) fn client_config(ca: &Path) -> Result<Arc<ClientConfig>, Error> {
    let refused = |error: rustls_pki_types::pem::Error| Error::Broken(error.to_string());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).map_err(refused)?)?;
    let provider = CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
        ..aws_lc_rs::default_provider()
    };
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

enum Client {
    Http1(conn::http1::SendRequest<Empty<Bytes>>),
    Http2(conn::http2::SendRequest<Empty<Bytes>>),
    Http3(http3::Client),
}

impl Client {
    async fn open(
        tls: &Arc<ClientConfig>,
        target: &Target,
        protocol: Protocol,
    ) -> Result<Self, Error> {
        let refused = |error: hyper::Error| broken(target, "no HTTP", &error);
        // The connections' tasks end with their streams, when the clients are dropped.
        match protocol {
            Protocol::Http1 => {
                let stream = TokioIo::new(connect(tls, target, protocol).await?);
                let (client, connection) = conn::http1::handshake(stream).await.map_err(refused)?;
                tokio::spawn(connection);
                Ok(Self::Http1(client))
            }
            Protocol::Http2 => {
                let stream = TokioIo::new(connect(tls, target, protocol).await?);
                let executor = TokioExecutor::new();
                let (client, connection) = conn::http2::handshake(executor, stream)
                    .await
                    .map_err(refused)?;
                tokio::spawn(connection);
                Ok(Self::Http2(client))
            }
            Protocol::Http3 => {
                let tls = ClientConfig::clone(tls);
                let client = http3::Client::open(tls, target.host, target.port).await?;
                Ok(Self::Http3(client))
            }
        }
    }

    async fn check(&mut self, target: &Target, number: u32, length: usize) -> Result<(), Error> {
        let path = bodies::path(number, length);
        let (status, body) = self.get(target, &path).await?;
        if status != 200 || body != bodies::body(number, length) {
            return Err(broken(target, &path, &format!("{status}, wrong bytes")));
        }
        Ok(())
    }

    async fn get(&mut self, target: &Target, path: &str) -> Result<(StatusCode, Bytes), Error> {
        let failed = |error: hyper::Error| broken(target, path, &error);
        let url = target.url(path);
        let request = |uri: String| {
            Request::get(uri)
                .header(header::HOST, format!("{}:{}", target.host, target.port))
                .body(Empty::<Bytes>::new())
                .map_err(|error| broken(target, path, &error))
        };
        let response = match self {
            Self::Http1(client) => {
                client.ready().await.map_err(failed)?;
                client.send_request(request(target.target(path))?).await
            }
            Self::Http2(client) => {
                client.ready().await.map_err(failed)?;
                let mut request = request(url)?;
                request.headers_mut().remove(header::HOST);
                client.send_request(request).await
            }
            Self::Http3(client) => {
                let mut body = BytesMut::new();
                let status = client
                    .get(&url, |piece| body.extend_from_slice(&piece))
                    .await?;
                return Ok((status, body.freeze()));
            }
        };
        let (head, body) = response.map_err(failed)?.into_parts();
        let body = body.collect().await.map_err(failed)?;
        Ok((head.status, body.to_bytes()))
    }
}

async fn connect(
    tls: &Arc<ClientConfig>,
    target: &Target,
    protocol: Protocol,
) -> Result<TlsStream<TcpStream>, Error> {
    let mut config = ClientConfig::clone(tls);
    config.alpn_protocols = vec![protocol.alpn().into()];
    let name =
        ServerName::try_from(target.host).map_err(|error| broken(target, "its name", &error))?;
    let socket = TcpStream::connect(("127.0.0.1", target.port))
        .await
        .map_err(Error::io(target.label))?;
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await
        .map_err(Error::io(format!("TLS with {}", target.label)))?;
    let agreed = stream.get_ref().1.alpn_protocol();
    if agreed != Some(protocol.alpn().as_bytes()) {
        let agreed = agreed.map(String::from_utf8_lossy);
        return Err(broken(target, "ALPN", &format!("{agreed:?}")));
    }
    Ok(stream)
}

fn broken(target: &Target, what: &str, why: &dyn std::fmt::Display) -> Error {
    Error::Broken(format!("{}: {what}: {why}", target.label))
}
