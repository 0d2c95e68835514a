//! Connecting: address check, TCP, TLS.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use message::{Error, Kind};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::TlsConnector;

use crate::{
    address::is_private,
    fault::{self, Phase},
    place::Place,
    witness::{Watched, Witness},
};

/// Addresses tried for one connection; a name with more is cut.
pub(crate) const ADDRESSES_MAX: usize = 8;

/// A byte stream to a hop.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A fresh connection.
pub(crate) struct Wire {
    pub(crate) transport: Box<dyn Transport>,
    /// Whether TLS agreed on HTTP/2.
    pub(crate) speaks_h2: bool,
    pub(crate) witness: Arc<Witness>,
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
            let witness = Arc::default();
            return Ok(Wire {
                transport: Box::new(tcp),
                speaks_h2: false,
                witness,
            });
        };
        let whom = name.to_str().into_owned();
        let handshake = TlsConnector::from(Arc::clone(config)).connect(name.clone(), tcp);
        let stream = timeout(self.connect_timeout, handshake)
            .await
            .map_err(|_elapsed| Error::new(Kind::ConnectionTimeout, format!("{whom}: tls")))?
            .map_err(|error| of_handshake(&whom, &error))?;
        let speaks_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let (watched, witness) = Watched::new(stream);
        Ok(Wire {
            transport: Box::new(watched),
            speaks_h2,
            witness,
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
fn of_handshake(whom: &str, error: &io::Error) -> Error {
    let fault = fault::of(Phase::Connect, whom, error);
    match fault.kind() {
        Kind::ConnectionTerminated => Error::new(Kind::TlsProtocolError, fault.detail()),
        _ => fault,
    }
}
