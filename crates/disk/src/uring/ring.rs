//! The ring: operations in flight, each with the buffer that the kernel may touch until its
//! completion is seen. Used by one thread at a time.

use std::{
    fs::File,
    io,
    mem::ManuallyDrop,
    os::fd::{AsRawFd, RawFd},
    thread,
    time::Duration,
};

use io_uring::{IoUring, cqueue, opcode, squeue};
use tokio::sync::oneshot;

use super::{
    batch,
    kernel::{self, entry},
    order::Order,
};

/// Marks a completion that belongs to no slot.
const CANCEL: u64 = u64::MAX;
/// How often an operation that was interrupted is started again.
const STARTS_MAX: u8 = 4;
/// How long to wait when the kernel is out of memory for a moment.
pub(super) const BREATH: Duration = Duration::from_millis(1);

/// A ring on one device.
pub(super) struct Ring {
    /// Dropped by hand: not before the kernel has let go of every buffer.
    uring: ManuallyDrop<IoUring>,
    slots: ManuallyDrop<Vec<Option<Flight>>>,
    free: Vec<usize>,
    /// Slots whose orders the kernel has not been told of.
    waiting: Vec<usize>,
    /// How many may wait for each other.
    batch_max: usize,
}

/// An operation in flight, or one that waits to be.
struct Flight {
    order: Order,
    starts: u8,
    cancelled: bool,
}

