//! A node inside another process: the demo, tests and benches run the same node as its own binary
//! does, with its admin listener and its access log, but without signals and systemd.

use std::net::SocketAddr;

use daemon::{
    access::RequestMetrics,
    admin::{Admin, Effective, Routes, add_pages},
    config::AccessTarget,
    logs::{Lines, LogMetrics, Target},
    process::{Daemon, Lifecycle, Sockets},
};
use prometheus::Registry;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{Error, Sections};

/// The admin listener of an embedded node; it ends with this.
pub struct Embedded {
    admin_address: SocketAddr,
    registry: Registry,
    lifecycle: Lifecycle,
    /// Dropped, it ends the listener: a node that fails to start leaves nothing behind.
    stop: DropGuard,
    admin: JoinHandle<()>,
}

impl Embedded {
    /// Binds the admin listener and opens the access log, and gives what a node builds on.
    ///
    /// # Errors
    /// When a socket or a file is refused.
    pub async fn start(
        sections: &Sections,
        effective: serde_json::Value,
    ) -> Result<(Self, Daemon), Error> {
        let registry = Registry::new();
        let log_metrics = LogMetrics::new(&registry)?;
        let target = match &sections.common.log.access {
            AccessTarget::Off => None,
            AccessTarget::Stdout => Some(Target::Stdout),
            AccessTarget::File(path) => Some(Target::File(path.clone())),
        };
        let access = target
            .map(|target| Lines::start("access", target, &log_metrics))
            .transpose()?;
        let admin = Admin::bind(sections.common.admin.address).await?;
        let (routes, lifecycle, stop) = (Routes::new(), Lifecycle::new(), CancellationToken::new());
        add_pages(
            &routes,
            registry.clone(),
            lifecycle.clone(),
            Effective::new(effective),
        );
        let embedded = Self {
            admin_address: admin.address(),
            registry: registry.clone(),
            lifecycle: lifecycle.clone(),
            admin: tokio::spawn(admin.serve(routes.clone(), stop.clone())),
            stop: stop.drop_guard(),
        };
        let requests = RequestMetrics::new(&registry)?;
        let sockets = Sockets::default();
        Ok((
            embedded,
            Daemon {
                registry,
                lifecycle,
                sockets,
                routes,
                requests,
                access,
            },
        ))
    }

    /// Where `/metrics` and the others are.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// The node's metrics.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The node serves.
    pub fn serving(&self) {
        self.lifecycle.serving();
    }

    /// Ends the admin listener, once `drain` is done.
    pub async fn end(self, drain: impl Future<Output = ()>) {
        self.lifecycle.draining("asked to end");
        drain.await;
        drop(self.stop);
        if let Err(error) = self.admin.await {
            tracing::error!(%error, "the admin listener failed");
        }
    }
}
