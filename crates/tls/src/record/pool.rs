//! Where buffers for ciphertext come from and go back to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{OVERHEAD_BYTES, PLAINTEXT_BYTES_MAX, TAIL_BYTES};

/// How many full records a buffer holds.
///
/// Measured over loopback, CPU-seconds per GB of bodies of 1 MiB on HTTP/1 and HTTP/2: 0.238 and
/// 0.261 with 16 records, 0.189 and 0.217 with 32, when the kernel takes a whole buffer in one
/// write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// 512 KiB of plaintext.
    Large,
    /// 64 KiB.
    Medium,
    /// 16 KiB.
    Small,
}

impl Size {
    /// What the next buffer may be while `out_bytes` are out: half of the budget is for large ones,
    /// the rest for eight times as many medium ones.
    fn within(bytes_max: usize, out_bytes: usize) -> Self {
        let fits = |size: Self, limit: usize| out_bytes.saturating_add(size.bytes()) <= limit;
        if fits(Self::Large, bytes_max / 2) {
            Self::Large
        } else if fits(Self::Medium, bytes_max) {
            Self::Medium
        } else {
            Self::Small
        }
    }

    const fn records(self) -> usize {
        match self {
            Self::Large => 32,
            Self::Medium => 4,
            Self::Small => 1,
        }
    }

    pub(super) const fn bytes(self) -> usize {
        self.records() * (PLAINTEXT_BYTES_MAX + OVERHEAD_BYTES) + TAIL_BYTES
    }
}

/// Free buffers kept for the next who needs one: 16 MiB of large ones, 2 MiB of medium ones.
const FREE_MAX: usize = 32;

/// Buffers for the ciphertext of sending connections.
///
/// A connection holds one while the socket has not taken all of it. As the budget is used up the
/// next get smaller ones, down to one record: dearer per byte, never a refusal.
/// The lock is held for a push or a pop, twice per buffer sent.
#[derive(Debug)]
pub struct Pool {
    state: Mutex<State>,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    large: Vec<Box<[u8]>>,
    medium: Vec<Box<[u8]>>,
    out: usize,
    out_bytes: usize,
}

impl State {
    fn free(&mut self, size: Size) -> Option<&mut Vec<Box<[u8]>>> {
        match size {
            Size::Large => Some(&mut self.large),
            Size::Medium => Some(&mut self.medium),
            Size::Small => None,
        }
    }
}

impl Pool {
    /// A pool whose large and medium buffers take at most about `bytes_max`.
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            bytes_max,
        })
    }

    /// Buffers that connections hold now.
    pub fn held(&self) -> usize {
        self.lock().out
    }

    pub(super) fn take(self: &Arc<Self>) -> Buffer {
        let mut state = self.lock();
        let size = Size::within(self.bytes_max, state.out_bytes);
        state.out += 1;
        state.out_bytes += size.bytes();
        let free = state.free(size).and_then(Vec::pop);
        // Free large ones would come on top of what the budget has for the smaller ones.
        let surplus = (size != Size::Large).then(|| std::mem::take(&mut state.large));
        drop(state);
        // Up to 16 MiB go back to the system, while nobody waits for the lock.
        drop(surplus);
        Buffer {
            bytes: free.unwrap_or_else(|| vec![0; size.bytes()].into()),
            size,
            pool: Arc::clone(self),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer on loan.
#[derive(Debug)]
pub(super) struct Buffer {
    pub(super) bytes: Box<[u8]>,
    size: Size,
    pool: Arc<Pool>,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        state.out -= 1;
        state.out_bytes -= self.size.bytes();
        if let Some(free) = state.free(self.size).filter(|free| free.len() < FREE_MAX) {
            free.push(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_goes_back_and_is_used_again() {
        let pool = Pool::new(16 << 20);
        let first = pool.take();
        let address = first.bytes.as_ptr();
        assert_eq!(pool.held(), 1);
        drop(first);
        assert_eq!(pool.held(), 0);
        assert_eq!(pool.take().bytes.as_ptr(), address);
    }

    #[test]
    fn as_the_budget_is_used_up_buffers_become_smaller() {
        let pool = Pool::new(4 * Size::Large.bytes());
        let held: Vec<_> = (0..40).map(|_| pool.take()).collect();
        let count = |size| held.iter().filter(|buffer| buffer.size == size).count();
        assert_eq!(count(Size::Large), 2);
        // Every buffer has a tail, so that eight medium ones are a little more than a large one.
        assert_eq!((count(Size::Medium), count(Size::Small)), (15, 23));
        drop(held);
        let state = pool.lock();
        assert_eq!((state.out, state.out_bytes), (0, 0));
        assert_eq!((state.large.len(), state.medium.len()), (2, 15));
    }

    #[test]
    fn no_more_free_buffers_are_kept_than_a_few() {
        let pool = Pool::new(1 << 30);
        let held: Vec<_> = (0..2 * FREE_MAX).map(|_| pool.take()).collect();
        drop(held);
        assert_eq!(pool.lock().large.len(), FREE_MAX);
    }
}
