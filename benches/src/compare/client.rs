//! A client that checks what it gets: TLS 1.3 with the one cipher, HTTP/1.1 or 2.

use std::{fmt::Display, path::Path, sync::Arc};

use bytes::Bytes;
use http::{Request, header};
use http_body_util::Empty;
use hyper::{body::Incoming, client::conn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use tokio::{net::TcpStream, task::JoinHandle};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Error, http3, select::Protocol, target::Target, world::World};

/// How clients connect.
#[derive(Clone)]
pub(crate) struct Connector(Arc<ClientConfig>);

impl Connector {
    pub(crate) fn new(world: &World) -> Result<Self, Error> {
        Ok(Self(Arc::new(client_config(&world.ca())?)))
    }

    /// One connection. Dropping the client closes it.
    pub(crate) async fn open(&self, target: &Target, protocol: Protocol) -> Result<Client, Error> {
        let stream = TokioIo::new(self.connect(target, protocol).await?);
        let refused = |error: hyper::Error| broken(target, "no HTTP", &error);
        let (sender, task) = match protocol {
            Protocol::Http1 => {
                let (sender, connection) = conn::http1::handshake(stream).await.map_err(refused)?;
                let task = tokio::spawn(async { drop(connection.await) });
                (Sender::Http1(sender), task)
            }
            Protocol::Http3 => {
                return Err(broken(target, "TCP", &"HTTP/3 has a client of its own"));
            }
            Protocol::Http2 => {
                // Windows as a player's browser has them, not the protocol's 64 KiB.
                let (sender, connection) = conn::http2::Builder::new(TokioExecutor::new())
                    .initial_stream_window_size(8 << 20)
                    .initial_connection_window_size(16 << 20)
                    .handshake(stream)
                    .await
                    .map_err(refused)?;
                let task = tokio::spawn(async { drop(connection.await) });
                (Sender::Http2(sender), task)
            }
        };
        Ok(Client { sender, task })
    }

    /// One connection over HTTP/3.
    pub(crate) async fn open_http3(&self, target: &Target) -> Result<http3::Client, Error> {
        let tls = ClientConfig::clone(&self.0);
        let address = (target.address, target.port).into();
        http3::Client::open(tls, target.host, address).await
    }

    async fn connect(
        &self,
        target: &Target,
        protocol: Protocol,
    ) -> Result<TlsStream<TcpStream>, Error> {
        let mut config = ClientConfig::clone(&self.0);
        config.alpn_protocols = vec![protocol.alpn().into()];
        let name = ServerName::try_from(target.host)
            .map_err(|error| broken(target, "its name", &error))?;
        let socket = TcpStream::connect((target.address, target.port))
            .await
            .map_err(Error::io(target.label))?;
        // As every browser has it: a request does not wait for what the handshake's end is answered.
        socket.set_nodelay(true).map_err(Error::io(target.label))?;
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
}

/// Trusts one authority and offers one cipher.
pub(crate) fn client_config(ca: &Path) -> Result<ClientConfig, Error> {
    let refused = |error: rustls_pki_types::pem::Error| Error::Broken(error.to_string());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).map_err(refused)?)?;
    let provider = CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
        ..aws_lc_rs::default_provider()
    };
    Ok(ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// One connection.
pub(crate) struct Client {
    sender: Sender,
    task: JoinHandle<()>,
}

enum Sender {
    Http1(conn::http1::SendRequest<Empty<Bytes>>),
    Http2(conn::http2::SendRequest<Empty<Bytes>>),
}

impl Client {
    /// Asks for a path, or for the bytes `range` of it, and waits for the head of the answer.
    pub(crate) async fn get(
        &mut self,
        target: &Target,
        path: &str,
        range: Option<&str>,
    ) -> Result<http::Response<Incoming>, Error> {
        let failed = |error: hyper::Error| broken(target, path, &error);
        let mut request = match self.sender {
            Sender::Http1(_) => Request::builder()
                .uri(target.target(path))
                .header(header::HOST, target.authority()),
            Sender::Http2(_) => Request::builder().uri(target.url(path)),
        };
        if let Some(range) = range {
            request = request.header(header::RANGE, range);
        }
        let request = request
            .body(Empty::new())
            .map_err(|error| broken(target, path, &error))?;
        match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await.map_err(failed)?;
                sender.send_request(request).await.map_err(failed)
            }
            Sender::Http2(sender) => {
                sender.ready().await.map_err(failed)?;
                sender.send_request(request).await.map_err(failed)
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) fn broken(target: &Target, what: &str, why: &dyn Display) -> Error {
    Error::Broken(format!("{}: {what}: {why}", target.label))
}
