//! What an appliance says of itself and is told, as plain data: the JSON of the API, both ways.
//!
//! Times are whole seconds since the Unix epoch (`_unix_s`), sizes are bytes, rates are bytes a
//! second, shares are between 0 and 1. A field that is not known is left out.

mod content;
mod fill;
mod manifests;
mod node;
mod words;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use content::{Popular, Popularity, PurgeOrder, Purged};
pub use fill::{
    FillFailure, Inventory, InventoryObject, InventorySummary, ObjectState, Phase, Progress,
    WaitsFor, Window,
};
pub use manifests::{ManifestKind, ManifestState, ManifestSummary, Manifests, Pushed};
pub use node::{Disk, Drain, Heartbeat, Load, NodeState, Versions};
pub use words::{amount, duration};

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
