//! One connection of one protocol: hyper over rustls, or h3 over quinn.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Uri, header};
use http_body_util::Empty;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use message::Protocol;
use quinn::crypto::rustls::QuicClientConfig;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{net::TcpStream, time::Instant};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use super::{Streaming, reply::Source};

/// A QUIC peer that answers nothing for this long is gone.
const DEAD_AFTER: Duration = Duration::from_secs(8);

/// Enough that no test waits for window updates on loopback.
const WINDOW_BYTES: u32 = 8 << 20;

/// An open connection; it is closed when dropped.
pub struct Connection {
    kind: Kind,
    driver: AbortOnDropHandle<()>,
}

enum Kind {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
    Http3 {
        requests: h3::client::SendRequest<h3_quinn::OpenStreams, Bytes>,
        quic: quinn::Connection,
        _endpoint: quinn::Endpoint,
    },
}

impl Connection {
    pub(super) async fn open(
        tls: ClientConfig,
        protocol: Protocol,
        address: SocketAddr,
        host: &str,
    ) -> Result<Self, String> {
        match protocol {
            Protocol::Http1 | Protocol::Http2 => tcp(tls, protocol, address, host).await,
            Protocol::Http3 => quic(tls, address, host).await,
        }
    }

    /// Whether the server has not closed it, as far as is known here.
    pub fn is_open(&self) -> bool {
        let ready = match &self.kind {
            Kind::Http1(requests) => requests.is_ready(),
            Kind::Http2(requests) => requests.is_ready(),
            Kind::Http3 { quic, .. } => quic.close_reason().is_none(),
        };
        ready && !self.driver.is_finished()
    }

    /// Sends a request without a body and waits for the response's head. `uri` is absolute.
    pub async fn send(&mut self, mut request: Request<()>) -> Result<Streaming, String> {
        let at = Instant::now();
        match &mut self.kind {
            Kind::Http1(requests) => {
                requests.ready().await.map_err(told)?;
                in_origin_form(&mut request)?;
                let sending = requests.send_request(request.map(|()| Empty::new()));
                Ok(Streaming::new(
                    at,
                    sending.await.map_err(told)?.map(Source::Hyper),
                ))
            }
            Kind::Http2(requests) => {
                requests.ready().await.map_err(told)?;
                let sending = requests.send_request(request.map(|()| Empty::new()));
                Ok(Streaming::new(
                    at,
                    sending.await.map_err(told)?.map(Source::Hyper),
                ))
            }
            Kind::Http3 { requests, .. } => {
                let mut stream = requests.send_request(request).await.map_err(told)?;
                // The server may have answered and stopped reading already.
                let _sent = stream.finish().await;
                let response = stream.recv_response().await.map_err(told)?;
                Ok(Streaming::new(
                    at,
                    response.map(|()| Source::H3(Box::new(stream))),
                ))
            }
        }
    }
}

impl Connection {
    /// One of many requests side by side on an HTTP/2 connection.
    pub fn begin(
        &self,
        request: Request<()>,
    ) -> impl Future<Output = Result<Streaming, String>> + Send + use<> {
        let Kind::Http2(requests) = &self.kind else {
            panic!("only HTTP/2 does this here")
        };
        let mut requests = requests.clone();
        async move {
            let at = Instant::now();
            requests.ready().await.map_err(told)?;
            let sending = requests.send_request(request.map(|()| Empty::new()));
            Ok(Streaming::new(
                at,
                sending.await.map_err(told)?.map(Source::Hyper),
            ))
        }
    }
}

fn told(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

async fn tcp(
    tls: ClientConfig,
    protocol: Protocol,
    address: SocketAddr,
    host: &str,
) -> Result<Connection, String> {
    let stream = TcpStream::connect(address).await.map_err(told)?;
    stream.set_nodelay(true).map_err(told)?;
    let name = ServerName::try_from(host.to_owned()).map_err(told)?;
    let connector = TlsConnector::from(Arc::new(tls));
    let stream = connector.connect(name, stream).await.map_err(told)?;
    let chosen = stream.get_ref().1.alpn_protocol();
    if chosen != Some(protocol.alpn().as_bytes()) {
        return Err(format!("offered {protocol}, got {chosen:?}"));
    }
    let stream = TokioIo::new(stream);
    if protocol == Protocol::Http1 {
        let (requests, driver) = http1::handshake(stream).await.map_err(told)?;
        let driver = tokio::spawn(async { _ = driver.await });
        return Ok(Connection {
            kind: Kind::Http1(requests),
            driver: AbortOnDropHandle::new(driver),
        });
    }
    let (requests, driver) = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(WINDOW_BYTES)
        .handshake(stream)
        .await
        .map_err(told)?;
    let driver = tokio::spawn(async { _ = driver.await });
    Ok(Connection {
        kind: Kind::Http2(requests),
        driver: AbortOnDropHandle::new(driver),
    })
}

async fn quic(tls: ClientConfig, address: SocketAddr, host: &str) -> Result<Connection, String> {
    let (quic, endpoint) = dial(tls, address, host).await?;
    let (mut driver, requests) = h3::client::builder()
        .build(h3_quinn::Connection::new(quic.clone()))
        .await
        .map_err(told)?;
    let driver = tokio::spawn(async move { _ = driver.wait_idle().await });
    let kind = Kind::Http3 {
        requests,
        quic,
        _endpoint: endpoint,
    };
    Ok(Connection {
        kind,
        driver: AbortOnDropHandle::new(driver),
    })
}

/// A node that was killed is noticed, a silent one waited for.
fn transport() -> quinn::TransportConfig {
    let mut transport = quinn::TransportConfig::default();
    transport.max_idle_timeout(quinn::IdleTimeout::try_from(DEAD_AFTER).ok());
    transport.keep_alive_interval(Some(DEAD_AFTER / 4));
    transport
}

/// A QUIC connection from a socket of its own.
pub(super) async fn dial(
    tls: ClientConfig,
    address: SocketAddr,
    host: &str,
) -> Result<(quinn::Connection, quinn::Endpoint), String> {
    let crypto = QuicClientConfig::try_from(tls).map_err(told)?;
    let endpoint = quinn::Endpoint::client(([127, 0, 0, 1], 0).into()).map_err(told)?;
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport()));
    let connecting = endpoint.connect_with(config, address, host).map_err(told)?;
    Ok((connecting.await.map_err(told)?, endpoint))
}

/// HTTP/1.1 carries the authority in `Host`.
fn in_origin_form(request: &mut Request<()>) -> Result<(), String> {
    let uri = request.uri();
    let authority = uri.authority().ok_or("the URI is not absolute")?.as_str();
    let host = HeaderValue::from_str(authority).map_err(told)?;
    let target = uri
        .path_and_query()
        .map_or("/", |target| target.as_str())
        .to_owned();
    request.headers_mut().entry(header::HOST).or_insert(host);
    *request.uri_mut() = Uri::try_from(target).map_err(told)?;
    Ok(())
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Kind::Http3 { quic, .. } = &self.kind {
            // H3_NO_ERROR, RFC 9114 section 8.1.
            quic.close(0x100_u32.into(), b"");
        }
    }
}
