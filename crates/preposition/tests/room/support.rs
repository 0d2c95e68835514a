//! A cache on a disk of its own, sources that count, and a clock that is set.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs::File,
    future::Future,
    os::unix::fs::FileExt as _,
    pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use cache::{Cache, SiteRules};
use http::{HeaderValue, StatusCode, header};
use manifest::{
    Digest, Encoding, Head, Hints, Keys, Kind, Label, Manifest, Names, Object, Objects, Pin,
    PlannerKey, Role, Signed, SigningKey,
};
use message::{
    Body, Error, Fetch, Kind::ConnectionRefused, ObjectName, Response, Timestamp, Upstream,
};
use parking_lot::Mutex;
use preposition::{
    Allowance, Config, Escalation, FillState, Limits, Load, Parts, Preposition, Pushed, Reach,
    Rehearsal, Rejected, Running, Source, Status, Window,
};
use semantics::freshness::TtlRules;
use signing::Algorithm;
use store::{DiskConfig, Epoch, Key, Store};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// Who pushes, unless it is told.
pub(crate) const PUSHER: &str = "steering.test";

/// 2026-07-01, in the window and out of it.
pub(crate) const NIGHT: Duration = Duration::from_hours(495_243);
pub(crate) const NOON: Duration = Duration::from_hours(495_252);

pub(crate) fn object(n: usize) -> ObjectName {
    ObjectName {
        site: "vod".into(),
        path: format!("/{n}.m4s").into(),
    }
}

/// A source of numbered objects.
pub(crate) struct Origin {
    objects: Mutex<HashMap<Arc<str>, Bytes>>,
    reads: AtomicUsize,
    asked: AtomicUsize,
    underway: AtomicUsize,
    most: AtomicUsize,
    is_stalled: AtomicBool,
    is_dead: AtomicBool,
}

impl Origin {
    pub(crate) fn with(count: usize, bytes: usize) -> Arc<Self> {
        let content = |n: usize| {
            let content: Vec<u8> = (0..bytes)
                .map(|at| (((at * 31) >> 3) ^ (n * 7) ^ at) as u8)
                .collect();
            (object(n).path, Bytes::from(content))
        };
        Arc::new(Self {
            objects: Mutex::new((0..count).map(content).collect()),
            reads: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            underway: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            is_dead: AtomicBool::new(false),
            is_stalled: AtomicBool::new(false),
        })
    }

    /// Has it contain something else.
    pub(crate) fn put(&self, n: usize, bytes: Bytes) {
        self.objects.lock().insert(object(n).path, bytes);
    }

    /// What one of them contains.
    pub(crate) fn content(&self, n: usize) -> Bytes {
        self.objects.lock()[&object(n).path].clone()
    }

    /// Has it give other bytes of the same length.
    pub(crate) fn flip(&self, n: usize) {
        let mut objects = self.objects.lock();
        let bytes = objects.get_mut(&object(n).path).unwrap();
        *bytes = bytes.iter().map(|byte| !byte).collect();
    }

    /// From now on answers never come, or come again.
    pub(crate) fn stall(&self, is_stalled: bool) {
        self.is_stalled.store(is_stalled, Ordering::Relaxed);
    }

    /// From now on every question fails, or none.
    pub(crate) fn kill(&self, is_dead: bool) {
        self.is_dead.store(is_dead, Ordering::Relaxed);
    }

    /// Questions, whatever the answer.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Questions that waited for an answer at the same time, at most.
    pub(crate) fn most_at_a_time(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }

    /// Answers with a body.
    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    fn answer(&self, fetch: &Fetch) -> Response {
        let mut response = Response::new(Body::empty());
        let Some(bytes) = self.objects.lock().get(&fetch.object.path).cloned() else {
            *response.status_mut() = StatusCode::NOT_FOUND;
            return response;
        };
        self.reads.fetch_add(1, Ordering::Relaxed);
        let total = bytes.len();
        let (first, last) = fetch.range.map_or((0, total - 1), |range| {
            (range.first as usize, (range.last as usize).min(total - 1))
        });
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        let range = format!("bytes {first}-{last}/{total}");
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_RANGE, range.parse().unwrap());
        headers.insert(header::ETAG, HeaderValue::from_static("\"1\""));
        *response.body_mut() = Body::from(bytes.slice(first..=last));
        response
    }
}

