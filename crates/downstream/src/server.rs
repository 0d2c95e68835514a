//! The server: sockets in, tasks out, and an orderly end.

use std::sync::Arc;

use message::Handler;
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Config, Drain, Error, Listeners, front::Front, http3, listeners::adopt, metrics::Metrics,
    quota::Quota, tcp,
};

/// Serves HTTP/1, 2 and 3 to clients; every request goes to one handler.
pub struct Server {
    front: Arc<Front>,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Everything in flight finished.
    Whole,
    /// Grace ran out, and so many tasks (connections and streams) were cut.
    Cut {
        /// How many.
        tasks: usize,
    },
}

impl Server {
    /// A server that is not listening yet. Metrics are registered as `millpond_downstream_*`.
    pub fn new(
        config: Config,
        tls: Arc<tls::Server>,
        handler: Arc<dyn Handler>,
        registry: &prometheus::Registry,
    ) -> Result<Self, Error> {
        let metrics = Metrics::new(registry)?;
        Ok(Self {
            front: Arc::new(Front::new(config, tls, handler, metrics)),
        })
    }

    /// Serves until `drain` is started and what was in flight then has finished or was cut.
    ///
    /// An error means that a socket could not be served and nothing is. Must run in a tokio
    /// runtime with I/O and time. Not cancel safe: dropped, it leaves its connections running
    /// without an owner; start the drain instead.
    pub async fn run(self, listeners: Listeners, drain: Drain) -> Result<Drained, Error> {
        let limits = &self.front.config.limits;
        let shared = tcp::Shared {
            quota: Arc::new(Quota::new(limits)),
            handshakes: Arc::new(Semaphore::new(limits.handshakes)),
            front: Arc::clone(&self.front),
            drain: drain.clone(),
            cut: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let mut tcp = Vec::with_capacity(listeners.tcp.len());
        for listener in listeners.tcp {
            adopt(&listener).map_err(Error::Socket)?;
            tcp.push(TcpListener::from_std(listener).map_err(Error::Socket)?);
        }
        let mut quic = Vec::with_capacity(listeners.udp.len());
        for socket in listeners.udp {
            adopt(&socket).map_err(Error::Socket)?;
            quic.push(http3::Endpoint::new(&shared, socket)?);
        }
        for listener in tcp {
            shared.tasks.spawn(tcp::accept(shared.clone(), listener));
        }
        for endpoint in quic {
            shared.tasks.spawn(endpoint.accept(shared.clone()));
        }
        drain.started().await;
        Ok(finish(&shared).await)
    }
}

async fn finish(shared: &tcp::Shared) -> Drained {
    shared.tasks.close();
    if timeout(shared.drain.grace(), shared.tasks.wait())
        .await
        .is_ok()
    {
        return Drained::Whole;
    }
    let tasks = shared.tasks.len();
    tracing::warn!(tasks, "grace ran out; cutting what is still in flight");
    shared.cut.cancel();
    shared.tasks.wait().await;
    Drained::Cut { tasks }
}
