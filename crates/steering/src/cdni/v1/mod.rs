//! The first edition, RFC 8007: how a command is read, and a trigger shown.

mod read;
mod show;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

pub(super) use read::{Asked, pattern, read};
pub(super) use show::{address, collection, is_in, status};

/// A command: RFC 8007 section 5.1.1. Either a trigger or a cancellation.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Command {
    #[serde(default)]
    trigger: Option<Specification>,
    /// Status resources to be cancelled.
    #[serde(default)]
    cancel: Option<Vec<String>>,
    /// The networks that the command has come through.
    #[serde(default, rename = "cdn-path")]
    cdn_path: Vec<String>,
}

/// What is to be done to what: section 5.2.1.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
struct Specification {
    /// `preposition`, `invalidate` or `purge`.
    #[serde(rename = "type")]
    action: String,
    #[serde(default, rename = "metadata.urls")]
    metadata_urls: Vec<String>,
    #[serde(default, rename = "content.urls")]
    content_urls: Vec<String>,
    #[serde(default, rename = "content.ccid")]
    content_ccid: Vec<String>,
    #[serde(default, rename = "metadata.patterns")]
    metadata_patterns: Vec<Json>,
    #[serde(default, rename = "content.patterns")]
    content_patterns: Vec<Json>,
}

/// Section 5.2.2.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct PatternMatch {
    pub(super) pattern: String,
    #[serde(default, rename = "case-sensitive")]
    pub(super) case_sensitive: bool,
    #[serde(default, rename = "match-query-string")]
    pub(super) match_query_string: bool,
}

/// A trigger's status: section 5.1.2.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Status {
    /// The trigger as it was sent.
    trigger: Json,
    /// When it came.
    ctime: u64,
    /// When it changed.
    mtime: u64,
    /// When it is expected to be over, where that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    etime: Option<u64>,
    /// `pending`, `active`, `complete`, `failed`, `canceling` or `canceled`.
    #[serde(rename = "status")]
    state: &'static str,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Error>,
}

/// Section 5.2.5.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct Error {
    /// `emeta`, `econtent`, `eperm`, `ereject`, `ecdn`, `ecanceled` or `eunsupported`.
    #[serde(rename = "error")]
    kind: &'static str,
    #[serde(
        rename = "metadata.urls",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    metadata_urls: Vec<String>,
    #[serde(
        rename = "content.urls",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    content_urls: Vec<String>,
    #[serde(
        rename = "metadata.patterns",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    metadata_patterns: Vec<Json>,
    #[serde(
        rename = "content.patterns",
        default,
        skip_serializing_if = "Vec::is_empty"
    )]
    content_patterns: Vec<Json>,
    description: String,
}

/// A list of triggers: section 5.1.3.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Collection {
    triggers: Vec<String>,
    /// For how many seconds a trigger that has ended can be asked about.
    staleresourcetime: u64,
    #[serde(rename = "coll-all")]
    all: String,
    #[serde(rename = "coll-pending")]
    pending: String,
    #[serde(rename = "coll-active")]
    active: String,
    #[serde(rename = "coll-complete")]
    complete: String,
    #[serde(rename = "coll-failed")]
    failed: String,
    /// This network's id.
    #[serde(rename = "cdn-id")]
    cdn_id: String,
}
