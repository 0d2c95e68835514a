//! The origin of every server: bodies of known content over HTTP/1.1, counted. It can be slow, and
//! it can be dead.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use benches::bodies;
use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinHandle, time};

use super::Error;

/// Objects from this number on come slowly, as from far away, so that those who ask for the same
/// one meet while it is on its way.
pub(crate) const SLOW_FROM: u32 = 1_000_000;
/// Until the first byte of a slow object, and between its pieces: 16 MiB/s.
const FIRST_BYTE: Duration = Duration::from_millis(100);
const PIECE_EVERY: Duration = Duration::from_millis(4);
const PIECE_BYTES: usize = 64 << 10;

/// What has been read from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reads {
    pub(crate) requests: u64,
    pub(crate) bytes: u64,
}

#[derive(Default)]
struct State {
    requests: AtomicU64,
    bytes: AtomicU64,
    dead: AtomicBool,
    fresh: AtomicU32,
    /// The last body, which is asked for in parts.
    last: Mutex<Option<(String, u32, Bytes)>>,
}

impl State {
    fn body(&self, path: &str) -> Option<(u32, Bytes)> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, number, body)) = last.as_ref().filter(|(name, ..)| name == path) {
            return Some((*number, body.clone()));
        }
        let (number, body) = bodies::at(path)?;
        *last = Some((path.to_owned(), number, body.clone()));
        Some((number, body))
    }
}

pub(crate) struct Origin {
    address: SocketAddr,
    state: Arc<State>,
    listener: JoinHandle<()>,
}

impl Origin {
    pub(crate) async fn start() -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.map_err(Error::io("the origin's port"))?;
        let address = listener
            .local_addr()
            .map_err(Error::io("the origin's port"))?;
        let state = Arc::new(State::default());
        let listener = tokio::spawn(accept(listener, Arc::clone(&state)));
        Ok(Self {
            address,
            state,
            listener,
        })
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn reads(&self) -> Reads {
        Reads {
            requests: self.state.requests.load(Ordering::Relaxed),
            bytes: self.state.bytes.load(Ordering::Relaxed),
        }
    }

    /// A number that nobody has had.
    pub(crate) fn fresh(&self) -> u32 {
        self.state.fresh.fetch_add(1, Ordering::Relaxed)
    }

    /// While it is dead it answers everything with 503, so that whoever has an answer has it cached.
    pub(crate) fn set_dead(&self, dead: bool) {
        self.state.dead.store(dead, Ordering::Relaxed);
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            // Out of descriptors, or the client has gone already: the next one may be served.
            time::sleep(PIECE_EVERY).await;
            continue;
        };
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let answer = service_fn(|request| answer(request, Arc::clone(&state)));
            let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), answer);
            // A server that is killed leaves its connections broken: that is a part of the rows.
            let _cut = connection.await;
        });
    }
}

type Answer = Response<BoxBody<Bytes, std::convert::Infallible>>;

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Answer, http::Error> {
    state.requests.fetch_add(1, Ordering::Relaxed);
    if state.dead.load(Ordering::Relaxed) {
        return empty(StatusCode::SERVICE_UNAVAILABLE);
    }
    let Some((number, body)) = state.body(request.uri().path()) else {
        return empty(StatusCode::NOT_FOUND);
    };
    let slow = number >= SLOW_FROM;
    if slow {
        time::sleep(FIRST_BYTE).await;
    }
    let total = body.len();
    let builder = Response::builder()
        .header(header::CONTENT_TYPE, "video/iso.segment")
        .header(header::CACHE_CONTROL, "max-age=86400")
        .header(header::ETAG, format!("\"{number}-{total}\""))
        .header(header::ACCEPT_RANGES, "bytes");
    let range = request.headers().get(header::RANGE);
    let (builder, part) = match range.and_then(|range| bounds(range.to_str().ok()?, total)) {
        Some((first, end)) => {
            let field = format!("bytes {first}-{}/{total}", end - 1);
            let builder = builder
                .status(StatusCode::PARTIAL_CONTENT)
                .header(header::CONTENT_RANGE, field);
            (builder, body.slice(first..end))
        }
        None => (builder, body),
    };
    let builder = builder.header(header::CONTENT_LENGTH, part.len());
    if request.method() == http::Method::HEAD {
        return builder.body(Full::default().boxed());
    }
    builder.body(if slow {
        trickle(part, state)
    } else {
        state.bytes.fetch_add(part.len() as u64, Ordering::Relaxed);
        Full::new(part).boxed()
    })
}

fn empty(status: StatusCode) -> Result<Answer, http::Error> {
    Response::builder()
        .status(status)
        .header(header::CACHE_CONTROL, "no-store")
        .body(Full::default().boxed())
}

/// A body in pieces with pauses. Counts what was really taken.
fn trickle(body: Bytes, state: Arc<State>) -> BoxBody<Bytes, std::convert::Infallible> {
    let pieces = stream::unfold((body, state), |(mut rest, state)| async move {
        if rest.is_empty() {
            return None;
        }
        time::sleep(PIECE_EVERY).await;
        let piece = rest.split_to(rest.len().min(PIECE_BYTES));
        state.bytes.fetch_add(piece.len() as u64, Ordering::Relaxed);
        Some((Ok(Frame::data(piece)), (rest, state)))
    });
    BoxBody::new(StreamBody::new(Box::pin(pieces)).map_err(|never: std::convert::Infallible| never))
}

/// `bytes=first-last` or `bytes=first-`; anything else is answered whole, as RFC 9110 section 14.2
/// allows.
fn bounds(range: &str, total: usize) -> Option<(usize, usize)> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let first: usize = first.parse().ok()?;
    let end = match last {
        "" => total,
        last => last.parse::<usize>().ok()?.checked_add(1)?.min(total),
    };
    (first < end).then_some((first, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_with_the_body() {
        assert_eq!(bounds("bytes=0-3", 10), Some((0, 4)));
        assert_eq!(bounds("bytes=4-", 10), Some((4, 10)));
        assert_eq!(bounds("bytes=4-100", 10), Some((4, 10)));
        assert_eq!(bounds("bytes=10-11", 10), None);
        assert_eq!(bounds("bytes=-5", 10), None);
    }
}
