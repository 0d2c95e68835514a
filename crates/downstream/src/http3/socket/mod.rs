//! The UDP socket below quinn: what a connection sends in one turn of its driver goes to the
//! kernel in as few calls as there can be.
//!
//! quinn hands over ten datagrams at most, twenty in a turn, and copying each ten into the kernel
//! costs a walk through its network stack. Here they are gathered (`batch`) until the turn is over
//! (`driver`), which is the longest that a datagram waits. No lock guards a batch: drivers run to
//! the end of their turn in one thread, and each thread has a batch of its own.

mod batch;
mod driver;
mod kept;
#[cfg(test)]
mod tests;

use std::{
    io::{self, IoSliceMut},
    net::{SocketAddr, UdpSocket},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use quinn::{
    AsyncTimer, AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller,
    udp::{RecvMeta, Transmit},
};

use driver::Driver;
pub use kept::KEPT_BYTES_MAX;
pub(crate) use kept::Keepers;

/// A socket for quinn, and the runtime whose drivers take turns on it. Needs tokio's. All sockets of
/// a server have the same keepers.
pub(super) fn gather(
    socket: UdpSocket,
    keepers: &Keepers,
) -> io::Result<(Arc<Socket>, Arc<Turns>)> {
    let below = TokioRuntime.wrap_udp_socket(socket)?;
    let socket = Arc::new(Socket(Arc::clone(&below)));
    let turns = Turns {
        below,
        keepers: keepers.clone(),
    };
    Ok((socket, Arc::new(turns)))
}

/// A socket that gathers what is sent in a turn.
#[derive(Debug)]
pub(super) struct Socket(Arc<dyn AsyncUdpSocket>);

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.0).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        driver::send(transmit, &*self.0)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_recv(cx, bufs, meta)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.0.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.0.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.0.may_fragment()
    }
}

/// tokio, for quinn; what it spawns takes turns on a socket.
#[derive(Debug)]
pub(super) struct Turns {
    below: Arc<dyn AsyncUdpSocket>,
    keepers: Keepers,
}

#[expect(
    clippy::disallowed_types,
    reason = "quinn's trait has std's instants; they are of tokio's clock"
)]
impl Runtime for Turns {
    fn new_timer(&self, at: std::time::Instant) -> Pin<Box<dyn AsyncTimer>> {
        TokioRuntime.new_timer(at)
    }

    fn spawn(&self, driver: Pin<Box<dyn Future<Output = ()> + Send>>) {
        let driver = Driver::new(driver, Arc::clone(&self.below), self.keepers.clone());
        TokioRuntime.spawn(Box::pin(driver));
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        TokioRuntime.wrap_udp_socket(socket)
    }

    fn now(&self) -> std::time::Instant {
        TokioRuntime.now()
    }
}
