//! Purges by pattern, and what all purges together mean for an object.
//!
//! A purge is an epoch of a scope in the store's journal, made of the time at which it is ordered. An
//! object belongs to its own scope, its site's, one that all share, those of its tags, and that of
//! every pattern that matches it: a pattern that was purged
//! is kept, by site, for as long as the store keeps its disks. Its epoch is in the journal alone, so
//! a crash between the two leaves a pattern without an epoch, which is no purge.
//!
//! A journal that knows of patterns beside a list that is gone or damaged purges everything: too
//! much, and never too little. So does a list that is full for the sites of its older half.
//!
//! Each scope has a second one for purges that keep what is held and have it confirmed ([`Reach`]).

mod file;
mod paths;

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use message::ObjectName;
use serde::{Deserialize, Serialize};
use store::{Epoch, Store};
use tokio::sync::Mutex;

pub use paths::Paths;

use crate::{
    Tag,
    id::{ObjectId, Scopes, paths_scope},
    tags,
};

/// Patterns that are told apart. A lookup that comes for the first time after a purge by pattern
/// tries those of its site.
const PATTERNS_MAX: usize = 1024;

/// How far a purge goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reach {
    /// What is held is forgotten, and filled anew.
    Forget,
    /// What is held stays, and is confirmed upstream before it is served again, also where stale
    /// content could stand in for an error.
    Confirm,
}

/// The last purges that reach an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Purged {
    pub(crate) forgotten: Epoch,
    pub(crate) to_confirm: Epoch,
}

impl Purged {
    /// By nothing ever.
    pub(crate) const NEVER: Self = Self {
        forgotten: Epoch::ZERO,
        to_confirm: Epoch::ZERO,
    };

    /// Patterns and tags apart.
    pub(crate) fn by_scopes(store: &Store, id: ObjectId, name: &ObjectName) -> Self {
        let (own, site) = (id.scopes(), Scopes::of_site(&name.site));
        Self {
            forgotten: store.purged_at_last(&[own.forget, site.forget, Scopes::ALL.forget]),
            to_confirm: store.purged_at_last(&[own.confirm, site.confirm]),
        }
    }

    /// The later ones of two.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            forgotten: self.forgotten.max(other.forgotten),
            to_confirm: self.to_confirm.max(other.to_confirm),
        }
    }

    /// The later of both: an answer that was asked for before it is nobody's who comes after.
    pub(crate) fn last(self) -> Epoch {
        self.forgotten.max(self.to_confirm)
    }
}

/// The patterns that were purged.
pub(crate) struct Purges {
    by_site: ArcSwap<BySite>,
    /// Raised when a pattern's or a tag's purge is in force.
    version: AtomicU64,
    /// Where the list is kept. Whoever changes it waits here for the one before.
    file: Mutex<Option<PathBuf>>,
}

type BySite = HashMap<Arc<str>, Arc<[Arc<Rule>]>>;

struct Rule {
    paths: Paths,
    reach: Reach,
    scope: u64,
}

impl Purges {
    /// A list in memory alone.
    pub(crate) fn volatile() -> Self {
        Self {
            by_site: ArcSwap::default(),
            version: AtomicU64::new(1),
            file: Mutex::new(None),
        }
    }

    /// The list in `folder`.
    pub(crate) async fn open(folder: PathBuf, store: &Store) -> Result<Self, store::Error> {
        let path = folder.join("patterns");
        let reading = path.clone();
        let found = tokio::task::spawn_blocking(move || file::read(&reading)).await;
        let found = found.map_err(io::Error::other).and_then(|found| found);
        let by_site = match found {
            Ok(Some(kept)) => file::by_site(kept),
            Ok(None) if store.purged_at(Scopes::PATTERNS) == Epoch::ZERO => Some(BySite::new()),
            Ok(None) => None,
            Err(error) => {
                tracing::error!(path = %path.display(), %error, "cannot read the patterns of purges");
                None
            }
        };
        let whole = by_site.is_some();
        let purges = Self {
            by_site: ArcSwap::from_pointee(by_site.unwrap_or_default()),
            version: AtomicU64::new(1),
            file: Mutex::new(Some(path.clone())),
        };
        if !whole {
            tracing::error!(path = %path.display(), "the patterns of purges are lost: everything is purged");
            store.purge_from(Scopes::ALL.forget, now()).await?;
        }
        purges.write(&path, &purges.by_site.load()).await?;
        Ok(purges)
    }

