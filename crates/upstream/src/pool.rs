//! Connections to one hop: HTTP/1.1 ones that wait idle, and HTTP/2 ones that are shared.
//!
//! A connection goes back to the idle ones only when the body on it ended where its framing
//! said; whatever else happens to it, it is closed. The HTTP/2 connections are few and opened as
//! they are needed; readers that need one at the same time wait for one handshake.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use message::{Error, Kind};
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    time::{Instant, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    Limits,
    dial::{Dialer, Wire},
    fault::{self, Phase},
    lease::{Lease, Link},
    question::Sent,
    witness::Witness,
};

/// Windows for paths of 100 ms: 4 MiB a stream is 40 MB/s there, 16 MiB bounds a connection's
/// memory.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// Larger frames than the protocol's 16 KiB: a quarter of the frame headers and wake-ups.
const FRAME_BYTES_MAX: u32 = 64 << 10;
const HEAD_BYTES_MAX: u32 = 16 << 10;
/// Reads of a body are at most this long; a response head must fit in it too.
const HTTP1_BUFFER_BYTES: usize = 128 << 10;
const HTTP1_FIELDS_MAX: usize = 100;
/// A silent connection with reads on it is asked for a sign of life; both together find a black
/// hole within 2 s. Slower than one a second, which servers count as a flood.
const PING_INTERVAL: Duration = Duration::from_millis(1_200);
const PING_TIMEOUT: Duration = Duration::from_millis(800);
/// Streams opened before the hop has told its own limit, which comes one round trip later.
const STREAMS_AT_FIRST: usize = 16;
/// How long an idle connection may take to be ready. It is at once, or it never will be.
const READY_TIMEOUT: Duration = Duration::from_millis(100);
/// Streams on a connection before another one is opened beside it.
const STREAMS_BEFORE_NEXT: usize = 16;

/// What a hop speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    /// HTTP/2 or nothing.
    Http2,
    /// What TLS agrees on, else HTTP/1.1.
    Negotiated,
}

/// The connections to one hop.
pub(crate) struct Pool {
    dialer: Arc<Dialer>,
    speech: Speech,
    /// Whether the last handshake agreed on HTTP/2.
    knows_h2: AtomicBool,
    slots: Mutex<Vec<Slot>>,
    idle: Mutex<Vec<Idle>>,
    idle_max: usize,
    idle_timeout: Duration,
}

enum Slot {
    Empty,
    Dialing {
        done: watch::Receiver<Option<Dialed>>,
        _task: AbortOnDropHandle<()>,
    },
    Open(Arc<Shared>),
}

type Dialed = Result<Arc<Shared>, Error>;

/// An HTTP/2 connection.
pub(crate) struct Shared {
    pub(crate) sender: http2::SendRequest<Sent>,
    pub(crate) driver: Driver,
    pub(crate) streams: AtomicUsize,
    pub(crate) retired: AtomicBool,
}

impl Shared {
    fn is_usable(&self) -> bool {
        !self.sender.is_closed() && !self.retired.load(Ordering::Relaxed)
    }
}

/// An HTTP/1.1 connection between two requests.
struct Idle {
    connection: Exclusive,
    since: Instant,
}

pub(crate) struct Exclusive {
    pub(crate) sender: http1::SendRequest<Sent>,
    pub(crate) driver: Driver,
}

/// What keeps a connection going.
pub(crate) struct Driver {
    _task: AbortOnDropHandle<()>,
    pub(crate) witness: Arc<Witness>,
}

impl Driver {
    fn spawn(
        connection: impl Future<Output = hyper::Result<()>> + Send + 'static,
        witness: Arc<Witness>,
    ) -> Self {
        let task = tokio::spawn(async move {
            // Its requests learn of the failure; nobody else needs to.
            let _failure = connection.await;
        });
        Self {
            _task: AbortOnDropHandle::new(task),
            witness,
        }
    }
}

impl Pool {
    pub(crate) fn new(dialer: Dialer, speech: Speech, limits: &Limits) -> Self {
        Self {
            dialer: Arc::new(dialer),
            speech,
            knows_h2: AtomicBool::new(speech == Speech::Http2),
            slots: Mutex::new((0..limits.connections_max).map(|_| Slot::Empty).collect()),
            idle: Mutex::default(),
            idle_max: limits.idle_connections_max,
            idle_timeout: limits.idle_timeout,
        }
    }

    /// A connection, or a stream's worth of one, for one request.
    ///
    /// Cancel safe: a connection in the making is dropped, or, if shared, goes on for the others.
    pub(crate) async fn lease(self: &Arc<Self>, reuse: bool) -> Result<Lease, Error> {
        if self.knows_h2.load(Ordering::Relaxed) {
            return self.lease_shared().await;
        }
        if reuse && let Some(connection) = self.take_idle().await {
            return Ok(Lease::new(self, Link::Exclusive(connection), true));
        }
        let wire = self.dialer.dial().await?;
        if wire.speaks_h2 {
            let shared = Arc::new(open_shared(wire).await?);
            self.knows_h2.store(true, Ordering::Relaxed);
            let mut slots = self.slots.lock();
            if let Some(slot) = slots.iter_mut().find(|slot| matches!(slot, Slot::Empty)) {
                *slot = Slot::Open(Arc::clone(&shared));
            }
            return Ok(Lease::on(self, shared, false));
        }
        let connection = open_exclusive(wire).await?;
        Ok(Lease::new(self, Link::Exclusive(connection), false))
    }

