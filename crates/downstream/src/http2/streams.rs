//! Where HTTP/2 streams run: each in its own task, owned, watched and cut.

use std::sync::{Arc, atomic::Ordering};

use hyper::rt::Executor;

use crate::{body::Turn, metrics::Rejected, tcp::Connection};

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
pub(crate) struct Streams(Arc<Connection>);

impl Streams {
    pub(crate) fn of(connection: Arc<Connection>) -> Self {
        Self(connection)
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        let connection = Arc::clone(&self.0);
        self.0.tasks.spawn(async move {
            let turn = Arc::new(Turn::default());
            let written = || connection.outlet.written.load(Ordering::Relaxed);
            let limits = &connection.front.config.limits;
            // Dropping the stream's future half-way resets the stream.
            tokio::select! {
                biased;
                () = TURN.scope(Arc::clone(&turn), stream) => {}
                () = turn.missed(limits.stall_timeout, written) => {
                    connection.front.metrics.rejected(Rejected::Stalled);
                }
                () = connection.cut.cancelled() => {}
            }
        });
    }
}
