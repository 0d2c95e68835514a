//! What steering asks of a node, answered by its rooms.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use cache::{Cache, MemoryUse, SiteRules};
use daemon::process::{Lifecycle, State};
use downstream::Drain;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use message::{Client, ObjectName, Protocol, Request, Timestamp};
use steering::{
    Doing, Engine, Life, Prefill, Purge, PurgeWhat, Reason, Refused, Vitals,
    report::{Disk, Inventory, InventorySummary, ManifestSummary, Popularity, Progress, Pushed},
};

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
            PurgeWhat::Matching(pattern) => self.cache.purge_matching(&site, pattern, reach).await,
            PurgeWhat::Site => self.cache.purge_site(&site, reach).await,
        };
        done.map_err(|error| Refused::new(Reason::Failed, error.to_string()))
    }

    /// Asks the cache as a viewer would, to the end of the body: what is missing is filled.
    async fn prefill(&self, wanted: Prefill) -> Result<(), Refused> {
        let (path, query) = split(&wanted.object.path);
        let (name, rules) = self.find(&wanted.object.site, path, query)?;
        let content = |what: String| Refused::new(Reason::Content, what);
        let request = Self::request(&name)?;
        let response = self.cache.answer(&request, name, &rules).await;
        let response = response.map_err(|error| content(error.detail().to_owned()))?;
        if response.status() != StatusCode::OK {
            return Err(content(format!("upstream answered {}", response.status())));
        }
        let (mut body, mut bytes) = (response.into_body(), 0);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| content(error.detail().to_owned()))?;
            bytes += frame.data_ref().map_or(0, Bytes::len) as u64;
        }
        match wanted.size {
            Some(size) if size != bytes => Err(content(format!(
                "it has {bytes} bytes, and {size} were named"
            ))),
            Some(_) | None => Ok(()),
        }
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

/// What a node without a fill plane says of manifests.
fn no_fill<T>() -> Result<T, Refused> {
    Err(Refused::new(
        Reason::Unsupported,
        "this node takes no manifests",
    ))
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
            first_fill: false,
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

    fn push(&self, _manifest: Bytes, _at: Timestamp) -> Doing<'_, Pushed> {
        Box::pin(async { no_fill() })
    }

    fn manifests(&self) -> Vec<ManifestSummary> {
        Vec::new()
    }

    fn manifest(&self, _generation: u64) -> Doing<'_, Bytes> {
        Box::pin(async { no_fill() })
    }

    fn withdraw(&self, _generation: u64) -> Doing<'_, ManifestSummary> {
        Box::pin(async { no_fill() })
    }

    fn progress(&self) -> Progress {
        Progress::default()
    }

    fn holdings(&self) -> InventorySummary {
        InventorySummary::default()
    }

    fn inventory(&self, _after: Option<String>, _limit: usize) -> Doing<'_, Inventory> {
        Box::pin(async { Ok(Inventory::default()) })
    }

    fn prefill(&self, wanted: Prefill) -> Doing<'_, ()> {
        Box::pin(self.prefill(wanted))
    }

    fn purge(&self, purge: Purge) -> Doing<'_, ()> {
        Box::pin(self.purge(purge))
    }

    fn popularity(&self, _top: usize, _site: Option<&str>) -> Popularity {
        Popularity::default()
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
