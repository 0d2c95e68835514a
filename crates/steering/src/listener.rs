//! The socket: TLS with a certificate on both sides, HTTP/1.1 and HTTP/2.

use std::{convert::Infallible, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tls::record::{Session, Stream};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::api::{Api, Peer};

/// Connections at a time: some owners, some steering services, some people.
const CONNECTIONS_MAX: usize = 128;

/// For TLS.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// For a request's head, which is also how long an HTTP/1 connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// An HTTP/2 connection that does not answer is gone.
const PING_EVERY: Duration = Duration::from_secs(20);

/// For a connection as a whole: twice what the slowest allowed manifest takes.
const CONNECTION_AGE_MAX: Duration = Duration::from_hours(3);

/// After a failed accept, as when file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// For answers under way at the end.
const END_PATIENCE: Duration = Duration::from_secs(5);

const HEAD_BYTES_MAX: usize = 32 << 10;
const FIELDS_MAX: usize = 64;
const STREAMS_MAX: u32 = 32;

/// What an HTTP/2 client may send before it is read: a slow reader of a large manifest holds little.
const WINDOW_BYTES: u32 = 256 << 10;

/// Accepts until `stop`, then lets the answers under way finish.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Arc<tls::Server>,
    api: Arc<Api>,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        match accepted {
            // Beyond the limit a connection is closed at once.
            Ok((socket, from)) => {
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    tracing::warn!(%from, "too many steering connections");
                    continue;
                };
                let connection = connection(
                    socket,
                    from,
                    Arc::clone(&tls),
                    Arc::clone(&api),
                    stop.clone(),
                );
                connections.spawn(async move {
                    let _aged = timeout(CONNECTION_AGE_MAX, connection).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the steering listener cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    connections.close();
    if timeout(END_PATIENCE, connections.wait()).await.is_err() {
        tracing::warn!("steering connections were cut");
    }
}

async fn connection(
    socket: TcpStream,
    from: SocketAddr,
    tls: Arc<tls::Server>,
    api: Arc<Api>,
    stop: CancellationToken,
) {
    let accepted = timeout(HANDSHAKE_TIMEOUT, Box::pin(tls.accept(socket))).await;
    match accepted {
        Ok(Ok((stream, session))) => speak(stream, session, from, api, stop).await,
        Ok(Err(error)) => tracing::info!(%error, %from, "steering handshake refused"),
        Err(_late) => tracing::info!(%from, "steering handshake took too long"),
    }
}

async fn speak(
    stream: Stream<TcpStream>,
    session: Session,
    from: SocketAddr,
    api: Arc<Api>,
    stop: CancellationToken,
) {
    let is_http2 = session.alpn.as_deref() == Some(b"h2");
    let peer = Peer {
        // The handshake has verified a certificate; one without a name has no role.
        name: session.identity.unwrap_or_default().into(),
        from: from.ip(),
    };
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (api, peer) = (Arc::clone(&api), peer.clone());
        async move { Ok::<_, Infallible>(api.answer(request, peer).await.map(Full::new)) }
    });
    let io = TokioIo::new(stream);
    let ended = if is_http2 {
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(u32::try_from(HEAD_BYTES_MAX).unwrap_or(u32::MAX))
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES * 2)
            .keep_alive_interval(PING_EVERY)
            .serve_connection(io, service);
        until_stopped(connection, http2::Connection::graceful_shutdown, &stop).await
    } else {
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(HEAD_BYTES_MAX)
            .max_headers(FIELDS_MAX)
            .serve_connection(io, service);
        until_stopped(connection, http1::Connection::graceful_shutdown, &stop).await
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %from, "a steering connection broke");
    }
}

/// Drives a connection; once stopped it takes no more requests and ends after the last answer.
async fn until_stopped<C, E>(
    connection: C,
    end: impl FnOnce(Pin<&mut C>),
    stop: &CancellationToken,
) -> Result<(), E>
where
    C: Future<Output = Result<(), E>>,
{
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            end(connection.as_mut());
            connection.await
        }
    }
}
