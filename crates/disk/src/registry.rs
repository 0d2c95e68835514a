//! What of a pool's memory is registered with the rings that read into it, so that a read into it need
//! not look its pages up and hold them: the rings' tables of buffers, in step with each other.
//!
//! Each region has the same seat in the table of every ring, or in none. One ring registers it, which
//! pins its pages; the others take that over, where the kernel lets them (6.13), so that it counts once
//! towards `RLIMIT_MEMLOCK`, and register it for themselves elsewhere.

use std::{
    fs, io,
    mem::MaybeUninit,
    ops::Range,
    os::fd::AsRawFd,
    ptr,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use io_uring::{IoUring, types::CloneBuffersFlags};
use parking_lot::Mutex;

use crate::extents::REGION_BYTES;

/// How many regions: 128 GiB of buffers. A table has 8 bytes for each.
const SEATS_MAX: u16 = 4096;
/// `CAP_IPC_LOCK`, whose owner may lock what he likes.
const IPC_LOCK: u32 = 14;

/// The rings that read into a pool, and what is registered with them.
#[derive(Default)]
pub(crate) struct Registry {
    state: Mutex<State>,
    /// Some ring has joined.
    used: AtomicBool,
    /// And none has refused what it was last asked.
    open: AtomicBool,
    /// Regions are registered whether that pays or not.
    always: AtomicBool,
}

#[derive(Default)]
struct State {
    /// Those that are gone are left out, and forgotten when the next one comes.
    rings: Vec<Weak<IoUring>>,
    /// Addresses, by seat.
    seats: Vec<Option<Range<usize>>>,
    refusal: Option<String>,
}

impl Registry {
    /// Whether anything was ever registered.
    pub(crate) fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether a region that is to be registered would be.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    pub(crate) fn is_eager(&self) -> bool {
        self.always.load(Ordering::Relaxed)
    }

    /// What is registered, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let state = self.state.lock();
        state
            .seats
            .iter()
            .flatten()
            .map(ExactSizeIterator::len)
            .sum()
    }

    /// Why nothing more is registered.
    pub(crate) fn refusal(&self) -> Option<String> {
        self.state.lock().refusal.clone()
    }

    /// Gives a ring all that the others have. Whether it has; if not, its reads go without.
    pub(crate) fn join(&self, ring: &Arc<IoUring>, always: bool) -> bool {
        let mut state = self.state.lock();
        let joined = may_lock(REGION_BYTES).and_then(|()| state.furnish(ring));
        if let Err(error) = joined {
            // What it has of the others nobody would take from it.
            let _ = ring.submitter().unregister_buffers();
            state.refusal = Some(error.to_string());
            return false;
        }
        state.rings.retain(|ring| ring.strong_count() > 0);
        state.rings.push(Arc::downgrade(ring));
        self.always.fetch_or(always, Ordering::Relaxed);
        self.used.store(true, Ordering::Relaxed);
        self.open.store(true, Ordering::Relaxed);
        true
    }

    /// Registers the memory at these addresses with all rings, and says under which number. What of
    /// it has no memory yet gets it. Takes as long as it takes to pin it.
    ///
    /// The caller keeps it mapped until [`Self::unseat`].
    pub(crate) fn seat(&self, addresses: Range<usize>) -> Option<u16> {
        let mut state = self.state.lock();
        let seated = state.seat(addresses);
        if let Err(error) = &seated {
            state.refusal = Some(error.to_string());
            self.open.store(false, Ordering::Relaxed);
        }
        seated.ok()
    }

    /// Takes a region from all rings. Reads into it that are under way go on; the pages stay in memory
    /// until they have ended. One that comes to the kernel later is refused with `EFAULT`.
    pub(crate) fn unseat(&self, seat: u16) {
        let mut state = self.state.lock();
        for ring in state.rings() {
            // One that cannot, for want of memory, has the pages until the seat is used again.
            let _ = set(&ring, seat, None);
        }
        if let Some(taken) = state.seats.get_mut(usize::from(seat)) {
            *taken = None;
        }
        // There is room again.
        state.refusal = None;
        self.open.store(true, Ordering::Relaxed);
    }
}

impl State {
    fn rings(&self) -> Vec<Arc<IoUring>> {
        self.rings.iter().filter_map(Weak::upgrade).collect()
    }

    /// A table for a ring, with what the others have.
    fn furnish(&self, ring: &IoUring) -> io::Result<()> {
        let (submitter, others) = (ring.submitter(), self.rings());
        let taken_over = others.first().is_some_and(|other| {
            let all = submitter.register_buffers_clone(other.as_raw_fd());
            all.is_ok()
        });
        if taken_over {
            return Ok(());
        }
        submitter.register_buffers_sparse(u32::from(SEATS_MAX))?;
        for (seat, taken) in (0..SEATS_MAX).zip(&self.seats) {
            if let Some(addresses) = taken {
                set(ring, seat, Some(addresses))?;
            }
        }
        Ok(())
    }

