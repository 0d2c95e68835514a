//! Connecting: name, address check, TCP, TLS.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use message::{Error, Kind};
use parking_lot::Mutex;
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    sync::Semaphore,
    time::{Instant, timeout},
};
use tokio_rustls::TlsConnector;

use crate::{
    address::{HostPort, is_private},
    fault::{self, Phase},
};

/// Addresses tried for one connection; a name with more is cut.
const ADDRESSES_MAX: usize = 8;
/// How long a resolved name is believed. The system's resolver does not tell the record's TTL.
const RESOLVED_FOR: Duration = Duration::from_secs(5);

/// A byte stream to a hop.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A fresh connection.
pub(crate) struct Wire {
    pub(crate) transport: Box<dyn Transport>,
    /// Whether TLS agreed on HTTP/2.
    pub(crate) speaks_h2: bool,
}

/// How to connect to one hop.
pub(crate) struct Dialer {
    pub(crate) places: Vec<Place>,
    pub(crate) tls: Option<(Arc<rustls::ClientConfig>, ServerName<'static>)>,
    pub(crate) allow_private_addresses: bool,
    pub(crate) connect_timeout: Duration,
}

impl Dialer {
    /// Connects to the first address that answers.
    ///
    /// The name, TCP and TLS each take at most the connect timeout, over all addresses together.
    /// Cancel safe: a connection in the making is dropped; a name lookup in the making goes on,
    /// at most one per place, and its answer is kept.
    pub(crate) async fn dial(&self) -> Result<Wire, Error> {
        let tcp = self.connect().await?;
        let Some((config, name)) = &self.tls else {
            return Ok(Wire {
                transport: Box::new(tcp),
                speaks_h2: false,
            });
        };
        let whom = name.to_str().into_owned();
        let handshake = TlsConnector::from(Arc::clone(config)).connect(name.clone(), tcp);
        let stream = timeout(self.connect_timeout, handshake)
            .await
            .map_err(|_elapsed| Error::new(Kind::ConnectionTimeout, format!("{whom}: tls")))?
            .map_err(|error| of_handshake(&whom, &error))?;
        let speaks_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Wire {
            transport: Box::new(stream),
            speaks_h2,
        })
    }

    async fn connect(&self) -> Result<TcpStream, Error> {
        let addresses = self.addresses().await?;
        let deadline = Instant::now() + self.connect_timeout;
        let mut failure = None;
        for (tried, address) in addresses.iter().enumerate() {
            let left = deadline.saturating_duration_since(Instant::now());
            // What is left is shared, so that one black hole does not use up the others' time.
            let share = left / u32::try_from(addresses.len() - tried).unwrap_or(1);
            let error = match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => {
                    // A request is one small write: waiting to coalesce it only adds delay.
                    let _unsupported_is_harmless = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => fault::of(Phase::Connect, &address.to_string(), &error),
                Err(_elapsed) => Error::new(
                    Kind::ConnectionTimeout,
                    format!("{address}: no answer in {share:?}"),
                ),
            };
            failure = Some(error);
        }
        Err(failure.unwrap_or_else(|| Error::new(Kind::DnsError, "no address")))
    }

    /// All places' addresses that may be reached, in order.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, Error> {
        let mut addresses = Vec::new();
        let mut failure = None;
        for place in &self.places {
            match place.resolve(self.connect_timeout).await {
                Ok(resolved) => addresses.extend(resolved),
                Err(error) => failure = Some(error),
            }
        }
        if !self.allow_private_addresses {
            // The check is on what is connected to, not on a name that may change in between.
            let found = addresses.first().copied();
            addresses.retain(|address| !is_private(address.ip()));
            if let (true, Some(prohibited)) = (addresses.is_empty(), found) {
                let detail = format!("{prohibited} is not a public address");
                return Err(Error::new(Kind::DestinationIpProhibited, detail));
            }
        }
        addresses.truncate(ADDRESSES_MAX);
        match failure {
            Some(error) if addresses.is_empty() => Err(error),
            _ => Ok(addresses),
        }
    }
}

/// A failed handshake is TLS's fault unless the connection itself broke.
fn of_handshake(whom: &str, error: &std::io::Error) -> Error {
    let fault = fault::of(Phase::Connect, whom, error);
    match fault.kind() {
        Kind::ConnectionTerminated => Error::new(Kind::TlsProtocolError, fault.detail()),
        _ => fault,
    }
}

/// One `host:port`, and what its name last resolved to.
pub(crate) struct Place {
    address: HostPort,
    known: Arc<Mutex<Known>>,
    turn: Arc<Semaphore>,
}

#[derive(Default)]
struct Known {
    addresses: Vec<SocketAddr>,
    until: Option<Instant>,
}

impl Place {
    pub(crate) fn new(address: HostPort) -> Self {
        Self {
            address,
            known: Arc::default(),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// Resolves the name, or says what it was when DNS is dead: a node runs alone.
    async fn resolve(&self, patience: Duration) -> Result<Vec<SocketAddr>, Error> {
        if let Ok(ip) = self.address.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, self.address.port)]);
        }
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        let error = match timeout(patience, self.look_up()).await {
            Ok(Ok(addresses)) => return Ok(addresses),
            Ok(Err(error)) => error,
            Err(_elapsed) => Error::new(Kind::DnsTimeout, format!("{}", self.address)),
        };
        let stale = self.known.lock().addresses.clone();
        if stale.is_empty() {
            Err(error)
        } else {
            Ok(stale)
        }
    }

    fn fresh(&self) -> Option<Vec<SocketAddr>> {
        let known = self.known.lock();
        known
            .until
            .is_some_and(|until| Instant::now() < until)
            .then(|| known.addresses.clone())
    }

    async fn look_up(&self) -> Result<Vec<SocketAddr>, Error> {
        let closed = || Error::new(Kind::ProxyInternalError, "name lookup was cut off");
        let turn = Arc::clone(&self.turn)
            .acquire_owned()
            .await
            .map_err(|_closed| closed())?;
        if let Some(fresh) = self.fresh() {
            return Ok(fresh);
        }
        let (address, known) = (self.address.clone(), Arc::clone(&self.known));
        // A lookup occupies a blocking thread for as long as the system's resolver likes, which
        // is longer than anybody waits here. The task keeps the turn until then, so that a dead
        // resolver holds one thread per place and not one per request.
        let lookup = tokio::spawn(async move {
            let found = lookup_host((address.host.as_ref(), address.port)).await;
            let result = match found.map(|found| found.take(ADDRESSES_MAX).collect::<Vec<_>>()) {
                Ok(addresses) if !addresses.is_empty() => {
                    let until = Some(Instant::now() + RESOLVED_FOR);
                    *known.lock() = Known {
                        addresses: addresses.clone(),
                        until,
                    };
                    Ok(addresses)
                }
                Ok(_none) => Err(Error::new(
                    Kind::DnsError,
                    format!("{address} has no address"),
                )),
                Err(error) => Err(Error::new(Kind::DnsError, format!("{address}: {error}"))),
            };
            drop(turn);
            result
        });
        lookup.await.unwrap_or_else(|_panicked| Err(closed()))
    }
}
