//! The face towards viewers: a request comes in, a response goes out.

use std::{fmt, future::Future, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use http::request::Parts;

use crate::{Body, Timestamp};

/// A response with a streaming body.
pub type Response = http::Response<Body>;

/// A future response. Boxed once per room: about 50 ns, against microseconds of TLS.
pub type Answer<'a> = Pin<Box<dyn Future<Output = Response> + Send + 'a>>;

/// Something that answers requests: the cache, the gate before it, the access log around both.
///
/// Infallible by design: whoever implements it turns errors into responses
/// ([`crate::Error::into_response`]), so that a listener never invents an answer.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. Cancel safe: dropping the future abandons only this answer.
    fn handle(&self, request: Request) -> Answer<'_>;

    /// Is told of a request that a listener refused before it became one; its answer is made
    /// already. Whoever keeps no log has nothing to do.
    fn refused(&self, refused: &Refused<'_>) {
        let _ = refused;
    }
}

impl<H: Handler + ?Sized> Handler for Arc<H> {
    fn handle(&self, request: Request) -> Answer<'_> {
        (**self).handle(request)
    }

    fn refused(&self, refused: &Refused<'_>) {
        (**self).refused(refused);
    }
}

/// A request as it was admitted by a listener. It has no body: nodes answer GET, HEAD and
/// OPTIONS only, and a body on those is refused before a `Request` exists.
#[derive(Debug)]
pub struct Request {
    /// Method, URI (always with an authority), version and header fields.
    pub head: Parts,
    /// Who asks.
    pub client: Client,
    /// When the request arrived: the one clock reading for this message.
    pub at: Timestamp,
}

impl Request {
    /// The path as sent, `/` when the target was empty.
    pub fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// The query as sent, without the question mark.
    pub fn query(&self) -> Option<&str> {
        self.head.uri.query()
    }

    /// The authority's host in lower case without port or trailing dot: a listener checked that
    /// it exists.
    pub fn host(&self) -> &str {
        self.head.uri.host().unwrap_or_default()
    }
}

/// A request that a listener refused.
#[derive(Debug)]
pub struct Refused<'a> {
    /// Its head as it came, if it could be read at all.
    pub head: Option<&'a Parts>,
    /// Who asked.
    pub client: &'a Client,
    /// When it arrived.
    pub at: Timestamp,
    /// What it is answered, with the reason in its [`Trail`].
    pub response: &'a Response,
}

/// How long a round trip to the client takes, as its transport has measured by the time a request
/// comes: in the extensions of a request's head, where the transport tells. QUIC does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoundTrip(pub Duration);

/// The peer at the other end of the connection.
#[derive(Debug, Clone)]
pub struct Client {
    /// The socket's peer address. `X-Forwarded-For` is never believed.
    pub address: SocketAddr,
    /// What the connection speaks.
    pub protocol: Protocol,
    /// The first DNS name (or the common name) of a verified client certificate.
    pub identity: Option<Arc<str>>,
    /// The server name that the TLS handshake asked for.
    pub server_name: Option<Arc<str>>,
}

/// An application protocol on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1 (or 1.0) over TCP.
    Http1,
    /// HTTP/2 over TCP.
    Http2,
    /// HTTP/3 over QUIC.
    Http3,
}

impl Protocol {
    /// The ALPN identifier, also used as a metric label.
    pub fn alpn(self) -> &'static str {
        match self {
            Self::Http1 => "http/1.1",
            Self::Http2 => "h2",
            Self::Http3 => "h3",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.alpn())
    }
}

/// A value that a player told of itself (Common Media Client Data).
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Decimal(f64),
    /// Anything else, of printable ASCII.
    Text(Box<str>),
}

/// What the rooms learned on the way, left in [`http::Response::extensions`] for the access log.
#[derive(Debug, Clone, Default)]
pub struct Trail {
    /// The site that the request belongs to.
    pub site: Option<Arc<str>>,
    /// `hit`, `miss`, `collapsed`, `stale`, `revalidated`, `negative` or `pass`.
    pub outcome: Option<&'static str>,
    /// Where the first byte came from: `ram`, `disk` or `upstream`.
    pub source: Option<&'static str>,
    /// Why a request was refused. Never sent to the viewer.
    pub reason: Option<Arc<str>>,
    /// Session that the verified token named.
    pub session: Option<Arc<str>>,
    /// What the viewer's player told of itself, as far as the site has it logged.
    pub told: Vec<(Box<str>, Told)>,
}
