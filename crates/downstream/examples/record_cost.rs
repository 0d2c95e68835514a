//! CPU-seconds of a server per GB sent: with our record layer, with rustls's, and the floor of both.
//!
//! `cargo run --release -p downstream --example record_cost -- [rounds] [seconds] [only]`, where
//! `only` is the beginning of `h1-1024`, `h2-64` and so on.
//!
//! A whole server, but for its cache, serves bodies from 256 MiB of memory over TLS 1.3 on one
//! core; the client is on the other. The floor is the cipher and the socket alone: the same memory
//! sealed in records of 16 KiB into a buffer as large as the record layer's, or as one body if that
//! is less, and one write for each. All three take turns; printed are medians and the spread.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a measuring program"
)]

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use bytes::Bytes;
use downstream::{Config, Drain, Listeners, Server, Share};
use http::Request;
use message::{Answer, Body, Handler};
use prometheus::Registry;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls_pki_types::ServerName;
use tempfile::TempDir;
use tls::record::RecordLayer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    time::Instant,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

const OBJECTS_BYTES: usize = 256 << 20;
/// Smaller bodies are fewer, so that making them does not take longer than sending.
const SPACING_BYTES: usize = 64 << 10;
const CONNECTIONS: usize = 4;
/// Sealed and written at a time by the floor.
const BUFFER_BYTES: usize = 512 << 10;
const RECORD_BYTES: usize = 16 << 10;
/// What a record adds: header, kind, tag.
const HEADER_BYTES: usize = 5;
const TAIL_BYTES: usize = 17;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| {
        arguments
            .next()
            .map_or(default, |text| text.parse().unwrap())
    };
    let (rounds, seconds) = (number(7), number(2));
    let only = std::env::args().nth(3).unwrap_or_default();
    println!("CPU-s per GB: median (least-most)");
    for h2 in [false, true] {
        for body_bytes in [1 << 20, 64 << 10, 4 << 10] {
            if !format!("{}-{}", if h2 { "h2" } else { "h1" }, body_bytes >> 10).starts_with(&only)
            {
                continue;
            }
            let mut costs = [Vec::new(), Vec::new(), Vec::new()];
            for _ in 0..rounds {
                costs[2].push(floor(body_bytes, Duration::from_secs(seconds)));
                for (at, records) in [RecordLayer::Own, RecordLayer::Rustls]
                    .into_iter()
                    .enumerate()
                {
                    costs[at].push(measure(
                        records,
                        h2,
                        body_bytes,
                        Duration::from_secs(seconds),
                    ));
                }
            }
            report(h2, body_bytes, &mut costs);
        }
    }
}

fn report(h2: bool, body_bytes: usize, costs: &mut [Vec<Run>; 3]) {
    for cost in costs.iter_mut() {
        cost.sort_by(|one, other| one.cost.total_cmp(&other.cost));
    }
    let median = |runs: &[Run]| runs[runs.len() / 2].cost;
    let range = |runs: &[Run]| {
        let mut rates: Vec<_> = runs.iter().map(|run| run.rate).collect();
        rates.sort_by(f64::total_cmp);
        let (least, most) = (runs[0].cost, runs[runs.len() - 1].cost);
        let rate = rates[rates.len() / 2];
        format!("{:.3} ({least:.3}-{most:.3}) {rate:.1} GB/s", median(runs))
    };
    let [own, rustls, floor] = costs;
    println!(
        "{} {:>4} KiB  own {}, rustls {}, floor {}; own {:.2}x and rustls {:.2}x the floor",
        if h2 { "H2" } else { "H1" },
        body_bytes >> 10,
        range(own),
        range(rustls),
        range(floor),
        median(own) / median(floor),
        median(rustls) / median(floor),
    );
}

