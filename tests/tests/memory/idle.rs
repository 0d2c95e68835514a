//! What a connection costs that waits for its next request.

use std::time::Duration;

use http::Method;
use tests::{
    client::{Client, Connection, Protocol},
    oracle::Object,
    within,
    world::Plan,
};
use tokio::time::sleep;

use crate::{KIB, MIB, QUIET};

/// Enough that what a process allocates once does not count.
const CONNECTIONS: usize = 2_000;

/// Connections that come and go before: pools, tables and caches have their size then.
const WARMING: usize = 100;

/// How long the dust takes to settle: handshakes end, buffers go back.
const SETTLING: Duration = Duration::from_secs(2);

/// How often it is waited for anew, on a machine that has other things to do.
const SETTLINGS_MAX: usize = 8;

async fn idle_connections_cost(protocol: Protocol, records: &str, most: u64) {
    let _quiet = QUIET.lock().await;
    let object = Object::new("/v/a.m4s", 64 * KIB);
    let plan = Plan::default()
        .edge_apart()
        .edge_key("tls.record_layer", records)
        .edge_key("limits.idle_timeout", "10m");
    let world = plan.start(std::slice::from_ref(&object)).await;
    drop(served(&world.client, protocol, &object, WARMING).await);
    sleep(SETTLING).await;
    let edge = world.edge().child();
    let before = edge.rss_bytes();
    let connections = served(&world.client, protocol, &object, CONNECTIONS).await;
    let mut each = u64::MAX;
    for _ in 0..SETTLINGS_MAX {
        sleep(SETTLING).await;
        each = edge.rss_bytes().saturating_sub(before) / CONNECTIONS as u64;
        if each <= most {
            break;
        }
    }
    println!("{protocol}, records by {records}: {each} bytes for an idle connection");
    assert!(connections.iter().all(Connection::is_open));
    assert!(
        each <= most,
        "{protocol}: an idle connection costs {each} bytes, and may cost {most}"
    );
    assert!(edge.rss_bytes() < 512 * MIB);
}

/// So many connections that have had one response each.
async fn served(
    client: &Client,
    protocol: Protocol,
    object: &Object,
    count: usize,
) -> Vec<Connection> {
    let mut connections = client.connect_many(protocol, count).await;
    for connection in &mut connections {
        let request = client.request(&Method::GET, &object.name, &[]);
        let answer = async { connection.send(request).await.unwrap().finish().await };
        let reply = within(60, "an answer", Box::pin(answer)).await;
        reply.is_whole(object);
    }
    connections
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_http1_connection_costs_32_kib_at_most() {
    idle_connections_cost(Protocol::Http1, "rustls", 32 * KIB).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_http1_connection_with_records_of_ours_costs_32_kib_at_most() {
    idle_connections_cost(Protocol::Http1, "own", 32 * KIB).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_http2_connection_costs_48_kib_at_most() {
    idle_connections_cost(Protocol::Http2, "rustls", 48 * KIB).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_http2_connection_with_records_of_ours_costs_48_kib_at_most() {
    idle_connections_cost(Protocol::Http2, "own", 48 * KIB).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_http3_connection_costs_64_kib_at_most() {
    idle_connections_cost(Protocol::Http3, "rustls", 64 * KIB).await;
}
