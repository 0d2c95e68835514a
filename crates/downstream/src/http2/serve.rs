//! One HTTP/2 connection.

use std::{convert::Infallible, pin::Pin, sync::Arc, time::Duration};

use http::{Request, Response};
use http_body::Body as _;
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::{
    cork::Cork,
    meter::Meter,
    streams::{Streams, turn},
};
use crate::{
    body::Outgoing,
    metrics::Rejected,
    priority::{Among, Basis, Said},
    ranks::{Place, Ranks},
    tcp::Connection,
};

/// Requests have no body: windows need not be wider than a mistake.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
const CONNECTION_WINDOW_BYTES: u32 = 256 << 10;

/// Decoded header lists, announced to the client; h2 answers more with 431. hyper's default is
/// 16 KiB, which at 32 bytes of overhead per field it counts is three times as much memory.
const HEADER_LIST_BYTES: u32 = 8 << 10;
const HEADER_TABLE_BYTES: u32 = 4 << 10;

/// Response bytes that h2 holds for one stream. hyper's default is 400 KiB.
const SEND_BUFFER_BYTES: usize = 256 << 10;

/// Pieces of a body: what a stream must take within the stall timeout to be seen as alive.
const PIECE_BYTES: usize = 64 << 10;

/// Streams that were reset before we looked at them; the flood of CVE-2023-44487.
const PENDING_RESETS: usize = 20;
/// Streams that a client's errors make us reset; the flood of CVE-2025-8671.
const LOCAL_RESETS: usize = 128;

/// A client that is gone without a word is noticed by a ping.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves until the client leaves, the connection is recycled or drained, or it is cut.
pub(crate) async fn serve<S>(connection: Connection, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let front = Arc::clone(&connection.front);
    let on_flood = Box::new(move || front.metrics.rejected(Rejected::Flood));
    let meter = Meter::new(stream, Arc::clone(&connection.outlet), on_flood);
    let mut cork = Cork::new(meter, Arc::clone(&connection.outlet));
    if !connection.keeps_records {
        cork = cork.pulled();
    }
    let connection = Arc::new(connection);
    let mut builder = http2::Builder::new(Streams::of(Arc::clone(&connection)));
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(connection.front.config.limits.http2_streams)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .adaptive_window(false)
        .max_header_list_size(HEADER_LIST_BYTES)
        .header_table_size(HEADER_TABLE_BYTES)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(LOCAL_RESETS)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT);
    let (this, ranks) = (Arc::clone(&connection), Arc::<Ranks>::default());
    let service = service_fn(move |request: Request<Incoming>| {
        let (this, ranks) = (Arc::clone(&this), Arc::clone(&ranks));
        // hyper asks in the order of streams.
        let ticket = ranks.ticket();
        async move { Ok::<_, Infallible>(respond(&this, &ranks, ticket, request).await) }
    });
    let hyper = builder.serve_connection(TokioIo::new(cork), service);
    connection
        .drive(hyper, http2::Connection::graceful_shutdown)
        .await;
}

async fn respond(
    connection: &Connection,
    ranks: &Arc<Ranks>,
    ticket: u64,
    request: Request<Incoming>,
) -> Response<Outgoing> {
    let front = &connection.front;
    let in_flight = connection.activity.begin();
    if connection.activity.begun() >= front.config.limits.requests_per_connection {
        connection.recycle.notify_one();
    }
    let (head, mut body) = request.into_parts();
    let asked = Said::in_fields(&head.headers);
    let has_body = has_body(&mut body, front.config.limits.head_timeout).await;
    let response = front
        .answer(head, has_body, connection.client.clone())
        .await;
    let sent = front.metrics.body_bytes(connection.client.protocol);
    let priority = Basis::of(&response).with(asked);
    let place = match priority.among {
        Among::InOrder => Place::in_order(priority.urgency, ticket),
        // Who does not speak of priorities may have narrow windows, which one stream does not fill.
        Among::Shared | Among::Unsaid => Place::shared(priority.urgency),
    };
    let rank = ranks.enter(ticket, place);
    response.map(|body| {
        Outgoing::new(body, sent, in_flight)
            .watched(PIECE_BYTES, turn())
            .ranked(rank)
    })
}

/// Whether any byte of a body comes. Most clients end the stream with the head; some send an
/// empty frame to end it, which is waited for.
async fn has_body(body: &mut Incoming, patience: Duration) -> bool {
    let first = async {
        while !body.is_end_stream() {
            let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await;
            match frame {
                Some(Ok(frame)) if frame.data_ref().is_some_and(|data| !data.is_empty()) => {
                    return true;
                }
                // Trailers, or an empty frame.
                Some(Ok(_)) => {}
                Some(Err(_)) => return true,
                None => return false,
            }
        }
        false
    };
    timeout(patience, first).await.unwrap_or(true)
}
