//! `[fill.peers]`: the other edges of the cluster, from which this one copies, and which copy from it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use daemon::config::Section;
use downstream::{Drain, Drained, Limits, Listeners, Server, ServerNames, Share};
use message::{Answer, Handler, Request, Timestamp};
use preposition::{Reach, Source};
use prometheus::{IntCounterVec, Opts, Registry};
use tls::Identity;
use tokio::task::JoinHandle;
use upstream::{Metrics, Shield, Shields, ShieldsConfig};

use super::peer_gate::Gate;

/// Edges of one cluster beside this one.
const MEMBERS_MAX: u64 = 32;
/// Connections of peers: two of each, and some that are going.
const CONNECTIONS: usize = 128;
/// Reads of one peer at a time: as many as it may fill at once.
const STREAMS: u32 = 64;
/// Ciphertext on its way to peers.
const RECORD_BUFFERS_BYTES: usize = 16 << 20;
/// A peer's read that is under way at the end; what is cut is gone on with elsewhere.
const GRACE: Duration = Duration::from_secs(2);

/// `[fill.peers]`.
#[derive(Debug, Clone)]
pub(crate) struct Peers {
    listen: Option<SocketAddr>,
    server: tls::ServerConfig,
    client: tls::ClientConfig,
    members: Vec<Shield>,
    limits: upstream::Limits,
}

/// The listener for peers.
pub(crate) struct Serving {
    address: SocketAddr,
    tls: Arc<tls::Server>,
    drain: Drain,
    server: JoinHandle<Result<Drained, downstream::Error>>,
}

impl Peers {
    pub(crate) fn read(section: &mut Section) -> Option<Self> {
        let listen = section.address("listen").optional();
        let ca = section.file("ca").required();
        let cert = section.file("certificate").required();
        let key = section.private_file("key").required();
        // The next source is asked instead: the peer is not tried again.
        let limits = upstream::Limits {
            retries_max: 0,
            ..upstream::Limits::default()
        };
        let members = 1..=usize::try_from(MEMBERS_MAX).unwrap_or(1);
        let members = section.sections("member", members, |member| {
            let name = member.text("name").required();
            let addresses = member.list("addresses", 1..=8).required();
            let server_name = name.clone().unwrap_or_default();
            let server_name = member.text("server_name").or(server_name);
            Some(Shield {
                name: name?.into(),
                addresses: addresses?,
                server_name,
            })
        });
        let (ca, cert, key) = (ca?, cert?, key?);
        let identity = Identity { cert, key };
        Some(Self {
            listen,
            server: tls::ServerConfig {
                certificates: vec![identity.clone()],
                client_ca: Some(ca.clone()),
                record_buffers_bytes: RECORD_BUFFERS_BYTES,
                ..tls::ServerConfig::default()
            },
            client: tls::ClientConfig {
                ca: vec![ca],
                identity: Some(identity),
                alpn: vec![b"h2".to_vec()],
            },
            members,
            limits,
        })
    }

    /// The names in the certificates of those who may copy.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.members.iter().map(|member| member.server_name.clone())
    }

    /// Each of them as a source of its own, so that one that fails is left alone by itself.
    pub(crate) fn sources(
        &self,
        node: &str,
        metrics: &Metrics,
        now: &Timestamp,
    ) -> Result<Vec<Source>, node::Error> {
        let (tls, warnings) = self.client.build(now.wall)?;
        node::tell(&warnings);
        let source = |member: &Shield| {
            let name: Arc<str> = format!("peer {}", member.name).into();
            let config = ShieldsConfig {
                name: Arc::clone(&name),
                node: node.to_owned(),
                shields: vec![member.clone()],
                tls: Arc::clone(&tls),
                limits: self.limits.clone(),
            };
            Ok(Source {
                name,
                reach: Reach::Peer,
                sites: None,
                upstream: Arc::new(Shields::new(&config, metrics)?),
            })
        };
        self.members.iter().map(source).collect()
    }

    /// Serves what `gate` lets through; nothing if this edge only copies. Must run in a tokio runtime.
    pub(crate) fn serve(
        self,
        gate: Gate,
        registry: &Registry,
        now: &Timestamp,
    ) -> Option<Result<Serving, node::Error>> {
        let address = self.listen?;
        Some(self.serve_at(address, gate, registry, now))
    }

    fn serve_at(
        self,
        address: SocketAddr,
        gate: Gate,
        registry: &Registry,
        now: &Timestamp,
    ) -> Result<Serving, node::Error> {
        let (tls, warnings) = tls::Server::load(self.server, now.wall)?;
        node::tell(&warnings);
        let tls = Arc::new(tls);
        let listener = Listeners::bind_tcp(address, Share::Alone)?;
        let listeners = Listeners {
            tcp: vec![listener],
            udp: Vec::new(),
        };
        let address = listeners.addresses().first().copied().unwrap_or(address);
        let config = downstream::Config {
            server_names: ServerNames::Any,
            limits: Limits {
                connections: CONNECTIONS,
                http2_streams: STREAMS,
                ..Limits::default()
            },
            ..downstream::Config::new(Arc::clone(&gate.node))
        };
        let handler = Arc::new(Counted::new(gate, registry)?);
        // Its own registry: the names are those of the viewers' listener.
        let server = Server::new(config, Arc::clone(&tls), handler, &Registry::new())?;
        let drain = Drain::new(GRACE);
        let server = tokio::spawn(server.run(listeners, drain.clone()));
        tracing::info!(%address, "serving peers");
        Ok(Serving {
            address,
            tls,
            drain,
            server,
        })
    }
}

impl Serving {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Reads its certificate again.
    pub(crate) fn reload(&self, now: &Timestamp) -> Result<(), node::Error> {
        Ok(self
            .tls
            .reload(now.wall)
            .map(|warnings| node::tell(&warnings))?)
    }

    /// Stops accepting, and cuts what is not over soon.
    pub(crate) async fn end(mut self) {
        self.drain.start();
        match (&mut self.server).await {
            Ok(Ok(_drained)) => {}
            Ok(Err(error)) => tracing::error!(%error, "the listener for peers failed"),
            Err(error) => tracing::error!(%error, "the task of the listener for peers failed"),
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.drain.start();
    }
}

/// The gate, with its answers counted.
struct Counted {
    gate: Gate,
    answers: IntCounterVec,
}

impl Counted {
    fn new(gate: Gate, registry: &Registry) -> Result<Self, prometheus::Error> {
        let what = "Answers to other edges of the cluster, by status.";
        let options = Opts::new("millpond_fill_peer_answers_total", what);
        let answers = IntCounterVec::new(options, &["status"])?;
        registry.register(Box::new(answers.clone()))?;
        Ok(Self { gate, answers })
    }
}

impl Handler for Counted {
    fn handle(&self, request: Request) -> Answer<'_> {
        Box::pin(async move {
            let response = self.gate.handle(request).await;
            let status = response.status();
            self.answers.with_label_values(&[status.as_str()]).inc();
            response
        })
    }
}
