//! A running node: store, cache, gate and listeners, and their end in the right order.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use cache::Cache;
use daemon::process::{Daemon, Sockets, Workers};
use downstream::{Drain, Drained, Listeners, Server, ServerNames, Share};
use message::{Handler, Timestamp, Upstream};
use store::Store;
use tokio::{task::JoinHandle, time::timeout};

use steering::Steering;

use crate::{Error, Planes, Sections, Sites, engine::Rooms, gauges};

/// The names of the sockets that systemd may open (`FileDescriptorName=`).
const TCP_NAME: &str = "https-tcp";
const UDP_NAME: &str = "https-udp";

/// How long the disks may take to write down what they hold at the end: a dying one must not keep
/// a node from ending.
const CLOSE_MAX: Duration = Duration::from_secs(10);

/// A node that does not serve yet: its sockets are bound and its store is open.
pub struct Base {
    sections: Sections,
    listeners: Listeners,
    tls: Arc<tls::Server>,
    store: Store,
    cache: Cache,
}

/// A node that serves.
pub struct Node {
    address: SocketAddr,
    /// Where connections live, and the fills that they began: the last to end.
    workers: Workers,
    tls: Arc<tls::Server>,
    cache: Cache,
    store: Store,
    drain: Drain,
    traffic: Arc<dyn Fn() -> (u64, u64) + Send + Sync>,
    server: JoinHandle<Result<Drained, downstream::Error>>,
    steering: Option<Steering>,
}

impl Base {
    /// Takes the sockets that systemd opened or binds them, and opens the store.
    ///
    /// Sockets come first, so that a port that is taken is told at once.
    ///
    /// # Errors
    /// Whatever would keep the node from serving.
    pub async fn open(
        sections: &Sections,
        daemon: &mut Daemon,
        upstream: Arc<dyn Upstream>,
        now: &Timestamp,
    ) -> Result<Self, Error> {
        let listeners = listen(sections, &mut daemon.sockets)?;
        let (tls, warnings) = tls::Server::load(sections.tls.clone(), now.wall)?;
        tell(&warnings);
        gauges::register_records(tls.record_layer(), &daemon.registry)?;
        daemon.lifecycle.starting("recovering the disks");
        let store = Store::open(sections.store.clone(), &daemon.registry).await?;
        let cache = Cache::open(
            sections.cache.clone(),
            store.clone(),
            sections.store.state_dir.clone(),
            upstream,
            &daemon.registry,
        );
        let cache = cache.await?;
        gauges::register(sections.memory.clone(), &cache, &daemon.registry)?;
        Ok(Self {
            sections: sections.clone(),
            listeners,
            tls: Arc::new(tls),
            store,
            cache,
        })
    }

    /// The cache, for the gate before it.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Serves `gate`, with the access log around it. Must run in a tokio runtime.
    ///
    /// # Errors
    /// When two metrics have one name, or the threads that serve do not start.
    pub fn serve(self, daemon: &Daemon, gate: Arc<dyn Handler>) -> Result<Node, Error> {
        let Self {
            sections,
            listeners,
            tls,
            store,
            cache,
        } = self;
        let address = listeners
            .addresses()
            .first()
            .copied()
            .unwrap_or(sections.listen.address);
        let config = downstream::Config {
            alt_svc: (!listeners.udp.is_empty()).then(|| address.port()),
            // A shield is one name to all its edges, whatever they call it; mutual TLS is its gate.
            server_names: match sections.tls.client_ca {
                Some(_) => ServerNames::Any,
                None => ServerNames::Strict,
            },
            limits: sections.limits.clone(),
            ..downstream::Config::new(sections.common.name.clone())
        };
        let handler = Arc::new(daemon.access_log(gate));
        let server = Server::new(config, Arc::clone(&tls), handler, &daemon.registry)?;
        let traffic = Arc::new(server.traffic());
        let drain = Drain::new(sections.common.drain_deadline);
        let workers = Workers::start(sections.common.workers)?;
        let server = server.run_in(workers.runtimes(), listeners, drain.clone());
        let server = tokio::spawn(server);
        Ok(Node {
            address,
            workers,
            tls,
            cache,
            store,
            drain,
            traffic,
            server,
            steering: None,
        })
    }
}

