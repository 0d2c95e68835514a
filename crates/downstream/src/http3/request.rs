//! One HTTP/3 request: its head, its response, and the certainty that it arrived or broke.

use std::{future::poll_fn, sync::Arc};

use bytes::Bytes;
use h3::{
    error::Code,
    proto::frame::Frame,
    server::{RequestResolver, RequestStream},
};
use http::{Request, Response, StatusCode};
use http_body::Body as _;
use message::{Error, RoundTrip};
use tokio::time::timeout;

use super::{
    fields::{self, Malformed},
    serve::Connection,
    transport::{self, Accepted, Lane},
    updates::Seat,
};
use crate::{
    body::{InFlight, Outgoing, Turn},
    metrics::Rejected,
    priority::{Basis, Said},
};

/// A playlist, a key or an initialisation: what a player waits for before the next segment.
const SMALL_BYTES: u64 = 64 << 10;

pub(crate) type Resolver = RequestResolver<transport::Connection, Bytes>;
type Stream = RequestStream<transport::BidiStream, Bytes>;

/// Pieces of a body, handed over by reference; quinn lets go of each when all of it was
/// acknowledged.
const PIECE_BYTES: usize = 64 << 10;

/// Serves one request to its end: acknowledged in full, stopped by the client, or reset by us.
/// Dropping the future half-way resets the stream.
pub(crate) async fn serve(
    connection: Arc<Connection>,
    resolver: Resolver,
    accepted: Accepted,
    seat: Seat,
    in_flight: InFlight,
) {
    let Accepted { mut stopped, lane } = accepted;
    let front = &connection.shared.front;
    let turn = Arc::new(Turn::default());
    let sent = || connection.quic.stats().udp_tx.bytes;
    let respond = respond(
        &connection,
        resolver,
        (lane, &seat),
        Arc::clone(&turn),
        in_flight,
    );
    tokio::select! {
        biased;
        () = connection.shared.cut.cancelled() => return,
        _ = &mut stopped => return,
        () = turn.missed(front.config.limits.stall_timeout, sent) => {
            return front.metrics.rejected(Rejected::Stalled);
        }
        finished = Box::pin(respond) => if !finished { return },
    }
    // Finished is not arrived: were the connection closed now, the rest would never be sent.
    turn.clients();
    tokio::select! {
        biased;
        _ = &mut stopped => {}
        () = connection.shared.cut.cancelled() => {}
        () = turn.missed(front.config.limits.stall_timeout, sent) => {
            front.metrics.rejected(Rejected::Stalled);
        }
    }
}

/// `true` when the response was written and finished.
async fn respond(
    connection: &Connection,
    resolver: Resolver,
    (lane, seat): (Lane, &Seat),
    turn: Arc<Turn>,
    in_flight: InFlight,
) -> bool {
    let front = &connection.shared.front;
    let patience = front.config.limits.head_timeout;
    let Ok(Some(head)) = timeout(patience, resolve(resolver)).await else {
        return false;
    };
    let Head {
        request,
        mut stream,
        verdict,
    } = head;
    let has_body = timeout(patience, has_body(&mut stream))
        .await
        .unwrap_or(true);
    if has_body {
        stream.stop_sending(Code::H3_NO_ERROR);
    }
    let (mut head, ()) = Request::into_parts(request);
    head.extensions.insert(RoundTrip(connection.quic.rtt()));
    let (client, asked) = (&connection.client, Said::in_fields(&head.headers));
    let response = match verdict {
        Ok(()) => front.answer(head, has_body, client.clone()).await,
        Err(malformed) => {
            let error = Error::request(StatusCode::BAD_REQUEST, malformed.to_string());
            front.refuse(error, client)
        }
    };
    let sent = front.metrics.body_bytes(connection.client.protocol);
    let is_small = response
        .body()
        .length()
        .is_some_and(|most| most <= SMALL_BYTES);
    let rank = seat.take(Basis::of(&response), asked, &lane, is_small);
    let response = response.map(|body| {
        Outgoing::new(body, sent, in_flight)
            .watched(PIECE_BYTES, Arc::clone(&turn))
            .ranked(rank)
    });
    turn.clients();
    let (head, body) = response.into_parts();
    if let Err(error) = stream.send_response(Response::from_parts(head, ())).await {
        tracing::debug!(%error, "a response head was not sent");
        return false;
    }
    send(connection, &mut stream, &lane, body).await
}

/// A request as h3 understands it, and what it may have overlooked.
struct Head {
    request: Request<()>,
    stream: Stream,
    verdict: Result<(), Malformed>,
}

/// `None` for what is no request; h3 has ended the stream or the connection.
async fn resolve(mut resolver: Resolver) -> Option<Head> {
    let frame = poll_fn(|cx| resolver.frame_stream.poll_next(cx)).await;
    let verdict = match &frame {
        Ok(Some(Frame::Headers(section))) => fields::check(section),
        // Not for us to judge: h3 does next.
        Ok(_) | Err(_) => Ok(()),
    };
    let resolved = resolver.accept_with_frame(frame).ok()?;
    let (request, stream) = resolved.resolve().await.ok()?;
    Some(Head {
        request,
        stream,
        verdict,
    })
}

async fn has_body(stream: &mut Stream) -> bool {
    // A broken stream is no whole request either.
    stream.recv_data().await.map_or(true, |data| data.is_some())
}

async fn send(connection: &Connection, stream: &mut Stream, lane: &Lane, body: Outgoing) -> bool {
    let mut frames = Frames::of(&body);
    tokio::pin!(body);
    loop {
        let frame = poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
        match frame.map(|frame| frame.map(http_body::Frame::into_data)) {
            Some(Ok(Ok(piece))) => {
                connection.window.follow(&connection.quic);
                let written = match frames.header(piece.len()) {
                    Some(header) => lane.write(&mut [header, piece]).await,
                    None => lane.write(&mut [piece]).await,
                };
                if written.is_err() {
                    return false;
                }
            }
            // A message body has no trailers.
            Some(Ok(Err(_))) => {}
            Some(Err(_)) => {
                stream.stop_stream(Code::H3_INTERNAL_ERROR);
                return false;
            }
            None => return stream.finish().await.is_ok(),
        }
    }
}

/// The DATA frames of a body (RFC 9114 section 7.2.1): one for all of it, if its length is known.
/// A body that ends short of its length is an error and resets the stream, so that the frame is
/// never left half full at a clean end.
enum Frames {
    Whole(u64),
    Announced,
    Pieces,
}

impl Frames {
    fn of(body: &Outgoing) -> Self {
        body.size_hint().exact().map_or(Self::Pieces, Self::Whole)
    }

    /// What stands before the next piece.
    fn header(&mut self, piece: usize) -> Option<Bytes> {
        match *self {
            Self::Whole(length) => {
                *self = Self::Announced;
                Some(data_header(length))
            }
            Self::Announced => None,
            Self::Pieces => Some(data_header(piece as u64)),
        }
    }
}

/// Type 0 and the length as a variable-length integer of eight bytes (RFC 9000 section 16).
fn data_header(length: u64) -> Bytes {
    const EIGHT_BYTES: u64 = 0b11 << 62;
    let mut header = [0; 9];
    header[1..].copy_from_slice(&(EIGHT_BYTES | length).to_be_bytes());
    Bytes::copy_from_slice(&header)
}
