//! A ring that a runtime drives: its poll tells of completions as it tells of sockets.

use std::{
    fs::File,
    io,
    os::fd::RawFd,
    sync::{Arc, OnceLock},
    thread,
};

use parking_lot::Mutex;
use tokio::{
    io::{Interest, unix::AsyncFd},
    runtime::Handle,
    sync::{Notify, oneshot},
    task::AbortHandle,
};

use super::{
    kernel::Submitted,
    order::{Done, Order, Work},
    ring::{BREATH, Ring},
};
use crate::{Error, Operation, gate::Permit};

/// A ring and what becomes of it.
pub(super) struct Lane {
    state: Mutex<State>,
    /// Somebody's order waits for the end of the turn.
    waits: Notify,
    reaper: OnceLock<AbortHandle>,
    runtime: Handle,
    /// The device stays locked until the last operation has landed.
    _lock: Arc<File>,
}

struct State {
    /// Taken out when the reaper ends.
    ring: Option<Ring>,
    /// Nobody will order any more.
    closed: bool,
    /// Somebody waits to submit again.
    retrying: bool,
    /// The kernel will not take anything any more.
    broken: bool,
}

impl Lane {
    /// Has the current runtime, whose handle is `runtime`, drive `ring`. Its I/O must be enabled.
    pub(super) fn start(ring: Ring, runtime: Handle, lock: Arc<File>) -> io::Result<Arc<Self>> {
        let descriptor = ring.descriptor();
        #[expect(
            unsafe_code,
            reason = "the runtime keeps a descriptor that it does not own"
        )]
        let poll = {
            // SAFETY: the ring is closed by `State::end` only, which `Driven` calls, and that is
            // dropped after the poll: see `Reaper`.
            unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) }
        };
        let poll = poll.map_err(|refused| refused.into_parts().1)?;
        let state = State {
            ring: Some(ring),
            closed: false,
            retrying: false,
            broken: false,
        };
        let lane = Arc::new(Self {
            state: Mutex::new(state),
            waits: Notify::new(),
            reaper: OnceLock::new(),
            runtime,
            _lock: lock,
        });
        let reaper = Reaper {
            poll,
            lane: Driven(Arc::clone(&lane)),
        };
        let task = lane.runtime.spawn(reaper.run());
        lane.reaper.get_or_init(|| task.abort_handle());
        Ok(lane)
    }

    /// Whether the runtime that drove it is gone.
    pub(super) fn has_ended(&self) -> bool {
        self.state.lock().ring.is_none()
    }

    /// Places an order and waits for its outcome. Cancel safe: who stops waiting has it cancelled,
    /// and the buffer stays with the ring until the kernel has let go of it.
    pub(super) async fn order(self: Arc<Self>, work: Work, permit: Permit) -> Done {
        let (operation, offset) = (work.operation(), work.offset());
        let (reply, outcome) = oneshot::channel();
        let slot = self.place(Order {
            work,
            reply,
            permit,
        });
        let mut waiting = Waiting {
            lane: &self,
            slot: slot.ok_or_else(|| ended(operation, offset))?,
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

    /// The kernel has it when this returns, or at the end of the turn: see [`super::batch`].
    fn place(self: &Arc<Self>, order: Order) -> Option<usize> {
        let mut state = self.state.lock();
        if state.broken {
            return None;
        }
        let ring = state.ring.as_mut()?;
        let slot = ring.start(order);
        if ring.is_due() {
            self.submit(&mut state);
        } else {
            // The reaper comes after all that is ready to run in its runtime now. Told again, it
            // comes once.
            self.waits.notify_one();
        }
        slot
    }

    /// The turn is over.
    fn hand_over(self: &Arc<Self>) {
        self.submit(&mut self.state.lock());
    }

    fn cancel(self: &Arc<Self>, slot: usize) {
        let mut state = self.state.lock();
        if let Some(ring) = &mut state.ring {
            ring.cancel_abandoned(slot);
            let over = ring.is_idle();
            self.submit(&mut state);
            if over && state.closed {
                // No completion will tell the reaper.
                self.end();
            }
        }
    }

    fn submit(self: &Arc<Self>, state: &mut State) {
        let submitted = state.ring.as_mut().map(Ring::submit);
        match submitted {
            None | Some(Ok(Submitted::All)) => {}
            Some(Ok(Submitted::Later)) if state.retrying => {}
            Some(Ok(Submitted::Later)) => {
                state.retrying = true;
                self.runtime.spawn(retry(Arc::clone(self)));
            }
            Some(Err(_broken)) => {
                state.broken = true;
                self.end();
            }
        }
    }

    /// Deals with what has completed. Whether the reaper is to go on.
    fn reap(self: &Arc<Self>) -> bool {
        let mut state = self.state.lock();
        let closed = state.closed;
        let Some(ring) = &mut state.ring else {
            return false;
        };
        if ring.reap().is_err() || (closed && ring.is_idle()) {
            return false;
        }
        // What was interrupted, and what waits: there is less to wait for.
        self.submit(&mut state);
        true
    }

    /// Nobody will order any more. What is in flight lands in peace.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        if state.ring.as_ref().is_none_or(Ring::is_idle) {
            self.end();
        }
    }

    fn end(&self) {
        if let Some(reaper) = self.reaper.get() {
            reaper.abort();
        }
    }
}

