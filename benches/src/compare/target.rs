//! A server under one of its settings, as clients see it.

use std::net::Ipv4Addr;

use super::select::Peer;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The edge as in production: every URL carries a token.
    Signed,
    /// The same edge, on a site whose URLs are not signed.
    Open,
    Peer(Peer),
    /// No server at all: ciphers and socket writes, which no server can do without.
    Floor,
}

impl Kind {
    /// The name at the head of a table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Signed => "millpond",
            Self::Open => "millpond, unsigned",
            Self::Peer(Peer::Varnish) => "varnish + hitch",
            Self::Peer(Peer::H2o) => "h2o, static files",
            Self::Peer(peer) => peer.name(),
            Self::Floor => "floor",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// What the table calls it.
    pub(crate) label: &'static str,
    pub(crate) kind: Kind,
    pub(crate) host: &'static str,
    /// Where clients connect to.
    pub(crate) address: Ipv4Addr,
    pub(crate) port: u16,
    /// Stands before every path: a token, or nothing.
    pub(crate) prefix: String,
}

impl Target {
    pub(crate) fn target(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    pub(crate) fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{}", self.authority(), self.target(path))
    }
}
