//! TCP: accept, count, shake hands, and hand over to HTTP/1 or HTTP/2.

use std::{
    error::Error as _, future::poll_fn, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration,
};

use message::{Client, Protocol};
use tls::record::{Deferred, RecordLayer, Session};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Handle,
    sync::{Notify, Semaphore},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    backlog::unsent_bytes,
    body::Activity,
    config::Limits,
    drain::Drain,
    front::Front,
    http1, http2,
    metrics::{Failure, Rejected},
    quota::Quota,
    stall::{Outlet, Stall},
};

/// How long to leave a listener alone that has no file descriptors to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What all connections of a server share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) front: Arc<Front>,
    pub(crate) quota: Arc<Quota>,
    pub(crate) handshakes: Arc<Semaphore>,
    pub(crate) drain: Drain,
    /// The end of all patience: whatever still runs is dropped.
    pub(crate) cut: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// A runtime that connections are given to.
///
/// What its connections have in common is theirs alone: they wait for the drain and the cut, and
/// are counted as tasks, without a lock or a counter that another runtime's connections use.
pub(crate) struct Seat {
    runtime: Handle,
    shared: Shared,
}

impl Shared {
    pub(crate) fn seat(&self, runtime: Handle) -> Seat {
        let shared = Self {
            drain: self.drain.of_its_own(),
            cut: self.cut.child_token(),
            tasks: TaskTracker::new(),
            ..self.clone()
        };
        Seat { runtime, shared }
    }
}

impl Seat {
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.shared.tasks
    }
}

/// Accepts until the drain starts; then the listener is closed.
pub(crate) async fn accept(shared: Shared, seats: Arc<[Seat]>, listener: TcpListener) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.drain.started() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => admit(&shared, &seats, socket, peer),
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                shared.front.metrics.rejected(Rejected::Accept);
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}

fn admit(shared: &Shared, seats: &[Seat], socket: TcpStream, peer: SocketAddr) {
    let permit = match shared
        .quota
        .admit(peer.ip(), Instant::now(), shared.drain.is_resting())
    {
        Ok(permit) => permit,
        Err(rejected) => return shared.front.metrics.rejected(rejected),
    };
    // Connections and streams in flight; one listener that gives to the least busy spreads few
    // connections better than the kernel's hash over a listener for each.
    let Some(seat) = seats.iter().min_by_key(|seat| seat.shared.tasks.len()) else {
        return;
    };
    // Each runtime has an epoll of its own.
    let socket = match socket.into_std() {
        Ok(socket) => socket,
        Err(error) => return lost(shared, &error),
    };
    let shared = seat.shared.clone();
    let connection = async move {
        match TcpStream::from_std(socket) {
            Ok(socket) => {
                tokio::select! {
                    biased;
                    () = shared.cut.cancelled() => {}
                    () = serve(&shared, socket, peer) => {}
                }
            }
            Err(error) => lost(&shared, &error),
        }
        drop(permit);
    };
    seat.shared.tasks.spawn_on(connection, &seat.runtime);
}

/// A socket that was accepted and cannot be served.
fn lost(shared: &Shared, error: &io::Error) {
    tracing::warn!(%error, "cannot serve a connection");
    shared.front.metrics.rejected(Rejected::Accept);
}

async fn serve(shared: &Shared, socket: TcpStream, peer: SocketAddr) {
    let front = &shared.front;
    let Ok(permit) = Arc::clone(&shared.handshakes).try_acquire_owned() else {
        return front.metrics.rejected(Rejected::Handshakes);
    };
    if let Err(error) = tune(&socket, unsent_bytes(shared.quota.open())) {
        tracing::debug!(%error, "a socket keeps its defaults");
    }
    let limits = &front.config.limits;
    let outlet = Arc::new(Outlet::default());
    let stream = Stall::new(socket, limits.stall_timeout, Arc::clone(&outlet));
    // In boxes, so that a connection that idles for minutes does not keep the room that its
    // handshake took for milliseconds.
    let shaking = Box::pin(front.tls.accept(stream));
    let handshake = timeout(limits.handshake_timeout, shaking).await;
    drop(permit);
    let (stream, session) = match handshake {
        Ok(Ok(accepted)) => accepted,
        Ok(Err(error)) => {
            tracing::debug!(%error, %peer, "handshake failed");
            return front.metrics.failed(classify(&error));
        }
        Err(_) => return front.metrics.failed(Failure::Timeout),
    };
    let connection = Connection {
        client: client(session, peer),
        front: Arc::clone(front),
        activity: Arc::default(),
        recycle: Arc::default(),
        outlet,
        keeps_records: stream.records() == RecordLayer::Rustls,
        unsent: Arc::new(stream.defer()),
        drain: shared.drain.clone(),
        cut: shared.cut.clone(),
        tasks: shared.tasks.clone(),
    };
    let _open = front.metrics.opened(connection.client.protocol);
    match connection.client.protocol {
        Protocol::Http1 => Box::pin(http1::serve(connection, stream)).await,
        Protocol::Http2 | Protocol::Http3 => Box::pin(http2::serve(connection, stream)).await,
    }
}

