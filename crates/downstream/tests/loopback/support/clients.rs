//! Clients that check what they get.

use std::{net::SocketAddr, sync::Arc};

use bytes::{Buf, Bytes};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{HOST, Running};

/// A response received to its end, or to its break.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Why the body did not end well.
    pub(crate) broken: Option<String>,
}

impl Got {
    fn new(head: http::response::Parts, body: Vec<u8>, broken: Option<String>) -> Self {
        Self {
            status: head.status,
            headers: head.headers,
            body: body.into(),
            broken,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    Http1,
    Http2,
    Http3,
}

pub(crate) const ALL: [Speaks; 3] = [Speaks::Http1, Speaks::Http2, Speaks::Http3];

/// One connection.
pub(crate) enum Client {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
    Http3 {
        send: h3::client::SendRequest<h3_quinn::OpenStreams, Bytes>,
        quic: Option<quinn::Connection>,
    },
}

pub(crate) fn tls_config(running: &Running, alpn: &[&[u8]]) -> Arc<rustls::ClientConfig> {
    let config = tls::ClientConfig {
        ca: vec![running.pki.ca()],
        identity: None,
        alpn: alpn.iter().map(|name| name.to_vec()).collect(),
    };
    config.build(message::now().wall).unwrap().0
}

pub(crate) async fn tls(
    address: SocketAddr,
    config: Arc<rustls::ClientConfig>,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let tcp = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(config).connect(name, tcp).await
}

pub(crate) async fn quic(
    address: SocketAddr,
    config: Arc<rustls::ClientConfig>,
    name: &str,
) -> Result<(quinn::Endpoint, quinn::Connection), quinn::ConnectionError> {
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(config).unwrap();
    let endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap();
    let config = quinn::ClientConfig::new(Arc::new(crypto));
    let connection = endpoint
        .connect_with(config, address, name)
        .unwrap()
        .await?;
    Ok((endpoint, connection))
}

pub(crate) async fn connect(running: &Running, speaks: Speaks) -> Client {
    try_connect(running, speaks).await.unwrap()
}

pub(crate) async fn try_connect(running: &Running, speaks: Speaks) -> Result<Client, String> {
    try_connect_to(running.address, running, speaks).await
}

/// By way of another address.
pub(crate) async fn try_connect_to(
    address: SocketAddr,
    running: &Running,
    speaks: Speaks,
) -> Result<Client, String> {
    match speaks {
        Speaks::Http1 => {
            let stream = tls(address, tls_config(running, &[b"http/1.1"]), HOST).await;
            let stream = stream.map_err(|error| format!("{error:?}"))?;
            let (send, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
            tokio::spawn(connection);
            Ok(Client::Http1(send))
        }
        Speaks::Http2 => {
            let stream = tls(address, tls_config(running, &[b"h2"]), HOST).await;
            let stream = stream.map_err(|error| format!("{error:?}"))?;
            let (send, connection) = http2::Builder::new(TokioExecutor::new())
                .initial_stream_window_size(1 << 20)
                .initial_connection_window_size(4 << 20)
                .handshake(TokioIo::new(stream))
                .await
                .map_err(|error| format!("{error:?}"))?;
            tokio::spawn(connection);
            Ok(Client::Http2(send))
        }
        Speaks::Http3 => {
            let config = tls_config(running, &[b"h3"]);
            let quic = quic(address, config, HOST).await;
            let (_, quic) = quic.map_err(|error| format!("{error:?}"))?;
            let (mut driver, send) = h3::client::new(h3_quinn::Connection::new(quic.clone()))
                .await
                .map_err(|error| format!("{error:?}"))?;
            tokio::spawn(async move { std::future::poll_fn(|cx| driver.poll_close(cx)).await });
            Ok(Client::Http3 {
                send,
                quic: Some(quic),
            })
        }
    }
}

pub(crate) fn request(method: Method, path: &str, fields: &[(&str, &str)]) -> Request<()> {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("https://{HOST}{path}"));
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    request.body(()).unwrap()
}

impl Client {
    pub(crate) async fn get(&mut self, path: &str) -> Got {
        self.send(request(Method::GET, path, &[])).await.unwrap()
    }

    pub(crate) async fn send(&mut self, request: Request<()>) -> Result<Got, String> {
        Ok(self.begin(request).await?.finish().await)
    }

    /// Sends a request and waits for the head of its response only.
    pub(crate) async fn begin(&mut self, request: Request<()>) -> Result<Begun, String> {
        let begun = match self {
            Self::Http1(send) => {
                let mut request = request.map(|()| Empty::new());
                let host = request.uri().authority().unwrap().to_string();
                if !request.headers().contains_key("host") {
                    request.headers_mut().insert("host", host.parse().unwrap());
                }
                let path = request.uri().path_and_query().unwrap().to_string();
                *request.uri_mut() = path.parse().unwrap();
                let sent = match send.ready().await {
                    Ok(()) => send.send_request(request).await,
                    Err(error) => Err(error),
                };
                sent.map(Begun::Hyper).map_err(|e| format!("{e:?}"))?
            }
            Self::Http2(send) => {
                let request = request.map(|()| Empty::new());
                let sent = match send.ready().await {
                    Ok(()) => send.send_request(request).await,
                    Err(error) => Err(error),
                };
                sent.map(Begun::Hyper).map_err(|e| format!("{e:?}"))?
            }
            Self::Http3 { send, .. } => http3(send, request).await.map_err(|e| format!("{e:?}"))?,
        };
        Ok(begun)
    }
}

/// A response whose head has come.
pub(crate) enum Begun {
    Hyper(http::Response<hyper::body::Incoming>),
    Http3 {
        head: http::Response<()>,
        stream: Box<h3::client::RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>>,
    },
}

impl Begun {
    /// Reads to the end, or to the break.
    pub(crate) async fn finish(self) -> Got {
        match self {
            Self::Hyper(response) => {
                let (head, mut body) = response.into_parts();
                let mut pieces = Vec::new();
                let broken = loop {
                    match body.frame().await {
                        Some(Ok(frame)) => pieces.extend_from_slice(&frame.into_data().unwrap()),
                        Some(Err(error)) => break Some(format!("{error:?}")),
                        None => break None,
                    }
                };
                Got::new(head, pieces, broken)
            }
            Self::Http3 { head, mut stream } => {
                let mut pieces = Vec::new();
                let broken = loop {
                    match stream.recv_data().await {
                        Ok(Some(mut data)) => {
                            pieces.extend_from_slice(&data.copy_to_bytes(data.remaining()));
                            // Two bodies that are read in one task are read side by side.
                            tokio::task::yield_now().await;
                        }
                        Ok(None) => break None,
                        Err(error) => break Some(format!("{error:?}")),
                    }
                };
                Got::new(head.into_parts().0, pieces, broken)
            }
        }
    }
}

async fn http3(
    send: &mut h3::client::SendRequest<h3_quinn::OpenStreams, Bytes>,
    request: Request<()>,
) -> Result<Begun, h3::error::StreamError> {
    let mut stream = send.send_request(request).await?;
    stream.finish().await?;
    let head = stream.recv_response().await?;
    let stream = Box::new(stream);
    Ok(Begun::Http3 { head, stream })
}

/// Sends bytes over TLS as they are and reads to the end: what came, and whether it ended well.
pub(crate) async fn raw(
    running: &Running,
    bytes: &[u8],
) -> (String, Result<(), std::io::ErrorKind>) {
    let config = tls_config(running, &[b"http/1.1"]);
    let mut stream = tls(running.address, config, HOST).await.unwrap();
    // The server may have refused already and closed.
    drop(stream.write_all(bytes).await);
    drop(stream.flush().await);
    let mut answer = Vec::new();
    let end = tokio::time::timeout(super::PATIENCE, stream.read_to_end(&mut answer)).await;
    let end = end
        .expect("an end of the connection")
        .map(drop)
        .map_err(|error| error.kind());
    (String::from_utf8_lossy(&answer).into_owned(), end)
}
