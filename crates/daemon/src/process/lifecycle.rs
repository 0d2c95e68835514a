//! Where a process is in its life, for whoever asks whether it is ready.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::watch;

/// Where a process is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not yet listening, or still reading what it needs.
    Starting,
    /// Answering.
    Serving,
    /// Answering those who are there, and nobody else until it is told otherwise.
    Resting,
    /// Finishing what is in flight; nothing new, please.
    Draining,
}

/// A state and its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The state.
    pub state: State,
    /// Why, for people: "recovering 3 disks".
    pub reason: Arc<str>,
}

/// The one state of a process; clones share it.
#[derive(Debug, Clone)]
pub struct Lifecycle(Arc<watch::Sender<Status>>);

impl Default for Lifecycle {
    fn default() -> Self {
        let status = Status {
            state: State::Starting,
            reason: "starting".into(),
        };
        Self(Arc::new(watch::Sender::new(status)))
    }
}

impl Lifecycle {
    /// Starting.
    pub fn new() -> Self {
        Self::default()
    }

    /// The state now.
    pub fn status(&self) -> Status {
        self.0.borrow().clone()
    }

    /// Still starting; says with what. Nothing once it serves.
    pub fn starting(&self, reason: &str) {
        self.go(State::Starting, reason);
    }

    /// Answering. Nothing once it drains.
    pub fn serving(&self) {
        self.go(State::Serving, "serving");
    }

    /// Lets nobody new in; says why. Nothing unless it serves.
    pub fn rest(&self, reason: &str) {
        self.turn(State::Serving, State::Resting, reason);
    }

    /// Lets everybody in again. Nothing unless it rests.
    pub fn resume(&self) {
        self.turn(State::Resting, State::Serving, "serving");
    }

    /// Finishing; says why. There is no way back.
    pub fn draining(&self, reason: &str) {
        self.go(State::Draining, reason);
    }

    /// Waits until the state is `state` or a later one. Cancel safe.
    pub async fn reached(&self, state: State) {
        let mut changes = self.0.subscribe();
        // The sender lives as long as `self`.
        let _ = changes
            .wait_for(|status| status.state as u8 >= state as u8)
            .await;
    }

    /// The one turn that has a way back.
    fn turn(&self, from: State, to: State, reason: &str) {
        self.0.send_if_modified(|status| {
            let turns = status.state == from;
            if turns {
                *status = Status {
                    state: to,
                    reason: reason.into(),
                };
            }
            turns
        });
    }

    fn go(&self, state: State, reason: &str) {
        self.0.send_if_modified(|status| {
            let forward = state as u8 >= status.state as u8;
            if forward {
                *status = Status {
                    state,
                    reason: reason.into(),
                };
            }
            forward
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rest_has_an_end_and_a_drain_has_none() {
        let life = Lifecycle::new();
        life.rest("steered away");
        assert_eq!(
            life.status().state,
            State::Starting,
            "there is nobody to keep out yet"
        );
        life.serving();
        life.rest("steered away");
        assert_eq!(life.status().state, State::Resting);
        life.serving();
        assert_eq!(life.status().state, State::Resting, "only a resume ends it");
        life.resume();
        assert_eq!(life.status().state, State::Serving);
        life.rest("steered away");
        life.draining("SIGTERM");
        life.resume();
        assert_eq!(life.status().state, State::Draining);
    }

    #[tokio::test]
    async fn life_goes_one_way() {
        let life = Lifecycle::new();
        life.starting("recovering 3 disks");
        assert_eq!(&*life.status().reason, "recovering 3 disks");
        life.serving();
        life.reached(State::Serving).await;
        life.draining("SIGTERM");
        life.serving();
        assert_eq!(
            life.status(),
            Status {
                state: State::Draining,
                reason: "SIGTERM".into()
            }
        );
        life.reached(State::Serving).await;
    }
}
