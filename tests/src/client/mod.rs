//! One face for clients of HTTP/1.1, 2 and 3; each checks every byte that it reads.
//!
//! Real connections over TLS to one node under one host name. For requests that no library would
//! send there is [`raw`].

mod connection;
pub mod raw;
mod reply;

use std::{collections::HashMap, net::SocketAddr, sync::Mutex};

use http::{Method, Request};
pub use message::Protocol;
use rustls::ClientConfig;

pub use connection::Connection;
pub use reply::{Reply, Streaming};

use crate::{
    pki::{Files, Pki},
    within,
};

/// All protocols that an edge speaks.
pub const PROTOCOLS: [Protocol; 3] = [Protocol::Http1, Protocol::Http2, Protocol::Http3];

/// No answer of a test takes longer.
const ANSWER_S: u64 = 60;

/// Clients of one node under one host name. Keeps a connection of each protocol between requests.
pub struct Client {
    address: SocketAddr,
    host: String,
    tls: HashMap<Protocol, ClientConfig>,
    idle: Mutex<HashMap<Protocol, Connection>>,
}

impl Client {
    /// A client that trusts the authority of `pki` and asks `address` for `host`.
    pub fn new(pki: &Pki, address: SocketAddr, host: &str) -> Self {
        Self::with_identity(pki, address, host, None)
    }

    /// The same, with a certificate of its own.
    pub fn with_identity(
        pki: &Pki,
        address: SocketAddr,
        host: &str,
        identity: Option<&Files>,
    ) -> Self {
        let config = |protocol: Protocol| {
            (
                protocol,
                pki.client_config(identity, protocol.alpn().as_bytes()),
            )
        };
        let tls = PROTOCOLS.into_iter().map(config).collect();
        Self {
            address,
            host: host.to_owned(),
            tls,
            idle: Mutex::default(),
        }
    }

    /// The node's address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The name that it asks for.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// `https://host:port` and `target`, as the client sends it.
    pub fn url(&self, target: &str) -> String {
        format!("https://{}:{}{target}", self.host, self.address.port())
    }

    /// TLS settings with the ALPN of `protocol`.
    pub fn tls(&self, protocol: Protocol) -> ClientConfig {
        self.tls[&protocol].clone()
    }

    /// Opens a connection of one's own.
    pub async fn connect(&self, protocol: Protocol) -> Result<Connection, String> {
        let opening = Connection::open(self.tls(protocol), protocol, self.address, &self.host);
        within(60, "a connection", Box::pin(opening)).await
    }

    /// Opens `count` connections, some at a time.
    pub async fn connect_many(&self, protocol: Protocol, count: usize) -> Vec<Connection> {
        let mut connections = Vec::with_capacity(count);
        while connections.len() < count {
            let batch = (count - connections.len()).min(32);
            let opening = (0..batch).map(|_| self.connect(protocol));
            for opened in futures_util::future::join_all(opening).await {
                connections.push(opened.unwrap_or_else(|error| panic!("{protocol}: {error}")));
            }
        }
        connections
    }

    /// A request for `target` (path and query).
    pub fn request(&self, method: &Method, target: &str, fields: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method).uri(self.url(target));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    /// GET over the kept connection of this protocol, or a new one; the whole body is read.
    pub async fn get(&self, protocol: Protocol, target: &str, fields: &[(&str, &str)]) -> Reply {
        self.send(protocol, self.request(&Method::GET, target, fields))
            .await
    }

    /// HEAD, likewise.
    pub async fn head(&self, protocol: Protocol, target: &str, fields: &[(&str, &str)]) -> Reply {
        self.send(protocol, self.request(&Method::HEAD, target, fields))
            .await
    }

    /// Any request, likewise; fails the test when no response comes.
    pub async fn send(&self, protocol: Protocol, request: Request<()>) -> Reply {
        let target = request.uri().to_string();
        let reply = self.try_send(protocol, request).await;
        reply.unwrap_or_else(|error| panic!("{protocol} {target}: {error}"))
    }

    /// Any request, likewise; the error says why no response came.
    pub async fn try_send(
        &self,
        protocol: Protocol,
        request: Request<()>,
    ) -> Result<Reply, String> {
        let kept = self
            .idle
            .lock()
            .unwrap()
            .remove(&protocol)
            .filter(Connection::is_open);
        let mut connection = match kept {
            Some(connection) => connection,
            None => self.connect(protocol).await?,
        };
        let answer = async { Ok::<_, String>(connection.send(request).await?.finish().await) };
        let reply = within(ANSWER_S, "an answer", Box::pin(answer)).await?;
        if reply.end.is_ok() && connection.is_open() {
            self.idle.lock().unwrap().insert(protocol, connection);
        }
        Ok(reply)
    }

    /// GET of which the test reads the body itself, over a connection of its own.
    pub async fn stream(
        &self,
        protocol: Protocol,
        target: &str,
        fields: &[(&str, &str)],
    ) -> Streaming {
        let mut connection = self.connect(protocol).await.unwrap();
        let request = self.request(&Method::GET, target, fields);
        let sending = connection.send(request);
        let mut streaming = within(ANSWER_S, "a response", sending).await.unwrap();
        streaming.keep(connection);
        streaming
    }

    /// Closes the kept connections.
    pub fn hang_up(&self) {
        self.idle.lock().unwrap().clear();
    }
}
