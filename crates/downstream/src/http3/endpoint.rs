//! A UDP socket and the QUIC connections on it.

use std::{net::UdpSocket, sync::Arc, time::Duration};

use message::{Client, Protocol};
use quinn::{
    EndpointConfig, IdleTimeout, Incoming, ServerConfig, TransportConfig, VarInt,
    crypto::rustls::{HandshakeData, QuicServerConfig},
};
use rustls_pki_types::CertificateDer;
use socket2::SockRef;
use tokio::time::{Instant, timeout};
use tokio_util::task::TaskTracker;

use super::{
    serve::{Connection, serve},
    socket::{self, Keepers},
    window,
};
use crate::{
    Error,
    config::Limits,
    metrics::{Failure, Rejected},
    tcp::Shared,
};

/// A request has no body, so a client has little to send: quinn's defaults would let each
/// connection hold 125 MB.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 256 << 10;
const CRYPTO_BUFFER_BYTES: usize = 16 << 10;

/// Control, QPACK encoder and decoder, and a few that a client makes up to keep us honest.
const UNI_STREAMS: u32 = 8;

/// First packets that wait for us to look at them, and their bytes together.
const INCOMING_MAX: usize = 8_192;
const INCOMING_BYTES: u64 = 16 << 10;
const INCOMING_TOTAL_BYTES: u64 = 16 << 20;

/// Kernel buffers of a UDP socket, which carries every HTTP/3 connection: a burst of 4 MiB.
const SOCKET_BUFFER_BYTES: usize = 4 << 20;

/// How long the last packets of a drained endpoint may take.
const GOODBYE: Duration = Duration::from_secs(1);

const H3_NO_ERROR: VarInt = VarInt::from_u32(0x100);

/// One UDP socket.
pub(crate) struct Endpoint {
    quinn: quinn::Endpoint,
    /// The TLS configuration in force, and what was made of it.
    tls: Arc<rustls::ServerConfig>,
    config: Arc<ServerConfig>,
    connections: TaskTracker,
}

impl Endpoint {
    /// Takes over a bound, non-blocking socket. Needs the runtime.
    pub(crate) fn new(
        shared: &Shared,
        socket: UdpSocket,
        keepers: &Keepers,
    ) -> Result<Self, Error> {
        let tls = shared.front.tls.quic();
        let config = server_config(&tls, &shared.front.config.limits)?;
        widen(&socket);
        let (socket, runtime) = socket::gather(socket, keepers).map_err(Error::Socket)?;
        let quinn = quinn::Endpoint::new_with_abstract_socket(
            EndpointConfig::default(),
            Some(config.clone()),
            socket,
            runtime,
        );
        let quinn = quinn.map_err(Error::Socket)?;
        Ok(Self {
            quinn,
            tls,
            config: Arc::new(config),
            connections: TaskTracker::new(),
        })
    }

    /// Accepts until the drain starts; then refuses, and ends with its last connection.
    pub(crate) async fn accept(mut self, shared: Shared) {
        loop {
            tokio::select! {
                biased;
                () = shared.drain.started() => break,
                incoming = self.quinn.accept() => match incoming {
                    Some(incoming) => self.admit(&shared, incoming),
                    None => return,
                },
            }
        }
        self.connections.close();
        loop {
            tokio::select! {
                biased;
                () = self.connections.wait() => break,
                incoming = self.quinn.accept() => match incoming {
                    Some(incoming) => incoming.refuse(),
                    None => break,
                },
            }
        }
        self.quinn.close(H3_NO_ERROR, b"");
        // Whether the last packets arrived changes nothing any more.
        drop(timeout(GOODBYE, self.quinn.wait_idle()).await);
    }

    fn admit(&mut self, shared: &Shared, incoming: Incoming) {
        let front = &shared.front;
        let limits = &front.config.limits;
        let in_progress = limits.handshakes - shared.handshakes.available_permits();
        if !incoming.remote_address_validated()
            && in_progress >= limits.quic_retry_above
            && incoming.may_retry()
        {
            // RFC 9000 section 8.1.2: a client that answers has the address it says it has.
            if let Err(error) = incoming.retry() {
                tracing::debug!(%error, "a retry was not possible");
            }
            return;
        }
        let Ok(handshake) = Arc::clone(&shared.handshakes).try_acquire_owned() else {
            front.metrics.rejected(Rejected::Handshakes);
            return incoming.ignore();
        };
        let (from, resting) = (incoming.remote_address().ip(), shared.drain.is_resting());
        let permit = match shared.quota.admit(from, Instant::now(), resting) {
            Ok(permit) => permit,
            Err(rejected) => {
                front.metrics.rejected(rejected);
                return incoming.refuse();
            }
        };
        self.follow_reload(shared);
        let (shared, config) = (shared.clone(), Arc::clone(&self.config));
        self.connections.spawn(async move {
            let connection = Box::pin(shake_hands(&shared, incoming, config)).await;
            drop(handshake);
            if let Some(connection) = connection {
                let open = shared.front.metrics.opened(Protocol::Http3);
                serve(connection).await;
                drop(open);
            }
            drop(permit);
        });
    }

    /// Takes up certificates that were reloaded.
    fn follow_reload(&mut self, shared: &Shared) {
        let tls = shared.front.tls.quic();
        if Arc::ptr_eq(&tls, &self.tls) {
            return;
        }
        match server_config(&tls, &shared.front.config.limits) {
            Ok(config) => self.config = Arc::new(config),
            Err(error) => tracing::error!(%error, "keeping the former certificates for quic"),
        }
        self.tls = tls;
    }
}

