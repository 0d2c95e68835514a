//! The second edition (draft-ietf-cdni-ci-triggers-rfc8007bis, as of its 19th and 20th revision):
//! one resource for command and status, lists of objects, time windows, priorities.
//!
//! Understood: specs `urls`, `uri-pattern-match`, `uri-regex-match` and `content-objectlist` (objects,
//! playlists and lists in files of their own) for content; the policies `time-policy` and `execution-policy`. Everything else is an error of
//! the trigger (`espec`, `esubject`, `eextension`), unless its sender says that it need not be enforced.

mod policy;
mod read;
mod show;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

pub(super) use read::{Change, read, read_change};
pub(super) use show::{collection, index, resource, state};

/// A trigger, as it is sent and as it is shown.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Resource {
    /// `preposition`, `invalidate` or `purge`.
    #[serde(default)]
    action: String,
    /// What it is about.
    #[serde(default)]
    specs: Vec<Json>,
    /// How it is to be done.
    #[serde(default)]
    extensions: Vec<Json>,
    /// `name=value`, for the sender's own order.
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default, rename = "cdn-path")]
    cdn_path: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ctime: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mtime: Option<u64>,
    /// When it is expected to be over, where that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etime: Option<u64>,
    /// `pending`, `active`, `complete`, `failed`, `cancelling` or `cancelled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    /// The first of what went wrong, for people.
    #[serde(
        default,
        rename = "state-reason",
        skip_serializing_if = "Option::is_none"
    )]
    state_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Error>,
    /// Objects and patterns that the trigger names.
    #[serde(
        default,
        rename = "total-objects-count",
        skip_serializing_if = "Option::is_none"
    )]
    total_objects_count: Option<u64>,
    /// Nodes that it is for: this one.
    #[serde(
        default,
        rename = "total-nodes-count",
        skip_serializing_if = "Option::is_none"
    )]
    total_nodes_count: Option<u64>,
}

#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
struct Error {
    /// `econtent`, `eperm`, `ereject`, `ecdn`, `ecancelled`, `eunsupported`, `espec`, `esubject` or
    /// `eextension`.
    #[serde(rename = "error")]
    kind: String,
    #[serde(rename = "cdn-id")]
    cdn_id: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    specs: Vec<Json>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    extensions: Vec<Json>,
    description: String,
}

/// Where the collections are.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Index {
    collections: Vec<Entry>,
    /// For how many seconds a trigger that has ended can be asked about.
    staleresourcetime: u64,
    #[serde(rename = "cdn-id")]
    cdn_id: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Entry {
    /// `state` or `label`; nothing for the collection of all.
    #[serde(rename = "filter-type", skip_serializing_if = "Option::is_none")]
    filter_type: Option<&'static str>,
    #[serde(rename = "filter-value", skip_serializing_if = "Option::is_none")]
    filter_value: Option<String>,
    #[serde(rename = "collection-uri")]
    collection_uri: String,
}

/// All triggers, or those of one state or label.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Collection {
    #[serde(rename = "trigger-urls")]
    trigger_urls: Vec<String>,
    #[serde(rename = "filter-type", skip_serializing_if = "Option::is_none")]
    filter_type: Option<&'static str>,
    #[serde(rename = "filter-value", skip_serializing_if = "Option::is_none")]
    filter_value: Option<String>,
}
