//! An origin that publishes while it is read: a packager's server in small.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::within;

type Body = BoxBody<Bytes, Broken>;

/// An origin whose objects come into being while it is asked. It ends when it is dropped.
pub struct LiveOrigin {
    address: SocketAddr,
    state: Arc<State>,
    _running: DropGuard,
}

/// The connection is to be closed in the middle of a body.
#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for Broken {}

#[derive(Default)]
struct State {
    objects: Mutex<HashMap<String, watch::Sender<Piece>>>,
    reads: watch::Sender<Vec<String>>,
    /// Whose tags were confirmed.
    confirmed: watch::Sender<Vec<String>>,
    versions: AtomicU64,
}

/// What there is of an object.
#[derive(Clone, Default)]
struct Piece {
    bytes: Vec<u8>,
    etag: String,
    end: Option<End>,
    /// How often the connections of who reads it were broken.
    breaks: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// It was there whole from the start: its length is told.
    Whole,
    /// It was written to its end.
    Written,
    /// It was cut.
    Cut,
}

impl LiveOrigin {
    /// Starts an origin without objects.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let stop = CancellationToken::new();
        let serving = serve(listener, Arc::clone(&state));
        tokio::spawn(stop.clone().run_until_cancelled_owned(serving));
        Self {
            address,
            state,
            _running: stop.drop_guard(),
        }
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Puts an object there, whole.
    pub fn publish(&self, path: &str, bytes: &[u8]) {
        self.put(path, bytes, Some(End::Whole));
    }

    /// Begins to write an object.
    pub fn open(&self, path: &str, bytes: &[u8]) {
        self.put(path, bytes, None);
    }

    /// Writes on.
    pub fn append(&self, path: &str, bytes: &[u8]) {
        self.change(path, |piece| piece.bytes.extend_from_slice(bytes));
    }

    /// Ends what was begun.
    pub fn close(&self, path: &str) {
        self.change(path, |piece| piece.end = Some(End::Written));
    }

    /// Breaks off what was begun: its readers' connections are closed.
    pub fn cut(&self, path: &str) {
        self.change(path, |piece| piece.end = Some(End::Cut));
    }

    /// Closes the connections of all who read it now. It goes on being written.
    pub fn break_readers(&self, path: &str) {
        self.change(path, |piece| piece.breaks += 1);
    }

    /// Takes an object away.
    pub fn remove(&self, path: &str) {
        self.state.objects.lock().unwrap().remove(path);
    }

    /// What there is of an object.
    pub fn bytes(&self, path: &str) -> Option<Vec<u8>> {
        let objects = self.state.objects.lock().unwrap();
        Some(objects.get(path)?.borrow().bytes.clone())
    }

    /// Whether an object will not change any more.
    pub fn is_finished(&self, path: &str) -> bool {
        let objects = self.state.objects.lock().unwrap();
        objects
            .get(path)
            .is_some_and(|object| object.borrow().end.is_some())
    }

    /// The paths of all that is there.
    pub fn paths(&self) -> Vec<String> {
        self.state.objects.lock().unwrap().keys().cloned().collect()
    }

    /// How often an object was asked for.
    pub fn reads_of(&self, path: &str) -> usize {
        let reads = self.state.reads.borrow();
        reads.iter().filter(|read| *read == path).count()
    }

    /// Waits until an object was asked for so often, there or not.
    pub async fn asked_for(&self, path: &str, count: usize) {
        let mut reads = self.state.reads.subscribe();
        let enough = reads.wait_for(|reads| {
            let of_it = reads.iter().filter(|read| *read == path);
            of_it.count() >= count
        });
        within(60, "requests at the origin", enough).await.unwrap();
    }

    /// Waits until who asks for an object was told so often that what he has is still right.
    pub async fn confirmed(&self, path: &str, count: usize) {
        let mut confirmed = self.state.confirmed.subscribe();
        let enough = confirmed.wait_for(|paths| {
            let of_it = paths.iter().filter(|confirmed| *confirmed == path);
            of_it.count() >= count
        });
        within(60, "answers 304 of the origin", enough)
            .await
            .unwrap();
    }

    fn put(&self, path: &str, bytes: &[u8], end: Option<End>) {
        self.state.put(path, bytes, end);
    }

    fn change(&self, path: &str, change: impl FnOnce(&mut Piece)) {
        self.state.change(path, change);
    }
}

impl State {
    fn put(&self, path: &str, bytes: &[u8], end: Option<End>) {
        let mut objects = self.objects.lock().unwrap();
        let version = self.versions.fetch_add(1, Ordering::Relaxed);
        let piece = Piece {
            bytes: bytes.to_vec(),
            etag: format!("\"{version}\""),
            end,
            breaks: 0,
        };
        objects.insert(path.to_owned(), watch::Sender::new(piece));
    }

    fn change(&self, path: &str, change: impl FnOnce(&mut Piece)) {
        let objects = self.objects.lock().unwrap();
        objects[path].send_modify(change);
    }
}

