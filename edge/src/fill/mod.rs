//! Prepositioning in an edge: its config, its sources, and what viewers need meanwhile.

mod config;
mod load;

use std::{collections::HashMap, sync::Arc};

use arc_swap::ArcSwap;
use cache::{Cache, SiteRules};
use daemon::process::Daemon;
use message::{Timestamp, Upstream};
use preposition::{Parts, Preposition, Pull, Reach, Running, Source};
use upstream::{BySite, Metrics};

pub(crate) use config::{Fill, Wish};

use crate::config::Config;

/// The rules of each site, replaced with the config.
type Sites = Arc<ArcSwap<HashMap<Arc<str>, Arc<SiteRules>>>>;

/// Prepositioning of one edge.
pub(crate) struct Plane {
    pub(crate) room: Preposition,
    running: Running,
    sites: Sites,
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
        let Some(Fill { room, pull }) = config.fill.clone() else {
            return Ok(None);
        };
        let sites: Sites = Arc::new(ArcSwap::from_pointee(rules(config)));
        let queue_bytes = config.sections.store.write_queue_bytes;
        let gauge = load::Gauge::new(daemon.requests.clone(), cache.clone(), queue_bytes);
        let known = Arc::clone(&sites);
        let parts = Parts {
            cache: cache.clone(),
            sources: sources(config, shields, metrics, now)?,
            rules: Arc::new(move |site| known.load().get(site).cloned()),
            load: Arc::new(move || gauge.look()),
            clock: Arc::new(message::now),
        };
        let node = &config.sections.common.name;
        let pull = pull.map(|pull| {
            let name = Arc::from("manifests");
            let upstream = pull.origin.upstream(&name, node, metrics, now)?;
            Ok::<_, node::Error>(Pull {
                upstream,
                name: pull.name,
                interval: pull.interval,
            })
        });
        let started = Preposition::start(room, parts, pull.transpose()?, &daemon.registry);
        let (room, running) = started.map_err(|error| node::Error::Room("fill", error.into()))?;
        Ok(Some(Self {
            room,
            running,
            sites,
        }))
    }

    /// Takes over the sites of another config.
    pub(crate) fn replace_sites(&self, config: &Config) {
        self.sites.store(Arc::new(rules(config)));
    }

    /// Ends it; what is under way is gone on with after the next start.
    pub(crate) async fn end(self) {
        self.running.end().await;
    }
}

fn rules(config: &Config) -> HashMap<Arc<str>, Arc<SiteRules>> {
    let sites = config.sites.iter();
    sites
        .map(|site| (site.name.to_arc(), Arc::clone(&site.rules)))
        .collect()
}

/// The shields, and the object storage of the sites that name theirs.
fn sources(
    config: &Config,
    shields: &Arc<dyn Upstream>,
    metrics: &Metrics,
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
    Ok(vec![shields, storage])
}
