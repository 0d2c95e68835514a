//! What a node knows when a manifest comes, and what it knows afterwards.

use signing::Label;

use crate::{Diff, Digest, Manifest, Objects, Verified};

/// What a node holds a new manifest against. It is durable: a node that forgot it would take an
/// old manifest for a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The audience that the node answers to.
    pub audience: Label,
    /// The highest generation that was ever accepted; 0 before the first. It stays when a manifest
    /// is withdrawn.
    pub generation: u64,
    /// The digest of that manifest, as [`Accepted::digest`] told it.
    pub digest: Option<Digest>,
    /// The active plan: what is wanted after the last full manifest and all deltas since.
    pub plan: Objects,
}

impl State {
    /// A node that has seen no manifest yet.
    pub fn new(audience: Label) -> Self {
        Self {
            audience,
            generation: 0,
            digest: None,
            plan: Objects::default(),
        }
    }

    /// The same node after its manifest was withdrawn: nothing is planned, and what was accepted
    /// once is not accepted again. A full manifest comes next, not a delta.
    #[must_use]
    pub fn withdrawn(self) -> Self {
        Self {
            digest: None,
            plan: Objects::default(),
            ..self
        }
    }
}

/// A manifest that a node may act upon, and what it leads to.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The manifest itself: head, what it lists, what it removes.
    pub manifest: Verified<Manifest>,
    /// Identifies it: SHA-256 of the signed bytes. The next one's `previous`.
    pub digest: Digest,
    /// The new plan: the manifest's objects, or for a delta the old plan with its changes. `None`
    /// when that is [`Manifest::objects`] itself, so that nothing is held twice.
    pub merged: Option<Objects>,
    /// What changes from the present plan to the new one.
    pub diff: Diff,
    /// Members that were not known and not critical, each once, at most 16: for a metric.
    pub ignored: Vec<String>,
}

impl Accepted {
    /// The new plan.
    pub fn plan(&self) -> &Objects {
        self.merged.as_ref().unwrap_or(&self.manifest.objects)
    }

    /// What the node knows once it has made the manifest durable.
    pub fn into_state(self) -> State {
        let Manifest { head, objects, .. } = self.manifest.into_inner();
        State {
            audience: head.audience,
            generation: head.generation,
            digest: Some(self.digest),
            plan: self.merged.unwrap_or(objects),
        }
    }
}
