//! Where orders wait for the ring's thread, and how those who placed them hear of the outcome.

use std::{
    io,
    sync::{Arc, OnceLock},
    thread::{self, Thread},
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::wake::Wake;
use crate::{Buffer, Error, Operation, gate::Permit};

/// What is to be done. It owns the buffer for as long as the kernel may touch it.
pub(super) enum Work {
    /// Fill the buffer.
    Read { offset: u64, buffer: Buffer },
    /// Write the first `length` bytes of the buffer.
    Write {
        offset: u64,
        buffer: Buffer,
        length: usize,
    },
    /// Make all that was written durable.
    Sync,
}

impl Work {
    pub(super) fn operation(&self) -> Operation {
        match self {
            Self::Read { .. } => Operation::Read,
            Self::Write { .. } => Operation::Write,
            Self::Sync => Operation::Sync,
        }
    }

    pub(super) fn offset(&self) -> u64 {
        match self {
            Self::Read { offset, .. } | Self::Write { offset, .. } => *offset,
            Self::Sync => 0,
        }
    }

    /// Bytes to be moved.
    pub(super) fn wanted(&self) -> usize {
        match self {
            Self::Read { buffer, .. } => buffer.len(),
            Self::Write { length, .. } => *length,
            Self::Sync => 0,
        }
    }
}

/// What a finished order gives back: the buffer of a read.
pub(super) type Done = Result<Option<Buffer>, Error>;

/// Work, who waits for it, and the place that it takes up among the operations in flight.
pub(super) struct Order {
    pub(super) work: Work,
    pub(super) reply: oneshot::Sender<Done>,
    pub(super) permit: Permit,
}

/// The queue between those who order and the thread that owns the ring. Its length is bounded by
/// the permits that orders hold.
pub(super) struct Desk {
    state: Mutex<State>,
    wake: Arc<Wake>,
    thread: OnceLock<Thread>,
}

#[derive(Default)]
struct State {
    orders: Vec<Order>,
    asleep: Asleep,
    /// Somebody gave up: there may be something to cancel.
    abandoned: bool,
    phase: Phase,
}

/// Where the thread waits, or is about to.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Asleep {
    #[default]
    No,
    /// In the ring, for completions. The event counter reaches it there.
    InRing,
    /// Outside, because nothing is in flight: a thread that waits in a ring is shown by the system
    /// as one that waits for a disk.
    Parked,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Open,
    /// Nobody is left to order.
    Closed,
    /// The thread has ended.
    Ended,
}

/// What the thread found on the desk.
pub(super) struct Taken {
    pub(super) abandoned: bool,
    pub(super) closed: bool,
}

impl Desk {
    pub(super) fn new(wake: Arc<Wake>) -> Self {
        Self {
            state: Mutex::default(),
            wake,
            thread: OnceLock::new(),
        }
    }

    /// Places an order. Cancel safe: who stops waiting has it cancelled, and the buffer stays with
    /// the ring until the kernel has let go of it.
    pub(super) async fn order(&self, work: Work, permit: Permit) -> Done {
        let (operation, offset) = (work.operation(), work.offset());
        let (reply, outcome) = oneshot::channel();
        self.tell(|state| {
            // Dropping an order tells its owner that there is nobody to do it.
            if state.phase != Phase::Ended {
                state.orders.push(Order {
                    work,
                    reply,
                    permit,
                });
            }
        });
        let mut waiting = Waiting {
            desk: self,
            outcome: Some(outcome),
        };
        let done = match &mut waiting.outcome {
            Some(outcome) => outcome.await,
            None => return Err(ended(operation, offset)),
        };
        // Nothing to cancel any more.
        waiting.outcome = None;
        done.unwrap_or_else(|_lost| Err(ended(operation, offset)))
    }

    /// Nobody will order any more.
    pub(super) fn close(&self) {
        self.tell(|state| {
            if state.phase == Phase::Open {
                state.phase = Phase::Closed;
            }
        });
    }

    /// The calling thread is the one to be woken.
    pub(super) fn attend(&self) {
        self.thread.get_or_init(thread::current);
    }

    /// Sleeps until there is something on the desk. For when nothing is in flight.
    pub(super) fn doze(&self) {
        let mut state = self.state.lock();
        if state.asleep == Asleep::No {
            // Somebody came since the desk was looked at.
            return;
        }
        state.asleep = Asleep::Parked;
        drop(state);
        thread::park();
    }

    /// Takes the orders that wait. From now until [`Self::awake`] whoever orders wakes the thread.
    pub(super) fn take(&self, into: &mut Vec<Order>) -> Taken {
        let mut state = self.state.lock();
        into.append(&mut state.orders);
        state.asleep = Asleep::InRing;
        Taken {
            abandoned: std::mem::take(&mut state.abandoned),
            closed: state.phase != Phase::Open,
        }
    }

    /// The thread is awake, and will look here before it waits again.
    pub(super) fn awake(&self) {
        self.state.lock().asleep = Asleep::No;
    }

    /// The thread has ended: what waits is refused, and so is what comes later.
    pub(super) fn end(&self) {
        let orders = {
            let mut state = self.state.lock();
            state.phase = Phase::Ended;
            std::mem::take(&mut state.orders)
        };
        drop(orders);
    }

    fn tell(&self, change: impl FnOnce(&mut State)) {
        let asleep = {
            let mut state = self.state.lock();
            change(&mut state);
            std::mem::take(&mut state.asleep)
        };
        match asleep {
            Asleep::No => {}
            Asleep::InRing => self.wake.wake(),
            Asleep::Parked => {
                if let Some(thread) = self.thread.get() {
                    thread.unpark();
                }
            }
        }
    }
}

/// Somebody waits for an order. Dropped before the outcome is there, it has the order cancelled.
struct Waiting<'a> {
    desk: &'a Desk,
    outcome: Option<oneshot::Receiver<Done>>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome.take() {
            drop(outcome);
            self.desk.tell(|state| state.abandoned = true);
        }
    }
}

fn ended(operation: Operation, offset: u64) -> Error {
    Error::io(operation, offset, io::Error::other("the engine has ended"))
}
