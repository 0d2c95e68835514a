//! Where buffers for ciphertext come from and go back to.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use super::{OVERHEAD_BYTES, PLAINTEXT_BYTES_MAX, TAIL_BYTES};

/// Full records in a large buffer: 256 KiB of plaintext. A write of this size is the knee of CPU
/// per byte against memory per sending connection.
const RECORDS: usize = 16;
const RECORD_BYTES: usize = PLAINTEXT_BYTES_MAX + OVERHEAD_BYTES;
const LARGE_BYTES: usize = RECORDS * RECORD_BYTES + TAIL_BYTES;
const SMALL_BYTES: usize = RECORD_BYTES + TAIL_BYTES;

/// Free buffers kept for the next who needs one: 16 MiB.
const FREE_MAX: usize = 64;

/// Buffers for the ciphertext of sending connections.
///
/// A connection holds one while the socket has not taken all of it. Once as many as the budget
/// allows are out, the next get small ones, of one record: dearer per byte, never a refusal.
/// The lock is held for a push or a pop, twice per 256 KiB sent.
#[derive(Debug)]
pub struct Pool {
    free: Mutex<Vec<Box<[u8]>>>,
    out: AtomicUsize,
    large_max: usize,
}

impl Pool {
    /// A pool whose large buffers take at most about `bytes_max`.
    pub fn new(bytes_max: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Mutex::default(),
            out: AtomicUsize::new(0),
            large_max: bytes_max / LARGE_BYTES,
        })
    }

    /// Buffers that connections hold now.
    pub fn held(&self) -> usize {
        self.out.load(Ordering::Relaxed)
    }

    pub(super) fn take(self: &Arc<Self>) -> Buffer {
        let others = self.out.fetch_add(1, Ordering::Relaxed);
        let bytes = if others < self.large_max {
            let free = self.lock().pop();
            free.unwrap_or_else(|| vec![0; LARGE_BYTES].into())
        } else {
            vec![0; SMALL_BYTES].into()
        };
        Buffer {
            bytes,
            pool: Arc::clone(self),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Box<[u8]>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer on loan.
#[derive(Debug)]
pub(super) struct Buffer {
    pub(super) bytes: Box<[u8]>,
    pool: Arc<Pool>,
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.pool.out.fetch_sub(1, Ordering::Relaxed);
        if self.bytes.len() == LARGE_BYTES {
            let mut free = self.pool.lock();
            if free.len() < FREE_MAX.min(self.pool.large_max) {
                free.push(std::mem::take(&mut self.bytes));
            }
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
    fn beyond_the_budget_buffers_are_small() {
        let pool = Pool::new(2 * LARGE_BYTES);
        let held: Vec<_> = (0..5).map(|_| pool.take()).collect();
        let large = |buffer: &&Buffer| buffer.bytes.len() == LARGE_BYTES;
        assert_eq!(held.iter().filter(large).count(), 2);
        assert_eq!(held[4].bytes.len(), SMALL_BYTES);
        drop(held);
        assert_eq!(pool.lock().len(), 2);
    }
}
