//! A gate that stops whoever comes, until a test opens it.

use std::sync::Arc;

use tokio::sync::watch;

use crate::within;

/// Shared by the test and the origin; clones are the same gate. Never opened twice, never closed.
#[derive(Debug, Clone)]
pub struct Gate(Arc<watch::Sender<State>>);

#[derive(Debug, Clone, Copy, Default)]
struct State {
    open: bool,
    arrived: usize,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::default()))
    }

    /// Lets through whoever waits, and all who come later.
    pub fn open(&self) {
        self.0.send_modify(|state| state.open = true);
    }

    /// Waits until `count` have come to the gate.
    pub async fn arrivals(&self, count: usize) {
        let mut states = self.0.subscribe();
        let come = states.wait_for(|state| state.arrived >= count);
        within(60, "somebody at the origin's gate", come)
            .await
            .unwrap();
    }

    /// How many have come so far.
    pub fn arrived(&self) -> usize {
        self.0.borrow().arrived
    }

    pub(super) async fn pass(&self) {
        self.0.send_modify(|state| state.arrived += 1);
        // The sender lives as long as this gate.
        let mut states = self.0.subscribe();
        let _open = states.wait_for(|state| state.open).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}
