//! What steering asks of a node, answered by its rooms.

use std::{net::SocketAddr, sync::Arc};

use bytes::{Bytes, BytesMut};
use cache::{Cache, MemoryUse, SiteRules};
use daemon::process::{Lifecycle, State};
use downstream::Drain;
use futures_util::StreamExt as _;
use http::{Method, StatusCode};
use message::{Body, Client, ObjectName, Protocol, Request, Timestamp};
use popularity::Popularity as Counts;
use preposition::{Errand, Preposition, Undone};
use semantics::key::Case;
use steering::{
    Doing, Engine, Life, Prefill, Purge, PurgeWhat, Reason, Refused, Vitals,
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
    fn find(
        &self,
        site: &str,
        path: &str,
        query: Option<&str>,
    ) -> Result<(ObjectName, Arc<SiteRules>), Refused> {
        match self.sites.object(site, path, query) {
            Some(Ok(found)) => Ok(found),
            Some(Err(what)) => Err(Refused::new(Reason::Malformed, what)),
            None => Err(unknown_site(site)),
        }
    }

    fn check_site(&self, site: &str) -> Result<(), Refused> {
        let is_known = self.sites.all().iter().any(|(own, _)| **own == *site);
        is_known.then_some(()).ok_or_else(|| unknown_site(site))
    }

    async fn purge(&self, purge: Purge) -> Result<(), Refused> {
        let Purge { site, what, reach } = purge;
        self.check_site(&site)?;
        let done = match what {
            PurgeWhat::Object(path) => {
                let (path, query) = split(&path);
                let (name, _) = self.find(&site, path, query)?;
                self.cache.purge(&name, reach).await
            }
            PurgeWhat::Matching(paths) => {
                let (_, rules) = self.find(&site, "/", None)?;
                let paths = match rules.case {
                    Case::Exact => Ok(paths),
                    Case::Fold => paths.ignoring_case(),
                };
                let paths =
                    paths.map_err(|bad| Refused::new(Reason::Malformed, bad.to_string()))?;
                self.cache.purge_matching(&site, paths, reach).await
            }
            PurgeWhat::Tagged(tag) => self.cache.purge_tag(&site, &tag, reach).await,
            PurgeWhat::Site => self.cache.purge_site(&site, reach).await,
        };
        if let Some(fill) = &self.planes.fill {
            fill.purged();
        }
        done.map_err(|error| Refused::new(Reason::Failed, error.to_string()))
    }

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

    async fn push(&self, file: Bytes) -> Result<Pushed, Refused> {
        let fill = self.fill()?.clone();
        let mut fresh = true;
        if let Err(rejected) = fill.push(file.clone()).await {
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

    /// By the fill plane where there is one; what it cannot fetch for want of a length or of disks is
    /// read as a viewer would.
    async fn prefill(&self, wanted: Prefill) -> Result<(), Refused> {
        let (path, query) = split(&wanted.object.path);
        let (name, rules) = self.find(&wanted.object.site, path, query)?;
        let Some(fill) = self.planes.fill.as_ref().filter(|_| self.has_disks()) else {
            return self.read(name, &rules, wanted.size).await;
        };
        let errand = Errand {
            name: name.clone(),
            size: wanted.size,
            is_urgent: wanted.is_urgent,
            priority: wanted.priority,
        };
        match fill.run(errand).await {
            Err(Undone::Unsized) => self.read(name, &rules, wanted.size).await,
            done => done.map_err(plan::undone),
        }
    }

    fn has_disks(&self) -> bool {
        let memory = (self.memory_use)();
        memory.is_some_and(|memory| !memory.store.disks.is_empty())
    }

    /// Asks the cache as a viewer would, to the end of the body: what is missing is filled.
    async fn read(
        &self,
        name: ObjectName,
        rules: &Arc<SiteRules>,
        size: Option<u64>,
    ) -> Result<(), Refused> {
        let (mut body, mut bytes) = (self.body(name, rules).await?, 0);
        while let Some(part) = body.next().await {
            bytes += part.map_err(|error| content(&error))?.len() as u64;
        }
        match size {
            Some(size) if size != bytes => {
                let what = format!("it has {bytes} bytes, and {size} were named");
                Err(Refused::new(Reason::Content, what))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The same, for who wants the bytes.
    async fn read_whole(&self, object: ObjectName, bytes_max: usize) -> Result<Bytes, Refused> {
        let too_large = || {
            let what = format!("it has more than {bytes_max} bytes");
            Refused::new(Reason::Content, what)
        };
        let (path, query) = split(&object.path);
        let (name, rules) = self.find(&object.site, path, query)?;
        let mut body = self.body(name, &rules).await?;
        let length = body.length().and_then(|told| usize::try_from(told).ok());
        if length.is_some_and(|length| length > bytes_max) {
            return Err(too_large());
        }
        let mut whole = BytesMut::with_capacity(length.unwrap_or_default());
        while let Some(part) = body.next().await {
            let part = part.map_err(|error| content(&error))?;
            if whole.len() + part.len() > bytes_max {
                return Err(too_large());
            }
            whole.extend_from_slice(&part);
        }
        Ok(whole.freeze())
    }

    async fn body(&self, name: ObjectName, rules: &Arc<SiteRules>) -> Result<Body, Refused> {
        let request = Self::request(&name)?;
        let response = self.cache.answer(&request, name, rules).await;
        let response = response.map_err(|error| content(&error))?;
        if response.status() != StatusCode::OK {
            let what = format!("upstream answered {}", response.status());
            return Err(Refused::new(Reason::Content, what));
        }
        Ok(response.into_body())
    }

    fn request(name: &ObjectName) -> Result<Request, Refused> {
        let failed = |error: http::Error| Refused::new(Reason::Failed, error.to_string());
        let request = http::Request::builder()
            .method(Method::GET)
            .uri(format!("https://{}{}", name.site, name.path));
        let (head, ()) = request.body(()).map_err(failed)?.into_parts();
        Ok(Request {
            head,
            client: Client {
                address: SocketAddr::from(([127, 0, 0, 1], 0)),
                protocol: Protocol::Http1,
                identity: None,
                server_name: None,
            },
            at: message::now(),
        })
    }
}

fn content(error: &message::Error) -> Refused {
    Refused::new(Reason::Content, error.detail().to_owned())
}

/// A path and its query, if it has one.
fn split(path: &str) -> (&str, Option<&str>) {
    match path.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (path, None),
    }
}

fn unknown_site(site: &str) -> Refused {
    Refused::new(Reason::NotFound, format!("no site {site:?} on this node"))
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

    fn push(&self, manifest: Bytes, _at: Timestamp) -> Doing<'_, Pushed> {
        Box::pin(self.push(manifest))
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