/// Whether the kernel has taken what was prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Submitted {
    All,
    /// The kernel is short of something: to be tried again in a [`BREATH`].
    Later,
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
            uring: ManuallyDrop::new(uring),
            slots: ManuallyDrop::new((0..flights).map(|_| None).collect()),
            free: (0..flights).rev().collect(),
            waiting: Vec::with_capacity(batch_max),
            batch_max,
        };
        ring.try_out()?;
        Ok(ring)
    }

    /// One operation that does nothing, there and back.
    fn try_out(&mut self) -> io::Result<()> {
        self.push(&opcode::Nop::new().build().user_data(CANCEL))?;
        self.uring.submit_and_wait(1)?;
        let told = self.uring.completion().next();
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
    pub(super) fn start(&mut self, order: Order) -> Option<usize> {
        // Permits are as many as slots, so there is one. Dropping the order would tell its owner.
        let slot = self.free.pop()?;
        let flight = Flight {
            order,
            starts: 0,
            cancelled: false,
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
        let entry = entry(&mut flight.order.work);
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
        if self.uring.submission().is_empty() {
            return Ok(Submitted::All);
        }
        transient(self.uring.submit())
    }

    /// Deals with all that has completed, and prepares again what was interrupted.
    pub(super) fn reap(&mut self) -> io::Result<()> {
        loop {
            // Taken one at a time, because what follows may push again.
            let completion = self.uring.completion().next();
            if let Some(completion) = completion {
                self.complete(&completion);
                continue;
            }
            if !self.uring.submission().cq_overflow() {
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
        let Some(flight) = self.slots.get(slot).and_then(Option::as_ref) else {
            return;
        };
        // The kernel's own threads give up what a thread of ours began that has ended since.
        let again = matches!(-result, libc::EINTR | libc::EAGAIN | libc::ECANCELED);
        if again && flight.starts < STARTS_MAX && !flight.cancelled {
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
        // First, so that who has the outcome finds the place free.
        drop(permit);
        // If nobody waits any more the buffer goes back to its pool.
        let _ = reply.send(work.outcome(moved));
    }

    fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        if self.uring.submission().is_full() {
            self.uring.submit()?;
        }
        let mut queue = self.uring.submission();
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

fn transient(entered: io::Result<usize>) -> io::Result<Submitted> {
    match entered {
        Ok(_) => Ok(Submitted::All),
        Err(error) => match error.raw_os_error() {
            // Interrupted, completions that must be taken first, or out of memory.
            Some(libc::EINTR | libc::EBUSY | libc::EAGAIN | libc::ENOMEM) => Ok(Submitted::Later),
            _ => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::{
        BLOCK, Error, Pool,
        gate::{Gate, Turn},
        uring::order::{Done, Work},
    };

    /// A ring, or nothing, said aloud, where the kernel refuses it.
    fn ring(file: &File, flights: usize, entries: u32) -> Option<Ring> {
        Ring::with_entries(file, flights, entries, 16)
            .inspect_err(|error| eprintln!("skipped: no io_uring here: {error}"))
            .ok()
    }

    fn read(offset: u64, pool: &Pool) -> (Order, oneshot::Receiver<Done>) {
        let (reply, outcome) = oneshot::channel();
        let permit = permit();
        let order = Order {
            work: Work::Read {
                offset,
                buffer: pool.take(BLOCK),
            },
            reply,
            permit,
        };
        (order, outcome)
    }

    fn permit() -> crate::gate::Permit {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let gate = Gate::new(1);
        let permit = { runtime }
            .build()
            .unwrap()
            .block_on(gate.enter(Turn::Read));
        permit.unwrap()
    }

    /// A device whose reads take as long as the test likes.
    fn pipe() -> (File, io::PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        (File::from(std::os::fd::OwnedFd::from(reader)), writer)
    }

    #[test]
    fn a_buffer_stays_with_the_kernel_until_its_completion_was_seen() {
        let (file, _writer) = pipe();
        let Some(mut ring) = ring(&file, 4, 16) else {
            return;
        };
        let pool = Pool::new(1 << 20);
        let (order, outcome) = read(0, &pool);
        let slot = ring.start(order).unwrap();
        ring.submit().unwrap();
        drop(outcome);
        assert_eq!(
            pool.retained_bytes(),
            0,
            "nobody waits, but the kernel has it"
        );
        ring.cancel_abandoned(slot);
        assert_eq!(pool.retained_bytes(), 0, "the cancellation is not its end");
        while !ring.is_idle() {
            ring.wait().unwrap();
        }
        assert_eq!(pool.retained_bytes(), BLOCK);
    }

    #[test]
    fn a_ring_that_ends_waits_for_what_is_in_flight() {
        let (file, _writer) = pipe();
        let Some(mut ring) = ring(&file, 4, 16) else {
            return;
        };
        let pool = Pool::new(1 << 20);
        let mut waiting = Vec::new();
        for _ in 0..4 {
            let (order, outcome) = read(0, &pool);
            ring.start(order).unwrap();
            waiting.push(outcome);
        }
        ring.submit().unwrap();
        drop(ring);
        assert_eq!(pool.retained_bytes(), 4 * BLOCK);
        for mut outcome in waiting {
            assert!(outcome.try_recv().unwrap().is_err(), "it was not read");
        }
    }

    #[test]
    fn an_order_that_is_given_up_before_the_kernel_knows_of_it_is_gone_at_once() {
        let (file, _writer) = pipe();
        let Some(mut ring) = ring(&file, 4, 16) else {
            return;
        };
        let pool = Pool::new(1 << 20);
        let [(first, kept), (second, given_up)] = [read(0, &pool), read(0, &pool)];
        ring.start(first).unwrap();
        let slot = ring.start(second).unwrap();
        drop(given_up);
        ring.cancel_abandoned(slot);
        assert_eq!(pool.retained_bytes(), BLOCK, "its buffer is free");
        assert!(
            ring.uring.submission().is_empty(),
            "the kernel is told nothing"
        );
        ring.submit().unwrap();
        assert_eq!(pool.retained_bytes(), BLOCK, "the other one is under way");
        drop(ring);
        assert_eq!(pool.retained_bytes(), 2 * BLOCK);
        drop(kept);
    }

    #[test]
    fn orders_wait_for_each_other_only_while_the_disk_has_more_to_do_than_they() {
        let (file, _writer) = pipe();
        let Some(mut ring) = ring(&file, 16, 32) else {
            return;
        };
        let pool = Pool::new(1 << 20);
        let (mut batches, mut outcomes, mut batch) = (Vec::new(), Vec::new(), 0);
        for _ in 0..16 {
            let (order, outcome) = read(0, &pool);
            outcomes.push(outcome);
            ring.start(order).unwrap();
            batch += 1;
            if ring.is_due() {
                ring.submit().unwrap();
                batches.push(std::mem::take(&mut batch));
            }
        }
        assert_eq!(batches, [1, 1, 1, 1, 2, 3, 4]);
        assert_eq!(batch, 3);
    }

    #[test]
    fn fewer_bytes_than_asked_for_are_an_error() {
        let (file, mut writer) = pipe();
        let Some(mut ring) = ring(&file, 4, 16) else {
            return;
        };
        let (order, mut outcome) = read(0, &Pool::new(0));
        ring.start(order).unwrap();
        writer.write_all(&[7; 100]).unwrap();
        while !ring.is_idle() {
            ring.wait().unwrap();
        }
        let error = outcome.try_recv().unwrap().unwrap_err();
        let Error::Short { wanted, done, .. } = error else {
            panic!("{error}")
        };
        assert_eq!((wanted, done), (BLOCK, 100));
    }

    /// Many more operations than the queues have entries: the kernel keeps what does not fit.
    #[test]
    fn completions_beyond_the_queue_are_not_lost() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("disk");
        std::fs::write(&path, vec![9; 64 * BLOCK]).unwrap();
        let file = File::open(&path).unwrap();
        let Some(mut ring) = ring(&file, 64, 2) else {
            return;
        };
        assert!(ring.uring.params().cq_entries() < 64);
        let pool = Pool::new(1 << 20);
        for _ in 0..10 {
            let mut waiting = Vec::new();
            for block in 0..64_u64 {
                let (order, outcome) = read(block * BLOCK as u64, &pool);
                ring.start(order).unwrap();
                waiting.push(outcome);
            }
            while !ring.is_idle() {
                ring.wait().unwrap();
            }
            for mut outcome in waiting {
                let buffer = outcome.try_recv().unwrap().unwrap().unwrap();
                assert_eq!(buffer[..], [9; BLOCK]);
            }
        }
    }

    /// A slot is used again at once: who gave up late must not cancel what is there now.
    #[test]
    fn a_slot_that_has_a_new_owner_is_not_cancelled_by_the_old_one() {
        let (file, mut writer) = pipe();
        let Some(mut ring) = ring(&file, 1, 4) else {
            return;
        };
        let pool = Pool::new(0);
        let (order, outcome) = read(0, &pool);
        let slot = ring.start(order).unwrap();
        writer.write_all(&[1; BLOCK]).unwrap();
        while !ring.is_idle() {
            ring.wait().unwrap();
        }
        let (order, mut later) = read(0, &pool);
        assert_eq!(ring.start(order), Some(slot));
        ring.submit().unwrap();
        drop(outcome);
        ring.cancel_abandoned(slot);
        writer.write_all(&[2; BLOCK]).unwrap();
        while !ring.is_idle() {
            ring.wait().unwrap();
        }
        let buffer = later.try_recv().unwrap().unwrap().unwrap();
        assert_eq!(buffer[..], [2; BLOCK]);
    }
}
