//! The ring: operations in flight, each with the buffer that the kernel may touch until its
//! completion is seen. Used by one thread only.

use std::{fs::File, io, mem::ManuallyDrop, os::fd::AsRawFd, sync::Arc, thread, time::Duration};

use io_uring::{IoUring, Probe, cqueue, opcode, squeue, types};

use super::{
    desk::{Order, Work},
    wake::Wake,
};
use crate::{Buffer, Error};

/// The device among the registered files.
const DEVICE: types::Fixed = types::Fixed(0);
/// Marks of completions that belong to no slot.
const WAKE: u64 = u64::MAX;
const CANCEL: u64 = u64::MAX - 1;
/// How often an operation that was interrupted is started again.
const STARTS_MAX: u8 = 4;
/// How long to wait when the kernel is out of memory for a moment.
const BREATH: Duration = Duration::from_millis(1);

/// A ring on one device.
pub(super) struct Ring {
    /// Dropped by hand: not before the kernel has let go of every buffer.
    uring: ManuallyDrop<IoUring>,
    slots: ManuallyDrop<Vec<Option<Flight>>>,
    free: Vec<usize>,
    /// Where the kernel writes the event counter.
    word: ManuallyDrop<Box<[u8; 8]>>,
    word_lent: bool,
    wake: Arc<Wake>,
}

/// An operation in flight.
struct Flight {
    order: Order,
    starts: u8,
    cancelled: bool,
}

impl Ring {
    /// A ring for up to `flights` operations at one time. Everything that the engine needs is
    /// tried, so that a kernel, a sandbox or a setting that refuses is found out here.
    pub(super) fn new(file: &File, wake: Arc<Wake>, flights: usize) -> io::Result<Self> {
        // Each operation may have a cancellation besides; the wake-up has a place, too. The kernel
        // makes the completion queue twice as long, so that it does not overflow.
        let entries = u32::try_from(2 * flights + 2).map_err(io::Error::other)?;
        Self::with_entries(file, wake, flights, entries.next_power_of_two())
    }

