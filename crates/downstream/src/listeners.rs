//! Sockets, bound before anything else so that a taken port is an error at start.

use std::{
    io,
    net::{SocketAddr, TcpListener, UdpSocket},
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::Error;

/// Connections waiting to be accepted.
const BACKLOG: i32 = 1024;

/// The sockets that a server listens on; bound here or handed over by systemd.
#[derive(Debug, Default)]
pub struct Listeners {
    /// For HTTP/1 and HTTP/2.
    pub tcp: Vec<TcpListener>,
    /// For HTTP/3.
    pub udp: Vec<UdpSocket>,
}

impl Listeners {
    /// Binds TCP and UDP on one address; port 0 takes one that is free for both.
    pub fn bind(address: SocketAddr, share: Share) -> Result<Self, Error> {
        let tcp = Self::bind_tcp(address, share)?;
        let taken = tcp
            .local_addr()
            .map_err(|source| Error::Bind { address, source })?;
        let udp = Self::bind_udp(taken, share)?;
        Ok(Self {
            tcp: vec![tcp],
            udp: vec![udp],
        })
    }

    /// Binds a TCP listener.
    pub fn bind_tcp(address: SocketAddr, share: Share) -> Result<TcpListener, Error> {
        let bind = || {
            let socket = open(address, Type::STREAM, Protocol::TCP, share)?;
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            Ok(socket.into())
        };
        bind().map_err(|source| Error::Bind { address, source })
    }

    /// Binds a UDP socket.
    pub fn bind_udp(address: SocketAddr, share: Share) -> Result<UdpSocket, Error> {
        let bind = || {
            let socket = open(address, Type::DGRAM, Protocol::UDP, share)?;
            socket.bind(&address.into())?;
            Ok(socket.into())
        };
        bind().map_err(|source| Error::Bind { address, source })
    }

    /// The addresses listened on, TCP first.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let tcp = self
            .tcp
            .iter()
            .filter_map(|listener| listener.local_addr().ok());
        tcp.chain(
            self.udp
                .iter()
                .filter_map(|socket| socket.local_addr().ok()),
        )
        .collect()
    }
}

/// Whether another process may bind the same port, as during an upgrade of the binary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Share {
    /// The port is ours alone.
    #[default]
    Alone,
    /// `SO_REUSEPORT`.
    ReusePort,
}

fn open(address: SocketAddr, kind: Type, protocol: Protocol, share: Share) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        // `[::]` must not take the IPv4 port as well: an operator lists both addresses.
        socket.set_only_v6(true)?;
    }
    if share == Share::ReusePort {
        socket.set_reuse_port(true)?;
    }
    Ok(socket)
}

/// Makes a socket that came from elsewhere fit for the runtime.
pub(crate) fn adopt<'s>(socket: impl Into<SockRef<'s>>) -> io::Result<()> {
    socket.into().set_nonblocking(true)
}
