//! The seam between this API and the node that it steers.
//!
//! Everything here is plain data, so that the protocol can be tested without a node and the node
//! without the protocol.

use std::{future::Future, pin::Pin, sync::Arc};

use bytes::Bytes;
use cache::Reach;
use message::{ObjectName, Timestamp};

use crate::{
    Refused,
    report::{Disk, Inventory, InventorySummary, ManifestSummary, Popularity, Progress, Pushed},
};

/// Something that the node does.
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = Result<T, Refused>> + Send + 'a>>;

/// What steering asks of a node.
///
/// Futures are dropped when the client goes, except those of purges and prefills, which are driven
/// by tasks of this room. What must not be half done is the engine's to guard.
pub trait Engine: Send + Sync + 'static {
    /// How the node is; asked every second.
    fn vitals(&self) -> Vitals;

    /// Each disk; asked for every heartbeat.
    fn disks(&self) -> Vec<Disk>;

    /// Verifies, judges and applies a signed manifest: whole or not at all. `who` is the name of the
    /// client that sends it.
    fn push(&self, who: &Arc<str>, manifest: Bytes, at: Timestamp) -> Doing<'_, Pushed>;

    /// The manifests that are kept, newest first; at most 100.
    fn manifests(&self) -> Vec<ManifestSummary>;

    /// A manifest as it was signed.
    fn manifest(&self, generation: u64) -> Doing<'_, Bytes>;

    /// Takes the active manifest back: nothing is planned any more, nothing is deleted.
    fn withdraw(&self, generation: u64) -> Doing<'_, ManifestSummary>;

    /// How far the fill has come.
    fn progress(&self) -> Progress;

    /// What is held, in short; cheap enough for every heartbeat.
    fn holdings(&self) -> InventorySummary;

    /// What is held of the active manifest: up to `limit` objects behind the name `after`.
    fn inventory(&self, after: Option<String>, limit: usize) -> Doing<'_, Inventory>;

    /// Has one object here: in the window and at the rate of fills, unless it is urgent; resolves when
    /// it is held. Dropped, it gives up unless somebody else wants the same.
    fn prefill(&self, wanted: Prefill) -> Doing<'_, ()>;

    /// The bytes of one object, as a viewer would get them; what has more than `bytes_max` is refused.
    fn read(&self, object: ObjectName, bytes_max: usize) -> Doing<'_, Bytes>;

    /// Forgets, durably when it returns.
    fn purge(&self, purge: Purge) -> Doing<'_, ()>;

    /// What is asked for most, of one site or all.
    fn popularity(&self, top: usize, site: Option<&str>) -> Popularity;

    /// Which site answers for a host, in lower case and without port.
    fn site_of(&self, host: &str) -> Option<Arc<str>>;

    /// All sites, each with the hosts that it answers for.
    fn sites(&self) -> Vec<(Arc<str>, Vec<String>)>;

    /// The object that a URL's path and query name on a site.
    fn object(&self, site: &str, path: &str, query: Option<&str>) -> Result<ObjectName, Refused>;

    /// Lets nobody in who is not there yet, or everybody again. Lives as long as the process.
    fn rest(&self, rest: bool);
}

/// What a node says of itself, apart from what it holds.
#[derive(Debug, Clone, Default)]
pub struct Vitals {
    /// Whether it answers.
    pub life: Life,
    /// Why it is in that state, for people.
    pub reason: String,
    /// Whether [`Engine::rest`] was asked for.
    pub resting: bool,
    /// Open connections of viewers.
    pub connections: u64,
    /// Body bytes sent so far.
    pub sent_bytes: u64,
    /// Whether nothing of what its manifest wants is here yet.
    pub first_fill: bool,
}

/// Where a process is in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Life {
    /// It does not answer yet.
    #[default]
    Starting,
    /// It answers.
    Serving,
    /// It is about to end.
    Ending,
}

/// An object that is to be held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefill {
    /// Its name.
    pub object: ObjectName,
    /// What it measures, if that was told: other content is refused.
    pub size: Option<u64>,
    /// Highest first, -100 to 100.
    pub priority: i8,
    /// At any time, not only in the window.
    pub is_urgent: bool,
}

/// What is to be forgotten.
#[derive(Debug, Clone)]
pub struct Purge {
    /// The site.
    pub site: Arc<str>,
    /// How much of it.
    pub what: PurgeWhat,
    /// Forgotten, or confirmed before it is served again.
    pub reach: Reach,
}

/// How much of a site a purge reaches.
#[derive(Debug, Clone)]
pub enum PurgeWhat {
    /// One object, by its path in canonical form.
    Object(Arc<str>),
    /// All that match.
    Matching(cache::Paths),
    /// All that has a tag.
    Tagged(cache::Tag),
    /// Everything.
    Site,
}