/// What no server that seals and writes can undercut.
fn floor(body_bytes: usize, duration: Duration) -> Run {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let draining = thread::spawn(move || {
        pin_to(1);
        let (mut socket, _) = listener.accept().unwrap();
        let mut bytes = vec![0; 256 << 10];
        while socket.read(&mut bytes).unwrap() > 0 {}
    });
    let sending = thread::spawn(move || {
        pin_to(0);
        let plain = vec![7; OBJECTS_BYTES];
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &[7; 16]).unwrap());
        let mut socket = std::net::TcpStream::connect(address).unwrap();
        let mut sealed = vec![0; BUFFER_BYTES + BUFFER_BYTES / RECORD_BYTES * 32];
        let before = cpu_s();
        let (begin, mut sent) = (Instant::now(), 0);
        for piece in plain.chunks(body_bytes.min(BUFFER_BYTES)).cycle() {
            if begin.elapsed() >= duration {
                break;
            }
            let sealed_bytes = seal(&key, piece, &mut sealed);
            socket.write_all(&sealed[..sealed_bytes]).unwrap();
            sent += piece.len();
        }
        Run {
            cost: (cpu_s() - before) / (sent as f64 / 1e9),
            rate: sent as f64 / 1e9 / begin.elapsed().as_secs_f64(),
        }
    });
    let run = sending.join().unwrap();
    draining.join().unwrap();
    run
}

/// Seals as a record layer would. Returns the bytes of `out` that it took.
fn seal(key: &LessSafeKey, plain: &[u8], out: &mut [u8]) -> usize {
    let mut at = 0;
    for record in plain.chunks(RECORD_BYTES) {
        let nonce = Nonce::assume_unique_for_key([0; 12]);
        let (_, rest) = out[at..].split_at_mut(HEADER_BYTES);
        let (body, rest) = rest.split_at_mut(record.len());
        let tail = &mut rest[..TAIL_BYTES];
        key.seal_out_of_place_scatter(nonce, Aad::from([0; 5]), record, body, &[23], tail)
            .unwrap();
        at += HEADER_BYTES + record.len() + TAIL_BYTES;
    }
    at
}

/// Puts the calling thread on one core.
fn pin_to(core: usize) {
    let link = fs::read_link("/proc/thread-self").unwrap();
    let thread = link.file_name().unwrap().to_str().unwrap().to_owned();
    let pinned = Command::new("taskset")
        .args(["-pc", &core.to_string(), &thread])
        .output();
    assert!(
        pinned.is_ok_and(|output| output.status.success()),
        "taskset"
    );
}

/// What the calling thread has run, in seconds.
fn cpu_s() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace()
        .next()
        .unwrap()
        .parse::<f64>()
        .unwrap()
        / 1e9
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// One run: CPU-seconds of the server's thread per GB of bodies, and GB per second.
struct Run {
    cost: f64,
    rate: f64,
}

fn measure(record_layer: RecordLayer, h2: bool, body_bytes: usize, duration: Duration) -> Run {
    let dir = TempDir::new().unwrap();
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(vec!["media.test".to_owned()]).unwrap();
    let identity = tls::Identity {
        cert: dir.path().join("crt"),
        key: dir.path().join("key"),
    };
    fs::write(&identity.cert, cert.pem()).unwrap();
    fs::write(&identity.key, signing_key.serialize_pem()).unwrap();
    let client = tls::ClientConfig {
        ca: vec![identity.cert.clone()],
        identity: None,
        alpn: vec![if h2 {
            b"h2".to_vec()
        } else {
            b"http/1.1".to_vec()
        }],
    };
    let client = client.build(message::now().wall).unwrap().0;
    let server = tls::ServerConfig {
        certificates: vec![identity],
        record_layer,
        ..tls::ServerConfig::default()
    };
    let server = tls::Server::load(server, message::now().wall).unwrap().0;

    let (tell, address) = sync_channel(1);
    let (stop, stopped) = oneshot::channel::<()>();
    let named = thread::Builder::new().name(format!("{record_layer:?}"));
    let serving = named
        .spawn(move || {
            pin_to(0);
            let count = OBJECTS_BYTES / body_bytes.max(SPACING_BYTES);
            let body = |at: usize| Bytes::from(vec![at.to_le_bytes()[0]; body_bytes]);
            let objects = Arc::new(Objects {
                bodies: (0..count).map(body).collect(),
                sent: AtomicU64::new(0),
            });
            let serving = serve(server, Arc::clone(&objects), (tell, stopped));
            let cost = runtime().block_on(serving);
            let sent = objects.sent.load(Ordering::Relaxed) * body_bytes as u64;
            Run {
                cost: cost / (sent as f64 / 1e9),
                rate: sent as f64 / 1e9 / duration.as_secs_f64(),
            }
        })
        .unwrap();
    let address = address.recv().unwrap();
    let loading = thread::spawn(move || {
        pin_to(1);
        runtime().block_on(async {
            let until = Instant::now() + duration;
            let client = || tokio::spawn(load(address, Arc::clone(&client), h2, body_bytes, until));
            let clients: Vec<_> = (0..CONNECTIONS).map(|_| client()).collect();
            for client in clients {
                client.await.unwrap();
            }
        });
    });
    loading.join().unwrap();
    stop.send(()).unwrap();
    serving.join().unwrap()
}

