//! What the API is told.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use crate::{Roles, body::Pace};

/// The API's listener, who may use it, and where it keeps what must outlive the process.
#[derive(Debug, Clone)]
pub struct Config {
    /// The node's name.
    pub node: Arc<str>,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it shows and asks for. Client authorities must be set: [`crate::Steering::start`]
    /// refuses a listener that lets everybody in.
    pub tls: tls::ServerConfig,
    /// Who may do what.
    pub roles: Roles,
    /// The folder of the audit log and of the triggers.
    pub state: PathBuf,
    /// What the node may send a second, for the heartbeat's headroom.
    pub capacity_bytes_per_s: Option<u64>,
    /// This network's CDN provider id (RFC 8006 section 4.1), such as `AS64496:0`.
    pub cdn_id: String,
    /// Where heartbeats are pushed to.
    pub push: Option<Push>,
    /// What bodies on their way in and triggers may take in memory: a half each.
    pub memory_bytes: u64,
    /// How slowly a body may come.
    pub pace: Pace,
}

/// Where heartbeats are pushed to.
#[derive(Debug, Clone)]
pub struct Push {
    /// An `https` address that takes a POST of JSON.
    pub url: String,
    /// How often; after a failure less often, up to five minutes apart.
    pub every: Duration,
    /// Who is trusted there, and who we are.
    pub tls: tls::ClientConfig,
}
