//! The ring: operations in flight, each with the buffer that the kernel may touch until its
//! completion is seen. Used by one thread at a time.

use std::{
    fs::File,
    io,
    mem::ManuallyDrop,
    os::fd::{AsRawFd, RawFd},
    sync::Arc,
    thread,
    time::Duration,
};

use io_uring::{CompletionQueue, IoUring, SubmissionQueue, cqueue, opcode, squeue};
use tokio::sync::oneshot;

use super::{
    batch,
    kernel::{self, Submitted, entry, transient},
    order::Order,
};
use crate::{registry::Registry, seats::Landing};

/// Marks a completion that belongs to no slot.
const CANCEL: u64 = u64::MAX;
/// How often an operation that was interrupted is started again.
const STARTS_MAX: u8 = 4;
/// How long to wait when the kernel is out of memory for a moment.
pub(super) const BREATH: Duration = Duration::from_millis(1);

/// A ring on one device.
pub(super) struct Ring {
    /// Dropped by hand: not before the kernel has let go of every buffer.
    uring: ManuallyDrop<Arc<IoUring>>,
    slots: ManuallyDrop<Vec<Option<Flight>>>,
    free: Vec<usize>,
    /// Slots whose orders the kernel has not been told of.
    waiting: Vec<usize>,
    /// How many may wait for each other.
    batch_max: usize,
    /// Its table of buffers is that of the pool's others.
    registered: bool,
}

/// An operation in flight, or one that waits to be.
struct Flight {
    order: Order,
    starts: u8,
    cancelled: bool,
    /// It reads into registered memory.
    landing: Option<Landing>,
}

impl Ring {
    /// A ring for up to `flights` operations at one time. Everything that the engine needs is
    /// tried, so that a kernel, a sandbox or a setting that refuses is found out here.
    pub(super) fn new(file: &File, flights: usize, batch_max: usize) -> io::Result<Self> {
        // Each operation may have a cancellation besides. The kernel makes the completion queue
        // twice as long, so that it does not overflow.
        let entries = u32::try_from(2 * flights).map_err(io::Error::other)?;
        Self::with_entries(file, flights, entries.next_power_of_two(), batch_max)
    }

