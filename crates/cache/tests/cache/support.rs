//! A cache over a real store and an upstream that does what the test says.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use cache::{Cache, Config, SiteRules};
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, StatusCode, header};
use http_body_util::BodyExt;
use message::{
    Body, Client, Condition, Error, Fetch, Kind, ObjectName, Protocol, Request, Response, Upstream,
};
use parking_lot::Mutex;
use semantics::freshness::TtlRules;
use store::{Clock, DiskConfig, Store};
use tempfile::TempDir;
use tokio::{sync::Semaphore, time::Instant};

/// Longer than anything takes that happens at all.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) const PIECE: usize = 64 << 10;
pub(crate) const MIB: usize = 1 << 20;

/// What goes wrong with one fetch.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    DieAfter(usize),
    StallAfter(usize),
    Refuse,
    Status(u16),
    OtherRange,
    Whole,
    /// A bug of ours, in the middle of a question or of a body.
    Panic,
    /// The answer contradicts the question, as the upstream room has found.
    Nonsense,
}

#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) bytes: Bytes,
    pub(crate) etag: Option<String>,
    pub(crate) fields: Vec<(&'static str, &'static str)>,
    /// Whether the answer says how long it is.
    pub(crate) sized: bool,
    /// A range is answered with so many bytes at most.
    pub(crate) part_bytes_max: usize,
}

#[derive(Default)]
pub(crate) struct Origin {
    objects: Mutex<HashMap<String, Object>>,
    faults: Mutex<VecDeque<Fault>>,
    fetches: Mutex<Vec<Fetch>>,
    gate: Mutex<Option<Arc<Semaphore>>>,
    held: Mutex<Option<Arc<Semaphore>>>,
}

impl Origin {
    pub(crate) fn put(&self, path: &str, version: u8, length: usize) -> Bytes {
        let bytes = content(path, version, length);
        let etag = Some(format!("\"v{version}\""));
        let object = Object {
            bytes: bytes.clone(),
            etag,
            fields: Vec::new(),
            sized: true,
            part_bytes_max: usize::MAX,
        };
        self.objects.lock().insert(path.to_owned(), object);
        bytes
    }

    pub(crate) fn change(&self, path: &str, change: impl FnOnce(&mut Object)) {
        change(self.objects.lock().get_mut(path).unwrap());
    }

    pub(crate) fn fail_next(&self, fault: Fault) {
        self.faults.lock().push_back(fault);
    }

    pub(crate) fn fetches(&self) -> Vec<Fetch> {
        self.fetches.lock().clone()
    }

    /// From now on every 64 KiB of a body waits for a permit.
    pub(crate) fn gate(&self) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        *self.gate.lock() = Some(Arc::clone(&gate));
        gate
    }

    /// The next answer is made at once and waits for a permit.
    pub(crate) fn hold_next(&self) -> Arc<Semaphore> {
        let held = Arc::new(Semaphore::new(0));
        *self.held.lock() = Some(Arc::clone(&held));
        held
    }

    /// The next answer waits for nothing after all.
    pub(crate) fn release_next(&self) {
        *self.held.lock() = None;
    }

    pub(crate) fn delete(&self, path: &str) {
        self.objects.lock().remove(path);
    }

    /// Until so many fetches have come.
    pub(crate) async fn asked(&self, count: usize) {
        while self.fetches.lock().len() < count {
            tokio::task::yield_now().await;
        }
    }

    fn respond(&self, fetch: &Fetch) -> Result<Response, Error> {
        self.fetches.lock().push(fetch.clone());
        let fault = self.faults.lock().pop_front();
        if matches!(fault, Some(Fault::Refuse)) {
            return Err(Error::new(Kind::ConnectionRefused, "nobody listens"));
        }
        assert!(!matches!(fault, Some(Fault::Panic)), "on purpose");
        if matches!(fault, Some(Fault::Nonsense)) {
            return Err(Error::new(Kind::HttpProtocolError, "200 to a range"));
        }
        if let Some(Fault::Status(status)) = fault {
            return Ok(empty(status));
        }
        let Some(object) = self.objects.lock().get(&*fetch.object.path).cloned() else {
            return Ok(empty(404));
        };
        if let Some(status) = condition_status(fetch, &object) {
            let mut response = empty(status);
            *response.headers_mut() = fields(&object);
            return Ok(response);
        }
        Ok(self.body_of(fetch, &object, fault))
    }

    fn body_of(&self, fetch: &Fetch, object: &Object, fault: Option<Fault>) -> Response {
        let total = object.bytes.len();
        let range = fetch
            .range
            .filter(|_| !matches!(fault, Some(Fault::Whole)) && object.sized);
        let (status, from, to) = match range {
            Some(range) if range.first >= total as u64 => {
                let mut response = empty(416);
                set(
                    response.headers_mut(),
                    "content-range",
                    &format!("bytes */{total}"),
                );
                return response;
            }
            Some(range) => (
                206,
                range.first as usize,
                (range.last as usize + 1)
                    .min(total)
                    .min((range.first as usize).saturating_add(object.part_bytes_max)),
            ),
            None => (200, 0, total),
        };
        let mut headers = fields(object);
        if status == 206 {
            let shift = usize::from(matches!(fault, Some(Fault::OtherRange)));
            let value = format!("bytes {}-{}/{total}", from + shift, to - 1);
            set(&mut headers, "content-range", &value);
        }
        let stream = self.pieces(object.bytes.slice(from..to), fault);
        let body = if object.sized {
            Body::sized(stream, (to - from) as u64)
        } else {
            Body::of_unknown_length(stream)
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        *response.headers_mut() = headers;
        response
    }

    fn pieces(&self, bytes: Bytes, fault: Option<Fault>) -> message::BodyStream {
        let gate = self.gate.lock().clone();
        let limit = match fault {
            Some(Fault::DieAfter(limit) | Fault::StallAfter(limit)) => limit,
            _ => usize::MAX,
        };
        let stalls = matches!(fault, Some(Fault::StallAfter(_)));
        stream::unfold((bytes, 0), move |(mut bytes, sent)| {
            let gate = gate.clone();
            async move {
                if bytes.is_empty() {
                    return None;
                }
                if sent >= limit {
                    if stalls {
                        std::future::pending::<()>().await;
                    }
                    let error = Error::new(Kind::ConnectionTerminated, "the origin died");
                    return Some((Err(error), (Bytes::new(), sent)));
                }
                if let Some(gate) = gate {
                    gate.acquire().await.unwrap().forget();
                }
                let piece = bytes.split_to(PIECE.min(bytes.len()).min(limit - sent));
                let sent = sent + piece.len();
                Some((Ok(piece), (bytes, sent)))
            }
        })
        .boxed()
    }
}

