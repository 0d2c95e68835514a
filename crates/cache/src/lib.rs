//! The HTTP cache between a gate and an upstream: lookup, serve, fill, collapse, revalidate, purge.
//!
//! A request walks [`Cache::answer`]: find the object's head, judge it, learn from upstream where
//! that is needed, then deliver the slices of the wanted range from RAM, disk or fills in flight.
//!
//! Absent here: sockets, TLS, signatures, the format of what is on disk. A viewer's header fields
//! are read for ranges, preconditions and cache directives and go no further: what reaches upstream
//! is a [`message::Fetch`], which has room only for those that the site's own rule names.

mod ahead;
mod answer;
mod ask;
mod audience;
mod barrier;
mod check;
mod config;
mod confirm;
mod deliver;
mod expression;
mod fill;
mod filling;
mod flights;
mod geometry;
mod head;
mod holding;
mod id;
mod kept;
mod learn;
mod live;
mod lookup;
mod metrics;
mod multipart;
mod other;
mod part;
mod pass;
mod pattern;
mod place;
mod plan;
mod prefill;
mod present;
mod purges;
mod question;
mod reply;
mod site;
mod slice;
mod tags;
mod terms;
mod told;
mod unfilled;
mod variants;
mod verdict;
mod viewer;

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use message::{ObjectName, Upstream};
use store::{Key, Memory, Store};
use tokio_util::task::TaskTracker;

pub use ahead::Announcement;
pub use audience::{Audience, Served};
pub use config::Config;
pub use expression::{BadExpression, Expression};
pub use geometry::{SLICE_BYTES, WHOLE_BYTES_MAX};
pub use id::ObjectId;
pub use live::{LiveRules, Reloads, WindowRule, WindowSource};
pub use pattern::{BadPattern, Pattern};
pub use plan::{Expected, Holding, Plan, Wanted};
pub use purges::{Paths, Reach};
pub use site::{Ending, SiteRules};
pub use tags::{BadTag, TAGS_MAX, Tag, TagRules};
pub use unfilled::{Held, Unfilled};
pub use viewer::Viewer;

use crate::{
    filling::Filling,
    flights::Flights,
    head::Entry,
    id::{Scopes, Unique},
    metrics::Metrics,
    place::Places,
    purges::Purges,
    question::{Learning, Subject},
    viewer::Viewers,
};

/// The cache of one node. Cheap to clone.
#[derive(Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

/// What a cache takes in memory at one moment.
#[derive(Debug, Clone)]
pub struct MemoryUse {
    /// Parsed heads of objects.
    pub heads_bytes: u64,
    /// Slices, wherever they are: in the RAM tier, on their way, or held by viewers alone.
    pub slices_bytes: u64,
    /// What the store says of its tiers.
    pub store: store::Stats,
}

struct Inner {
    config: Config,
    store: Store,
    heads: Memory<ObjectId, Entry>,
    upstream: Arc<dyn Upstream>,
    learning: Arc<Flights<Subject, Learning>>,
    slices: Arc<Flights<Key, Filling>>,
    places: Places,
    plan: plan::Active,
    purges: Purges,
    unique: Unique,
    viewers: Viewers,
    audience: OnceLock<Arc<dyn Audience>>,
    live: live::Live,
    ahead: ahead::Ahead,
    tasks: TaskTracker,
    metrics: Metrics,
}

impl Cache {
    /// A cache over `store` that fills from `upstream`. `state` is the folder of the store's purges;
    /// without one nothing must outlive the process, neither purges nor disks.
    ///
    /// # Errors
    /// When the list of what was purged by pattern cannot be kept, or a metric of the same name is
    /// registered already.
    pub async fn open(
        config: Config,
        store: Store,
        state: Option<PathBuf>,
        upstream: Arc<dyn Upstream>,
        registry: &prometheus::Registry,
    ) -> Result<Self, store::Error> {
        let purges = match state {
            Some(folder) => Purges::open(folder, &store).await?,
            None => Purges::volatile(),
        };
        Ok(Self::build(config, store, purges, upstream, registry)?)
    }

    /// A cache over a store without disks, as [`Cache::open`].
    ///
    /// # Errors
    /// When a metric of the same name is registered already.
    pub fn new(
        config: Config,
        store: Store,
        upstream: Arc<dyn Upstream>,
        registry: &prometheus::Registry,
    ) -> Result<Self, prometheus::Error> {
        Self::build(config, store, Purges::volatile(), upstream, registry)
    }

