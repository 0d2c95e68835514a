//! From start to exit: build, serve, reload, drain.

mod lifecycle;
mod panics;
mod run;
mod signals;
mod sockets;
mod systemd;
mod workers;

pub use lifecycle::{Lifecycle, State, Status};
pub use run::{BoxError, Daemon, Node, start};
pub use sockets::{Sockets, SocketsError};
pub use workers::Workers;
