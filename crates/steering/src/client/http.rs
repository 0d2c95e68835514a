//! One call over HTTPS: HTTP/1.1 with a certificate on both sides, a connection for each.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use super::ClientError;

/// For name, TCP and TLS together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest answer: a manifest as it was signed.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// An `https` address, and how to get there.
#[derive(Clone)]
pub(crate) struct Http {
    host: String,
    port: u16,
    /// What stands before the paths that are called.
    path: String,
    tls: Arc<rustls::ClientConfig>,
}

impl std::fmt::Debug for Http {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Http(https://{}:{}{})", self.host, self.port, self.path)
    }
}

impl Http {
    pub(crate) fn new(
        url: &str,
        tls: &tls::ClientConfig,
        now: Duration,
    ) -> Result<Self, ClientError> {
        let bad = || ClientError::Url {
            url: url.to_owned(),
        };
        let uri: Uri = url.parse().map_err(|_no_uri| bad())?;
        let host = uri.host().filter(|_| uri.scheme_str() == Some("https"));
        let config = tls::ClientConfig {
            alpn: vec![b"http/1.1".to_vec()],
            ..tls.clone()
        };
        let (tls, warnings) = config.build(now)?;
        for warning in warnings {
            tracing::warn!(%warning, "tls towards steering");
        }
        let path_and_query = uri.path_and_query().map_or("", |path| path.as_str());
        Ok(Self {
            host: host.ok_or_else(bad)?.to_owned(),
            port: uri.port_u16().unwrap_or(443),
            path: path_and_query.trim_end_matches('/').to_owned(),
            tls,
        })
    }

    /// Calls, and reads the answer to its end. Cancel safe: dropped, the connection is closed.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        media: Option<&str>,
        body: Bytes,
        patience: Duration,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let broken = |what: String| ClientError::Broken {
            to: format!("https://{}:{}", self.host, self.port),
            what,
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.path))
            .header(header::HOST, format!("{}:{}", self.host, self.port))
            .header(
                header::USER_AGENT,
                concat!("millpond/", env!("CARGO_PKG_VERSION")),
            );
        if let Some(media) = media {
            request = request.header(header::CONTENT_TYPE, media);
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| broken(error.to_string()))?;
        let exchange = self.exchange(request);
        match timeout(patience, exchange).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(what)) => Err(broken(what)),
            Err(_late) => Err(broken(format!("no answer in {patience:?}"))),
        }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), String> {
        let connecting = self.connect();
        let stream = match timeout(CONNECT_TIMEOUT, Box::pin(connecting)).await {
            Ok(connected) => connected?,
            Err(_late) => return Err(format!("no connection in {CONNECT_TIMEOUT:?}")),
        };
        let (mut requests, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| told(&error))?;
        let exchange = async {
            let response = requests
                .send_request(request)
                .await
                .map_err(|error| told(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX);
            let body = body.collect().await.map_err(|error| error.to_string())?;
            Ok((status, body.to_bytes()))
        };
        tokio::pin!(driver);
        tokio::pin!(exchange);
        tokio::select! {
            biased;
            answer = exchange.as_mut() => answer,
            // The connection has ended; what came before is still to be read.
            ended = driver => match exchange.await {
                Ok(answer) => Ok(answer),
                Err(what) => Err(ended.map_or_else(|error| told(&error), |()| what)),
            }
        }
    }

    async fn connect(&self) -> Result<tokio_rustls::client::TlsStream<TcpStream>, String> {
        let host = self.host.trim_matches(['[', ']']).to_owned();
        let socket = TcpStream::connect((host.as_str(), self.port)).await;
        let socket = socket.map_err(|error| error.to_string())?;
        let name = ServerName::try_from(host).map_err(|error| error.to_string())?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        connector
            .connect(name, socket)
            .await
            .map_err(|error| error.to_string())
    }
}

/// An error with its causes: hyper's own says little.
fn told(error: &hyper::Error) -> String {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| {
        error.source()
    });
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