async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let state = Arc::clone(&state);
                let service = service_fn(move |request| {
                    let state = Arc::clone(&state);
                    async move { Ok::<_, Infallible>(respond(request, &state).await) }
                });
                // A connection that ends with an error was cut on purpose, or by the client.
                // Packagers close theirs once they have written, and do not wait for the answer.
                let serving = http1::Builder::new()
                    .half_close(true)
                    .serve_connection(TokioIo::new(stream), service);
                connections.spawn(async move { drop(serving.await) });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// As an origin that packagers write to: PUT and DELETE besides.
async fn respond(request: Request<Incoming>, state: &State) -> Response<Body> {
    match *request.method() {
        Method::PUT | Method::POST => {
            let path = request.uri().path().to_owned();
            let status = if take(&path, request.into_body(), state).await {
                201
            } else {
                400
            };
            status_alone(status)
        }
        Method::DELETE => {
            state.objects.lock().unwrap().remove(request.uri().path());
            status_alone(204)
        }
        _ => answer(&request, state),
    }
}

/// Takes an object as it is written. One whose writer breaks off is cut.
///
/// What replaces a manifest is there when it is whole; what is new, from its first byte on.
async fn take(path: &str, mut body: Incoming, state: &State) -> bool {
    let is_new = !state.objects.lock().unwrap().contains_key(path);
    let mut whole = Vec::new();
    if is_new {
        state.put(path, &[], None);
    }
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            if is_new {
                state.change(path, |piece| piece.end = Some(End::Cut));
            }
            return false;
        };
        let Ok(bytes) = frame.into_data() else {
            continue;
        };
        if is_new {
            state.change(path, |piece| piece.bytes.extend_from_slice(&bytes));
        } else {
            whole.extend_from_slice(&bytes);
        }
    }
    if is_new {
        state.change(path, |piece| piece.end = Some(End::Written));
    } else {
        state.put(path, &whole, Some(End::Whole));
    }
    true
}

fn answer(request: &Request<Incoming>, state: &State) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let target = request.uri().to_string();
    state.reads.send_modify(|reads| reads.push(target));
    let objects = state.objects.lock().unwrap();
    let Some(object) = objects.get(&path) else {
        return status_alone(404);
    };
    let now = object.borrow().clone();
    let headers = request.headers();
    let is_tag = |name| headers.get(name).map(|tag: &HeaderValue| *tag == *now.etag);
    let builder = Response::builder().header(header::ETAG, &now.etag);
    if is_tag(header::IF_MATCH) == Some(false) {
        return builder.status(412).body(full(b"")).unwrap();
    }
    let is_over = matches!(now.end, Some(End::Whole | End::Written));
    if is_over && is_tag(header::IF_NONE_MATCH) == Some(true) {
        state.confirmed.send_modify(|paths| paths.push(path));
        return builder.status(304).body(full(b"")).unwrap();
    }
    let total = now.bytes.len();
    match (headers.get(header::RANGE).and_then(range), now.end) {
        (Some((first, last)), Some(End::Whole | End::Written)) if first < total => {
            let last = last.min(total - 1);
            let told = format!("bytes {first}-{last}/{total}");
            let builder = builder.status(206).header(header::CONTENT_RANGE, told);
            builder.body(full(&now.bytes[first..=last])).unwrap()
        }
        (Some(_), Some(End::Whole | End::Written)) if total > 0 => status_alone(416),
        // RFC 8673 section 2.2.
        (Some((first, last)), None) if first > 0 && last > 1 << 40 => {
            let told = format!("bytes {first}-{last}/*");
            let builder = builder.status(206).header(header::CONTENT_RANGE, told);
            builder.body(growing(object, first)).unwrap()
        }
        (_, Some(End::Whole)) => builder.body(full(&now.bytes)).unwrap(),
        (_, Some(End::Written | End::Cut) | None) => builder.body(growing(object, 0)).unwrap(),
    }
}

/// First and last byte of a closed range.
fn range(value: &HeaderValue) -> Option<(usize, usize)> {
    let (first, last) = value
        .to_str()
        .ok()?
        .strip_prefix("bytes=")?
        .split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

fn status_alone(status: u16) -> Response<Body> {
    Response::builder().status(status).body(full(b"")).unwrap()
}

fn full(bytes: &[u8]) -> Body {
    let body = Full::new(Bytes::copy_from_slice(bytes));
    body.map_err(|never| match never {}).boxed()
}

/// What has come from a byte on, and what comes.
fn growing(object: &watch::Sender<Piece>, from: usize) -> Body {
    let pieces = object.subscribe();
    let breaks = pieces.borrow().breaks;
    let frames = stream::unfold((pieces, from), move |(mut pieces, sent)| async move {
        let more = pieces.wait_for(|piece| {
            piece.bytes.len() > sent || piece.end.is_some() || piece.breaks > breaks
        });
        let (bytes, is_cut) = {
            let piece = more.await.ok()?;
            let bytes = piece.bytes.get(sent..).unwrap_or_default();
            let is_cut = piece.end == Some(End::Cut) || piece.breaks > breaks;
            (Bytes::copy_from_slice(bytes), is_cut)
        };
        if !bytes.is_empty() {
            let sent = sent + bytes.len();
            return Some((Ok(Frame::data(bytes)), (pieces, sent)));
        }
        is_cut.then_some((Err(Broken), (pieces, sent)))
    });
    BoxBody::new(StreamBody::new(frames))
}
