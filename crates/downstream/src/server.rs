//! The server: sockets in, tasks out, and an orderly end.

use std::sync::Arc;

use message::Handler;
use tokio::{net::TcpListener, runtime::Handle, sync::Semaphore, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Config, Drain, Error, Listeners,
    front::Front,
    http3,
    listeners::adopt,
    metrics::Metrics,
    quota::Quota,
    tcp::{self, Seat},
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

    /// Tells how much goes on, for as long as it is kept: connections that are open, and body bytes
    /// sent so far.
    pub fn traffic(&self) -> impl Fn() -> (u64, u64) + Send + Sync + use<> {
        let front = Arc::clone(&self.front);
        move || front.metrics.traffic()
    }

    /// Serves until `drain` is started and what was in flight then has finished or was cut.
    ///
    /// An error means that a socket could not be served and nothing is. Must run in a tokio
    /// runtime with I/O and time. Not cancel safe: dropped, it leaves its connections running
    /// without an owner; start the drain instead.
    pub async fn run(self, listeners: Listeners, drain: Drain) -> Result<Drained, Error> {
        self.run_in(vec![Handle::current()], listeners, drain).await
    }

    /// The same, with the TCP connections in `runtimes`, which must outlive it.
    ///
    /// Each connection is given to the runtime that has the least to do when it comes, and stays
    /// there to its end. QUIC stays in the caller's runtime: its connections share a socket.
    pub async fn run_in(
        self,
        runtimes: Vec<Handle>,
        listeners: Listeners,
        drain: Drain,
    ) -> Result<Drained, Error> {
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
        let keepers = http3::Keepers::default();
        let mut quic = Vec::with_capacity(listeners.udp.len());
        for socket in listeners.udp {
            adopt(&socket).map_err(Error::Socket)?;
            quic.push(http3::Endpoint::new(&shared, socket, &keepers)?);
        }
        let seats = runtimes.into_iter().map(|runtime| shared.seat(runtime));
        let seats: Arc<[Seat]> = seats.collect();
        for listener in tcp {
            let accept = tcp::accept(shared.clone(), Arc::clone(&seats), listener);
            shared.tasks.spawn(accept);
        }
        for endpoint in quic {
            shared.tasks.spawn(endpoint.accept(shared.clone()));
        }
        drain.started().await;
        Ok(finish(&shared, &seats).await)
    }
}

async fn finish(shared: &tcp::Shared, seats: &[Seat]) -> Drained {
    // In this order: whoever accepts is among the first, and fills the others until it ends.
    let trackers = || std::iter::once(&shared.tasks).chain(seats.iter().map(Seat::tasks));
    let all = async {
        for tasks in trackers() {
            tasks.close();
            tasks.wait().await;
        }
    };
    if timeout(shared.drain.grace(), all).await.is_ok() {
        return Drained::Whole;
    }
    let tasks = trackers().map(TaskTracker::len).sum();
    tracing::warn!(tasks, "grace ran out; cutting what is still in flight");
    shared.cut.cancel();
    for tasks in trackers() {
        tasks.close();
        tasks.wait().await;
    }
    Drained::Cut { tasks }
}