    fn build(
        config: Config,
        store: Store,
        purges: Purges,
        upstream: Arc<dyn Upstream>,
        registry: &prometheus::Registry,
    ) -> Result<Self, prometheus::Error> {
        let metrics = Metrics::register(registry)?;
        let inner = Inner {
            heads: Memory::new(config.heads_bytes, |_, entry: &Entry| entry.weight()),
            store,
            upstream,
            learning: Flights::new(),
            slices: Flights::new(),
            places: Places::new(&config, &metrics),
            plan: plan::Active::default(),
            purges,
            unique: Unique::default(),
            viewers: Viewers::default(),
            audience: OnceLock::new(),
            live: live::Live::register(registry)?,
            ahead: ahead::Ahead::register(config.fills_max.div_ceil(8), registry)?,
            tasks: TaskTracker::new(),
            metrics,
            config,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Tells `audience` what viewers were served from now on. The first one told stays.
    pub fn tell(&self, audience: Arc<dyn Audience>) {
        // One that comes second is not told.
        let _second = self.inner.audience.set(audience);
    }

    /// Purges one object: durable before it returns. What comes after is filled anew, or confirmed
    /// upstream first.
    ///
    /// # Errors
    /// When the purge could not be written; then it is not promised to outlive a crash.
    pub async fn purge(&self, name: &ObjectName, reach: Reach) -> Result<(), store::Error> {
        let scope = ObjectId::of(name).scopes().for_reach(reach);
        let purged = self.inner.store.purge_from(scope, purges::now());
        purged.await.map(drop)
    }

    /// Purges a whole site, as [`Cache::purge`] does one object.
    ///
    /// # Errors
    /// As [`Cache::purge`].
    pub async fn purge_site(&self, site: &str, reach: Reach) -> Result<(), store::Error> {
        let scope = Scopes::of_site(site).for_reach(reach);
        let purged = self.inner.store.purge_from(scope, purges::now());
        purged.await.map(drop)
    }

    /// Purges all objects of a site that match, as [`Cache::purge`] does one. Up to 1,024 patterns are
    /// told apart, of which a regular expression counts as 16; beyond that the older half purge their
    /// whole sites.
    ///
    /// # Errors
    /// As [`Cache::purge`].
    pub async fn purge_matching(
        &self,
        site: &str,
        paths: impl Into<Paths>,
        reach: Reach,
    ) -> Result<(), store::Error> {
        let (inner, paths) = (&self.inner, paths.into());
        inner.purges.purge(&inner.store, site, paths, reach).await
    }

    /// Purges all objects of a site that have a tag, as [`Cache::purge`] does one, and those that have
    /// more tags than are kept.
    ///
    /// # Errors
    /// As [`Cache::purge`].
    pub async fn purge_tag(&self, site: &str, tag: &Tag, reach: Reach) -> Result<(), store::Error> {
        let inner = &self.inner;
        inner.purges.purge_tag(&inner.store, site, tag, reach).await
    }

    /// Waits for the fills that are under way. New requests are still answered; call it once
    /// nobody asks any more.
    pub async fn drained(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// Tells what the cache and its store take in memory, for as long as they live: whoever keeps
    /// this does not keep them.
    pub fn memory_use(&self) -> impl Fn() -> Option<MemoryUse> + Send + Sync + use<> {
        let inner = Arc::downgrade(&self.inner);
        move || {
            let inner = inner.upgrade()?;
            Some(MemoryUse {
                heads_bytes: inner.heads.bytes(),
                slices_bytes: inner.store.budget().used_bytes(),
                store: inner.store.stats(),
            })
        }
    }

    /// Body bytes that viewers had so far of slices that a plan had put on disk: by what came in by
    /// plan, over days, how well plans were made.
    pub fn prefilled_served_bytes(&self) -> u64 {
        self.inner.metrics.prefilled_served_bytes.get()
    }

    /// Bytes that wait to be written to the disk that is furthest behind: what finds its queue full is
    /// not stored. Takes every lock of the index once: not for the hot path.
    pub fn write_queue_bytes(&self) -> u64 {
        let disks = self.inner.store.stats().disks;
        disks
            .iter()
            .map(|disk| disk.queued_bytes)
            .max()
            .unwrap_or(0)
    }

    /// Waits until all that an earlier run left on the disks was found. Cancel safe.
    pub async fn recovered(&self) {
        self.inner.store.recovered().await;
    }

    /// Whether memory for slices or places for fills run short: whoever can do without should.
    pub fn is_short(&self) -> bool {
        self.inner.is_short()
    }

    /// How many slices are being filled now.
    pub fn fills_in_flight(&self) -> usize {
        self.inner.slices.len()
    }
}