    async fn take_idle(&self) -> Option<Exclusive> {
        loop {
            // The youngest first: it is the least likely to have been closed meanwhile.
            let Idle {
                mut connection,
                since,
            } = self.idle.lock().pop()?;
            let is_young = since.elapsed() < self.idle_timeout;
            let ready = timeout(READY_TIMEOUT, connection.sender.ready());
            if is_young && matches!(ready.await, Ok(Ok(()))) {
                return Some(connection);
            }
        }
    }

    pub(crate) fn put_idle(&self, connection: Exclusive) {
        let mut idle = self.idle.lock();
        idle.retain(|idle| {
            !idle.connection.sender.is_closed() && idle.since.elapsed() < self.idle_timeout
        });
        if idle.len() < self.idle_max && !connection.sender.is_closed() {
            idle.push(Idle {
                connection,
                since: Instant::now(),
            });
        }
    }

    async fn lease_shared(self: &Arc<Self>) -> Result<Lease, Error> {
        let (index, mut done) = {
            let mut slots = self.slots.lock();
            let index = least_loaded(&slots.iter().map(Slot::load).collect::<Vec<_>>());
            let slot = &mut slots[index];
            match slot {
                Slot::Open(shared) if shared.is_usable() => {
                    return Ok(Lease::on(self, Arc::clone(shared), true));
                }
                Slot::Dialing { done, .. } => (index, done.clone()),
                Slot::Open(_) | Slot::Empty => {
                    let (task, done) = self.spawn_dial();
                    *slot = Slot::Dialing {
                        done: done.clone(),
                        _task: task,
                    };
                    (index, done)
                }
            }
        };
        let dialed = match done.wait_for(Option::is_some).await {
            Ok(dialed) => dialed.clone(),
            Err(_panicked) => None,
        };
        let dialed = dialed.unwrap_or_else(|| {
            Err(Error::new(
                Kind::ProxyInternalError,
                "connecting was cut off",
            ))
        });
        self.settle(index, &done, &dialed);
        Ok(Lease::on(self, dialed?, false))
    }

    fn spawn_dial(&self) -> (AbortOnDropHandle<()>, watch::Receiver<Option<Dialed>>) {
        let (tell, done) = watch::channel(None);
        let (dialer, speech) = (Arc::clone(&self.dialer), self.speech);
        let task = tokio::spawn(async move {
            let dialed = match dialer.dial().await {
                Ok(wire) if wire.speaks_h2 => open_shared(wire).await.map(Arc::new),
                Ok(_http1) if speech == Speech::Http2 => Err(Error::new(
                    Kind::TlsProtocolError,
                    "the hop did not agree on h2",
                )),
                Ok(_http1) => Err(Error::new(Kind::ConnectionTerminated, "the hop gave up h2")),
                Err(error) => Err(error),
            };
            tell.send_replace(Some(dialed));
        });
        (AbortOnDropHandle::new(task), done)
    }

    /// Puts what was dialed in its slot, once.
    fn settle(&self, index: usize, done: &watch::Receiver<Option<Dialed>>, dialed: &Dialed) {
        let mut slots = self.slots.lock();
        match &slots[index] {
            Slot::Dialing { done: other, .. } if other.same_channel(done) => {}
            Slot::Dialing { .. } | Slot::Open(_) | Slot::Empty => return,
        }
        if dialed.is_err() {
            self.knows_h2
                .store(self.speech == Speech::Http2, Ordering::Relaxed);
        }
        slots[index] = dialed
            .as_ref()
            .map_or(Slot::Empty, |shared| Slot::Open(Arc::clone(shared)));
    }
}

impl Slot {
    fn load(&self) -> usize {
        match self {
            Self::Open(shared) if shared.is_usable() => shared.streams.load(Ordering::Relaxed),
            // Others wait for it already, and it will be there for them all.
            Self::Dialing { .. } => 0,
            Self::Open(_) | Self::Empty => STREAMS_BEFORE_NEXT,
        }
    }
}

/// The first of the least loaded slots.
fn least_loaded(loads: &[usize]) -> usize {
    (0..loads.len())
        .min_by_key(|&index| (loads[index], index))
        .unwrap_or_default()
}

async fn open_shared(wire: Wire) -> Result<Shared, Error> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_header_list_size(HEAD_BYTES_MAX)
        .initial_max_send_streams(STREAMS_AT_FIRST)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .keep_alive_while_idle(false);
    let (sender, connection) = builder
        .handshake(TokioIo::new(wire.transport))
        .await
        .map_err(|error| fault::of(Phase::Connect, "http/2 preface", &error))?;
    Ok(Shared {
        sender,
        driver: Driver::spawn(connection, wire.witness),
        streams: AtomicUsize::new(0),
        retired: AtomicBool::new(false),
    })
}

async fn open_exclusive(wire: Wire) -> Result<Exclusive, Error> {
    let mut builder = http1::Builder::new();
    builder
        .max_buf_size(HTTP1_BUFFER_BYTES)
        .max_headers(HTTP1_FIELDS_MAX);
    let (sender, connection) = builder
        .handshake(TokioIo::new(wire.transport))
        .await
        .map_err(|error| fault::of(Phase::Connect, "http/1.1", &error))?;
    Ok(Exclusive {
        sender,
        driver: Driver::spawn(connection, wire.witness),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_connection_is_opened_when_the_first_is_busy() {
        let unopened = STREAMS_BEFORE_NEXT;
        assert_eq!(least_loaded(&[unopened, unopened]), 0);
        assert_eq!(least_loaded(&[3, unopened]), 0);
        assert_eq!(least_loaded(&[unopened + 1, unopened]), 1);
        assert_eq!(least_loaded(&[20, 18]), 1);
    }
}
