//! Known content: every byte is a function of its object and its offset.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderName, HeaderValue, StatusCode, header};
use message::{Answer, Body, Error, Handler, Kind, Request, Response};
use tokio::sync::{Notify, Semaphore};

/// The oracle.
pub(crate) fn byte_at(object: u64, offset: u64) -> u8 {
    let mixed = (object ^ (offset / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15)).rotate_left(29);
    mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9).to_be_bytes()[usize::try_from(offset % 8).unwrap()]
}

/// A range of an object.
pub(crate) fn bytes_of(object: u64, range: std::ops::Range<u64>) -> Bytes {
    range.map(|offset| byte_at(object, offset)).collect()
}

/// What the server under test serves:
/// - `/full/OBJECT/LENGTH`: in one piece
/// - `/full/OBJECT/LENGTH/FIELD/VALUE`: with a field
/// - `/stream/OBJECT/LENGTH/PIECE`: in pieces, of a length that is announced
/// - `/unsized/OBJECT/LENGTH/PIECE`: in pieces, of a length that is not
/// - `/break/OBJECT/LENGTH/AFTER`, `/break-unsized/...`: ends with an error after so many bytes
/// - `/hold/OBJECT/LENGTH`: half, and the rest when `release` has a permit
/// - `/drip/OBJECT/LENGTH/PIECE`: in pieces, one for each permit of `release`
/// - `/identity`: who the client is, in a field
/// - `/never`: no response, ever
/// - `/endless`: without end
/// - `/bare-head`: what a cache says to HEAD: a length and no body
/// - `/not-modified`: 304 with a length
#[derive(Default)]
pub(crate) struct Content {
    pub(crate) release: Gate,
    /// Requests that wait in `/hold` or `/never`.
    pub(crate) held: Arc<AtomicUsize>,
    /// Told when that changes.
    pub(crate) changed: Arc<Notify>,
    /// The last request, as it was handed over.
    pub(crate) last: std::sync::Mutex<Option<String>>,
}

pub(crate) struct Gate(pub(crate) Arc<Semaphore>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }
}

/// Counts a held request until it is over.
struct Held(Arc<AtomicUsize>, Arc<Notify>);

impl Held {
    fn new(content: &Content) -> Self {
        content.held.fetch_add(1, Ordering::SeqCst);
        content.changed.notify_waiters();
        Self(Arc::clone(&content.held), Arc::clone(&content.changed))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
        self.1.notify_waiters();
    }
}

impl Content {
    /// Waits until so many requests are held.
    pub(crate) async fn wait_held(&self, count: usize) {
        let reached = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if self.held.load(Ordering::SeqCst) == count {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(super::PATIENCE, reached)
            .await
            .expect("requests held");
    }

    async fn respond(&self, request: Request) -> Response {
        let path = request.path().to_owned();
        *self.last.lock().unwrap() = Some(format!("{:?}", request.head));
        let words: Vec<_> = path.split('/').skip(1).collect();
        let number = |at: usize| {
            words
                .get(at)
                .and_then(|word| word.parse().ok())
                .unwrap_or(0_u64)
        };
        let (object, length) = (number(1), number(2));
        match words[0] {
            "full" => with_field(&words[3..], Body::from(bytes_of(object, 0..length))),
            "stream" => Response::new(Body::sized(pieces(object, length, number(3)), length)),
            "unsized" => Response::new(Body::of_unknown_length(pieces(object, length, number(3)))),
            "break" => Response::new(Body::sized(breaking(object, number(3)), length)),
            "break-unsized" => Response::new(Body::of_unknown_length(breaking(object, number(3)))),
            "hold" => {
                let held = Held::new(self);
                let half = length / 2;
                let gate = Arc::clone(&self.release.0);
                let first = stream::once(async move { Ok(bytes_of(object, 0..half)) });
                let rest = stream::once(async move {
                    gate.acquire().await.unwrap().forget();
                    drop(held);
                    Ok(bytes_of(object, half..length))
                });
                Response::new(Body::sized(first.chain(rest).boxed(), length))
            }
            "drip" => {
                let drops = pieces(object, length, number(3));
                let drops = dripping(drops, Arc::clone(&self.release.0));
                Response::new(Body::sized(drops, length))
            }
            "identity" => {
                let mut response = Response::new(Body::empty());
                let identity = request.client.identity.as_deref().unwrap_or("nobody");
                response
                    .headers_mut()
                    .insert("identity", identity.parse().unwrap());
                response
            }
            "never" => {
                let _held = Held::new(self);
                std::future::pending().await
            }
            "endless" => {
                let block = Bytes::from(vec![0x5a; 64 << 10]);
                let blocks = stream::repeat_with(move || Ok(block.clone()));
                Response::new(Body::of_unknown_length(blocks.boxed()))
            }
            "bare-head" | "not-modified" => {
                let mut response = Response::new(Body::empty());
                let length = HeaderValue::from_static("12345");
                response
                    .headers_mut()
                    .insert(header::CONTENT_LENGTH, length);
                if words[0] == "not-modified" {
                    *response.status_mut() = StatusCode::NOT_MODIFIED;
                }
                response
            }
            _ => Error::request(StatusCode::NOT_FOUND, path).into_response("test"),
        }
    }
}

fn with_field(words: &[&str], body: Body) -> Response {
    let mut response = Response::new(body);
    if let [name, value] = words {
        let name = HeaderName::try_from(*name).unwrap();
        let value = value.replace(':', "/").parse().unwrap();
        response.headers_mut().insert(name, value);
    }
    response
}

impl Handler for Content {
    fn handle(&self, request: Request) -> Answer<'_> {
        Box::pin(self.respond(request))
    }
}

fn pieces(object: u64, length: u64, piece: u64) -> message::BodyStream {
    let starts = (0..length).step_by(usize::try_from(piece.max(1)).unwrap());
    let piece = move |start| Ok(bytes_of(object, start..(start + piece.max(1)).min(length)));
    stream::iter(starts.map(piece)).boxed()
}

/// One piece for each permit.
fn dripping(pieces: message::BodyStream, gate: Arc<Semaphore>) -> message::BodyStream {
    let let_go = move |piece| {
        let gate = Arc::clone(&gate);
        async move {
            gate.acquire().await.unwrap().forget();
            piece
        }
    };
    pieces.then(let_go).boxed()
}

fn breaking(object: u64, after: u64) -> message::BodyStream {
    let good = stream::once(async move { Ok(bytes_of(object, 0..after)) });
    let bad = stream::once(async { Err(Error::new(Kind::ConnectionTerminated, "broken")) });
    good.chain(bad).boxed()
}
