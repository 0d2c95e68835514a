//! Where HTTP/2 streams run: each in its own task, owned, watched and cut.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use hyper::rt::Executor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{body::Turn, front::Front, metrics::Rejected, stall::Outlet, tcp::Connection};

tokio::task_local! {
    /// The turn of the stream that the current task is for. hyper makes a task of the service's
    /// future and the sending of its body together; this is how the body in it gets known to the
    /// watch around it.
    static TURN: Arc<Turn>;
}

/// The turn of the stream that this task is for.
pub(crate) fn turn() -> Arc<Turn> {
    TURN.try_with(Arc::clone).unwrap_or_default()
}

/// hyper's executor for one connection.
#[derive(Clone)]
pub(crate) struct Streams {
    front: Arc<Front>,
    outlet: Arc<Outlet>,
    cut: CancellationToken,
    tasks: TaskTracker,
    timeout: Duration,
}

impl Streams {
    pub(crate) fn new(connection: &Connection) -> Self {
        Self {
            front: Arc::clone(&connection.front),
            outlet: Arc::clone(&connection.outlet),
            cut: connection.cut.clone(),
            tasks: connection.tasks.clone(),
            timeout: connection.front.config.limits.stall_timeout,
        }
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let this = self.clone();
        self.tasks.spawn(async move {
            let turn = Arc::new(Turn::default());
            let written = || this.outlet.written.load(Ordering::Relaxed);
            // Dropping the stream's future half-way resets the stream.
            tokio::select! {
                biased;
                () = TURN.scope(Arc::clone(&turn), stream) => {}
                () = turn.missed(this.timeout, written) => {
                    this.front.metrics.rejected(Rejected::Stalled);
                }
                () = this.cut.cancelled() => {}
            }
        });
    }
}