/// Asks the kernel for room. Without it bursts of many connections are lost before anybody sees
/// them, which looks like a bad network.
fn widen(socket: &UdpSocket) {
    let socket = SockRef::from(socket);
    let ask = || {
        socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES)?;
        socket.set_send_buffer_size(SOCKET_BUFFER_BYTES)?;
        // Linux counts its own bookkeeping as well and tells twice what it granted.
        Ok((
            socket.recv_buffer_size()? / 2,
            socket.send_buffer_size()? / 2,
        ))
    };
    match ask() {
        Ok((receive, send)) if receive.min(send) < SOCKET_BUFFER_BYTES => tracing::warn!(
            receive,
            send,
            wanted = SOCKET_BUFFER_BYTES,
            "small UDP buffers: raise net.core.rmem_max and net.core.wmem_max"
        ),
        Ok(_) => {}
        Err::<_, std::io::Error>(error) => {
            tracing::warn!(%error, "the UDP buffers stay as they are");
        }
    }
}

fn server_config(tls: &Arc<rustls::ServerConfig>, limits: &Limits) -> Result<ServerConfig, Error> {
    let crypto = QuicServerConfig::try_from(Arc::clone(tls)).map_err(Error::Quic)?;
    let mut config = ServerConfig::with_crypto(Arc::new(crypto));
    config
        .transport_config(Arc::new(transport_config(limits)))
        .max_incoming(INCOMING_MAX)
        .incoming_buffer_size(INCOMING_BYTES)
        .incoming_buffer_size_total(INCOMING_TOTAL_BYTES)
        .migration(true);
    Ok(config)
}

/// What is quinn's default here, and stays so:
///
/// - Cubic, paced. quinn calls its BBR experimental, and it took 1.4 times the CPU time.
/// - Segmentation offload, ten datagrams a transmit. quinn has no setting for more; `socket` makes
///   one call of several.
/// - The path's MTU is looked for up to 1,452 bytes, which is Ethernet's, from 1,200.
/// - Acknowledgements as RFC 9000 section 13.2.2 has them: asking for one in ten (the frequency
///   extension) changed nothing measurable, since clients read in batches and answer once.
fn transport_config(limits: &Limits) -> TransportConfig {
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(VarInt::from_u32(limits.http3_streams))
        .max_concurrent_uni_streams(VarInt::from_u32(UNI_STREAMS))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        // Of a new connection; `window` says how it goes on.
        .send_window(window::BYTES_MIN)
        // Strictly by rank, and what was lost first: unfair, quinn goes on with the stream that it
        // has begun, and a packet that an urgent one lost waits behind it. Each stream has a rank of
        // its own (see `Lane::rank`), so that none take turns.
        .send_fairness(true)
        .crypto_buffer_size(CRYPTO_BUFFER_BYTES)
        .datagram_receive_buffer_size(None)
        .datagram_send_buffer_size(0)
        // A time that does not fit in a variable-length integer is no limit anybody meant.
        .max_idle_timeout(IdleTimeout::try_from(limits.idle_timeout).ok())
        .keep_alive_interval(None);
    transport
}

async fn shake_hands(
    shared: &Shared,
    incoming: Incoming,
    config: Arc<ServerConfig>,
) -> Option<Connection> {
    let metrics = &shared.front.metrics;
    let address = incoming.remote_address();
    let connecting = match incoming.accept_with(config) {
        Ok(connecting) => connecting,
        Err(error) => {
            tracing::debug!(%error, peer = %address, "quic handshake failed");
            metrics.failed(classify(&error));
            return None;
        }
    };
    let patience = shared.front.config.limits.handshake_timeout;
    let outcome = tokio::select! {
        biased;
        () = shared.cut.cancelled() => return None,
        outcome = timeout(patience, connecting) => outcome,
    };
    match outcome {
        Ok(Ok(quic)) => {
            let client = client(&quic);
            Some(Connection::new(shared.clone(), quic, client))
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, peer = %address, "quic handshake failed");
            metrics.failed(classify(&error));
            None
        }
        Err(_) => {
            metrics.failed(Failure::Timeout);
            None
        }
    }
}

fn client(quic: &quinn::Connection) -> Client {
    let chain = quic
        .peer_identity()
        .and_then(|any| any.downcast::<Vec<CertificateDer<'_>>>().ok());
    let identity = chain.and_then(|chain| tls::peer_identity(&chain));
    let handshake = quic
        .handshake_data()
        .and_then(|any| any.downcast::<HandshakeData>().ok());
    let server_name = handshake.and_then(|handshake| handshake.server_name);
    Client {
        address: quic.remote_address(),
        protocol: Protocol::Http3,
        identity: identity.map(Into::into),
        server_name: server_name.map(|name| name.to_ascii_lowercase().into()),
    }
}

fn classify(error: &quinn::ConnectionError) -> Failure {
    use quinn::ConnectionError as E;
    match error {
        E::TimedOut => Failure::Timeout,
        E::VersionMismatch => Failure::NoCommonGround,
        E::ApplicationClosed(_) | E::ConnectionClosed(_) => Failure::Alert,
        E::Reset | E::LocallyClosed => Failure::Gone,
        E::TransportError(_) | E::CidsExhausted => Failure::Other,
    }
}