impl Upstream for Origin {
    fn fetch(
        &self,
        fetch: Fetch,
    ) -> pin::Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + '_>> {
        Box::pin(async move {
            let underway = self.underway.fetch_add(1, Ordering::Relaxed) + 1;
            self.most.fetch_max(underway, Ordering::Relaxed);
            while self.is_stalled.load(Ordering::Relaxed) {
                sleep(Duration::from_millis(5)).await;
            }
            self.underway.fetch_sub(1, Ordering::Relaxed);
            self.asked.fetch_add(1, Ordering::Relaxed);
            if self.is_dead.load(Ordering::Relaxed) {
                return Err(Error::new(ConnectionRefused, "nobody listens"));
            }
            Ok(self.answer(&fetch))
        })
    }
}

/// The room over a cache of its own.
pub(crate) struct Bench {
    pub(crate) room: Preposition,
    pub(crate) cache: Cache,
    pub(crate) key: SigningKey,
    running: Running,
    store: Store,
    config: Config,
    wall_ms: Arc<AtomicU64>,
    load: Arc<Mutex<Load>>,
    folder: TempDir,
}

impl Bench {
    pub(crate) async fn start(now: Duration, sources: &[(Reach, &Arc<Origin>)]) -> Self {
        Self::with(now, sources, |_config| {}).await
    }

    /// The same with a program that rehearses what is new here.
    pub(crate) async fn rehearsing(program: &str) -> Self {
        Self::rehearsing_in(program.into(), &[]).await
    }

    /// The same with one of the tests of this program for the child.
    pub(crate) async fn rehearsing_by(child: &str) -> Self {
        let program = std::env::current_exe().unwrap();
        Self::rehearsing_in(program.into(), &["--ignored", "--exact", child]).await
    }

    async fn rehearsing_in(program: OsString, arguments: &[&str]) -> Self {
        Self::with(NOON, &[], |config| {
            config.rehearsal = Some(Rehearsal {
                program,
                arguments: arguments.iter().map(OsString::from).collect(),
                cpu_s: 1,
            });
        })
        .await
    }

    /// With something else in its config.
    pub(crate) async fn with(
        now: Duration,
        sources: &[(Reach, &Arc<Origin>)],
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let kid = Label::parse("planner").unwrap();
        let key = SigningKey::generate(Algorithm::Ed25519, kid).unwrap();
        let folder = TempDir::new().unwrap();
        let mut config = config_of(&folder, &key);
        change(&mut config);
        Self::over(folder, key, config, now, sources).await
    }

    /// The same folder under a new process, as far as one process can tell.
    pub(crate) async fn restart(self, sources: &[(Reach, &Arc<Origin>)]) -> Self {
        let now = Duration::from_millis(self.wall_ms.load(Ordering::Relaxed));
        self.running.end().await;
        self.cache.drained().await;
        self.store.close().await;
        drop((self.room, self.cache, self.store));
        Self::over(self.folder, self.key, self.config, now, sources).await
    }