impl State {
    /// Refuses what comes from now on. What is in flight is waited for by a thread of its own, as
    /// a disk that hangs must not hold up a runtime that ends.
    fn end(&mut self) {
        let Some(ring) = self.ring.take() else {
            return;
        };
        if !ring.is_idle() {
            // If there is no thread to be had, the ring is dropped, which waits, here.
            let _ = thread::Builder::new()
                .name("disk-settle".to_owned())
                .spawn(move || drop(ring));
        }
    }
}

/// The task that takes completions as they come, and hands over what waits when a turn is over. It
/// sleeps in its runtime's poll.
struct Reaper {
    /// Before the ring whose descriptor it watches.
    poll: AsyncFd<RawFd>,
    lane: Driven,
}

/// A lane that is driven. Dropped, with its runtime or by its task's end, it has ended.
struct Driven(Arc<Lane>);

impl Drop for Driven {
    fn drop(&mut self) {
        self.0.state.lock().end();
    }
}

impl Reaper {
    async fn run(self) {
        let lane = &self.lane.0;
        loop {
            tokio::select! {
                biased;
                ready = self.poll.readable() => {
                    // An error is that of a runtime that shuts down.
                    let Ok(mut ready) = ready else { return };
                    if !lane.reap() {
                        return;
                    }
                    // What completed since is told of again.
                    ready.clear_ready();
                }
                () = lane.waits.notified() => lane.hand_over(),
            }
        }
    }
}

async fn retry(lane: Arc<Lane>) {
    tokio::time::sleep(BREATH).await;
    let mut state = lane.state.lock();
    state.retrying = false;
    lane.submit(&mut state);
}

/// Somebody waits for an order. Dropped before the outcome is there, it has the order cancelled.
struct Waiting<'a> {
    lane: &'a Arc<Lane>,
    slot: usize,
    outcome: Option<oneshot::Receiver<Done>>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(outcome) = self.outcome.take() {
            drop(outcome);
            self.lane.cancel(self.slot);
        }
    }
}

fn ended(operation: Operation, offset: u64) -> Error {
    Error::io(operation, offset, io::Error::other("the engine has ended"))
}

#[cfg(test)]
mod tests {
    use tokio::time::{Duration, Instant, timeout_at};

    use super::*;
    use crate::{
        BLOCK, Pool,
        gate::{Gate, Turn},
        uring::batch::BATCH_MAX,
    };

    const READS: usize = 12;

    /// A disk that never answers: all that wait for each other time out when they would have alone,
    /// and give back what they hold.
    #[tokio::test(start_paused = true)]
    async fn who_waits_for_others_has_no_more_time_than_they() {
        let (reader, _writer) = io::pipe().unwrap();
        let file = Arc::new(File::from(std::os::fd::OwnedFd::from(reader)));
        let ring = match Ring::new(&file, READS, BATCH_MAX) {
            Ok(ring) => ring,
            Err(error) => {
                eprintln!("skipped: no io_uring here: {error}");
                return;
            }
        };
        let lane = Lane::start(ring, Handle::current(), file).unwrap();
        let (pool, gate) = (Pool::new(1 << 20), Gate::new(READS));
        let mut late = Vec::new();
        for number in 1..=READS {
            let permit = gate.enter(Turn::Read).await.unwrap();
            let buffer = pool.take(BLOCK);
            let order = Arc::clone(&lane).order(Work::Read { offset: 0, buffer }, permit);
            let end = Instant::now() + Duration::from_millis(50 * number as u64);
            late.push(tokio::spawn(async move {
                (timeout_at(end, order).await.is_err(), end.elapsed())
            }));
        }
        for order in late {
            let (late, since) = order.await.unwrap();
            assert!(late);
            assert!(since < Duration::from_millis(50), "{since:?}");
        }
        while !gate.is_idle() {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.retained_bytes(), READS * BLOCK);
    }
}
