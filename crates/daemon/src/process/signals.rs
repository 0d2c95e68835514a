//! Signals as events.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// SIGTERM and SIGINT: end.
    Stop(&'static str),
    /// SIGHUP: read the config again, and let go of rotated logs.
    Reload,
    /// SIGUSR1: let go of rotated logs.
    ReopenLogs,
}

/// Handlers for every signal whose default would kill us for nothing. SIGPIPE is ignored by the
/// standard library already, and by a handler here all the more; SIGQUIT keeps its core dump.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    user1: Signal,
    user2: Signal,
    pipe: Signal,
}

impl Signals {
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
            pipe: signal(SignalKind::pipe())?,
        })
    }

    /// The next event. Cancel safe. Signals of one kind that come faster than they are taken
    /// become one, so a storm costs no more than what it asks for, once.
    pub(super) async fn next(&mut self) -> Event {
        loop {
            tokio::select! {
                biased;
                _ = self.terminate.recv() => return Event::Stop("SIGTERM"),
                _ = self.interrupt.recv() => return Event::Stop("SIGINT"),
                _ = self.hangup.recv() => return Event::Reload,
                _ = self.user1.recv() => return Event::ReopenLogs,
                _ = self.user2.recv() => {}
                _ = self.pipe.recv() => {}
            }
        }
    }

    /// The next request to end.
    pub(super) async fn stop(&mut self) -> &'static str {
        loop {
            if let Event::Stop(signal) = self.next().await {
                return signal;
            }
        }
    }
}
