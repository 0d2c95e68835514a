//! Threads that connections live in: one for each core, each with a runtime of its own.
//!
//! What begins in a worker stays in it: a connection, its streams, its timers, and the fills that
//! its requests begin. Nothing that a hit needs is woken across cores, and nothing is stolen. The
//! process's own runtime stays beside them, for what belongs to no connection: the admin listener,
//! signals, QUIC's endpoint, the writers of the disks. It has threads of its own, so that no
//! worker that is busy keeps it waiting.

use std::{io, num::NonZeroUsize, thread};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
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
    /// With as many workers as cores each is held to its own core. With fewer, or more, where they
    /// run is left to the kernel: two nodes on one machine must not meet on its first cores.
    ///
    /// # Errors
    /// When a thread or a runtime does not start.
    pub fn start(count: Option<NonZeroUsize>) -> io::Result<Self> {
        let cores = cores();
        let count = count.map_or_else(default_count, NonZeroUsize::get);
        let blocking = (BLOCKING_MAX / count).max(BLOCKING_MIN);
        let start = |number: usize| {
            let core = cores.get(number).filter(|_| cores.len() == count);
            Worker::start(number, core.copied(), blocking)
        };
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
    fn start(number: usize, core: Option<usize>, blocking: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(blocking)
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let (ending, ended) = oneshot::channel();
        let thread = thread::Builder::new().name(format!("worker-{number}"));
        thread.spawn(move || {
            if let Some(core) = core {
                hold_to(core);
            }
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

fn default_count() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// The cores that the process may use; none where they cannot be told.
fn cores() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(None) else {
        return Vec::new();
    };
    (0..CpuSet::MAX_CPU)
        .filter(|core| set.is_set(*core))
        .collect()
}

/// Holds this thread to one core.
fn hold_to(core: usize) {
    let mut only = CpuSet::new();
    only.set(core);
    if let Err(error) = sched_setaffinity(None, &only) {
        tracing::debug!(core, %error, "a worker is not held to its core");
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    async fn on(runtime: &Handle) -> (thread::ThreadId, Vec<usize>) {
        let task = runtime.spawn(async { (thread::current().id(), cores()) });
        task.await.unwrap()
    }

    #[tokio::test]
    async fn each_core_has_a_worker_that_stays_on_it() {
        let workers = Workers::start(None).unwrap();
        let (mut threads, mut held) = (HashSet::new(), HashSet::new());
        for runtime in workers.runtimes() {
            let (thread, cores) = on(&runtime).await;
            assert_eq!(on(&runtime).await.0, thread, "a task is on another thread");
            assert_eq!(cores.len(), 1, "held to {cores:?}");
            threads.insert(thread);
            held.extend(cores);
        }
        assert_eq!(threads.len(), cores().len());
        assert_eq!(held, HashSet::from_iter(cores()));
        workers.end().await;
    }

    #[tokio::test]
    async fn more_workers_than_cores_are_held_nowhere() {
        let count = NonZeroUsize::new(cores().len() + 1);
        let workers = Workers::start(count).unwrap();
        for runtime in workers.runtimes() {
            assert_eq!(on(&runtime).await.1, cores());
        }
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