    /// Raised when a pattern's or a tag's purge is in force. Never zero.
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Purges what has a tag on a site: durable when it returns.
    ///
    /// Cancel safety: dropped, it may be in force or not.
    pub(crate) async fn purge_tag(
        &self,
        store: &Store,
        site: &str,
        tag: &Tag,
        reach: Reach,
    ) -> Result<(), store::Error> {
        let now = now();
        let [any, own] = tags::scopes_of(site, tag, reach);
        // Both at once, so that they share a sync.
        let (any, own) = tokio::join!(store.purge_from(any, now), store.purge_from(own, now));
        self.version.fetch_add(1, Ordering::Release);
        any.and(own).map(drop)
    }

    /// The last purges that reach an object, tags apart.
    pub(crate) fn of(&self, store: &Store, id: ObjectId, name: &ObjectName) -> Purged {
        let mut purged = Purged::by_scopes(store, id, name);
        let by_site = self.by_site.load();
        let Some(rules) = by_site.get(&name.site) else {
            return purged;
        };
        for rule in rules.iter() {
            let at = match rule.reach {
                Reach::Forget => &mut purged.forgotten,
                Reach::Confirm => &mut purged.to_confirm,
            };
            // Asked of the store each time: an epoch that is remembered here would be behind it for
            // a moment, in which a fill could take up slices from before the purge.
            let purged_at = store.purged_at(rule.scope);
            if purged_at > *at && rule.paths.matches(&name.path) {
                *at = purged_at;
            }
        }
        purged
    }

    /// Purges what matches on a site: durable when it returns.
    ///
    /// Cancel safety: dropped, it may be in force or not.
    pub(crate) async fn purge(
        &self,
        store: &Store,
        site: &str,
        paths: Paths,
        reach: Reach,
    ) -> Result<(), store::Error> {
        let scope = paths_scope(site, &paths, reach);
        let file = self.file.lock().await;
        let known = self.by_site.load_full();
        let is_known = known
            .get(site)
            .is_some_and(|rules| rules.iter().any(|rule| rule.scope == scope));
        if !is_known {
            let mut next = BySite::clone(&known);
            if count(&next) >= PATTERNS_MAX {
                fold(&mut next, store).await?;
            }
            let rule = Arc::new(Rule {
                paths,
                reach,
                scope,
            });
            let rules = next.entry(site.into()).or_default();
            *rules = rules.iter().cloned().chain([rule]).collect();
            if let Some(path) = &*file {
                store.purge(Scopes::PATTERNS).await?;
                self.write(path, &next).await?;
            }
            // In the list before it has an epoch: who sees the epoch sees the pattern.
            self.by_site.store(Arc::new(next));
        }
        store.purge_from(scope, now()).await?;
        self.version.fetch_add(1, Ordering::Release);
        Ok(())
    }

    async fn write(&self, path: &Path, by_site: &BySite) -> Result<(), store::Error> {
        let (bytes, target) = (file::encode(by_site), path.to_owned());
        let written = tokio::task::spawn_blocking(move || file::replace(&target, &bytes)).await;
        let written = written.map_err(io::Error::other).and_then(|done| done);
        written.map_err(|source| store::Error::Journal {
            path: path.to_owned(),
            source,
        })
    }
}

/// The epoch of a purge that is ordered now: what was asked for upstream before this time may be older
/// than the purge, wherever it was kept on the way.
pub(crate) fn now() -> Epoch {
    Epoch::of_time(message::now().wall)
}

fn count(by_site: &BySite) -> usize {
    let rules = by_site.values().flat_map(|rules| rules.iter());
    rules.map(|rule| rule.paths.weight()).sum()
}

/// Has the older half of all patterns be purges of their sites.
async fn fold(by_site: &mut BySite, store: &Store) -> Result<(), store::Error> {
    let mut epochs: Vec<Epoch> = by_site
        .values()
        .flat_map(|rules| rules.iter().map(|rule| store.purged_at(rule.scope)))
        .collect();
    let half = epochs.len() / 2;
    let (_, median, _) = epochs.select_nth_unstable(half);
    let median = *median;
    let is_old = |rule: &Rule| store.purged_at(rule.scope) <= median;
    for (site, rules) in by_site.iter_mut() {
        let scopes = Scopes::of_site(site);
        for (reach, scope) in [
            (Reach::Forget, scopes.forget),
            (Reach::Confirm, scopes.confirm),
        ] {
            if rules.iter().any(|rule| rule.reach == reach && is_old(rule)) {
                store.purge_from(scope, now()).await?;
            }
        }
        *rules = rules.iter().filter(|rule| !is_old(rule)).cloned().collect();
    }
    by_site.retain(|_, rules| !rules.is_empty());
    Ok(())
}
