//! What is asked for, and what is to be forgotten.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// What to forget, as it is asked for. One of `path`, `prefix`, `pattern`, `tag` and
/// `everything`.
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
    /// All objects that the origin has given this tag (`Cache-Tag`, `Surrogate-Key`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// The whole site.
    #[serde(default)]
    pub everything: bool,
    /// Asks upstream whether it is still right before it is served again, in place of forgetting it.
    #[serde(default)]
    pub soft: bool,
}

/// A purge is in force on this node, whatever happens to it next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Purged {
    /// The node that confirms it, for itself.
    pub node: String,
    /// The site.
    pub site: String,
    /// Whether what is held was kept, to be confirmed.
    pub soft: bool,
}
