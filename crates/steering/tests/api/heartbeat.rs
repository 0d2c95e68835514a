//! How the node is, pulled and pushed.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use steering::report::Heartbeat;
use tokio::net::TcpListener;

use crate::support::{Pki, STEERING, World, eventually, pushed_to};

#[tokio::test]
async fn a_heartbeat_says_what_a_steering_service_decides_by() {
    let world = World::new().await;
    let heartbeat = world.client(STEERING).heartbeat().await.unwrap();
    assert_eq!(heartbeat.load.connections, 3);
    assert_eq!(heartbeat.load.capacity_bytes_per_s, Some(1_000_000));
    assert!(
        heartbeat
            .load
            .headroom_bytes_per_s
            .is_some_and(|headroom| headroom <= 1_000_000)
    );
    assert_eq!(heartbeat.disks[0].state, "serving");
    assert_eq!(heartbeat.inventory.generation, Some(7));
    assert_eq!(heartbeat.fill.eta_s, Some(10));
    assert!(
        heartbeat.fill.failures.is_empty(),
        "those are in the progress"
    );
    assert!(heartbeat.certificate_expires_unix_s > 2_000_000_000);
}

/// A service that takes heartbeats, but for the first few.
struct Service {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<Heartbeat>>>,
    refused: Arc<AtomicUsize>,
}

async fn service(pki: &Pki, refusals: usize) -> Service {
    let config = tls::ServerConfig {
        certificates: vec![pki.identity("localhost")],
        client_ca: Some(pki.ca()),
        ..tls::ServerConfig::default()
    };
    let (tls, _) = tls::Server::load(config, message::now().wall).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (taken, refused) = (
        Arc::new(Mutex::new(Vec::new())),
        Arc::new(AtomicUsize::new(0)),
    );
    let (taking, refusing) = (Arc::clone(&taken), Arc::clone(&refused));
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let (stream, session) = tls.accept(socket).await.unwrap();
            assert_eq!(session.identity.as_deref(), Some("edge1.internal"));
            let (taking, refusing) = (Arc::clone(&taking), Arc::clone(&refusing));
            let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let (taking, refusing) = (Arc::clone(&taking), Arc::clone(&refusing));
                async move {
                    assert_eq!(
                        (request.method().as_str(), request.uri().path()),
                        ("POST", "/beats")
                    );
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    let mut response = http::Response::new(Full::<Bytes>::default());
                    if refusing.load(Ordering::Relaxed) < refusals {
                        refusing.fetch_add(1, Ordering::Relaxed);
                        *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
                    } else {
                        taking.lock().push(serde_json::from_slice(&body).unwrap());
                    }
                    Ok::<_, std::convert::Infallible>(response)
                }
            });
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            tokio::spawn(connection);
        }
    });
    Service {
        address,
        taken,
        refused,
    }
}

#[tokio::test]
async fn heartbeats_are_pushed_and_pushed_again_after_failures() {
    let elsewhere = Pki::new();
    let service = service(&elsewhere, 2).await;
    let url = format!("https://localhost:{}/beats", service.address.port());
    let every = Duration::from_millis(20);
    let push = pushed_to(&elsewhere, url, every);
    let _node = World::with(|_, config| config.push = Some(push)).await;
    eventually("two heartbeats", async || {
        (service.taken.lock().len() >= 2).then_some(())
    })
    .await;
    assert_eq!(service.refused.load(Ordering::Relaxed), 2);
    assert_eq!(service.taken.lock()[0].node, "edge1");
}
