//! The edge's upstream: shields on a ring, HTTP/2 over mutual TLS.

use std::{collections::HashSet, future::Future, pin::Pin, sync::Arc};

use http::uri::Scheme;
use message::{Error, Fetch, Response, Upstream};
use rustls_pki_types::ServerName;

use crate::{
    Limits, Metrics,
    address::HostPort,
    answer::Close,
    dial::Dialer,
    dispatch::Dispatch,
    hop::Hop,
    place::Place,
    pool::{Pool, Speech},
    question::{Target, cdn_loop},
    ring::Ring,
    wire::{Base, HttpHop},
};

/// Shields that one edge may know.
const SHIELDS_MAX: usize = 64;
/// Addresses of one shield.
const ADDRESSES_MAX: usize = 8;

/// One shield.
#[derive(Debug, Clone)]
pub struct Shield {
    /// Its name: what the ring knows it by (renaming it moves its objects) and what metrics say.
    pub name: Arc<str>,
    /// `host:port`, one or several of the same shield, tried in order.
    pub addresses: Vec<String>,
    /// The name in its certificate, also sent as SNI and `:authority`.
    pub server_name: String,
}

/// What [`Shields`] needs.
#[derive(Debug, Clone)]
pub struct ShieldsConfig {
    /// The label in metrics.
    pub name: Arc<str>,
    /// This node's name, sent in `CDN-Loop`: an RFC 9110 token.
    pub node: String,
    /// The shields, 1 to 64, in any order.
    pub shields: Vec<Shield>,
    /// The client's side of mutual TLS, with ALPN `h2`.
    pub tls: Arc<rustls::ClientConfig>,
    /// Limits, for all shields together where they count reads, else for each.
    pub limits: Limits,
}

/// Shields, each object's own first.
///
/// An object is read as `GET https://{server_name}/{site}{path}` with `CDN-Loop`, `Range` and a
/// condition, and nothing else. When its shield is down, the next on the ring is asked.
pub struct Shields {
    ring: Ring,
    dispatch: Dispatch,
}

impl Shields {
    /// Checks the configuration. Connects to nobody yet.
    ///
    /// # Errors
    /// When a list is empty or too long, a name or address is malformed, or a limit absurd.
    pub fn new(config: &ShieldsConfig, metrics: &Metrics) -> Result<Self, crate::Error> {
        config.limits.check()?;
        bounded("shields", config.shields.len(), SHIELDS_MAX)?;
        let mut names = HashSet::new();
        if let Some(twice) = config
            .shields
            .iter()
            .find(|shield| !names.insert(&shield.name))
        {
            return Err(crate::Error::Duplicate(twice.name.to_string()));
        }
        let hops = config.shields.iter().map(|shield| {
            let hop: Box<dyn Hop> = Box::new(shield.hop(config)?);
            Ok(hop)
        });
        let hops = hops.collect::<Result<Vec<_>, crate::Error>>()?;
        Ok(Self {
            ring: Ring::new(config.shields.iter().map(|shield| shield.name.as_ref())),
            dispatch: Dispatch::new(&config.name, hops, &config.limits, metrics),
        })
    }
}

impl Upstream for Shields {
    fn fetch(
        &self,
        fetch: Fetch,
    ) -> Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + '_>> {
        Box::pin(async move {
            let order = self.ring.order(&fetch.object);
            self.dispatch.fetch(&order, &fetch).await
        })
    }
}

impl Shield {
    fn hop(&self, config: &ShieldsConfig) -> Result<HttpHop, crate::Error> {
        bounded("addresses", self.addresses.len(), ADDRESSES_MAX)?;
        let places = self
            .addresses
            .iter()
            .map(|text| HostPort::parse(text).map(Place::new));
        let wrong = || crate::Error::ServerName(self.server_name.clone());
        let server_name =
            ServerName::try_from(self.server_name.clone()).map_err(|_invalid| wrong())?;
        let dialer = Dialer {
            places: places.collect::<Result<_, _>>()?,
            tls: Some((Arc::clone(&config.tls), server_name)),
            allow_private_addresses: config.limits.allow_private_addresses,
            connect_timeout: config.limits.connect_timeout,
        };
        let authority = self.server_name.parse().map_err(|_invalid| wrong())?;
        Ok(HttpHop {
            name: Arc::clone(&self.name),
            pool: Arc::new(Pool::new(dialer, Speech::Http2, &config.limits)),
            target: Target {
                scheme: Scheme::HTTPS,
                authority,
                cdn_loop: cdn_loop(&config.node)?,
            },
            base: Base::Site,
            close: Close::EndsNothing,
            head_timeout: config.limits.head_timeout,
        })
    }
}

pub(crate) fn bounded(what: &'static str, count: usize, max: usize) -> Result<(), crate::Error> {
    match count {
        0 => Err(crate::Error::Empty(what)),
        count if count > max => Err(crate::Error::TooMany { what, count, max }),
        _ => Ok(()),
    }
}
