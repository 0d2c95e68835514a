//! The heartbeat: how a node is, in a few lines that a steering service can decide by.

use std::{collections::VecDeque, time::Duration};

use message::Timestamp;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    Config, Engine, Life, Vitals,
    report::{Heartbeat, Load, NodeState, Versions},
};

/// Over which time the rate of what is sent is told.
const RATE_OVER: Duration = Duration::from_secs(10);

/// Readings of the counter that are kept: one a second and some more.
const READINGS_MAX: usize = 64;

/// The version of this API: its routes and shapes.
pub(crate) const API_VERSION: &str = "1.0";

/// What the heartbeat needs to remember.
#[derive(Debug)]
pub(crate) struct Pulse {
    started: Instant,
    meter: Mutex<Meter>,
}

impl Pulse {
    pub(crate) fn new(started: Instant) -> Self {
        Self {
            started,
            meter: Mutex::default(),
        }
    }

    /// Reads the counter of what was sent; to be called every second.
    pub(crate) fn read(&self, vitals: &Vitals, now: Instant) -> u64 {
        self.meter.lock().read(vitals.sent_bytes, now)
    }

    /// How the node is at this moment.
    pub(crate) fn heartbeat(
        &self,
        config: &Config,
        engine: &dyn Engine,
        certificate_expires_unix_s: i64,
        now: &Timestamp,
    ) -> Heartbeat {
        let vitals = engine.vitals();
        let egress = self.read(&vitals, now.mono);
        let state = state(&vitals);
        let mut fill = engine.progress();
        fill.failures.clear();
        Heartbeat {
            node: config.node.to_string(),
            at_unix_s: now.unix_s(),
            uptime_s: now.mono.saturating_duration_since(self.started).as_secs(),
            state,
            load: Load {
                connections: vitals.connections,
                egress_bytes_per_s: egress,
                capacity_bytes_per_s: config.capacity_bytes_per_s,
                headroom_bytes_per_s: config
                    .capacity_bytes_per_s
                    .map(|capacity| capacity.saturating_sub(egress)),
            },
            reason: reason_of(state, vitals),
            disks: engine.disks(),
            fill,
            inventory: engine.holdings(),
            versions: Versions {
                millpond: env!("CARGO_PKG_VERSION").to_owned(),
                api: API_VERSION.to_owned(),
            },
            certificate_expires_unix_s,
        }
    }
}

/// Why it is in that state: what the process says, unless it is its plan.
fn reason_of(state: NodeState, vitals: Vitals) -> String {
    match state {
        NodeState::Filling => "nothing of what its manifest wants is here yet".to_owned(),
        NodeState::Provisioning | NodeState::Serving | NodeState::Draining | NodeState::Drained => {
            vitals.reason
        }
    }
}

/// Whether to send viewers here.
pub(crate) fn state(vitals: &Vitals) -> NodeState {
    let leaving = if vitals.connections == 0 {
        NodeState::Drained
    } else {
        NodeState::Draining
    };
    match (vitals.life, vitals.resting, vitals.first_fill) {
        (Life::Starting, _, _) => NodeState::Provisioning,
        (Life::Ending, _, _) | (Life::Serving, true, _) => leaving,
        (Life::Serving, false, true) => NodeState::Filling,
        (Life::Serving, false, false) => NodeState::Serving,
    }
}

/// Readings of a counter that only rises.
#[derive(Debug, Default)]
struct Meter(VecDeque<(Instant, u64)>);

impl Meter {
    /// Takes a reading; gives its rise in a second over the last ten, or since the first reading.
    fn read(&mut self, total: u64, now: Instant) -> u64 {
        // The oldest that stays is ten seconds old or older, so that the rate is over ten.
        while self.0.get(1).is_some_and(|(at, _)| *at + RATE_OVER <= now) {
            self.0.pop_front();
        }
        // However often it is asked, a reading a quarter of a second apart is near enough.
        let is_due = self
            .0
            .back()
            .is_none_or(|(at, _)| now.saturating_duration_since(*at) >= RATE_OVER / 40);
        if is_due && self.0.len() < READINGS_MAX {
            self.0.push_back((now, total));
        }
        let Some((since, before)) = self.0.front() else {
            return 0;
        };
        let millis = now.saturating_duration_since(*since).as_millis();
        let rate = u128::from(total.saturating_sub(*before)) * 1000 / millis.max(1000);
        u64::try_from(rate).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vitals(life: Life, resting: bool, connections: u64) -> Vitals {
        Vitals {
            life,
            resting,
            connections,
            ..Vitals::default()
        }
    }

    #[test]
    fn a_node_is_drained_when_it_rests_and_nobody_is_left() {
        assert_eq!(
            state(&vitals(Life::Starting, true, 0)),
            NodeState::Provisioning
        );
        assert_eq!(state(&vitals(Life::Serving, false, 0)), NodeState::Serving);
        assert_eq!(state(&vitals(Life::Serving, true, 7)), NodeState::Draining);
        assert_eq!(state(&vitals(Life::Serving, true, 0)), NodeState::Drained);
        assert_eq!(state(&vitals(Life::Ending, false, 1)), NodeState::Draining);
        let filling = Vitals {
            first_fill: true,
            ..vitals(Life::Serving, false, 3)
        };
        assert_eq!(state(&filling), NodeState::Filling);
    }

    #[test]
    fn the_reason_is_that_of_the_state() {
        let said = |state| {
            let reason = "steering lets nobody new in".to_owned();
            let vitals = Vitals {
                reason,
                ..Vitals::default()
            };
            reason_of(state, vitals)
        };
        assert!(said(NodeState::Filling).contains("manifest"));
        assert!(said(NodeState::Draining).contains("nobody new"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_that_of_the_last_ten_seconds_however_often_it_is_read() {
        let mut meter = Meter::default();
        let mut total = 0;
        for second in 0..60 {
            total += if second < 30 { 1_000_000 } else { 2_000 };
            for _ in 0..100 {
                meter.read(total, Instant::now());
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(
            meter.read(total, Instant::now()),
            1_800,
            "of ten and no more"
        );
        assert!(meter.0.len() <= READINGS_MAX);
    }
}
