//! One HTTP/1 connection.

use std::{convert::Infallible, sync::Arc};

use http::{HeaderValue, Request, Response, StatusCode, header, request::Parts};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use message::Error;
use tokio::io::{AsyncRead, AsyncWrite};

use super::gate::{Gate, Verdict, Verdicts};
use crate::{body::Outgoing, metrics::Rejected, tcp::Connection};

/// hyper's read and write buffer; its default is 400 KiB.
const BUFFER_BYTES: usize = 32 << 10;

/// Serves until the client leaves, the connection is recycled or drained, or it is cut.
pub(crate) async fn serve<S>(connection: Connection, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let limits = &connection.front.config.limits;
    let verdicts = Verdicts::default();
    let activity = Arc::clone(&connection.activity);
    let gate = Gate::new(stream, limits.clone(), activity, verdicts.clone());
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // The gate is stricter, and knows an idle connection from a slow head; this is the
        // backstop.
        .header_read_timeout(limits.idle_timeout + limits.head_timeout)
        .max_buf_size(BUFFER_BYTES)
        .max_header_size(limits.head_bytes)
        .max_headers(limits.fields)
        .keep_alive(true)
        .half_close(false)
        .pipeline_flush(false);
    let connection = Arc::new(connection);
    let this = Arc::clone(&connection);
    let service = service_fn(move |request: Request<Incoming>| {
        let (this, verdict) = (Arc::clone(&this), verdicts.next());
        async move { Ok::<_, Infallible>(respond(&this, request, verdict).await) }
    });
    let hyper = builder.serve_connection(TokioIo::new(gate), service);
    connection
        .drive(hyper, http1::Connection::graceful_shutdown)
        .await;
}

async fn respond(
    connection: &Connection,
    request: Request<Incoming>,
    verdict: Option<Verdict>,
) -> Response<Outgoing> {
    let front = &connection.front;
    let (head, _) = request.into_parts();
    let (in_flight, refusal) = match verdict {
        Some(Verdict {
            outcome: Ok(checked),
            in_flight,
        }) => {
            let agree = head.headers.len() == checked.fields
                && target_bytes(&head).is_none_or(|bytes| bytes == checked.target_bytes);
            (
                in_flight,
                (!agree).then(|| disagreement(connection, "another request than was checked")),
            )
        }
        Some(Verdict {
            outcome: Err(error),
            in_flight,
        }) => (in_flight, Some(error)),
        None => (
            connection.activity.begin(),
            Some(disagreement(connection, "a request that was not checked")),
        ),
    };
    let last = connection.activity.begun() >= front.config.limits.requests_per_connection;
    let close = last || refusal.is_some();
    let mut response = match refusal {
        Some(error) => front.refuse(error, &connection.client),
        None => front.answer(head, false, connection.client.clone()).await,
    };
    if close {
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    let sent = front.metrics.body_bytes(connection.client.protocol);
    let broken = Arc::clone(&connection.outlet.broken);
    response.map(|body| Outgoing::new(body, sent, in_flight).flagging(broken))
}

/// The gate and hyper are two readers of one stream; that they agree is checked every time.
fn disagreement(connection: &Connection, detail: &'static str) -> Error {
    connection.front.metrics.rejected(Rejected::Disagreement);
    tracing::error!(detail, "the http/1 parser and its gate disagree");
    Error::request(StatusCode::BAD_REQUEST, detail)
}

/// The length of an origin-form target as it was sent; other forms are rebuilt by the parser.
fn target_bytes(head: &Parts) -> Option<usize> {
    let origin_form = head.uri.scheme().is_none() && head.uri.authority().is_none();
    origin_form.then(|| head.uri.path().len() + head.uri.query().map_or(0, |query| query.len() + 1))
}
