//! Manifests, as they are taken and kept.

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
