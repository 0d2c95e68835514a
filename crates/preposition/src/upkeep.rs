//! What goes on beside the filling itself: walks over the plan, pins that end, notes that are kept.

use std::sync::Arc;

use tokio::task::JoinSet;

use crate::{
    active::Active,
    ledger::Ledger,
    ledger_file,
    pins::Pins,
    repair::{self, Repaired},
    seeds::{self, Look},
    shared::Shared,
};

/// The engine's tasks that fetch nothing. Dropped, they end.
pub(crate) struct Upkeep {
    shared: Arc<Shared>,
    repairs: JoinSet<Repaired>,
    /// At most one.
    looks: JoinSet<()>,
    /// What is done once and of which nobody waits for the outcome.
    chores: JoinSet<()>,
    pins: Pins,
}

impl Upkeep {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            repairs: JoinSet::new(),
            looks: JoinSet::new(),
            chores: JoinSet::new(),
            pins: Pins::default(),
        }
    }

    /// Another plan is in force: a walk over the old one is over.
    pub(crate) fn take_over(&mut self, new: &Active, now_s: u64) {
        self.pins.schedule(new, now_s);
        self.repairs = JoinSet::new();
        self.looks = JoinSet::new();
    }

    /// Whether a walk is under way.
    pub(crate) fn is_repairing(&self) -> bool {
        !self.repairs.is_empty()
    }

    /// Looks for what should be here, unless somebody does.
    pub(crate) fn repair(&mut self, active: &Arc<Active>, now_s: u64) {
        if self.is_repairing() {
            return;
        }
        self.pins.schedule(active, now_s);
        let (shared, active) = (Arc::clone(&self.shared), Arc::clone(active));
        self.repairs.spawn(repair::repair(shared, active));
    }

    /// Looks what viewers have brought: at all that was left to them where the store `has_been_told` what is
    /// expected of the rest, otherwise at what they have asked for, unless somebody does.
    pub(crate) fn look_at_seeds(&mut self, active: &Arc<Active>, has_been_told: bool) {
        let look = if has_been_told {
            self.looks = JoinSet::new();
            Look::All
        } else {
            Look::Asked
        };
        if self.looks.is_empty() {
            let (shared, active) = (Arc::clone(&self.shared), Arc::clone(active));
            self.looks.spawn(seeds::look(shared, active, look));
        }
    }

    /// Lets go of the pins whose time is over.
    pub(crate) fn unpin_due(&mut self, active: &Arc<Active>, now_s: u64) {
        let ended = self.pins.due(now_s);
        if !ended.is_empty() {
            let (shared, active) = (Arc::clone(&self.shared), Arc::clone(active));
            self.chores.spawn(repair::unpin_at(shared, active, ended));
        }
    }

    /// Writes down what was spent.
    pub(crate) fn write(&mut self, ledger: Ledger) {
        let folder = self.shared.config.folder.clone();
        self.chores.spawn(ledger_file::save_owned(folder, ledger));
    }

    /// The next walk that ends; nothing if there is nothing to wait for. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Repaired> {
        loop {
            tokio::select! {
                Some(repaired) = self.repairs.join_next() => {
                    return Some(repaired.unwrap_or_default());
                }
                Some(looked) = self.looks.join_next() => {
                    if let Err(error) = looked {
                        tracing::error!(%error, "a look at what viewers brought ended early");
                    }
                }
                Some(_) = self.chores.join_next() => {}
                else => return None,
            }
        }
    }

    /// Ends what can be done again; what is being written is written whole.
    pub(crate) async fn end(&mut self) {
        self.repairs.shutdown().await;
        self.looks.shutdown().await;
        while self.chores.join_next().await.is_some() {}
    }
}
