//! What prepositioning is told and given.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use cache::{Cache, SiteRules};
use manifest::{Keys, Label, Limits};
use message::{Timestamp, Upstream};

use crate::{
    ledger::Allowance,
    rehearsal::Rehearsal,
    source::{Escalation, Reach},
    window::Window,
    yielding,
};

/// What prepositioning is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where what is in force is kept.
    pub folder: PathBuf,
    /// For whom manifests are that are taken here.
    pub audience: Label,
    /// Whose, from the start; [`crate::Preposition::replace_keys`] tells of others.
    pub keys: Keys,
    /// How large, how long and how destructive.
    pub limits: Limits,
    /// What plans may take of the memory, the child that tries them included: one may take a quarter.
    pub memory_bytes: u64,
    /// What the disks hold: what of a plan would not fit is not fetched.
    pub capacity_bytes: u64,
    /// When.
    pub windows: Vec<Window>,
    /// Whether what is urgent is filled outside of them as well.
    pub has_fast_track: bool,
    /// How fast, while viewers leave it all.
    pub bytes_per_s: u64,
    /// How much in a window and on a day.
    pub allowance: Allowance,
    /// How many objects at a time.
    pub concurrency: usize,
    /// When viewers come first.
    pub yields: yielding::Limits,
    /// How long nearer sources have before farther ones are asked.
    pub escalation: Escalation,
    /// Attempts at an object before it is left to the next reconciliation.
    pub attempts: u8,
    /// How often what should be here is looked for.
    pub reconcile: Duration,
    /// How long it takes to read and check all that is here, when viewers leave it all; nothing for never.
    pub scrub: Option<Duration>,
    /// How what a manifest uses for the first time here is tried; nothing where there is no program
    /// for that.
    pub rehearsal: Option<Rehearsal>,
}

/// Where objects may be fetched from.
#[derive(Clone)]
pub struct Source {
    /// In messages and reports.
    pub name: Arc<str>,
    /// How far away.
    pub reach: Reach,
    /// Whose objects it has; nothing for all.
    pub sites: Option<Vec<Arc<str>>>,
    /// The way there.
    pub upstream: Arc<dyn Upstream>,
}

impl Source {
    pub(crate) fn has(&self, site: &str) -> bool {
        let sites = self.sites.as_ref();
        sites.is_none_or(|sites| sites.iter().any(|name| &**name == site))
    }
}

/// The rules of a site, if it is known here.
pub type Rules = Arc<dyn Fn(&str) -> Option<Arc<SiteRules>> + Send + Sync>;

/// What prepositioning is given by the node that it works in.
#[derive(Clone)]
pub struct Parts {
    /// Through which all comes in.
    pub cache: Cache,
    /// Where objects may be fetched from.
    pub sources: Vec<Source>,
    /// Of the node's sites.
    pub rules: Rules,
    /// Measures what viewers have needed since it was called last.
    pub load: Arc<dyn Fn() -> yielding::Load + Send + Sync>,
    /// The clocks.
    pub clock: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.sources.iter().map(|source| &source.name).collect();
        write!(f, "Parts(sources {names:?})")
    }
}