    fn with_entries(
        file: &File,
        wake: Arc<Wake>,
        flights: usize,
        entries: u32,
    ) -> io::Result<Self> {
        let uring = build(entries)?;
        if !uring.params().is_feature_nodrop() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the kernel may lose completions",
            ));
        }
        check_operations(&uring)?;
        uring.submitter().register_files(&[file.as_raw_fd()])?;
        let mut ring = Self {
            uring: ManuallyDrop::new(uring),
            slots: ManuallyDrop::new((0..flights).map(|_| None).collect()),
            free: (0..flights).rev().collect(),
            word: ManuallyDrop::new(Box::new([0; 8])),
            word_lent: false,
            wake,
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

    /// Whether nothing is in flight.
    pub(super) fn is_idle(&self) -> bool {
        self.free.len() == self.slots.len()
    }

    /// Prepares an order. The kernel sees it at the next [`Self::wait`].
    pub(super) fn start(&mut self, order: Order) {
        // Who gave up before it began wants nothing. What was ordered to be written or synced is
        // dropped as well: its owner knows that it may not have happened.
        if order.reply.is_closed() {
            return;
        }
        let Some(slot) = self.free.pop() else {
            // Permits are as many as slots, so this is for completeness.
            return;
        };
        let flight = Flight {
            order,
            starts: 0,
            cancelled: false,
        };
        self.slots[slot] = Some(flight);
        self.launch(slot);
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

    /// Has the kernel drop what nobody waits for any more. Whether it does or not, the buffer stays
    /// here until the operation's completion comes.
    pub(super) fn cancel_abandoned(&mut self) {
        self.cancel_if(|flight| flight.order.reply.is_closed());
    }

    fn cancel_if(&mut self, goes: impl Fn(&Flight) -> bool) {
        for slot in 0..self.slots.len() {
            let Some(flight) = &mut self.slots[slot] else {
                continue;
            };
            if flight.cancelled || !goes(flight) {
                continue;
            }
            let cancel = opcode::AsyncCancel::new(slot as u64).build();
            // Where there is no room the operation just takes its time.
            if self.push(&cancel.user_data(CANCEL)).is_ok()
                && let Some(flight) = &mut self.slots[slot]
            {
                flight.cancelled = true;
            }
        }
    }

    /// Hands everything prepared to the kernel and sleeps until something completes, or until the
    /// thread is woken. Then deals with all that has completed.
    pub(super) fn wait(&mut self) -> io::Result<()> {
        self.lend_word()?;
        self.enter()?;
        self.reap();
        Ok(())
    }

    fn enter(&mut self) -> io::Result<()> {
        let entered = self.uring.submit_and_wait(1);
        match entered.map_err(|error| (error.raw_os_error(), error)) {
            // Interrupted, or the completion queue overflowed and must be emptied first.
            Ok(_) | Err((Some(libc::EINTR | libc::EBUSY), _)) => Ok(()),
            Err((Some(libc::EAGAIN | libc::ENOMEM), _)) => {
                thread::park_timeout(BREATH);
                Ok(())
            }
            Err((_, error)) => Err(error),
        }
    }

    /// Has the kernel read the event counter as soon as it is written.
    fn lend_word(&mut self) -> io::Result<()> {
        if self.word_lent {
            return Ok(());
        }
        let descriptor = types::Fd(self.wake.descriptor());
        let read = opcode::Read::new(descriptor, self.word.as_mut_ptr(), 8).build();
        self.push(&read.user_data(WAKE))?;
        self.word_lent = true;
        Ok(())
    }

    fn reap(&mut self) {
        loop {
            // Taken one at a time, because what follows may push again.
            let Some(completion) = self.uring.completion().next() else {
                return;
            };
            self.complete(&completion);
        }
    }

    fn complete(&mut self, completion: &cqueue::Entry) {
        match completion.user_data() {
            WAKE => self.word_lent = false,
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
        let again = matches!(-result, libc::EINTR | libc::EAGAIN);
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
        let _ = reply.send(outcome(work, moved));
    }

    fn push(&mut self, entry: &squeue::Entry) -> io::Result<()> {
        if self.uring.submission().is_full() {
            self.uring.submit()?;
        }
        let mut queue = self.uring.submission();
        #[expect(unsafe_code, reason = "the kernel is told an address")]
        let pushed = {
            // SAFETY: the address is that of a buffer in a slot, or of the word, which are neither
            // moved nor freed nor lent otherwise before the entry's completion is seen; the drop
            // below holds to that, too.
            unsafe { queue.push(entry) }
        };
        pushed.map_err(io::Error::other)
    }

    /// Whether the kernel may still write to memory of ours.
    fn is_lent(&self) -> bool {
        self.word_lent || !self.is_idle()
    }

    /// Cancels everything and waits until the kernel has let go of every buffer.
    pub(super) fn settle(&mut self) -> io::Result<()> {
        self.cancel_if(|_| true);
        if self.word_lent {
            self.wake.wake();
        }
        while self.is_lent() {
            self.enter()?;
            self.reap();
        }
        Ok(())
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.settle().is_err() {
            // What is left in flight is leaked: the kernel may write to it at any time.
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
        #[expect(unsafe_code, reason = "as above")]
        {
            // SAFETY: dropped here only, and never used again.
            unsafe { ManuallyDrop::drop(&mut self.word) }
        }
    }
}

/// With completions worked off by the one thread that waits for them; without, on kernels before
/// 6.1.
fn build(entries: u32) -> io::Result<IoUring> {
    let mut modern = IoUring::builder();
    modern
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_submit_all();
    modern.build(entries).or_else(|error| {
        if error.raw_os_error() == Some(libc::EINVAL) {
            IoUring::builder().build(entries)
        } else {
            Err(error)
        }
    })
}

fn check_operations(uring: &IoUring) -> io::Result<()> {
    let mut probe = Probe::new();
    uring.submitter().register_probe(&mut probe)?;
    let needed = [
        opcode::Nop::CODE,
        opcode::Read::CODE,
        opcode::Write::CODE,
        opcode::Fsync::CODE,
        opcode::AsyncCancel::CODE,
    ];
    if needed.into_iter().all(|code| probe.is_supported(code)) {
        return Ok(());
    }
    let what = "the kernel lacks an operation";
    Err(io::Error::new(io::ErrorKind::Unsupported, what))
}

/// What the kernel is told. The work must stay where it is until the completion.
fn entry(work: &mut Work) -> squeue::Entry {
    match work {
        Work::Read { offset, buffer } => {
            let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
            opcode::Read::new(DEVICE, buffer.as_mut_ptr(), length)
                .offset(*offset)
                .build()
        }
        Work::Write {
            offset,
            buffer,
            length,
        } => {
            let length = u32::try_from(*length).unwrap_or(u32::MAX);
            opcode::Write::new(DEVICE, buffer.as_ptr(), length)
                .offset(*offset)
                .build()
        }
        Work::Sync => opcode::Fsync::new(DEVICE)
            .flags(types::FsyncFlags::DATASYNC)
            .build(),
    }
}

/// What is told to who waits: all of it was done, or it is an error.
fn outcome(work: Work, moved: io::Result<usize>) -> Result<Option<Buffer>, Error> {
    let (operation, offset, wanted) = (work.operation(), work.offset(), work.wanted());
    let done = moved.map_err(|error| Error::io(operation, offset, error))?;
    if done != wanted {
        return Err(Error::Short {
            operation,
            offset,
            wanted,
            done,
        });
    }
    match work {
        Work::Read { buffer, .. } => Ok(Some(buffer)),
        Work::Write { .. } | Work::Sync => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use tokio::sync::oneshot;

    use super::*;
    use crate::{BLOCK, Operation, Pool, gate::Gate, uring::desk::Done};

    /// A ring, or nothing, said aloud, where the kernel refuses it.
    fn ring(file: &File, flights: usize, entries: u32) -> Option<Ring> {
        let wake = Arc::new(Wake::new().unwrap());
        Ring::with_entries(file, wake, flights, entries)
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
            .block_on(gate.enter(Operation::Read));
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
        ring.start(order);
        ring.uring.submit().unwrap();
        drop(outcome);
        assert_eq!(
            pool.retained_bytes(),
            0,
            "nobody waits, but the kernel has it"
        );
        ring.cancel_abandoned();
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
            ring.start(order);
            waiting.push(outcome);
        }
        ring.lend_word().unwrap();
        ring.uring.submit().unwrap();
        drop(ring);
        assert_eq!(pool.retained_bytes(), 4 * BLOCK);
        for mut outcome in waiting {
            assert!(outcome.try_recv().unwrap().is_err(), "it was not read");
        }
    }

    #[test]
    fn fewer_bytes_than_asked_for_are_an_error() {
        let (file, mut writer) = pipe();
        let Some(mut ring) = ring(&file, 4, 16) else {
            return;
        };
        let (order, mut outcome) = read(0, &Pool::new(0));
        ring.start(order);
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
                ring.start(order);
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

    #[test]
    fn what_nobody_waits_for_is_not_begun() {
        let (file, _writer) = pipe();
        let Some(mut ring) = ring(&file, 4, 16) else {
            return;
        };
        let (order, outcome) = read(0, &Pool::new(0));
        drop(outcome);
        ring.start(order);
        assert!(ring.is_idle());
    }
}
