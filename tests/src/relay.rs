//! A wire that can be cut: between an edge and its shield, mostly.

use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Passes connections on. It ends when it is dropped.
pub struct Relay {
    address: SocketAddr,
    target: Arc<OnceLock<SocketAddr>>,
    cuts: watch::Sender<u64>,
    _running: DropGuard,
}

impl Relay {
    /// A relay that listens, and leads nowhere yet.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = Arc::<OnceLock<SocketAddr>>::default();
        let cuts = watch::Sender::new(0);
        let stop = CancellationToken::new();
        let passing = pass_all(listener, Arc::clone(&target), cuts.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(passing));
        Self {
            address,
            target,
            cuts,
            _running: stop.drop_guard(),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says where it leads, once.
    pub fn lead_to(&self, target: SocketAddr) {
        self.target.set(target).unwrap();
    }

    /// Cuts all connections that there are. New ones are passed on.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn pass_all(
    listener: TcpListener,
    target: Arc<OnceLock<SocketAddr>>,
    cuts: watch::Sender<u64>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (Ok((near, _)), Some(target)) = (accepted, target.get()) else { continue };
                connections.spawn(pass(near, *target, cuts.subscribe()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn pass(mut near: TcpStream, target: SocketAddr, mut cuts: watch::Receiver<u64>) {
    let Ok(mut far) = TcpStream::connect(target).await else {
        return;
    };
    tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => {}
        _ = cuts.changed() => {
            // Reset, so that what is on its way is lost.
            drop(near.set_zero_linger());
            drop(far.set_zero_linger());
        }
    }
}
