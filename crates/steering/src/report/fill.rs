//! How far the fill is, and what is held.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far the fill has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// The active manifest's generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// What is going on.
    pub phase: Phase,
    /// What it waits for, while something is missing and nothing more is begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<WaitsFor>,
    /// When fills may run next, or until when they may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Objects to be held: what would have to go for the others is worth as much.
    pub objects: u64,
    /// Those that are held whole and verified.
    pub objects_held: u64,
    /// Those that were given up for now.
    pub objects_failed: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those that are held and verified.
    pub bytes_held: u64,
    /// Bytes that came in a second, lately.
    pub bytes_per_s: u64,
    /// Bytes that have come in since the node was started.
    #[serde(default)]
    pub bytes_filled: u64,
    /// Bytes that viewers had since then of slices that a fill had put here, whenever that was.
    #[serde(default)]
    pub bytes_served: u64,
    /// Until all is held, if that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_s: Option<u64>,
    /// The last objects that failed and are not held yet, newest first, at most 100.
    pub failures: Vec<FillFailure>,
}

/// What a fill is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// There is no manifest.
    #[default]
    Idle,
    /// Something is missing, and nothing is under way: `waits_for` tells why.
    Waiting,
    /// Bytes are coming in.
    Filling,
    /// Something is missing, and viewers need the disk or the link.
    Yielding,
    /// All that can be held is.
    Complete,
}

/// What a fill waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    /// Its window to open. Without a `window` none is configured.
    Window,
    /// The next window, or the next day: this one's bytes are spent.
    Allowance,
    /// Viewers, who need the disks or the link.
    Viewers,
    /// Sources: nearer ones have their time, or all are left alone for their failures.
    Sources,
    /// Its time to try again what failed.
    Retry,
    /// An operator to undrain the node.
    Operator,
}

/// A time in which fills may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Window {
    /// Its beginning; in the past if it is open.
    pub opens_unix_s: u64,
    /// Its end.
    pub closes_unix_s: u64,
}

/// An object that could not be filled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FillFailure {
    /// Its site.
    pub site: String,
    /// Its path.
    pub path: String,
    /// Why, for people.
    pub reason: String,
    /// How often it was tried.
    pub attempts: u32,
}

/// What is held of the active manifest, a page of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Inventory {
    /// The active manifest's generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Held bytes among those to be held.
    pub complete_ratio: f64,
    /// The digest of the manifest that the ratio is of, in hexadecimal: two appliances with the same
    /// one, and a ratio of 1, hold the same objects, but for what either found not worth its place.
    pub summary: String,
    /// Objects in the order of their names.
    pub objects: Vec<InventoryObject>,
    /// Where the next page begins: `after` of the next request. Absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One object of the active manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InventoryObject {
    /// Its site.
    pub site: String,
    /// Its path.
    pub path: String,
    /// What it measures.
    pub size: u64,
    /// How much of it is held.
    pub held_bytes: u64,
    /// How it is.
    pub state: ObjectState,
    /// Kept whatever the traffic.
    pub pinned: bool,
}

/// How an object of the manifest is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ObjectState {
    /// Nothing of it is here yet.
    Missing,
    /// It is let in as viewers ask for it; no bytes are moved for it.
    Seeded,
    /// On its way.
    Filling,
    /// Part of it is here.
    Partial,
    /// All of it is here: verified, or as viewers brought it.
    Held,
    /// It was given up for now.
    Failed,
}

/// What is held, in short.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InventorySummary {
    /// The active manifest's generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Held bytes among those to be held.
    pub complete_ratio: f64,
    /// As in [`Inventory`].
    pub summary: String,
}
