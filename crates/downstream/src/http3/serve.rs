//! One HTTP/3 connection.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use message::Client;
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};
use tokio_util::task::TaskTracker;

use super::{
    request,
    transport::{self, LastAccepted},
    updates::Updates,
    window::Window,
};
use crate::{
    body::Activity,
    metrics::Rejected,
    tcp::{Shared, age},
};

/// Decoded header lists, announced to the client; more is answered with 431.
const FIELD_SECTION_BYTES: u64 = 8 << 10;

/// A QUIC connection after its handshake.
pub(crate) struct Connection {
    pub(crate) shared: Shared,
    pub(crate) quic: quinn::Connection,
    pub(crate) client: Client,
    pub(crate) activity: Arc<Activity>,
    pub(crate) updates: Arc<Updates>,
    pub(crate) window: Window,
    /// Asks for the connection to be recycled.
    pub(crate) recycle: Notify,
}

impl Connection {
    pub(crate) fn new(shared: Shared, quic: quinn::Connection, client: Client) -> Self {
        let limit = shared.front.config.limits.quic_send_window;
        Self {
            window: Window::new(limit, shared.quota.open()),
            shared,
            quic,
            client,
            activity: Arc::default(),
            updates: Arc::default(),
            recycle: Notify::new(),
        }
    }
}

type H3 = h3::server::Connection<transport::Connection, Bytes>;

/// Serves until the client leaves, the connection is recycled or drained, or it is cut.
pub(crate) async fn serve(connection: Connection) {
    let connection = Arc::new(connection);
    let cut = connection.shared.cut.clone();
    let requests = TaskTracker::new();
    tokio::select! {
        biased;
        () = cut.cancelled() => {}
        () = Box::pin(run(&connection, &requests)) => {}
    }
    requests.close();
    requests.wait().await;
    connection.quic.close(quinn::VarInt::from_u32(0x100), b"");
}

async fn run(connection: &Arc<Connection>, requests: &TaskTracker) {
    let (transport, last_accepted) =
        transport::Connection::new(connection.quic.clone(), Arc::clone(&connection.updates));
    let mut builder = h3::server::builder();
    builder
        .max_field_section_size(FIELD_SECTION_BYTES)
        .send_grease(false);
    // A client that never takes our settings holds a connection, not a handshake: quinn's idle
    // timeout and the drain end it.
    let mut h3: H3 = match builder.build(transport).await {
        Ok(h3) => h3,
        Err(error) => {
            tracing::debug!(%error, peer = %connection.client.address, "no http/3 settings");
            return;
        }
    };
    let limits = &connection.shared.front.config.limits;
    let age = sleep_until(Instant::now() + age(limits, connection.client.address));
    tokio::pin!(age);
    let mut winding_up = false;
    loop {
        tokio::select! {
            biased;
            () = connection.shared.drain.started(), if !winding_up => {}
            () = &mut age, if !winding_up => {}
            () = connection.recycle.notified(), if !winding_up => {}
            () = requests.wait(), if winding_up => return,
            accepted = h3.accept() => match accepted {
                Ok(Some(resolver)) => {
                    spawn(connection, requests, resolver, &last_accepted);
                    continue;
                }
                Ok(None) => return,
                Err(error) => return ended(connection, &error),
            },
        }
        winding_up = true;
        // What is in flight finishes; the tracker is waited for from here on.
        requests.close();
        // h3 names the last request that it takes, where RFC 9114 section 5.2 names the first
        // that it does not: with one more, a client does not give up the one in flight.
        if let Err(error) = h3.shutdown(1).await {
            return ended(connection, &error);
        }
    }
}

fn spawn(
    connection: &Arc<Connection>,
    requests: &TaskTracker,
    resolver: request::Resolver,
    last_accepted: &LastAccepted,
) {
    let accepted = last_accepted
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .take();
    let Some(accepted) = accepted else { return };
    let seat = connection.updates.begin(accepted.lane.index());
    let in_flight = connection.activity.begin();
    let most = connection
        .shared
        .front
        .config
        .limits
        .requests_per_connection;
    if connection.activity.begun() >= most {
        connection.recycle.notify_one();
    }
    requests.spawn(request::serve(
        Arc::clone(connection),
        resolver,
        accepted,
        seat,
        in_flight,
    ));
}

fn ended(connection: &Connection, error: &h3::error::ConnectionError) {
    if connection
        .quic
        .close_reason()
        .is_some_and(|reason| is_flood(&reason))
    {
        connection.shared.front.metrics.rejected(Rejected::Flood);
    }
    tracing::debug!(%error, peer = %connection.client.address, "a connection ended");
}

/// Only the transport closes on our side before h3 knows.
fn is_flood(reason: &quinn::ConnectionError) -> bool {
    matches!(reason, quinn::ConnectionError::LocallyClosed)
}
