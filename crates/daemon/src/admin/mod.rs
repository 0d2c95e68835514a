//! The admin listener: metrics, health and the effective config over plain HTTP/1.1, on an address
//! of its own that strangers cannot reach.
//!
//! It is not for browsers: whatever a page of somebody else's could make one send is refused.

mod pages;
mod routes;
#[cfg(test)]
mod tests;

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use pages::{Effective, add_pages};
use routes::Match;
pub use routes::{Call, Reply, Routes, json, text};

/// Connections at a time: a few scrapers and a few people.
const CONNECTIONS_MAX: usize = 64;

/// For a request's head, which is also how long a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// For a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// For a connection as a whole, whatever it does: a client that does not read must go.
const CONNECTION_AGE_MAX: Duration = Duration::from_mins(5);

/// After a failed accept, as when file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const HEAD_BYTES_MAX: usize = 16 << 10;
const FIELDS_MAX: usize = 64;

/// A bound admin listener.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
}

impl Admin {
    /// Binds; port 0 takes a free one.
    pub async fn bind(address: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop`, then finishes the answers that are under way.
    ///
    /// Dropping the future stops accepting; open connections go on until `stop` or their age.
    pub async fn serve(self, routes: Routes, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let connections = TaskTracker::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, _)) => {
                    // Beyond the limit a connection is closed at once.
                    if let Ok(place) = places.clone().try_acquire_owned() {
                        let connection = speak(stream, routes.clone(), stop.clone());
                        connections.spawn(async move {
                            let _ = tokio::time::timeout(CONNECTION_AGE_MAX, connection).await;
                            drop(place);
                        });
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin listener cannot accept");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        connections.close();
        let _ = tokio::time::timeout(HEAD_TIMEOUT, connections.wait()).await;
    }
}

async fn speak(stream: TcpStream, routes: Routes, stop: CancellationToken) {
    let service = service_fn(move |request| {
        let routes = routes.clone();
        async move { Ok::<_, Infallible>(answer(request, &routes).await.map(Full::new)) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .max_headers(FIELDS_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an admin connection broke");
    }
}

async fn answer(request: Request<Incoming>, routes: &Routes) -> Response<Bytes> {
    if is_from_a_page(request.headers()) {
        return text(StatusCode::FORBIDDEN, "not for browsers\n");
    }
    match routes.find(request.method(), request.uri().path()) {
        Match::Nothing => text(StatusCode::NOT_FOUND, "not found: see /\n"),
        Match::OtherMethods(methods) => {
            let mut reply = text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
            let methods: Vec<&str> = methods.iter().map(http::Method::as_str).collect();
            if let Ok(allow) = HeaderValue::try_from(methods.join(", ")) {
                reply.headers_mut().insert(header::ALLOW, allow);
            }
            reply
        }
        Match::Route {
            action,
            body_bytes_max,
        } => match read(request, body_bytes_max).await {
            Ok(call) => action(call).await,
            Err(refusal) => refusal,
        },
    }
}

async fn read(request: Request<Incoming>, body_bytes_max: usize) -> Result<Call, Reply> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, body_bytes_max).collect();
    let body = match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            let message = format!("the body is larger than {body_bytes_max} bytes\n");
            return Err(text(StatusCode::PAYLOAD_TOO_LARGE, message));
        }
        Ok(Err(_)) => return Err(text(StatusCode::BAD_REQUEST, "the body broke off\n")),
        Err(_) => {
            return Err(text(
                StatusCode::REQUEST_TIMEOUT,
                "the body took too long\n",
            ));
        }
    };
    Ok(Call {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        headers: head.headers,
        body,
    })
}

/// Whether a page in a browser may have sent this.
///
/// `Origin` comes with every request that a script makes across sites; `Sec-Fetch-Site` with every
/// request to a trusted address, and is `none` for one that a person typed. A page that points its
/// own name at our address (DNS rebinding) has neither, but still that name as the host.
fn is_from_a_page(headers: &HeaderMap) -> bool {
    let field = |name| headers.get(name).map(HeaderValue::as_bytes);
    let named = field(header::HOST).is_some_and(|host| !is_plain_address(host));
    let browser = field(header::USER_AGENT).is_some_and(|agent| agent.starts_with(b"Mozilla/"));
    headers.contains_key(header::ORIGIN)
        || headers
            .get("sec-fetch-site")
            .is_some_and(|site| site != "none")
        || (named && browser)
}

/// Whether a host is an address, or this very machine, with or without a port.
fn is_plain_address(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else {
        return false;
    };
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let is_address = |text: &str| text.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    is_address(host) || is_address(name) || name == "localhost"
}