    async fn over(
        folder: TempDir,
        key: SigningKey,
        config: Config,
        now: Duration,
        sources: &[(Reach, &Arc<Origin>)],
    ) -> Self {
        let registry = prometheus::Registry::new();
        let disk = DiskConfig::new(folder.path().join("slices"), 128 << 20);
        let store = store::Config {
            ram_bytes: 16 << 20,
            disks: vec![disk],
            state_dir: Some(folder.path().join("state")),
            segment_bytes: 8 << 20,
            ..store::Config::default()
        };
        let store = Store::open(store, &registry).await.unwrap();
        let elsewhere = Origin::with(0, 0) as Arc<dyn Upstream>;
        let cache = cache::Config::named("edge-1");
        let cache = Cache::new(cache, store.clone(), elsewhere, &registry).unwrap();
        let wall_ms = Arc::new(AtomicU64::new(ms(now)));
        let clock = Arc::clone(&wall_ms);
        let load = Arc::new(Mutex::new(Load::default()));
        let seen = Arc::clone(&load);
        let rules = Arc::new(SiteRules::new(ttl()));
        let named = |(reach, origin): &(Reach, &Arc<Origin>)| Source {
            name: reach.name().into(),
            reach: *reach,
            sites: None,
            upstream: Arc::clone(origin) as Arc<dyn Upstream>,
        };
        let parts = Parts {
            cache: cache.clone(),
            sources: sources.iter().map(named).collect(),
            rules: Arc::new(move |site| (site == "vod").then(|| Arc::clone(&rules))),
            load: Arc::new(move || *seen.lock()),
            clock: Arc::new(move || Timestamp {
                wall: Duration::from_millis(clock.load(Ordering::Relaxed)),
                mono: Instant::now(),
            }),
        };
        let started = Preposition::start(config.clone(), parts, None, &registry);
        let (room, running) = started.unwrap();
        Self {
            room,
            cache,
            key,
            running,
            store,
            config,
            wall_ms,
            load,
            folder,
        }
    }

    pub(crate) fn set_time(&self, now: Duration) {
        self.wall_ms.store(ms(now), Ordering::Relaxed);
    }

    /// From now on viewers need so much.
    pub(crate) fn set_load(&self, load: Load) {
        *self.load.lock() = load;
    }

    /// Until all that was planned is here, or failed for good.
    pub(crate) async fn complete(&self) -> Status {
        self.until(|status| status.state == FillState::Complete)
            .await
    }

    /// Pushes any file as somebody.
    pub(crate) async fn push_by(&self, who: &str, file: Bytes) -> Result<Pushed, Rejected> {
        self.room.push(who.into(), file).await
    }

    /// Pushes a manifest of all that `origin` has.
    pub(crate) async fn push(&self, generation: u64, origin: &Origin) -> Result<Pushed, Rejected> {
        self.push_by(PUSHER, manifest_of(&self.key, generation, origin))
            .await
    }

    /// Pushes a manifest of all that `origin` has, with something changed.
    pub(crate) async fn push_as(
        &self,
        generation: u64,
        origin: &Origin,
        wishes: Wishes<'_>,
    ) -> Result<Pushed, Rejected> {
        let file = manifest_as(&self.key, generation, origin, wishes);
        self.push_by(PUSHER, file).await
    }

    /// Bytes that the store keeps whatever the traffic.
    pub(crate) fn pinned_bytes(&self) -> u64 {
        self.store.stats().pinned_bytes
    }

    /// Whether all of an object is here.
    pub(crate) async fn has(&self, name: &ObjectName, bytes: &[u8]) -> bool {
        let wanted = cache::Wanted {
            size: bytes.len() as u64,
            sha256: Some(*Digest::of(bytes).as_bytes()),
            first_bytes: bytes.len() as u64,
            expected: cache::Expected::default(),
        };
        let rules = Arc::new(SiteRules::new(ttl()));
        self.cache.holding(name, &wanted, &rules).await != cache::Holding::Lacking
    }

    /// Fills the disk, and goes round it, with what is asked for far more often than anything planned here.
    pub(crate) async fn crowd(&self) {
        for number in 0..160 {
            let key = Key::slice([1; 16], number);
            self.store.expect(&key, 1_000_000);
            let body = Bytes::from(vec![7; 1 << 20]);
            let put = self.store.put_planned(key, Epoch::ZERO, body);
            put.unwrap();
            self.store.flush().await;
        }
    }

    /// Flips a byte of what lies on the disk, where these bytes lie.
    pub(crate) async fn flip_on_disk(&self, found: &[u8]) {
        self.store.flush().await;
        let mut file = File::options();
        let file = file.read(true).write(true);
        let file = file.open(self.folder.path().join("slices")).unwrap();
        // What comes first lies first.
        let mut disk = vec![0; 4 << 20];
        file.read_exact_at(&mut disk, 0).unwrap();
        let at = disk.windows(found.len()).position(|there| there == found);
        let at = at.unwrap() + found.len() / 2;
        file.write_all_at(&[!disk[at]], at as u64).unwrap();
        file.sync_all().unwrap();
    }

