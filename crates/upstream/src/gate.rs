//! How many reads are in flight towards one upstream, and how many may wait.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use message::{Error, Kind};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{Limits, metrics::Meter, metrics::Present};

/// A bound on reads in flight, with a bounded wait before it.
pub(crate) struct Gate {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    queue_max: usize,
    patience: Duration,
}

impl Gate {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(limits.in_flight_max)),
            waiting: AtomicUsize::new(0),
            queue_max: limits.queue_max,
            patience: limits.queue_timeout,
        }
    }

    /// Waits for a turn, which lasts until the permit is dropped. Cancel safe.
    pub(crate) async fn enter(&self, meter: &Meter) -> Result<OwnedSemaphorePermit, Error> {
        if let Ok(turn) = Arc::clone(&self.turns).try_acquire_owned() {
            return Ok(turn);
        }
        let full = |why: &str| Error::new(Kind::ConnectionLimitReached, why);
        let _waiter = Waiter::join(&self.waiting, self.queue_max)
            .ok_or_else(|| full("too many reads wait already"))?;
        let _present = Present::new(&meter.waiting);
        match timeout(self.patience, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            Ok(Err(_closed)) => Err(Error::new(Kind::ProxyInternalError, "gate closed")),
            Err(_elapsed) => Err(full("no turn in time")),
        }
    }
}

/// A place in the queue, left when dropped.
struct Waiter<'a>(&'a AtomicUsize);

impl<'a> Waiter<'a> {
    fn join(waiting: &'a AtomicUsize, max: usize) -> Option<Self> {
        let waiter = Self(waiting);
        (waiting.fetch_add(1, Ordering::Relaxed) < max).then_some(waiter)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter() -> Meter {
        crate::Metrics::new(&prometheus::Registry::new())
            .unwrap()
            .meter(&"test".into())
    }

    fn gate(in_flight_max: usize, queue_max: usize) -> Gate {
        Gate::new(&Limits {
            in_flight_max,
            queue_max,
            ..Limits::default()
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_waits_for_its_turn_and_no_longer_than_the_limit() {
        let (gate, meter) = (gate(1, 1), meter());
        let first = gate.enter(&meter).await.unwrap();
        let error = gate.enter(&meter).await.unwrap_err();
        assert_eq!(error.kind(), Kind::ConnectionLimitReached);
        let (second, ()) = tokio::join!(gate.enter(&meter), async { drop(first) });
        assert!(second.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_refuses_at_once_and_is_left_by_who_gives_up() {
        let (gate, meter) = (gate(1, 1), meter());
        let _turn = gate.enter(&meter).await.unwrap();
        let mut waiting = Box::pin(gate.enter(&meter));
        assert!(futures_util::poll!(&mut waiting).is_pending());
        let error = gate.enter(&meter).await.unwrap_err();
        assert!(error.detail().contains("too many"));
        drop(waiting);
        assert_eq!(gate.waiting.load(Ordering::Relaxed), 0);
        assert!(
            gate.enter(&meter)
                .await
                .unwrap_err()
                .detail()
                .contains("in time")
        );
    }
}
