//! How a node is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{InventorySummary, Progress};

/// How an appliance is, every few seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Heartbeat {
    /// The node's name.
    pub node: String,
    /// When this was true.
    pub at_unix_s: u64,
    /// For how long it has been running.
    pub uptime_s: u64,
    /// Whether to send viewers here.
    pub state: NodeState,
    /// Why it is in that state, for people.
    pub reason: String,
    /// What it does and could do.
    pub load: Load,
    /// Each disk.
    pub disks: Vec<Disk>,
    /// How far the fill has come; without the failures.
    pub fill: Progress,
    /// What is held.
    pub inventory: InventorySummary,
    /// What runs there.
    pub versions: Versions,
    /// When the first of this listener's certificates expires.
    pub certificate_expires_unix_s: i64,
}

/// Whether to send viewers to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// It starts: it does not answer yet.
    Provisioning,
    /// It answers, and nothing of what its manifest wants is here yet.
    Filling,
    /// It answers.
    Serving,
    /// It lets those who are there go on, and nobody else in.
    Draining,
    /// Nobody is there any more.
    Drained,
}

/// What a node does and could do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Load {
    /// Open connections of viewers.
    pub connections: u64,
    /// Body bytes sent a second, over the last ten.
    pub egress_bytes_per_s: u64,
    /// What it may send a second, as configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity_bytes_per_s: Option<u64>,
    /// What is left of that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub headroom_bytes_per_s: Option<u64>,
}

/// One disk of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Disk {
    /// Where it is.
    pub path: String,
    /// `serving`, `read_only`, `suspended`, `ejected`, `absent` or `closed`.
    pub state: String,
    /// What it can hold.
    pub capacity_bytes: u64,
    /// What it holds.
    pub used_bytes: u64,
    /// What waits to be written to it.
    pub queued_bytes: u64,
}

/// What runs on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Versions {
    /// The program.
    pub millpond: String,
    /// This API.
    pub api: String,
}

/// Whether a node was asked to let nobody in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drain {
    /// The state that follows from it.
    pub state: NodeState,
    /// Connections that are still open.
    pub connections: u64,
}
