//! How a server is asked to end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio_util::sync::CancellationToken;

/// A request to end: asked once, seen by every clone.
///
/// From then on nothing new is accepted, clients are told to go elsewhere, and what is in flight
/// has `grace` to finish before it is cut.
///
/// Before that, and back again, a server may rest: places without an open connection get none, and
/// those that have one go on as if nothing were.
#[derive(Debug, Clone)]
pub struct Drain {
    asked: CancellationToken,
    resting: Arc<AtomicBool>,
    grace: Duration,
}

impl Drain {
    /// Not asked for yet.
    pub fn new(grace: Duration) -> Self {
        Self {
            asked: CancellationToken::new(),
            resting: Arc::default(),
            grace,
        }
    }

    /// Asks for it. Again does nothing.
    pub fn start(&self) {
        self.asked.cancel();
    }

    /// Has nobody let in who is not there yet, or everybody again.
    pub fn rest(&self, rest: bool) {
        self.resting.store(rest, Ordering::Relaxed);
    }

    /// Whether nobody new is let in.
    pub fn is_resting(&self) -> bool {
        self.resting.load(Ordering::Relaxed)
    }

    /// Whether it was asked for.
    pub fn has_started(&self) -> bool {
        self.asked.is_cancelled()
    }

    /// Waits until it is asked for. Cancel safe.
    pub async fn started(&self) {
        self.asked.cancelled().await;
    }

    /// The same drain for one thread's use: who waits for it takes a lock of its own.
    pub(crate) fn of_its_own(&self) -> Self {
        Self {
            asked: self.asked.child_token(),
            resting: Arc::clone(&self.resting),
            grace: self.grace,
        }
    }

    /// How long requests in flight may go on.
    pub fn grace(&self) -> Duration {
        self.grace
    }
}
