//! What an appliance says of itself and is told, as plain data: the JSON of the API, both ways.
//!
//! Times are whole seconds since the Unix epoch (`_unix_s`), sizes are bytes, rates are bytes a
//! second, shares are between 0 and 1. A field that is not known is left out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A manifest that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ManifestSummary {
    /// Rises with every manifest of one audience.
    pub generation: u64,
    /// Whom it is for.
    pub audience: String,
    /// Whether it names everything, or what changes.
    pub kind: ManifestKind,
    /// What has become of it.
    pub state: ManifestState,
    /// When it was signed.
    pub issued_unix_s: u64,
    /// From when on it says nothing any more.
    pub expires_unix_s: u64,
    /// Objects that it names.
    pub objects: u64,
    /// Bytes of those objects.
    pub bytes: u64,
    /// SHA-256 of the signed bytes, in hexadecimal.
    pub digest: String,
}

/// Whether a manifest names everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ManifestKind {
    /// All that the appliance should hold.
    Full,
    /// What differs from an earlier generation.
    Delta,
}

/// What has become of a manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ManifestState {
    /// The one that is being followed.
    Active,
    /// A later one took its place.
    Superseded,
    /// It was taken back.
    Withdrawn,
}

/// All manifests that are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Manifests {
    /// Newest first.
    pub manifests: Vec<ManifestSummary>,
}

/// A manifest was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pushed {
    /// Its generation.
    pub generation: u64,
    /// SHA-256 of the signed bytes, in hexadecimal.
    pub digest: String,
    /// Objects that it names.
    pub objects: u64,
    /// Bytes of those that are to be held and are not yet.
    pub missing_bytes: u64,
    /// False if this very manifest was in force already: a push may be repeated.
    pub fresh: bool,
}

/// How far the fill has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// The active manifest's generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// What is going on.
    pub phase: Phase,
    /// When fills may run next, or until when they may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
    /// Objects to be held.
    pub objects: u64,
    /// Those that are held whole and verified.
    pub objects_held: u64,
    /// Those that were given up for now.
    pub objects_failed: u64,
    /// Bytes to be held.
    pub bytes: u64,
    /// Those that are held and verified.
    pub bytes_held: u64,
    /// Bytes that came in a second, lately.
    pub bytes_per_s: u64,
    /// Until all is held, if that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta_s: Option<u64>,
    /// The last objects that failed, at most 100.
    pub failures: Vec<FillFailure>,
}

/// What a fill is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// There is no manifest.
    #[default]
    Idle,
    /// Something is missing, and the window is closed.
    Waiting,
    /// Bytes are coming in.
    Filling,
    /// Something is missing, and viewers need the disk or the link.
    Yielding,
    /// All that can be held is.
    Complete,
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
    /// one, and a ratio of 1, hold the same objects.
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
    /// It is let in at its first miss; no bytes are moved for it.
    Seeded,
    /// On its way.
    Filling,
    /// Part of it is here.
    Partial,
    /// All of it is here, and verified.
    Held,
    /// It was given up for now.
    Failed,
}

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

/// What runs on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Versions {
    /// The program.
    pub millpond: String,
    /// This API.
    pub api: String,
}

/// What is asked for most.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Popularity {
    /// Most played first. Objects that too few sessions asked for are not named.
    pub objects: Vec<Popular>,
}

/// How much an object is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Popular {
    /// Its site.
    pub site: String,
    /// Its path.
    pub path: String,
    /// Bytes served by its size, in thousandths, decayed.
    pub plays_thousandths: u64,
    /// Bytes served, decayed.
    pub bytes: u64,
}

/// What to forget, as it is asked for. One of `path`, `prefix`, `pattern` and `everything`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PurgeOrder {
    /// The site's name.
    pub site: String,
    /// One object: its path, with the query parameters that the site keeps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// All objects whose path begins with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// All objects whose path matches: `*` any characters, `?` one, `$` before either for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// The whole site.
    #[serde(default)]
    pub everything: bool,
    /// Asks upstream whether it is still right before it is served again, in place of forgetting it.
    #[serde(default)]
    pub soft: bool,
}

/// A purge is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Purged {
    /// The site.
    pub site: String,
    /// Whether what is held was kept, to be confirmed.
    pub soft: bool,
}

/// Whether a node was asked to let nobody in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Drain {
    /// The state that follows from it.
    pub state: NodeState,
    /// Connections that are still open.
    pub connections: u64,
}

/// An error, after RFC 9457.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// What kind of error, as a word for programs; the room's README lists them.
    pub code: String,
    /// The status of the response.
    pub status: u16,
    /// What is wrong, for people.
    pub detail: String,
}
