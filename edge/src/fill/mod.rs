//! Prepositioning in an edge: its config, its sources, and what viewers need meanwhile.

mod config;
mod inventory;
mod load;
mod peer_gate;
mod peers;

use std::{collections::HashMap, net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use cache::{Cache, SiteRules};
use daemon::process::Daemon;
use message::{Timestamp, Upstream};
use preposition::{Parts, Preposition, Pull, Reach, Running, Source};
use upstream::{BySite, Metrics};

use inventory::Telling;
use peer_gate::Gate;
use peers::{Peers, Serving};

pub(crate) use config::{Fill, Wish};

use crate::config::Config;

/// The rules of each site, replaced with the config.
type Sites = Arc<ArcSwap<HashMap<Arc<str>, Arc<SiteRules>>>>;

/// Prepositioning of one edge.
pub(crate) struct Plane {
    pub(crate) room: Preposition,
    running: Running,
    sites: Sites,
    peers: Option<Serving>,
    telling: Option<Telling>,
}

impl Plane {
    /// Starts it, if the config wants it.
    pub(crate) fn start(
        config: &Config,
        cache: &Cache,
        shields: &Arc<dyn Upstream>,
        metrics: &Metrics,
        daemon: &Daemon,
        now: &Timestamp,
    ) -> Result<Option<Self>, node::Error> {
        let Some(fill) = config.fill.clone() else {
            return Ok(None);
        };
        let (inventory, peers) = (fill.inventory, fill.peers);
        let room = preposition::Config {
            capacity_bytes: capacity_bytes(cache),
            ..fill.room
        };
        let sites: Sites = Arc::new(ArcSwap::from_pointee(rules(config)));
        let queue_bytes = config.sections.store.write_queue_bytes;
        let gauge = load::Gauge::new(daemon.requests.clone(), cache.clone(), queue_bytes);
        let known = Arc::clone(&sites);
        let parts = Parts {
            cache: cache.clone(),
            sources: sources(config, peers.as_ref(), (shields, metrics), now)?,
            rules: Arc::new(move |site| known.load().get(site).cloned()),
            load: Arc::new(move || gauge.look()),
            clock: Arc::new(message::now),
        };
        let node = &config.sections.common.name;
        let pull = config.pull(metrics, now)?;
        let started = Preposition::start(room, parts, pull, &daemon.registry);
        let (room, running) = started.map_err(|error| node::Error::Room("fill", error.into()))?;
        let telling =
            inventory.map(|inventory| inventory.start(&room, node, &daemon.registry, now));
        let serving = peers.and_then(|peers| {
            let gate = Gate {
                node: Arc::clone(node),
                via: semantics::fields::Via::new(node),
                members: peers.names().collect(),
                sites: Arc::clone(&sites),
                room: room.clone(),
                cache: cache.clone(),
            };
            peers.serve(gate, &daemon.registry, now)
        });
        Ok(Some(Self {
            room,
            running,
            sites,
            peers: serving.transpose()?,
            telling: telling.transpose()?,
        }))
    }

    /// Takes over the sites and the planners' keys of another config, and from where it has manifests
    /// pulled.
    pub(crate) fn take_over(&self, config: &Config, pull: Option<Pull>) {
        self.sites.store(Arc::new(rules(config)));
        if let Some(fill) = &config.fill {
            self.room.replace_keys(fill.room.keys.clone());
            self.room.replace_pull(pull);
        }
    }

    /// Where it serves the other edges of its cluster, if it does.
    pub(crate) fn peers_address(&self) -> Option<SocketAddr> {
        self.peers.as_ref().map(Serving::address)
    }

    /// Reads the certificates again that it shows to its peers.
    pub(crate) fn reload(&self, now: &Timestamp) -> Result<(), node::Error> {
        self.peers
            .as_ref()
            .map_or(Ok(()), |serving| serving.reload(now))
    }

    /// Ends it; what is under way is gone on with after the next start.
    pub(crate) async fn end(self) {
        if let Some(peers) = self.peers {
            peers.end().await;
        }
        if let Some(telling) = self.telling {
            telling.end().await;
        }
        self.running.end().await;
    }
}

impl Config {
    /// From where manifests are pulled, if they are; its files are read.
    pub(crate) fn pull(
        &self,
        metrics: &Metrics,
        now: &Timestamp,
    ) -> Result<Option<Pull>, node::Error> {
        let Some(pull) = self.fill.as_ref().and_then(|fill| fill.pull.as_ref()) else {
            return Ok(None);
        };
        let (label, node) = (Arc::from("manifests"), &self.sections.common.name);
        Ok(Some(Pull {
            upstream: pull.origin.upstream(&label, node, metrics, now)?,
            name: pull.name.clone(),
            interval: pull.interval,
        }))
    }
}

/// What of a plan the store has room for: its disks, or its memory where there are none.
fn capacity_bytes(cache: &Cache) -> u64 {
    cache.memory_use()().map_or(0, |memory| {
        let disks = memory.store.disks.iter();
        match disks.map(|disk| disk.capacity_bytes).sum() {
            0 => memory.store.ram_bytes_max,
            disks => disks,
        }
    })
}

fn rules(config: &Config) -> HashMap<Arc<str>, Arc<SiteRules>> {
    let sites = config.sites.iter();
    sites
        .map(|site| (site.name.to_arc(), Arc::clone(&site.rules)))
        .collect()
}

/// The peers, the shields, and the object storage of the sites that name theirs.
fn sources(
    config: &Config,
    peers: Option<&Peers>,
    (shields, metrics): (&Arc<dyn Upstream>, &Metrics),
    now: &Timestamp,
) -> Result<Vec<Source>, node::Error> {
    let node = &config.sections.common.name;
    let (mut storage, mut names) = (BySite::new(), Vec::new());
    for site in &config.sites {
        if let Some(origin) = &site.origin {
            let name = site.name.to_arc();
            let upstream = origin.upstream(&name, node, metrics, now)?;
            storage = storage.with(Arc::clone(&name), upstream);
            names.push(name);
        }
    }
    let shields = Source {
        name: "shields".into(),
        reach: Reach::Shield,
        sites: None,
        upstream: Arc::clone(shields),
    };
    let storage = Source {
        name: "storage".into(),
        reach: Reach::Storage,
        sites: Some(names),
        upstream: Arc::new(storage),
    };
    let mut sources = match peers {
        Some(peers) => peers.sources(node, metrics, now)?,
        None => Vec::new(),
    };
    sources.extend([shields, storage]);
    Ok(sources)
}
