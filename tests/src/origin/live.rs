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
use http::{Request, Response, header};
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
    versions: AtomicU64,
}

/// What there is of an object.
#[derive(Clone, Default)]
struct Piece {
    bytes: Vec<u8>,
    etag: String,
    end: Option<End>,
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
        within(20, "requests at the origin", enough).await.unwrap();
    }

    fn put(&self, path: &str, bytes: &[u8], end: Option<End>) {
        let mut objects = self.state.objects.lock().unwrap();
        let version = self.state.versions.fetch_add(1, Ordering::Relaxed);
        let piece = Piece {
            bytes: bytes.to_vec(),
            etag: format!("\"{version}\""),
            end,
        };
        objects.insert(path.to_owned(), watch::Sender::new(piece));
    }

    fn change(&self, path: &str, change: impl FnOnce(&mut Piece)) {
        let objects = self.state.objects.lock().unwrap();
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
                    let response = answer(&request, &state);
                    async move { Ok::<_, Infallible>(response) }
                });
                // A connection that ends with an error was cut on purpose, or by the client.
                let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                connections.spawn(async move { drop(serving.await) });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

fn answer(request: &Request<Incoming>, state: &State) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let target = request.uri().to_string();
    state.reads.send_modify(|reads| reads.push(target));
    let objects = state.objects.lock().unwrap();
    let Some(object) = objects.get(&path) else {
        return Response::builder().status(404).body(full(b"")).unwrap();
    };
    let now = object.borrow().clone();
    let headers = request.headers();
    let unchanged = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|tag| *tag == *now.etag);
    let builder = Response::builder().header(header::ETAG, &now.etag);
    match now.end {
        Some(End::Whole | End::Written) if unchanged => {
            builder.status(304).body(full(b"")).unwrap()
        }
        Some(End::Whole) => builder.body(full(&now.bytes)).unwrap(),
        Some(End::Written | End::Cut) | None => builder.body(growing(object)).unwrap(),
    }
}

fn full(bytes: &[u8]) -> Body {
    let body = Full::new(Bytes::copy_from_slice(bytes));
    body.map_err(|never| match never {}).boxed()
}

/// What has come, and what comes.
fn growing(object: &watch::Sender<Piece>) -> Body {
    let pieces = object.subscribe();
    let frames = stream::unfold((pieces, 0), |(mut pieces, sent)| async move {
        let more = pieces.wait_for(|piece| piece.bytes.len() > sent || piece.end.is_some());
        let piece = more.await.ok()?.clone();
        if piece.bytes.len() > sent {
            let bytes = Bytes::copy_from_slice(&piece.bytes[sent..]);
            return Some((Ok(Frame::data(bytes)), (pieces, piece.bytes.len())));
        }
        let is_cut = piece.end == Some(End::Cut);
        is_cut.then_some((Err(Broken), (pieces, sent)))
    });
    BoxBody::new(StreamBody::new(frames))
}
