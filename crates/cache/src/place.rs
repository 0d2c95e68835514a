//! Places: how much goes on with upstream at once.
//!
//! Nobody who has a place waits for another, so waiting ends. What nobody waits for yet (reading
//! ahead, refreshing behind a viewer's back) takes a place only while a quarter of them is free,
//! and never queues. What goes at a viewer's pace has places of its own.

use std::{sync::Arc, time::Duration};

use message::{Error, Kind};
use prometheus::IntGauge;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{Config, metrics::Metrics};

/// All places.
pub(crate) struct Places {
    fills: Arc<Semaphore>,
    passes: Arc<Semaphore>,
    polls: Arc<Semaphore>,
    /// So many are left to those who wait.
    reserved: usize,
    wait: Duration,
    running: IntGauge,
}

/// One place, free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    running: IntGauge,
}

impl Places {
    pub(crate) fn new(config: &Config, metrics: &Metrics) -> Self {
        Self {
            fills: Arc::new(Semaphore::new(config.fills_max)),
            passes: Arc::new(Semaphore::new(config.passes_max)),
            polls: Arc::new(Semaphore::new(config.fills_max)),
            reserved: config.fills_max / 4,
            wait: config.fill_queue_wait,
            running: metrics.fills_running.clone(),
        }
    }

    /// Waits, within bounds, for a place to fill. Cancel safe.
    pub(crate) async fn fill(&self) -> Result<Place, Error> {
        self.wait_for(&self.fills).await
    }

    /// Waits, within bounds, for a place to pass. Cancel safe.
    pub(crate) async fn pass(&self) -> Result<Place, Error> {
        self.wait_for(&self.passes).await
    }

    /// Waits, within bounds, for a place to ask whether something is there by now. The next tier may
    /// hold such a question open, so these have places of their own: as many as fills. Cancel safe.
    pub(crate) async fn poll(&self) -> Result<Place, Error> {
        self.wait_for(&self.polls).await
    }

    /// Whether nobody has a place who does not wait for one.
    pub(crate) fn is_short(&self) -> bool {
        self.fills.available_permits() <= self.reserved
    }

    /// A place to pass, if there is one at once: for who has a place already, and so must not wait.
    pub(crate) fn pass_now(&self) -> Option<Place> {
        let permit = Arc::clone(&self.passes).try_acquire_owned().ok()?;
        Some(self.of(permit))
    }

    /// A place to fill what nobody waits for, if there are plenty.
    pub(crate) fn spare(&self) -> Option<Place> {
        if self.is_short() {
            return None;
        }
        let permit = Arc::clone(&self.fills).try_acquire_owned().ok()?;
        Some(self.of(permit))
    }

    async fn wait_for(&self, places: &Arc<Semaphore>) -> Result<Place, Error> {
        match timeout(self.wait, Arc::clone(places).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(self.of(permit)),
            Ok(Err(_)) | Err(_) => Err(Error::new(
                Kind::ConnectionLimitReached,
                format!("no free fill after {:?}", self.wait),
            )),
        }
    }

    fn of(&self, permit: OwnedSemaphorePermit) -> Place {
        self.running.inc();
        Place {
            _permit: permit,
            running: self.running.clone(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.running.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(fills_max: usize) -> Places {
        let registry = prometheus::Registry::new();
        let config = Config {
            fill_queue_wait: Duration::from_millis(1),
            ..Config::named("n").with_fills(fills_max)
        };
        Places::new(&config, &Metrics::register(&registry).unwrap())
    }

    #[tokio::test]
    async fn a_quarter_is_left_to_those_who_wait() {
        let places = places(4);
        let spare: Vec<_> = std::iter::from_fn(|| places.spare()).collect();
        assert_eq!(spare.len(), 3);
        let _waited = places.fill().await.unwrap();
        assert!(places.fill().await.is_err(), "and then there is none");
    }

    #[tokio::test]
    async fn passes_take_no_place_of_a_fill() {
        let places = places(1);
        let _pass = places.pass().await.unwrap();
        assert!(places.pass().await.is_err());
        assert!(places.fill().await.is_ok());
    }

    #[tokio::test]
    async fn a_dropped_place_is_free_again() {
        let places = places(1);
        for _ in 0..3 {
            assert!(places.fill().await.is_ok());
        }
        assert_eq!(places.running.get(), 0);
    }
}
