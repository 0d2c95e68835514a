//! What steering asks of a node, answered by its rooms.

mod content;

use std::sync::Arc;

use bytes::Bytes;
use cache::{Cache, MemoryUse, SiteRules};
use daemon::process::{Lifecycle, State};
use downstream::Drain;
use message::{ObjectName, Timestamp};
use popularity::Popularity as Counts;
use preposition::Preposition;
use steering::{
    Doing, Engine, Life, Prefill, Purge, Reason, Refused, Vitals,
    report::{
        Disk, Inventory, InventorySummary, ManifestState, ManifestSummary, Popular, Popularity,
        Progress, Pushed,
    },
};

use crate::plan;

/// The sites of a node, as its gate knows them.
pub trait Sites: Send + Sync + 'static {
    /// All of them, each with the hosts that it answers for.
    fn all(&self) -> Vec<(Arc<str>, Vec<String>)>;

    /// Which one answers for a host, in lower case and without port.
    fn of_host(&self, host: &str) -> Option<Arc<str>>;

    /// The object that a path and query name, and the rules of its site; why there is none
    /// otherwise, or nothing if there is no such site.
    fn object(
        &self,
        site: &str,
        path: &str,
        query: Option<&str>,
    ) -> Option<Result<(ObjectName, Arc<SiteRules>), String>>;
}

/// A node's rooms, as steering sees them.
pub(crate) struct Rooms {
    pub(crate) cache: Cache,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) drain: Drain,
    /// Open connections, and body bytes sent so far.
    pub(crate) traffic: Box<dyn Fn() -> (u64, u64) + Send + Sync>,
    pub(crate) memory_use: Box<dyn Fn() -> Option<MemoryUse> + Send + Sync>,
    pub(crate) sites: Arc<dyn Sites>,
    pub(crate) planes: Planes,
}

/// What only some nodes have: an edge that fills by plan, or counts.
#[derive(Default)]
pub struct Planes {
    /// What fills by manifests.
    pub fill: Option<Preposition>,
    /// What is asked for how much.
    pub popularity: Option<Arc<Counts>>,
}

impl Rooms {
    fn fill(&self) -> Result<&Preposition, Refused> {
        self.planes
            .fill
            .as_ref()
            .ok_or_else(|| Refused::new(Reason::Unsupported, "this node takes no manifests"))
    }

    /// Whether there is much to be held and nothing of it is here: a box that is new, or was emptied.
    fn is_first_fill(&self) -> bool {
        let now = self.in_force();
        now.is_some_and(|now| now.bytes_left > 0 && now.bytes_done == 0)
    }

    fn in_force(&self) -> Option<preposition::Progress> {
        self.planes.fill.as_ref()?.progress()
    }

    async fn push(&self, who: Arc<str>, file: Bytes) -> Result<Pushed, Refused> {
        let fill = self.fill()?.clone();
        let mut fresh = true;
        if let Err(rejected) = fill.push(who, file.clone()).await {
            // What is in force already is no news, and no fault.
            let hashed = fill.clone();
            let again = tokio::task::spawn_blocking(move || hashed.is_in_force(&file)).await;
            if !again.unwrap_or(false) {
                return Err(plan::refused(&rejected));
            }
            fresh = false;
        }
        let now = fill.progress();
        now.map(|now| plan::pushed(&now, fresh))
            .ok_or_else(|| Refused::new(Reason::Conflict, "it was withdrawn in the same moment"))
    }

    async fn signed(&self, generation: u64) -> Result<Bytes, Refused> {
        let fill = self.fill()?.clone();
        let read = tokio::task::spawn_blocking(move || fill.signed(generation)).await;
        let read = read.map_err(std::io::Error::other).and_then(|read| read);
        let read = read.map_err(|error| Refused::new(Reason::Failed, error.to_string()))?;
        let found = read.map(Bytes::from);
        found.ok_or_else(|| {
            let what = format!("generation {generation} is not kept");
            Refused::new(Reason::NotFound, what)
        })
    }

    async fn withdraw(&self, generation: u64) -> Result<ManifestSummary, Refused> {
        let fill = self.fill()?;
        let before = fill.progress();
        let withdrawn = fill.withdraw(generation).await;
        withdrawn.map_err(|rejected| plan::refused(&rejected))?;
        before
            .filter(|before| before.generation == generation)
            .map(|before| plan::summary(&before, ManifestState::Withdrawn))
            .ok_or_else(|| Refused::new(Reason::Conflict, "it came and went in the same moment"))
    }

