//! How a server is asked to end.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// A request to end: asked once, seen by every clone.
///
/// From then on nothing new is accepted, clients are told to go elsewhere, and what is in flight
/// has `grace` to finish before it is cut.
#[derive(Debug, Clone)]
pub struct Drain {
    asked: CancellationToken,
    grace: Duration,
}

impl Drain {
    /// Not asked for yet.
    pub fn new(grace: Duration) -> Self {
        Self {
            asked: CancellationToken::new(),
            grace,
        }
    }

    /// Asks for it. Again does nothing.
    pub fn start(&self) {
        self.asked.cancel();
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
            grace: self.grace,
        }
    }

    /// How long requests in flight may go on.
    pub fn grace(&self) -> Duration {
        self.grace
    }
}
