//! Sockets that systemd opened for us (`sd_listen_fds(3)`), by name.

use std::{
    env, io,
    net::{TcpListener, UdpSocket},
};

use listenfd::ListenFd;

/// Sockets handed over, at most.
const SOCKETS_MAX: usize = 64;

/// Handed-over sockets that nobody has taken yet, set to non-blocking.
#[derive(Debug, Default)]
pub struct Sockets {
    tcp: Vec<(String, TcpListener)>,
    udp: Vec<(String, UdpSocket)>,
}

/// Why handed-over sockets were refused.
#[derive(Debug, thiserror::Error)]
pub enum SocketsError {
    /// More than anybody needs, or not a number.
    #[error("LISTEN_FDS is {0:?}: expected 0 to {SOCKETS_MAX}")]
    Count(String),
    /// Something that we cannot listen on.
    #[error("cannot take over socket {name:?} (descriptor {descriptor}): expected TCP or UDP")]
    Kind {
        /// Its `FileDescriptorName`.
        name: String,
        /// Its number.
        descriptor: usize,
        /// What it is.
        #[source]
        source: io::Error,
    },
}

impl Sockets {
    /// Takes what systemd handed to this very process; without it, nothing.
    ///
    /// Call it once, first thing in `main`, before any thread runs: it changes the environment so
    /// that children do not take the sockets for theirs.
    pub fn inherit() -> Result<Self, SocketsError> {
        let Ok(count) = env::var("LISTEN_FDS") else {
            return Ok(Self::default());
        };
        if count
            .parse::<usize>()
            .ok()
            .is_none_or(|count| count > SOCKETS_MAX)
        {
            return Err(SocketsError::Count(count));
        }
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':').map(str::to_owned);
        let mut handed_over = ListenFd::from_env();
        let mut sockets = Self::default();
        for index in 0..handed_over.len() {
            let name = names.next().unwrap_or_default();
            sockets.adopt(&mut handed_over, index, name)?;
        }
        Ok(sockets)
    }

    /// Takes the TCP listeners of that name.
    pub fn take_tcp(&mut self, name: &str) -> Vec<TcpListener> {
        take(&mut self.tcp, name)
    }

    /// Takes the UDP sockets of that name.
    pub fn take_udp(&mut self, name: &str) -> Vec<UdpSocket> {
        take(&mut self.udp, name)
    }

    /// The names of those that nobody took: a unit and a node that do not fit each other.
    pub fn unclaimed(&self) -> Vec<&str> {
        let tcp = self.tcp.iter().map(|(name, _)| name.as_str());
        tcp.chain(self.udp.iter().map(|(name, _)| name.as_str()))
            .collect()
    }

    fn adopt(
        &mut self,
        handed_over: &mut ListenFd,
        index: usize,
        name: String,
    ) -> Result<(), SocketsError> {
        let tcp = handed_over.take_tcp_listener(index).and_then(|listener| {
            listener
                .map(|it| it.set_nonblocking(true).map(|()| it))
                .transpose()
        });
        if let Ok(Some(listener)) = tcp {
            self.tcp.push((name, listener));
            return Ok(());
        }
        let udp = handed_over.take_udp_socket(index).and_then(|socket| {
            socket
                .map(|it| it.set_nonblocking(true).map(|()| it))
                .transpose()
        });
        match udp {
            Ok(socket) => self.udp.extend(socket.map(|socket| (name, socket))),
            // The first descriptor that is handed over is 3.
            Err(source) => {
                return Err(SocketsError::Kind {
                    name,
                    descriptor: index + 3,
                    source,
                });
            }
        }
        Ok(())
    }
}

fn take<S>(sockets: &mut Vec<(String, S)>, name: &str) -> Vec<S> {
    let (taken, left) = std::mem::take(sockets)
        .into_iter()
        .partition(|(other, _)| other == name);
    *sockets = left;
    let taken: Vec<(String, S)> = taken;
    taken.into_iter().map(|(_, socket)| socket).collect()
}