    fn with_entries(
        file: &File,
        flights: usize,
        entries: u32,
        batch_max: usize,
    ) -> io::Result<Self> {
        let uring = kernel::build(entries)?;
        if !uring.params().is_feature_nodrop() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the kernel may lose completions",
            ));
        }
        kernel::check_operations(&uring)?;
        uring.submitter().register_files(&[file.as_raw_fd()])?;
        let mut ring = Self {
            uring: ManuallyDrop::new(Arc::new(uring)),
            slots: ManuallyDrop::new((0..flights).map(|_| None).collect()),
            free: (0..flights).rev().collect(),
            waiting: Vec::with_capacity(batch_max),
            batch_max,
            registered: false,
        };
        ring.try_out()?;
        Ok(ring)
    }

    /// Has reads into what is registered go there as such, from now on.
    pub(super) fn join(&mut self, registry: &Registry, always: bool) {
        self.registered = registry.join(&self.uring, always);
    }

    /// One operation that does nothing, there and back.
    fn try_out(&mut self) -> io::Result<()> {
        self.push(&opcode::Nop::new().build().user_data(CANCEL))?;
        self.uring.submit_and_wait(1)?;
        let told = self.completions().next();
        match told.map(|completion| completion.result()) {
            Some(result) if result < 0 => Err(io::Error::from_raw_os_error(-result)),
            Some(_) => Ok(()),
            None => Err(io::Error::other("no completion came")),
        }
    }

    /// Readable while there are completions.
    pub(super) fn descriptor(&self) -> RawFd {
        self.uring.as_raw_fd()
    }

    /// Whether nothing is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.free.len() == self.slots.len()
    }

    /// Takes an order and says in which slot. The kernel sees it at the next [`Self::submit`].
    pub(super) fn start(&mut self, mut order: Order) -> Option<usize> {
        // Permits are as many as slots, so there is one. Dropping the order would tell its owner.
        let slot = self.free.pop()?;
        let landing = order.work.take_landing();
        let flight = Flight {
            order,
            starts: 0,
            cancelled: false,
            landing: landing.filter(|_| self.registered),
        };
        self.slots[slot] = Some(flight);
        self.waiting.push(slot);
        Some(slot)
    }

    /// Whether those that wait have waited for enough others.
    pub(super) fn is_due(&self) -> bool {
        let taken = self.slots.len() - self.free.len();
        let under_way = taken - self.waiting.len();
        batch::is_due(self.waiting.len(), under_way, self.batch_max)
    }

    /// Prepares those that wait.
    fn launch_waiting(&mut self) {
        for at in 0..self.waiting.len() {
            self.launch(self.waiting[at]);
        }
        self.waiting.clear();
    }

    fn launch(&mut self, slot: usize) {
        let Some(flight) = self.slots.get_mut(slot).and_then(Option::as_mut) else {
            return;
        };
        flight.starts += 1;
        let seat = flight.landing.as_ref().map(Landing::seat);
        let entry = entry(&mut flight.order.work, seat);
        if let Err(error) = self.push(&entry.user_data(slot as u64)) {
            self.finish(slot, Err(error));
        }
    }

    /// Drops what `slot` is to do, if nobody wants it any more. What the kernel has been told of it is
    /// asked to drop; whether it does or not, the buffer stays here until the operation's completion
    /// comes.
    pub(super) fn cancel_abandoned(&mut self, slot: usize) {
        // The slot may have been given to somebody else by now.
        self.cancel_if(slot, |flight| flight.order.reply.is_closed());
    }

    fn cancel_if(&mut self, slot: usize, goes: impl Fn(&Flight) -> bool) {
        let flight = self.slots.get_mut(slot).and_then(Option::as_mut);
        let Some(flight) = flight.filter(|flight| !flight.cancelled && goes(flight)) else {
            return;
        };
        flight.cancelled = true;
        if let Some(at) = self.waiting.iter().position(|waiting| *waiting == slot) {
            // The kernel has not been told of its buffer.
            self.waiting.swap_remove(at);
            let never = io::Error::from_raw_os_error(libc::ECANCELED);
            self.finish(slot, Err(never));
            return;
        }
        let cancel = opcode::AsyncCancel::new(slot as u64).build();
        // Where there is no room the operation just takes its time.
        let _ = self.push(&cancel.user_data(CANCEL));
    }

    /// Hands everything that waits to the kernel. Never waits for a completion.
    pub(super) fn submit(&mut self) -> io::Result<Submitted> {
        self.launch_waiting();
        if self.queue().is_empty() {
            return Ok(Submitted::All);
        }
        transient(self.uring.submit())
    }

    /// Deals with all that has completed, and prepares again what was interrupted.
    pub(super) fn reap(&mut self) -> io::Result<()> {
        loop {
            // Taken one at a time, because what follows may push again.
            let completion = self.completions().next();
            if let Some(completion) = completion {
                self.complete(&completion);
                continue;
            }
            if !self.queue().cq_overflow() {
                return Ok(());
            }
            // The kernel keeps what had no room until it is asked for.
            transient(self.uring.submit_and_wait(1))?;
        }
    }

    fn complete(&mut self, completion: &cqueue::Entry) {
        match completion.user_data() {
            CANCEL => {}
            slot => {
                if let Ok(slot) = usize::try_from(slot) {
                    self.landed(slot, completion.result());
                }
            }
        }
    }

    fn landed(&mut self, slot: usize, result: i32) {
        let Some(flight) = self.slots.get_mut(slot).and_then(Option::as_mut) else {
            return;
        };
        // What it read into was registered when the buffer was taken, and is not any more.
        let stale = result == -libc::EFAULT && flight.landing.take().is_some();
        // The kernel's own threads give up what a thread of ours began that has ended since.
        let again = matches!(-result, libc::EINTR | libc::EAGAIN | libc::ECANCELED);
        if (again || stale) && flight.starts < STARTS_MAX && !flight.cancelled {
            self.launch(slot);
        } else {
            let moved = usize::try_from(result);
            self.finish(
                slot,
                moved.map_err(|_negative| io::Error::from_raw_os_error(-result)),
            );
        }
    }

    /// The kernel is done with a slot's buffer: tells who waits.
    fn finish(&mut self, slot: usize, moved: io::Result<usize>) {
        let Some(flight) = self.slots.get_mut(slot).and_then(Option::take) else {
            return;
        };
        self.free.push(slot);
        let Order {
            work,
            reply,
            permit,
        } = flight.order;
        // It has landed.
        drop(flight.landing);
        // First, so that who has the outcome finds the place free.
        drop(permit);
        // If nobody waits any more the buffer goes back to its pool.
        let _ = reply.send(work.outcome(moved));
    }

    fn queue(&mut self) -> SubmissionQueue<'_> {
        #[expect(unsafe_code, reason = "the registry has the ring as well")]
        {
            // SAFETY: there is no other queue, as `self` is borrowed mutably for as long as this one is
            // there, and whoever else has the ring, the registry, has it register buffers and nothing
            // else.
            unsafe { self.uring.submission_shared() }
        }
    }

    fn completions(&mut self) -> CompletionQueue<'_> {
        #[expect(unsafe_code, reason = "as above")]
        {
            // SAFETY: as above.
            unsafe { self.uring.completion_shared() }
        }
    }

    fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        if self.queue().is_full() {
            self.uring.submit()?;
        }
        let mut queue = self.queue();
        #[expect(unsafe_code, reason = "the kernel is told an address")]
        let pushed = {
            // SAFETY: the address is that of a buffer in a slot, which is neither moved nor freed
            // nor lent otherwise before the entry's completion is seen; the drop below holds to
            // that, too.
            unsafe { queue.push(entry) }
        };
        pushed.map_err(io::Error::other)
    }

    /// Cancels everything and blocks until the kernel has let go of every buffer.
    fn settle(&mut self) -> io::Result<()> {
        for slot in 0..self.slots.len() {
            self.cancel_if(slot, |_| true);
        }
        while !self.is_idle() {
            self.wait()?;
        }
        Ok(())
    }

    /// Hands over what is prepared, blocks until something completes, and deals with it.
    fn wait(&mut self) -> io::Result<()> {
        self.launch_waiting();
        if transient(self.uring.submit_and_wait(1))? == Submitted::Later {
            thread::park_timeout(BREATH);
        }
        self.reap()
    }
}

impl Drop for Ring {
    /// Blocks until nothing is in flight.
    fn drop(&mut self) {
        if self.settle().is_err() {
            // What is left in flight is leaked: the kernel may write to it at any time. Who waits
            // for it is told by the loss of the other end.
            for flight in self.slots.iter_mut().flatten() {
                flight.order.reply = oneshot::channel().0;
            }
            return;
        }
        #[expect(unsafe_code, reason = "fields that must outlive the operations")]
        {
            // SAFETY: dropped here only, and never used again.
            unsafe { ManuallyDrop::drop(&mut self.uring) }
        }
        #[expect(unsafe_code, reason = "as above")]
        {
            // SAFETY: dropped here only, and never used again.
            unsafe { ManuallyDrop::drop(&mut self.slots) }
        }
    }
}

#[cfg(test)]
mod tests;