impl Node {
    /// Where it listens, TCP and UDP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts the steering API, if the config has one.
    ///
    /// # Errors
    /// What keeps it from listening.
    pub async fn steer(
        &mut self,
        sections: &Sections,
        daemon: &Daemon,
        sites: Arc<dyn Sites>,
        planes: Planes,
    ) -> Result<(), Error> {
        let Some(settings) = sections.steering.clone() else {
            return Ok(());
        };
        let traffic = Arc::clone(&self.traffic);
        let rooms = Rooms {
            cache: self.cache.clone(),
            lifecycle: daemon.lifecycle.clone(),
            drain: self.drain.clone(),
            traffic: Box::new(move || traffic()),
            memory_use: Box::new(self.cache.memory_use()),
            sites,
            planes,
        };
        let state = sections.store.state_dir.clone().unwrap_or_default();
        let config = settings.config(
            sections.common.name.clone(),
            state.join("steering"),
            sections.memory.steering_bytes,
        );
        let now = message::now();
        self.steering = Some(Steering::start(config, Arc::new(rooms), &now).await?);
        Ok(())
    }

    /// Where the steering API listens, if it does.
    pub fn steering_address(&self) -> Option<SocketAddr> {
        self.steering.as_ref().map(Steering::address)
    }

    /// Reads certificates and keys again.
    ///
    /// # Errors
    /// What is wrong with the new ones; the old ones stay.
    pub fn reload(&self, now: &Timestamp) -> Result<(), Error> {
        if let Some(steering) = &self.steering {
            steering.reload(now)?;
        }
        Ok(self.tls.reload(now.wall).map(|warnings| tell(&warnings))?)
    }

    /// Stops accepting, lets what is in flight finish within the deadline, then closes the store.
    ///
    /// Dropped in the middle, it leaves the store as a crash would: readable, but for the last
    /// seconds' admissions.
    pub async fn drain(self) {
        self.drain.start();
        match self.server.await {
            Ok(Ok(Drained::Whole)) => tracing::info!("every request in flight has finished"),
            Ok(Ok(Drained::Cut { tasks })) => tracing::warn!(tasks, "requests were cut"),
            Ok(Err(error)) => tracing::error!(%error, "the listeners failed"),
            Err(error) => tracing::error!(%error, "the listeners' task failed"),
        }
        // Until here it has told that the node leaves.
        if let Some(steering) = self.steering {
            steering.end().await;
        }
        let fills = self.cache.drained();
        if timeout(self.drain.grace(), fills).await.is_err() {
            tracing::warn!("fills were still under way at the end of the drain");
        }
        if timeout(CLOSE_MAX, self.store.close()).await.is_err() {
            tracing::warn!("the disks took too long to close");
        }
        self.workers.end().await;
    }
}

fn listen(sections: &Sections, sockets: &mut Sockets) -> Result<Listeners, Error> {
    let tcp = sockets.take_tcp(TCP_NAME);
    let udp = if sections.listen.http3 {
        sockets.take_udp(UDP_NAME)
    } else {
        Vec::new()
    };
    for name in sockets.unclaimed() {
        tracing::warn!(name, "systemd opened a socket that this node does not know");
    }
    if !tcp.is_empty() || !udp.is_empty() {
        return Ok(Listeners { tcp, udp });
    }
    let address = sections.listen.address;
    if sections.listen.http3 {
        return Ok(Listeners::bind(address, Share::Alone)?);
    }
    let tcp = Listeners::bind_tcp(address, Share::Alone)?;
    Ok(Listeners {
        tcp: vec![tcp],
        udp: Vec::new(),
    })
}

/// Logs what is odd about TLS but does not keep a node from starting.
pub fn tell(warnings: &[tls::Warning]) {
    for warning in warnings {
        tracing::warn!(%warning, "tls");
    }
}