fn tune(socket: &TcpStream, unsent_bytes: u32) -> io::Result<()> {
    socket.set_nodelay(true)?;
    socket2::SockRef::from(socket).set_tcp_notsent_lowat(unsent_bytes)
}

fn client(session: Session, address: SocketAddr) -> Client {
    let protocol = match session.alpn.as_deref() {
        Some(b"h2") => Protocol::Http2,
        // RFC 9112 is what a client without ALPN speaks; any other protocol ended the handshake.
        _ => Protocol::Http1,
    };
    Client {
        address,
        protocol,
        identity: session.identity.map(Into::into),
        server_name: session
            .server_name
            .map(|name| name.to_ascii_lowercase().into()),
    }
}

/// Why a handshake failed, for the metric.
pub(crate) fn classify(error: &io::Error) -> Failure {
    let cause = error
        .get_ref()
        .and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidMessage(_)) => Failure::NotTls,
        Some(
            rustls::Error::PeerIncompatible(_)
            | rustls::Error::NoApplicationProtocol
            | rustls::Error::General(_),
        ) => Failure::NoCommonGround,
        Some(rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_)) => {
            Failure::ClientCertificate
        }
        Some(rustls::Error::AlertReceived(_)) => Failure::Alert,
        Some(_) => Failure::Other,
        None => Failure::Gone,
    }
}

/// A TCP connection after its handshake. Its requests share it: a clone of all that it has would
/// cost each of them a dozen counts and four locks.
pub(crate) struct Connection {
    pub(crate) front: Arc<Front>,
    pub(crate) client: Client,
    pub(crate) activity: Arc<Activity>,
    /// Asks for the connection to be recycled.
    pub(crate) recycle: Arc<Notify>,
    pub(crate) outlet: Arc<Outlet>,
    /// The record layer is rustls: it keeps what is written while the socket looks full. Ours sends
    /// it when the connection's task goes idle, and the kernel at once.
    pub(crate) keeps_records: bool,
    unsent: Arc<Deferred<Stall>>,
    pub(crate) drain: Drain,
    pub(crate) cut: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

/// Idle time on HTTP/2 as a multiple of the configured one: a player keeps its one connection
/// between segments, and opening another costs a handshake.
const HTTP2_IDLE_FACTOR: u32 = 4;

impl Connection {
    /// Drives a protocol's future to its end, and asks it to wind up when the server drains, or
    /// when the connection is old, used up or idle.
    pub(crate) async fn drive<C>(&self, hyper: C, wind_up: impl Fn(Pin<&mut C>))
    where
        C: Future<Output = hyper::Result<()>>,
    {
        let limits = &self.front.config.limits;
        let mut hyper = Box::pin(hyper);
        let age = sleep_until(Instant::now() + age(limits, self.client.address));
        tokio::pin!(age);
        let mut winding_up = false;
        let mut begun = 0;
        loop {
            let patience = match (winding_up, self.client.protocol) {
                (false, Protocol::Http2) => limits.idle_timeout * HTTP2_IDLE_FACTOR,
                _ => limits.stall_timeout,
            };
            tokio::select! {
                biased;
                result = poll_fn(|cx| self.unsent.poll(hyper.as_mut(), cx)) => {
                    return match result {
                        Ok(result) => self.ended(result),
                        Err(error) => self.broke(&error),
                    };
                }
                () = self.drain.started(), if !winding_up => {}
                () = &mut age, if !winding_up => {}
                () = self.recycle.notified(), if !winding_up => {}
                () = sleep(patience) => {
                    let idle = self.activity.in_flight() == 0 && self.activity.begun() == begun;
                    begun = self.activity.begun();
                    if !idle || (!winding_up && self.client.protocol == Protocol::Http1) {
                        // An idle HTTP/1 connection is closed by its gate.
                        continue;
                    }
                    if winding_up {
                        return self.front.metrics.rejected(Rejected::Stalled);
                    }
                }
            }
            winding_up = true;
            wind_up(hyper.as_mut());
        }
    }

    fn ended(&self, result: hyper::Result<()>) {
        let Err(error) = result else { return };
        let cause = error
            .source()
            .and_then(|cause| cause.downcast_ref::<io::Error>());
        if let Some(cause) = cause {
            self.broke(cause);
        }
        tracing::debug!(%error, peer = %self.client.address, "a connection ended");
    }

    /// The socket failed.
    fn broke(&self, error: &io::Error) {
        if error.kind() == io::ErrorKind::TimedOut {
            self.front.metrics.rejected(Rejected::Stalled);
        }
        tracing::debug!(%error, peer = %self.client.address, "a connection broke");
    }
}

/// How old a connection may get: up to a tenth less than configured, so that connections which
/// came together do not leave together.
pub(crate) fn age(limits: &Limits, client: SocketAddr) -> Duration {
    limits.connection_age / 1000 * (1000 - u32::from(client.port() % 100))
}
