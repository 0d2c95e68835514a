//! The shield as a list of rooms in request order.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use daemon::process::{self, BoxError, Daemon};
use message::Handler;
use node::{Base, Embedded, Node, Planes};
use prometheus::Registry;

use crate::{config::Config, gate::Gate, origins};

/// A shield: listener with mutual TLS, access log, gate, cache, store, origins.
pub struct App {
    file: PathBuf,
    /// The effective config that it was built from.
    effective: serde_json::Value,
    node: Node,
}

/// A shield inside another process.
pub struct Shield {
    app: App,
    embedded: Embedded,
}

impl App {
    pub(crate) async fn build(config: Config, mut daemon: Daemon) -> Result<Self, node::Error> {
        let now = message::now();
        let upstream = origins::build(&config, &daemon.registry, &now)?;
        let base = Base::open(&config.sections, &mut daemon, upstream, &now).await?;
        let gate = Arc::new(Gate::new(&config, base.cache().clone()));
        daemon
            .requests
            .know_sites(config.sites.iter().map(|site| Arc::clone(&site.name)));
        let mut node = base.serve(&daemon, Arc::clone(&gate) as Arc<dyn Handler>)?;
        node.steer(&config.sections, &daemon, gate, Planes::default())
            .await?;
        Ok(Self {
            file: config.file,
            effective: config.effective,
            node,
        })
    }

    /// Reads the config and the certificates again. Only certificates change in a running shield;
    /// what else has changed in the file is told.
    fn take_over(&self) -> Result<serde_json::Value, BoxError> {
        let config = Config::load(&self.file)?;
        self.node.reload(&message::now())?;
        for key in node::changed(&self.effective, &config.effective, &[]) {
            tracing::warn!(key, "changed in the config file; a restart takes it over");
        }
        Ok(self.effective.clone())
    }
}

impl process::Node for App {
    async fn reload(&self) -> Result<serde_json::Value, BoxError> {
        self.take_over()
    }

    async fn drain(self, _deadline: Duration) {
        self.node.drain().await;
    }
}

impl Shield {
    /// Starts a shield. Must run in a tokio runtime.
    ///
    /// # Errors
    /// Whatever keeps it from serving; nothing is left running then.
    pub fn start(config: Config) -> impl Future<Output = Result<Self, node::Error>> + Send {
        // Whoever waits for it does not have all of it on his stack.
        Box::pin(async move {
            let (embedded, daemon) =
                Embedded::start(&config.sections, config.effective.clone()).await?;
            let app = App::build(config, daemon).await?;
            embedded.serving();
            Ok(Self { app, embedded })
        })
    }

    /// Where it listens.
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

    /// Its metrics.
    pub fn registry(&self) -> &Registry {
        self.embedded.registry()
    }

    /// Stops accepting, lets what is in flight finish within the deadline, and ends.
    pub async fn drain(self) {
        let Self { app, embedded } = self;
        embedded.end(app.node.drain()).await;
    }
}
