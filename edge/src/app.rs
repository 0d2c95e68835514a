//! The edge as a list of rooms in request order.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use cache::Cache;
use daemon::{
    access::RequestMetrics,
    process::{self, BoxError, Daemon},
};
use message::{Handler, Timestamp, Upstream};
use node::{Base, Embedded, Node, Planes, Sites};
use prometheus::Registry;
use upstream::{Metrics, ShieldsConfig};

use crate::{config::Config, fill::Plane, gate::Gate, popularity::Counting};

/// What a reload takes over of the config.
const TAKEN_OVER: &[&str] = &["site", "regions", "fill.keys", "fill.pull"];

/// An edge: listeners, access log, gate, cache, store, shields.
pub struct App {
    file: PathBuf,
    /// The effective config that it was built from.
    effective: serde_json::Value,
    gate: Arc<Gate>,
    requests: RequestMetrics,
    /// Of all ways to where something is.
    upstreams: Metrics,
    fill: Option<Plane>,
    node: Node,
    counting: Option<Counting>,
}

/// An edge inside another process.
pub struct Edge {
    app: App,
    embedded: Embedded,
}

impl App {
    pub(crate) async fn build(config: Config, mut daemon: Daemon) -> Result<Self, node::Error> {
        let now = message::now();
        let metrics = Metrics::new(&daemon.registry)?;
        let shields = shields(&config, &metrics, &now)?;
        let upstream = Arc::clone(&shields);
        let base = Base::open(&config.sections, &mut daemon, upstream, &now).await?;
        let counting = counting(&config, base.cache(), &daemon, &now).await?;
        let cache = base.cache().clone();
        let gate = Gate::new(
            &config,
            base.cache().clone(),
            &daemon.registry,
            now.unix_s(),
        )?;
        let gate = Arc::new(gate);
        know_sites(&daemon.requests, &config);
        let mut node = base.serve(&daemon, Arc::clone(&gate) as Arc<dyn Handler>)?;
        let sites = Arc::clone(&gate) as Arc<dyn Sites>;
        let fill = Plane::start(&config, &cache, &shields, &metrics, &daemon, &now)?;
        let planes = Planes {
            fill: fill.as_ref().map(|fill| fill.room.clone()),
            popularity: counting.as_ref().map(Counting::counts),
        };
        node.steer(&config.sections, &daemon, sites, planes).await?;
        Ok(Self {
            file: config.file,
            effective: config.effective,
            gate,
            requests: daemon.requests,
            upstreams: metrics,
            fill,
            node,
            counting,
        })
    }

    /// Filling ends first: nobody waits for it, and viewers have the time that is left. What was
    /// served is told once nothing is any more.
    async fn end(self) {
        if let Some(fill) = self.fill {
            fill.end().await;
        }
        self.node.drain().await;
        if let Some(counting) = self.counting {
            counting.end().await;
        }
    }

    /// Reads the config again: sites, keys, certificates, and from where manifests are pulled, are taken
    /// over, whole or not at all.
    fn take_over(&self) -> Result<serde_json::Value, BoxError> {
        let config = Config::load(&self.file)?;
        let now = message::now();
        let pull = match &self.fill {
            Some(_) => config.pull(&self.upstreams, &now)?,
            None => None,
        };
        self.node.reload(&now)?;
        if let Some(fill) = &self.fill {
            fill.reload(&now)?;
            fill.take_over(&config, pull);
        }
        know_sites(&self.requests, &config);
        self.gate.replace_sites(&config, now.unix_s());
        for key in node::changed(&self.effective, &config.effective, TAKEN_OVER) {
            tracing::warn!(key, "changed in the config file; a restart takes it over");
        }
        Ok(config.effective)
    }
}

impl process::Node for App {
    async fn reload(&self) -> Result<serde_json::Value, BoxError> {
        self.take_over()
    }

    async fn drain(self, _deadline: Duration) {
        self.end().await;
    }
}

impl Edge {
    /// Starts an edge. Must run in a tokio runtime.
    ///
    /// # Errors
    /// Whatever keeps it from serving; nothing is left running then.
    pub fn start(config: Config) -> impl Future<Output = Result<Self, node::Error>> + Send {
        // Whoever waits for it does not have all of it on his stack.
        Box::pin(async move {
            let (embedded, daemon) =
                Embedded::start(&config.sections, config.effective.clone()).await?;
            let app = Box::pin(App::build(config, daemon)).await?;
            embedded.serving();
            Ok(Self { app, embedded })
        })
    }

    /// Where it listens, TCP and UDP.
    pub fn address(&self) -> SocketAddr {
        self.app.node.address()
    }

    /// Where `/metrics` and the others are.
    pub fn admin_address(&self) -> SocketAddr {
        self.embedded.admin_address()
    }

    /// Where the steering API is, if the config has one.
    pub fn steering_address(&self) -> Option<SocketAddr> {
        self.app.node.steering_address()
    }

    /// Where the other edges of its cluster are served, if the config has that.
    pub fn peers_address(&self) -> Option<SocketAddr> {
        self.app.fill.as_ref().and_then(Plane::peers_address)
    }

    /// Its metrics.
    pub fn registry(&self) -> &Registry {
        self.embedded.registry()
    }

    /// Reads the config file again, as SIGHUP does.
    ///
    /// # Errors
    /// Why nothing was taken over.
    pub fn reload(&self) -> Result<(), BoxError> {
        self.app.take_over().map(drop)
    }

    /// Stops accepting, lets what is in flight finish within the deadline, and ends.
    pub async fn drain(self) {
        let Self { app, embedded } = self;
        embedded.end(app.end()).await;
    }
}

fn know_sites(requests: &RequestMetrics, config: &Config) {
    requests.know_sites(config.sites.iter().map(|site| site.name.to_arc()));
}

async fn counting(
    config: &Config,
    cache: &Cache,
    daemon: &Daemon,
    now: &Timestamp,
) -> Result<Option<Counting>, node::Error> {
    let sections = &config.sections;
    match &sections.popularity {
        Some(section) => Counting::start(section, sections, cache, daemon, now)
            .await
            .map(Some),
        None => Ok(None),
    }
}

fn shields(
    config: &Config,
    metrics: &Metrics,
    now: &Timestamp,
) -> Result<Arc<dyn Upstream>, node::Error> {
    let (tls, warnings) = config.shields.tls.build(now.wall)?;
    node::tell(&warnings);
    let shields = ShieldsConfig {
        name: "shields".into(),
        node: config.sections.common.name.to_string(),
        shields: config.shields.members.clone(),
        tls,
        limits: config.shields.limits.clone(),
    };
    Ok(Arc::new(upstream::Shields::new(&shields, metrics)?))
}