    fn seat(&mut self, addresses: Range<usize>) -> io::Result<u16> {
        let free = self.seats.iter().position(Option::is_none);
        let at = free.unwrap_or(self.seats.len());
        let seat = u16::try_from(at).ok().filter(|seat| *seat < SEATS_MAX);
        let seat = seat.ok_or_else(|| io::Error::other(format!("{SEATS_MAX} regions are")))?;
        let rings = self.rings();
        let Some((first, others)) = rings.split_first() else {
            return Err(io::Error::other("no ring is left"));
        };
        let all = set(first, seat, Some(&addresses)).and_then(|()| {
            let mut others = others.iter();
            others.try_for_each(|ring| {
                take_over(ring, first, seat).or_else(|_cannot| set(ring, seat, Some(&addresses)))
            })
        });
        if let Err(error) = all {
            for ring in &rings {
                let _ = set(ring, seat, None);
            }
            return Err(error);
        }
        if at == self.seats.len() {
            self.seats.push(None);
        }
        self.seats[at] = Some(addresses);
        Ok(seat)
    }
}

/// Has a ring use what `from` has at a seat. That is in step, so what was there before is nothing.
fn take_over(ring: &IoUring, from: &IoUring, seat: u16) -> io::Result<()> {
    let (seat, replace) = (u32::from(seat), CloneBuffersFlags::DST_REPLACE);
    let submitter = ring.submitter();
    submitter.register_buffers_clone_offset(from.as_raw_fd(), seat, seat, 1, replace)
}

/// Registers the memory at a seat, or nothing.
fn set(ring: &IoUring, seat: u16, addresses: Option<&Range<usize>>) -> io::Result<()> {
    let buffer = libc::iovec {
        iov_base: addresses.map_or(ptr::null_mut(), |addresses| {
            ptr::with_exposed_provenance_mut(addresses.start)
        }),
        iov_len: addresses.map_or(0, ExactSizeIterator::len),
    };
    #[expect(unsafe_code, reason = "the kernel is told an address")]
    {
        // SAFETY: the memory is a whole region of a pool, which unseats it before it gives it back to
        // the allocator, by itself (`Memory::settle`: what is whole and cold was unseated when its
        // first part was cooled) or with all others (`Drop` of the pool). The kernel holds its pages
        // for itself and neither reads nor writes them, until a read names this seat and an address:
        // that is the address of a buffer that its slot owns alone (`Ring::push`), in this region, or
        // the kernel refuses it.
        //
        // The pages are those that the address had when it was registered. They remain the same for
        // each buffer with a `Landing` of this seat: a part of a region loses its pages only when it
        // is cooled, which no part does that is in use, nor any while its region is being seated; and
        // a region is seated only while none of it is being cooled. A buffer that is taken after that
        // gets no `Landing` before the region is seated anew.
        unsafe {
            ring.submitter()
                .register_buffers_update(u32::from(seat), &[buffer], None)
        }
    }
}

/// Refuses, with a reason to act on, where the first region would be.
fn may_lock(bytes: usize) -> io::Result<()> {
    let mut told = MaybeUninit::<libc::rlimit>::uninit();
    #[expect(unsafe_code, reason = "the standard library tells no limits")]
    let outcome = {
        // SAFETY: there is room for what is told.
        unsafe { libc::getrlimit(libc::RLIMIT_MEMLOCK, told.as_mut_ptr()) }
    };
    if outcome != 0 {
        return Err(io::Error::last_os_error());
    }
    #[expect(unsafe_code, reason = "as above")]
    let limit = {
        // SAFETY: a call that succeeded has filled it.
        unsafe { told.assume_init() }.rlim_cur
    };
    if limit >= bytes as u64 || may_lock_anything() {
        return Ok(());
    }
    let what = format!(
        "the limit of locked memory (RLIMIT_MEMLOCK, LimitMEMLOCK= of the unit) is {limit} bytes, and \
         {bytes} are registered at one time"
    );
    Err(io::Error::new(io::ErrorKind::QuotaExceeded, what))
}

/// Whether the kernel will not look at the limit.
fn may_lock_anything() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut lines = status.lines();
    let effective = lines.find_map(|line| line.strip_prefix("CapEff:"));
    let effective = effective.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    effective.is_some_and(|bits| bits >> IPC_LOCK & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BLOCK;

    #[test]
    fn what_the_kernel_refuses_is_said_and_not_tried_again_until_something_is_given_back() {
        let registry = Registry::default();
        let joined = IoUring::new(4).is_ok_and(|ring| {
            let ring = Arc::new(ring);
            let joined = registry.join(&ring, false);
            // Nothing lies there.
            assert!(!joined || registry.seat(BLOCK..2 * BLOCK).is_none());
            joined
        });
        if !joined {
            eprintln!(
                "skipped: no registered buffers here: {:?}",
                registry.refusal()
            );
            return;
        }
        assert!(!registry.is_open());
        assert!(registry.refusal().unwrap().contains("Bad address"));
        assert_eq!(registry.bytes(), 0);
        registry.unseat(0);
        assert!(registry.is_open());
        assert_eq!(registry.refusal(), None);
    }

    #[test]
    fn without_a_ring_nothing_is_registered() {
        let registry = Registry::default();
        assert!(!registry.is_used() && !registry.is_open());
        assert_eq!(registry.seat(0..BLOCK), None);
    }
}