impl Upstream for Origin {
    fn fetch(
        &self,
        fetch: Fetch,
    ) -> Pin<Box<dyn Future<Output = Result<Response, Error>> + Send + '_>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            let held = self.held.lock().take();
            let response = self.respond(&fetch);
            if let Some(held) = held {
                held.acquire().await.unwrap().forget();
            }
            response
        })
    }
}

fn condition_status(fetch: &Fetch, object: &Object) -> Option<u16> {
    match &fetch.condition {
        Some(Condition::IfMatch(etag)) if object.etag.as_deref() != Some(etag) => Some(412),
        Some(Condition::IfNoneMatch(etag)) if object.etag.as_deref() == Some(etag) => Some(304),
        _ => None,
    }
}

fn fields(object: &Object) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(etag) = &object.etag {
        set(&mut headers, "etag", etag);
    }
    for (name, value) in &object.fields {
        set(&mut headers, name, value);
    }
    headers
}

fn set(headers: &mut HeaderMap, name: &str, value: &str) {
    headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
}

fn empty(status: u16) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// Bytes that differ by path, version and offset.
pub(crate) fn content(path: &str, version: u8, length: usize) -> Bytes {
    let mut state = path.bytes().fold(u64::from(version) + 1, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

/// A cache on a disk of its own, with an origin at the test's command.
pub(crate) struct Bench {
    pub(crate) cache: Cache,
    pub(crate) store: Store,
    pub(crate) origin: Arc<Origin>,
    pub(crate) folder: TempDir,
    pub(crate) rules: Arc<SiteRules>,
    /// By how many seconds the store's clock is ahead.
    pub(crate) ahead_s: Arc<AtomicU64>,
}

pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Result<Bytes, Error>,
}

impl Got {
    pub(crate) fn cache_status(&self) -> &str {
        self.headers["cache-status"].to_str().unwrap()
    }
}

pub(crate) fn rules() -> TtlRules {
    TtlRules {
        default: Duration::from_hours(1),
        force: None,
        negative: Duration::from_secs(5),
        stale_if_error: Duration::from_hours(24),
        stale_while_revalidate: Duration::ZERO,
        ..TtlRules::default()
    }
}

fn config() -> Config {
    Config {
        // Only a test of it waits for it: a busy machine may take its time.
        stall: PATIENCE,
        ..Config::named("edge1")
    }
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::over(
            tempfile::tempdir().unwrap(),
            Arc::new(Origin::default()),
            rules(),
        )
        .await
    }

    pub(crate) async fn with_rules(rules: TtlRules) -> Self {
        Self::over(
            tempfile::tempdir().unwrap(),
            Arc::new(Origin::default()),
            rules,
        )
        .await
    }

    pub(crate) async fn with_config(change: impl FnOnce(&mut Config)) -> Self {
        Self::with(rules(), change).await
    }

    pub(crate) async fn with(ttl: TtlRules, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config();
        change(&mut config);
        let folder = tempfile::tempdir().unwrap();
        Self::build(folder, Arc::new(Origin::default()), ttl, config).await
    }

    pub(crate) async fn over(folder: TempDir, origin: Arc<Origin>, ttl: TtlRules) -> Self {
        Self::build(folder, origin, ttl, config()).await
    }

    /// Over a store without disks.
    pub(crate) async fn with_memory(
        ram_bytes: u64,
        held_bytes: u64,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let mut config = config();
        change(&mut config);
        let store = store::Config {
            ram_bytes,
            held_bytes,
            ..store::Config::default()
        };
        let folder = tempfile::tempdir().unwrap();
        Self::on(store, folder, Arc::default(), rules(), config).await
    }

    async fn build(folder: TempDir, origin: Arc<Origin>, ttl: TtlRules, config: Config) -> Self {
        let disk = DiskConfig::new(folder.path().join("slices"), 256 << 20);
        let store = store::Config {
            ram_bytes: 64 << 20,
            disks: vec![disk],
            state_dir: Some(folder.path().join("state")),
            segment_bytes: 16 << 20,
            ..store::Config::default()
        };
        Self::on(store, folder, origin, ttl, config).await
    }

    async fn on(
        store: store::Config,
        folder: TempDir,
        origin: Arc<Origin>,
        ttl: TtlRules,
        config: Config,
    ) -> Self {
        let registry = prometheus::Registry::new();
        let (begun, ahead_s) = (Instant::now(), Arc::new(AtomicU64::new(0)));
        let clock = Clock::new({
            let ahead_s = Arc::clone(&ahead_s);
            move || begun.elapsed() + Duration::from_secs(ahead_s.load(Ordering::Relaxed))
        });
        let store = store::Config { clock, ..store };
        let state = store.state_dir.clone();
        let store = Store::open(store, &registry).await.unwrap();
        let upstream = Arc::clone(&origin) as Arc<dyn Upstream>;
        let registry = prometheus::Registry::new();
        let cache = Cache::open(config, store.clone(), state, upstream, &registry);
        let cache = cache.await.unwrap();
        Self {
            cache,
            store,
            origin,
            folder,
            rules: Arc::new(SiteRules::new(ttl)),
            ahead_s,
        }
    }

    /// For the store so much time has passed.
    pub(crate) fn pass(&self, time: Duration) {
        self.ahead_s.fetch_add(time.as_secs(), Ordering::Relaxed);
    }

    /// Over a disk that goes round soon, without a tier in memory.
    pub(crate) async fn over_small_disk(folder: TempDir, origin: Arc<Origin>) -> Self {
        let store = store::Config {
            ram_bytes: 0,
            disks: vec![DiskConfig::new(folder.path().join("slices"), 8 << 20)],
            state_dir: Some(folder.path().join("state")),
            segment_bytes: 1 << 20,
            ..store::Config::default()
        };
        Self::on(store, folder, origin, rules(), config()).await
    }

    /// The same disk under a new process, as far as one process can tell.
    pub(crate) async fn restarted(self) -> Self {
        let ttl = self.rules.ttl.clone();
        let (folder, origin) = self.ended().await;
        Self::over(folder, origin, ttl).await
    }

    /// What an end leaves.
    pub(crate) async fn ended(self) -> (TempDir, Arc<Origin>) {
        let Self {
            cache,
            store,
            origin,
            folder,
            rules: _,
            ahead_s: _,
        } = self;
        cache.drained().await;
        store.close().await;
        (folder, origin)
    }

    pub(crate) async fn ask(&self, path: &str, fields: &[(&str, &str)]) -> Result<Response, Error> {
        let request = request("GET", path, fields);
        self.cache.answer(&request, name(path), &self.rules).await
    }

    pub(crate) async fn get_with(&self, path: &str, fields: &[(&str, &str)]) -> Got {
        read(self.ask(path, fields).await.unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Got {
        self.get_with(path, &[]).await
    }
}

pub(crate) async fn read(response: Response) -> Got {
    let (head, body) = response.into_parts();
    let body = BodyExt::collect(body)
        .await
        .map(http_body_util::Collected::to_bytes);
    Got {
        status: head.status.as_u16(),
        headers: head.headers,
        body,
    }
}

pub(crate) fn name(path: &str) -> ObjectName {
    ObjectName {
        site: "tv".into(),
        path: path.into(),
    }
}

pub(crate) fn request(method: &str, path: &str, fields: &[(&str, &str)]) -> Request {
    let mut builder = http::Request::builder()
        .method(method)
        .uri(format!("https://tv{path}"));
    for (name, value) in fields {
        builder = builder.header(*name, *value);
    }
    let (head, ()) = builder.body(()).unwrap().into_parts();
    let client = Client {
        address: SocketAddr::from(([127, 0, 0, 1], 9)),
        protocol: Protocol::Http2,
        identity: None,
        server_name: None,
    };
    Request {
        head,
        client,
        at: message::now(),
    }
}

/// Keeps header names in scope for the tests.
pub(crate) const CONTENT_RANGE: HeaderName = header::CONTENT_RANGE;