/// Serves until told to stop; CPU-seconds spent on it.
async fn serve(
    server: tls::Server,
    objects: Arc<Objects>,
    (tell, stopped): (SyncSender<SocketAddr>, oneshot::Receiver<()>),
) -> f64 {
    let listeners = Listeners::bind("127.0.0.1:0".parse().unwrap(), Share::Alone).unwrap();
    tell.send(listeners.addresses()[0]).unwrap();
    let mut config = Config::new("bench");
    config.limits.requests_per_connection = u64::MAX;
    config.limits.connections_per_ipv4 = u32::MAX;
    config.limits.new_connections_burst = u32::MAX;
    let drain = Drain::new(Duration::ZERO);
    let server = Server::new(config, Arc::new(server), objects, &Registry::new()).unwrap();
    let before = cpu_s();
    let running = tokio::spawn(server.run(listeners, drain.clone()));
    drop(stopped.await);
    let cost = cpu_s() - before;
    drain.start();
    drop(running.await);
    cost
}

/// Bodies that come from memory, not from a cache of the CPU.
struct Objects {
    bodies: Vec<Bytes>,
    sent: AtomicU64,
}

impl Handler for Objects {
    fn handle(&self, _: message::Request) -> Answer<'_> {
        let count = self.sent.fetch_add(1, Ordering::Relaxed) as usize;
        let body = self.bodies[count % self.bodies.len()].clone();
        Box::pin(async { message::Response::new(Body::from(body)) })
    }
}

async fn load(
    address: SocketAddr,
    config: Arc<rustls::ClientConfig>,
    h2: bool,
    body_bytes: usize,
    until: Instant,
) {
    let socket = TcpStream::connect(address).await.unwrap();
    socket.set_nodelay(true).unwrap();
    let name = ServerName::try_from("media.test").unwrap();
    let stream = TlsConnector::from(config)
        .connect(name, socket)
        .await
        .unwrap();
    if h2 {
        load_h2(stream, body_bytes, until).await;
    } else {
        load_h1(stream, body_bytes, until).await;
    }
}

async fn load_h1(mut stream: TlsStream<TcpStream>, body_bytes: usize, until: Instant) {
    let mut bytes = vec![0; 256 << 10];
    while Instant::now() < until {
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: media.test\r\n\r\n")
            .await
            .unwrap();
        let (mut head, mut got) = (Vec::new(), 0);
        while got < body_bytes {
            let read = stream.read(&mut bytes).await.unwrap();
            assert!(read > 0);
            if got > 0 {
                got += read;
                continue;
            }
            head.extend_from_slice(&bytes[..read]);
            if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                got = head.len() - end - 4;
            }
        }
        assert_eq!(got, body_bytes);
    }
}

async fn load_h2(stream: TlsStream<TcpStream>, body_bytes: usize, until: Instant) {
    let mut builder = ::h2::client::Builder::new();
    builder
        .initial_window_size(8 << 20)
        .initial_connection_window_size(64 << 20);
    let (client, connection) = builder.handshake::<_, Bytes>(stream).await.unwrap();
    let driver = tokio::spawn(connection);
    let streams: Vec<_> = (0..4)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                while Instant::now() < until {
                    let mut client = client.clone().ready().await.unwrap();
                    let request = Request::get("https://media.test/").body(()).unwrap();
                    let (response, _) = client.send_request(request, true).unwrap();
                    let mut body = response.await.unwrap().into_body();
                    let mut got = 0;
                    while let Some(data) = body.data().await {
                        let data = data.unwrap();
                        got += data.len();
                        body.flow_control().release_capacity(data.len()).unwrap();
                    }
                    assert_eq!(got, body_bytes);
                }
            })
        })
        .collect();
    for stream in streams {
        stream.await.unwrap();
    }
    drop(client);
    driver.abort();
}
