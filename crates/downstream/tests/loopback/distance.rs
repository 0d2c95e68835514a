//! Bodies over a path with a distance and a finite queue. How fast is a matter of the benches.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::UdpSocket,
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use crate::support::{
    PATIENCE,
    clients::{Speaks, try_connect_to},
    content::bytes_of,
    start,
};

/// One way.
const DELAY: Duration = Duration::from_millis(50);
/// Datagrams that are on their way one way; more are lost.
const ON_THE_WAY_MAX: usize = 2_000;
/// More than a congestion window and what QUIC holds at first.
const LENGTH: u64 = 5 << 20;

struct Datagram {
    due: Instant,
    bytes: Vec<u8>,
}

/// A path of UDP between one client and the server. It ends when dropped.
struct Path {
    address: SocketAddr,
    _tasks: JoinSet<std::io::Result<()>>,
}

impl Path {
    async fn to(server: SocketAddr) -> std::io::Result<Self> {
        let near = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
        let far = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
        far.connect(server).await?;
        let address = near.local_addr()?;
        let mut tasks = JoinSet::new();
        let (up, comes_up) = channel(ON_THE_WAY_MAX);
        let (down, comes_down) = channel(ON_THE_WAY_MAX);
        tasks.spawn(leave(Arc::clone(&far), down));
        tasks.spawn(arrive(comes_up, far));
        tasks.spawn(async move {
            // The first datagram says who the client is.
            let mut bytes = vec![0; 2_048];
            let (length, client) = near.recv_from(&mut bytes).await?;
            near.connect(client).await?;
            bytes.truncate(length);
            let due = Instant::now() + DELAY;
            // Nothing is on its way yet.
            drop(up.try_send(Datagram { due, bytes }));
            tokio::try_join!(leave(Arc::clone(&near), up), arrive(comes_down, near)).map(drop)
        });
        Ok(Self {
            address,
            _tasks: tasks,
        })
    }
}

async fn leave(from: Arc<UdpSocket>, path: Sender<Datagram>) -> std::io::Result<()> {
    let mut bytes = vec![0; 2_048];
    loop {
        let length = from.recv(&mut bytes).await?;
        let datagram = Datagram {
            due: Instant::now() + DELAY,
            bytes: bytes[..length].to_vec(),
        };
        // A full queue loses it.
        drop(path.try_send(datagram));
    }
}

async fn arrive(mut path: Receiver<Datagram>, to: Arc<UdpSocket>) -> std::io::Result<()> {
    while let Some(datagram) = path.recv().await {
        sleep_until(datagram.due).await;
        to.send(&datagram.bytes).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_http3_arrives_whole_from_afar() {
    let running = start(|_| {});
    let path = Path::to(running.address).await.unwrap();
    let client = try_connect_to(path.address, &running, Speaks::Http3).await;
    let mut client = client.unwrap();
    for object in [1, 2] {
        let path = format!("/full/{object}/{LENGTH}");
        let got = timeout(PATIENCE, client.get(&path)).await;
        let got = got.expect("an end");
        assert_eq!(got.broken, None);
        assert!(got.body == bytes_of(object, 0..LENGTH), "object {object}");
    }
    running.end().await;
}
