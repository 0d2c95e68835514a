//! The room's door: start it, give it manifests, ask how it stands, end it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use manifest::{Digest, Keys};
use message::Timestamp;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, Semaphore, mpsc, oneshot, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Status,
    active::Active,
    answer::{Pushed, Rejected},
    applied::{self, Unkept},
    config::{Config, Parts},
    engine::Engine,
    entry::Entry,
    errands::{self, Errand, Undone},
    held_file, keeper, memory,
    metrics::Metrics,
    orders::Orders,
    pull::{self, Came, Pull},
    schedule::Why,
    scrubber::Scrubber,
    shared::{Pulse, Shared},
    signed,
    trust::Way,
    views::{Page, Progress},
    wanted::wanted,
    window::At,
    yielding::Share,
};

/// Prepositioning on one node. A clone is the same.
#[derive(Clone)]
pub struct Preposition {
    shared: Arc<Shared>,
    orders: Orders,
    pulls: Arc<watch::Sender<Option<Pull>>>,
    errands: mpsc::Sender<errands::Asked>,
}

/// Its tasks. Dropped, they end at once, as in a crash.
pub struct Running {
    tasks: JoinSet<()>,
    stop: CancellationToken,
}

/// Why it does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What is in force cannot be known.
    #[error(transparent)]
    Unkept(#[from] Unkept),
    /// Two metrics have one name.
    #[error("metrics")]
    Metrics(#[from] prometheus::Error),
}

impl Preposition {
    /// Takes up what was in force, and goes on with it. Must be called in a tokio runtime; reads the
    /// applied manifest, blocking.
    ///
    /// # Errors
    /// When what was in force is damaged or another node's, or a metric is there already.
    pub fn start(
        config: Config,
        parts: Parts,
        pull: Option<Pull>,
        registry: &prometheus::Registry,
    ) -> Result<(Self, Running), Error> {
        let metrics = Metrics::register(registry)?;
        let in_force = applied::load(&config.folder, &config.audience)?;
        let node = Digest::of(config.audience.as_str().as_bytes()).as_bytes()[0];
        let pulse = Pulse {
            at: At::Closed(None),
            why: Why::Idle,
            share: Share::FULL,
            rate_bytes_per_s: config.bytes_per_s,
            measured_bytes_per_s: 0,
            window_bytes: 0,
            running: 0,
            told_at: (parts.clock)().wall,
        };
        let seats = Arc::new(Semaphore::new(memory::PLANS_MAX));
        let seat = Arc::clone(&seats).try_acquire_owned().ok();
        let active = Active::new(in_force, config.capacity_bytes).seated(seat);
        let shared = Arc::new(Shared {
            active: ArcSwap::from_pointee(active),
            seats,
            changed: Notify::new(),
            is_draining: AtomicBool::new(false),
            is_repair_wanted: AtomicBool::new(false),
            is_some_lost: AtomicBool::new(false),
            pulse: Mutex::new(pulse),
            failures: Mutex::default(),
            metrics,
            keys: watch::Sender::new(Arc::new(config.keys.clone())),
            config,
            parts,
        });
        let (orders, received) = Orders::new();
        let (mut tasks, stop) = (JoinSet::new(), CancellationToken::new());
        tasks.spawn(keeper::keep(Arc::clone(&shared), received, stop.clone()));
        if let Some(pass) = shared.config.scrub {
            let scrubber = Scrubber::new(Arc::clone(&shared), pass, registry)?;
            tasks.spawn(scrubber.run(stop.clone()));
        }
        let (errands, asked) = mpsc::channel(errands::WAITING_MAX);
        let engine = Engine::new(Arc::clone(&shared), orders.clone(), asked);
        tasks.spawn(engine.run(stop.clone()));
        let fill = Self {
            shared,
            orders,
            pulls: Arc::new(watch::Sender::new(pull)),
            errands,
        };
        let pulls = fill.pulls.subscribe();
        tasks.spawn(pull::run(pulls, fill.clone(), node.into(), stop.clone()));
        Ok((fill, Running { tasks, stop }))
    }

    /// Takes a signed manifest into force that `who` has sent; it is durable when this returns. Who sends
    /// bad ones again and again is not listened to for a while; everybody else is.
    ///
    /// Cancel safe: a manifest that is being judged may come into force all the same.
    ///
    /// # Errors
    /// Why it is not in force; what was before is.
    pub async fn push(&self, who: Arc<str>, file: Bytes) -> Result<Pushed, Rejected> {
        self.push_by(Way::Push(who), file).await
    }

    pub(crate) async fn push_by(&self, way: Way, file: Bytes) -> Result<Pushed, Rejected> {
        self.orders.push(way, file).await
    }

    /// From now on manifests of these keys are taken, and no others. What is in force stays, whoever has
    /// signed it.
    pub fn replace_keys(&self, keys: Keys) {
        let is_other = self.shared.keys.send_if_modified(|known| {
            let is_other = known.to_json() != keys.to_json();
            if is_other {
                *known = Arc::new(keys);
            }
            is_other
        });
        if is_other {
            let known = Arc::clone(&self.shared.keys.borrow());
            let kids: Vec<_> = known.keys().iter().map(|key| &key.key.kid).collect();
            tracing::info!(?kids, "manifests of these keys are taken from now on");
        }
    }

    /// From now on the manifest is pulled from there, at once and from then on, or no more.
    pub fn replace_pull(&self, pull: Option<Pull>) {
        self.pulls.send_replace(pull);
    }

    /// The manifest of this generation as it was signed: kept of the one in force, also when it was
    /// withdrawn, until the next one is. Blocking.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn signed(&self, generation: u64) -> std::io::Result<Option<Vec<u8>>> {
        let folder = &self.shared.config.folder;
        signed::read(folder, generation, self.file_bytes_max())
    }

    /// Has an object here that is in no manifest: in the window, at the rate and from the sources of
    /// manifests. Resolves when it is here.
    ///
    /// Cancel safe: dropped, it is given up; what has come of it stays.
    ///
    /// # Errors
    /// Why it is not here.
    pub async fn run(&self, errand: Errand) -> Result<(), Undone> {
        let (reply, told) = oneshot::channel();
        let asked = errands::Asked { errand, reply };
        match self.errands.try_send(asked) {
            Ok(()) => told.await.unwrap_or(Err(Undone::Ending)),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Undone::Busy),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Undone::Ending),
        }
    }

    /// Whether this very manifest is the one in force. Hashes all of it, blocking.
    pub fn is_in_force(&self, file: &[u8]) -> bool {
        self.shared.is_in_force(file)
    }

    /// Takes the manifest of this generation out of force. What it brought stays until the policy
    /// decides otherwise; no older manifest is accepted again.
    ///
    /// # Errors
    /// When another is in force, or it could not be made durable.
    pub async fn withdraw(&self, generation: u64) -> Result<(), Rejected> {
        self.orders.withdraw(generation).await
    }

    /// How it stands.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// How far the manifest in force has come; nothing if there is none.
    pub fn progress(&self) -> Option<Progress> {
        let pulse = *self.shared.pulse.lock();
        Progress::of(&self.shared.active.load(), &pulse)
    }

    /// What is planned and what has become of it, `count` objects (at most [`crate::PAGE_MAX`]) from
    /// place `from` on.
    pub fn inventory(&self, from: u32, count: usize) -> Page {
        self.shared.page(from, count)
    }

    /// What is held of the plan in force, as planners read it: `{"site": .., "path": .., "bytes": ..}` in a
    /// line for each object, in one zstd frame. Nothing while it is not known what is. Blocking.
    ///
    /// # Errors
    /// When it would take more than a plan may.
    pub fn held_file(&self) -> std::io::Result<Option<Vec<u8>>> {
        let active = self.shared.active.load_full();
        if !active.is_walked.load(Ordering::Relaxed) {
            return Ok(None);
        }
        held_file::write(&active, self.pulled_bytes_max()).map(Some)
    }

    /// What the plan wants of an object that is here, whole, and was compared with its digest: what
    /// other nodes of the cluster may copy.
    pub fn verified(&self, site: &str, path: &str) -> Option<cache::Wanted> {
        let active = self.shared.active.load();
        let place = active.in_force.state.plan.find(site, path)?;
        let (object, entry) = active.at(u32::try_from(place).ok()?)?;
        let is_whole = object.first_bytes.is_none_or(|first| first >= object.size);
        let is_verified = entry == Entry::Held && object.digest.is_some() && is_whole;
        is_verified.then(|| wanted(&object, self.now().unix_s()))
    }

    /// Whether viewers need the link or the disks for themselves just now.
    pub fn is_yielding(&self) -> bool {
        self.shared.pulse.lock().share.thousandths == 0
    }

    /// Stops filling: what is under way is cut, to be gone on with after [`Self::undrain`].
    pub fn drain(&self) {
        self.shared.is_draining.store(true, Ordering::Relaxed);
        self.shared.changed.notify_one();
    }

    /// Goes on.
    pub fn undrain(&self) {
        self.shared.is_draining.store(false, Ordering::Relaxed);
        self.shared.changed.notify_one();
    }

    /// Has what should be here looked for now, and what failed tried anew.
    pub fn repair(&self) {
        self.shared.is_repair_wanted.store(true, Ordering::Relaxed);
        self.shared.changed.notify_one();
    }

    /// Something was purged: what is planned of it is looked for within seconds, however many purges there
    /// are, and filled again.
    pub fn purged(&self) {
        self.shared.is_some_lost.store(true, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.shared.parts.clock)()
    }

    fn file_bytes_max(&self) -> u64 {
        self.shared.config.limits.file_bytes_max
    }

    /// What a pull may take: as much as a plan, which comes of it.
    pub(crate) fn pulled_bytes_max(&self) -> u64 {
        let memory_bytes = memory::plan_bytes_max(self.shared.config.memory_bytes);
        self.file_bytes_max().min(memory_bytes)
    }

    /// Tells when manifests of others are taken.
    pub(crate) fn keys(&self) -> watch::Receiver<Arc<Keys>> {
        self.shared.keys.subscribe()
    }

    /// Whether this is what is in force. Hashed in a thread for that.
    pub(crate) async fn is_known(&self, file: Bytes) -> bool {
        let shared = Arc::clone(&self.shared);
        let known = tokio::task::spawn_blocking(move || shared.is_in_force(&file)).await;
        known.unwrap_or(false)
    }

    /// A manifest was refused before all of it was here.
    pub(crate) fn refused(&self, why: &Rejected) {
        let refused = &self.shared.metrics.refused;
        refused.with_label_values(&[why.label()]).inc();
    }

    /// Counts a pull, so many of which have failed in a row.
    pub(crate) fn pulled(&self, came: &Came, failures: u32) {
        let now_s = self.now().unix_s();
        self.shared.metrics.pulls.count(came, failures, now_s);
    }
}

impl std::fmt::Debug for Preposition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Preposition({:?})", self.shared.config.audience)
    }
}

impl Running {
    /// Ends its tasks: what is under way is cut, what was spent is written down.
    pub async fn end(mut self) {
        self.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a task of the fill plane failed");
            }
        }
    }
}