    fn inventory(&self, after: Option<&str>, limit: usize) -> Result<Inventory, Refused> {
        let from = after.map_or(Ok(0), str::parse);
        let from = from.map_err(|_error| {
            Refused::new(
                Reason::Malformed,
                "after: what an earlier page told as next",
            )
        })?;
        let (Some(fill), Some(now)) = (&self.planes.fill, self.in_force()) else {
            return Ok(Inventory::default());
        };
        Ok(plan::inventory(&now, fill.inventory(from, limit)))
    }
}

/// Bytes served, from thousandths of plays.
fn bytes_of(plays: u64, size: u64) -> u64 {
    let bytes = u128::from(plays) * u128::from(size) / 1000;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

impl Engine for Rooms {
    fn vitals(&self) -> Vitals {
        let status = self.lifecycle.status();
        let (connections, sent_bytes) = (self.traffic)();
        let life = match status.state {
            State::Starting => Life::Starting,
            State::Serving | State::Resting => Life::Serving,
            State::Draining => Life::Ending,
        };
        Vitals {
            life,
            reason: status.reason.to_string(),
            resting: status.state == State::Resting,
            connections,
            sent_bytes,
            first_fill: self.is_first_fill(),
        }
    }

    fn disks(&self) -> Vec<Disk> {
        let memory = (self.memory_use)();
        let disks = memory.into_iter().flat_map(|memory| memory.store.disks);
        let disks = disks.map(|disk| Disk {
            path: disk.path.display().to_string(),
            state: disk.state.as_str().to_owned(),
            capacity_bytes: disk.capacity_bytes,
            used_bytes: disk.bytes,
            queued_bytes: disk.queued_bytes,
        });
        disks.collect()
    }

    fn push(&self, who: &Arc<str>, manifest: Bytes, _at: Timestamp) -> Doing<'_, Pushed> {
        Box::pin(self.push(Arc::clone(who), manifest))
    }

    fn manifests(&self) -> Vec<ManifestSummary> {
        let now = self.in_force();
        let summary = now.map(|now| plan::summary(&now, ManifestState::Active));
        summary.into_iter().collect()
    }

    fn manifest(&self, generation: u64) -> Doing<'_, Bytes> {
        Box::pin(self.signed(generation))
    }

    fn withdraw(&self, generation: u64) -> Doing<'_, ManifestSummary> {
        Box::pin(self.withdraw(generation))
    }

    fn progress(&self) -> Progress {
        let status = self.planes.fill.as_ref().map(Preposition::status);
        status.map_or_else(Progress::default, |status| {
            plan::progress(&status, message::now().unix_s())
        })
    }

    fn holdings(&self) -> InventorySummary {
        let now = self.in_force();
        now.map_or_else(InventorySummary::default, |now| plan::holdings(&now))
    }

    fn inventory(&self, after: Option<String>, limit: usize) -> Doing<'_, Inventory> {
        let page = self.inventory(after.as_deref(), limit);
        Box::pin(async move { page })
    }

    fn prefill(&self, wanted: Prefill) -> Doing<'_, ()> {
        Box::pin(self.prefill(wanted))
    }

    fn read(&self, object: ObjectName, bytes_max: usize) -> Doing<'_, Bytes> {
        Box::pin(self.read_whole(object, bytes_max))
    }

    fn purge(&self, purge: Purge) -> Doing<'_, ()> {
        Box::pin(self.purge(purge))
    }

    fn popularity(&self, top: usize, site: Option<&str>) -> Popularity {
        let Some(counts) = &self.planes.popularity else {
            return Popularity::default();
        };
        // Of one site there may be few among the most popular of all.
        let count = if site.is_some() { usize::MAX } else { top };
        let named = counts.top(count, message::now().wall).objects.into_iter();
        let wanted = named.filter(|named| site.is_none_or(|site| *named.site == *site));
        let objects = wanted.take(top).map(|named| Popular {
            site: named.site.to_string(),
            path: named.path.to_string(),
            plays_thousandths: named.plays,
            bytes: bytes_of(named.plays, named.size),
        });
        Popularity {
            objects: objects.collect(),
        }
    }

    fn site_of(&self, host: &str) -> Option<Arc<str>> {
        self.sites.of_host(host)
    }

    fn sites(&self) -> Vec<(Arc<str>, Vec<String>)> {
        self.sites.all()
    }

    fn object(&self, site: &str, path: &str, query: Option<&str>) -> Result<ObjectName, Refused> {
        self.find(site, path, query).map(|(name, _)| name)
    }

    fn rest(&self, rest: bool) {
        if rest {
            self.lifecycle.rest("steering lets nobody new in");
        } else {
            self.lifecycle.resume();
        }
        // Not before it serves: then there is nobody to keep out, and no way back would be told.
        self.drain
            .rest(self.lifecycle.status().state == State::Resting);
    }
}
