//! What an operator sets, and what bounds every client.

use std::{sync::Arc, time::Duration};

/// Settings of one server: its listeners share them.
#[derive(Debug, Clone)]
pub struct Config {
    /// The node's name in `Proxy-Status`; a token (RFC 9110 section 5.6.2).
    pub node: Arc<str>,
    /// The UDP port to advertise as `Alt-Svc: h3=":port"; ma=86400` in HTTP/1 and HTTP/2
    /// responses. `None` advertises nothing, for when UDP is not served.
    pub alt_svc: Option<u16>,
    /// Which hosts a connection may ask for.
    pub server_names: ServerNames,
    /// The bounds.
    pub limits: Limits,
}

impl Config {
    /// The defaults under a node's name.
    pub fn new(node: impl Into<Arc<str>>) -> Self {
        Self {
            node: node.into(),
            alt_svc: None,
            server_names: ServerNames::default(),
            limits: Limits::default(),
        }
    }
}

/// Which hosts a connection may ask for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ServerNames {
    /// The host must be one that our certificates are for and, where the handshake named a
    /// server, that very name; anything else is 421. For viewers: one connection, one site.
    #[default]
    Strict,
    /// Any host on any connection. For mutual TLS, where the client's certificate decides.
    Any,
}

/// The bounds on connections, requests and time. Defaults are for an edge that faces the internet.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Open connections, all protocols together. More are closed as soon as they come. The
    /// default, 50,000, at about 64 KiB each, is 3 GiB; set it from file descriptors and memory.
    pub connections: usize,
    /// Open connections from one IPv4 address: 512, because carriers put many behind one.
    pub connections_per_ipv4: u32,
    /// Open connections from one IPv6 /56, which is one customer: 256.
    pub connections_per_ipv6_56: u32,
    /// New connections per second from one IPv4 address or IPv6 /56, over time: 50.
    pub new_connections_per_s: u32,
    /// How many new connections may come at once from there: 200.
    pub new_connections_burst: u32,
    /// Handshakes in progress, TCP and QUIC each: 2,048. More are refused.
    pub handshakes: usize,
    /// A TLS or QUIC handshake must be done in 5 s.
    pub handshake_timeout: Duration,
    /// From the first byte of a request head to its last, and from the handshake to the first
    /// request: 10 s.
    pub head_timeout: Duration,
    /// A connection without requests: 30 s on HTTP/1 and 3, four times that on HTTP/2.
    pub idle_timeout: Duration,
    /// A client that takes no byte of a response for this long, or less than 1 KiB/s over it, is
    /// cut: 30 s.
    pub stall_timeout: Duration,
    /// Requests on one connection, after which it is recycled: 10,000.
    pub requests_per_connection: u64,
    /// A connection's age, after which it is recycled: 1 h.
    pub connection_age: Duration,
    /// A request target in bytes: 8 KiB, beyond it 414.
    pub target_bytes: usize,
    /// A request head in bytes: 16 KiB, beyond it 431.
    pub head_bytes: usize,
    /// Fields in a request head: 64, beyond it 431.
    pub fields: usize,
    /// Concurrent streams on an HTTP/2 connection: 100; on HTTP/3: 48.
    pub http2_streams: u32,
    /// As above.
    pub http3_streams: u32,
    /// Unacknowledged response bytes that QUIC holds for one connection at most: 8 MiB, which is what
    /// browsers let one stream send ahead. It is twice the congestion window if that is less, and
    /// less where more than 32 connections are open, down to 1 MiB. They are references to slices, not
    /// copies.
    pub quic_send_window: u64,
    /// QUIC clients with an unproven address beyond which everyone proves theirs by `Retry`:
    /// 1,000 handshakes.
    pub quic_retry_above: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 50_000,
            connections_per_ipv4: 512,
            connections_per_ipv6_56: 256,
            new_connections_per_s: 50,
            new_connections_burst: 200,
            handshakes: 2_048,
            handshake_timeout: Duration::from_secs(5),
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(30),
            requests_per_connection: 10_000,
            connection_age: Duration::from_hours(1),
            target_bytes: 8 << 10,
            head_bytes: 16 << 10,
            fields: 64,
            http2_streams: 100,
            // With the client's own 8 they fit the smaller of two tables in quinn-proto, which has room for
            // all that may be opened: 2 KiB less for each connection than 64.
            http3_streams: 48,
            quic_send_window: 8 << 20,
            quic_retry_above: 1_000,
        }
    }
}