    /// Until the status is so.
    pub(crate) async fn until(&self, is_so: impl Fn(&Status) -> bool) -> Status {
        for _ in 0..2000 {
            let status = self.room.status();
            if is_so(&status) {
                return status;
            }
            sleep(Duration::from_millis(10)).await;
        }
        let inventory = self.room.inventory(0, 10);
        let status = self.room.status();
        assert!(is_so(&status), "{status:#?} {inventory:#?}");
        status
    }

    pub(crate) async fn end(self) {
        self.running.end().await;
        self.store.close().await;
    }
}

/// What a manifest of a test wants besides its objects.
#[derive(Default)]
pub(crate) struct Wishes<'a> {
    pub(crate) hints: Hints,
    pub(crate) pin: Option<Pin>,
    pub(crate) fast_track: bool,
    pub(crate) removed: Vec<(&'a str, &'a str)>,
}

/// A signed manifest of all that `origin` has.
pub(crate) fn manifest_of(key: &SigningKey, generation: u64, origin: &Origin) -> Bytes {
    manifest_as(key, generation, origin, Wishes::default())
}

fn manifest_as(key: &SigningKey, generation: u64, origin: &Origin, wishes: Wishes<'_>) -> Bytes {
    let head = Head {
        audience: Label::parse("edge-1").unwrap(),
        generation,
        previous: None,
        issued_s: NIGHT.as_secs() - 60,
        expires_s: NIGHT.as_secs() + 86_400,
        kind: Kind::Full,
        hints: wishes.hints,
        allow_mass_eviction: true,
    };
    let held = origin.objects.lock().clone();
    let objects = held.iter().map(|(path, bytes)| Object {
        expected: 3_000,
        pin: wishes.pin.unwrap_or(Pin::Unpinned),
        fast_track: wishes.fast_track,
        ..Object::fill("vod", path, bytes.len() as u64, Digest::of(bytes))
    });
    let objects = Objects::collect(objects).unwrap();
    let manifest = Manifest::new(head, objects, Names::collect(wishes.removed).unwrap()).unwrap();
    let payload = manifest.to_payload(Encoding::Plain);
    let mut signed = Signed::draft(&payload);
    signed.sign(key).unwrap();
    signed.to_bytes().into()
}

fn config_of(folder: &TempDir, key: &SigningKey) -> Config {
    let planner = PlannerKey {
        key: key.verify_key(),
        roles: vec![Role::Plan, Role::Evict],
    };
    Config {
        folder: folder.path().join("fill"),
        audience: Label::parse("edge-1").unwrap(),
        keys: Keys::new(vec![planner], []).unwrap(),
        limits: manifest::Limits::default(),
        memory_bytes: 64 << 20,
        capacity_bytes: 128 << 20,
        windows: vec![Window::parse("02:00-06:00", "UTC", &[]).unwrap()],
        has_fast_track: true,
        bytes_per_s: 100_000_000,
        allowance: Allowance {
            window_bytes: 1 << 30,
            day_write_bytes: 1 << 30,
        },
        concurrency: 2,
        yields: Limits {
            link_bytes_per_s: None,
            egress_max: 700,
            disk_p99_max: Duration::from_millis(100),
        },
        escalation: Escalation {
            master: false,
            shield_after: Duration::from_mins(10),
            storage_after: Duration::from_mins(30),
        },
        attempts: 3,
        reconcile: Duration::from_hours(1),
        scrub: None,
        rehearsal: None,
    }
}

fn ttl() -> TtlRules {
    TtlRules {
        default: Duration::from_hours(1),
        force: None,
        negative: Duration::from_secs(5),
        stale_if_error: Duration::from_hours(24),
        stale_while_revalidate: Duration::ZERO,
        ..TtlRules::default()
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}
