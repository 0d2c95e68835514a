//! Threads that connections live in: one for each core, each with a runtime of its own.
//!
//! What begins in a worker stays in it: a connection, its streams, its timers, and the fills that
//! its requests begin. Nothing that a hit needs is woken across cores, and nothing is stolen. The
//! process's own runtime stays beside them, for what belongs to no connection: the admin listener,
//! signals, QUIC's endpoint, the writers of the disks. It has threads of its own, so that no
//! worker that is busy keeps it waiting.
//!
//! Which core a worker runs on is left to the kernel. Held to their cores, workers cost the same
//! CPU per byte, and sent a fifth less when something else ran on the same cores: the kernel could
//! not move them out of its way.

use std::{io, num::NonZeroUsize, thread};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
};

/// Threads for blocking calls, all workers together: tokio's own default for one runtime.
const BLOCKING_MAX: usize = 512;

/// Threads for blocking calls that each worker has at least.
const BLOCKING_MIN: usize = 8;

/// The workers of a node. Dropped, they stop, and what still runs in them is dropped.
#[derive(Debug)]
pub struct Workers(Vec<Worker>);

#[derive(Debug)]
struct Worker {
    runtime: Handle,
    /// Nothing is ever sent: the worker stops when this is dropped.
    _stop: oneshot::Sender<()>,
    ended: oneshot::Receiver<()>,
}

impl Workers {
    /// Starts `count` workers; without a count, one for each core that the process may use (fewer
    /// where its control group has less time than that).
    ///
    /// # Errors
    /// When a thread or a runtime does not start.
    pub fn start(count: Option<NonZeroUsize>) -> io::Result<Self> {
        let count = count.map_or_else(cores, NonZeroUsize::get);
        let blocking = (BLOCKING_MAX / count).max(BLOCKING_MIN);
        let start = |number: usize| Worker::start(number, blocking);
        (0..count).map(start).collect::<io::Result<_>>().map(Self)
    }

    /// The runtimes, to spawn connections in.
    pub fn runtimes(&self) -> Vec<Handle> {
        let workers = self.0.iter();
        workers.map(|worker| worker.runtime.clone()).collect()
    }

    /// Stops them, and waits until they have. Whatever still runs in them is dropped.
    pub async fn end(self) {
        // All are told before any is waited for.
        let ended: Vec<_> = self.0.into_iter().map(|worker| worker.ended).collect();
        for ended in ended {
            // The worker's side is dropped when its thread is done, and says nothing.
            let _ = ended.await;
        }
    }
}

impl Worker {
    fn start(number: usize, blocking: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(blocking)
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let (ending, ended) = oneshot::channel();
        let thread = thread::Builder::new().name(format!("worker-{number}"));
        thread.spawn(move || {
            work(runtime, stopped);
            drop(ending);
        })?;
        Ok(Self {
            runtime: handle,
            _stop: stop,
            ended,
        })
    }
}

fn work(runtime: Runtime, stopped: oneshot::Receiver<()>) {
    // Either way the owner is gone.
    let _ = runtime.block_on(stopped);
    // A blocking call that hangs, on a dying disk, must not keep a process from ending.
    runtime.shutdown_background();
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    async fn thread_of(runtime: &Handle) -> thread::ThreadId {
        let task = runtime.spawn(async { thread::current().id() });
        task.await.unwrap()
    }

    #[tokio::test]
    async fn each_core_has_a_worker_whose_tasks_stay_in_it() {
        let workers = Workers::start(None).unwrap();
        let mut threads = HashSet::new();
        for runtime in workers.runtimes() {
            let thread = thread_of(&runtime).await;
            assert_eq!(thread_of(&runtime).await, thread);
            threads.insert(thread);
        }
        assert_eq!(threads.len(), cores());
        workers.end().await;
    }

    #[tokio::test]
    async fn what_still_runs_at_the_end_is_dropped() {
        let workers = Workers::start(NonZeroUsize::new(1)).unwrap();
        let (held, dropped) = oneshot::channel::<()>();
        workers.runtimes()[0].spawn(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        workers.end().await;
        assert!(dropped.await.is_err());
    }
}
