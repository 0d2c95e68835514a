//! Aligned buffers that are used again, because fresh pages cost more than the read itself, in huge
//! pages, because small ones cost several times what the read does.
//!
//! Measured: reading 1 MiB into fresh memory takes 200 page faults, a fifth of a CPU-second per
//! GB; into a pooled buffer none.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

use crate::{
    extents::{Memory, Part},
    registry::Registry,
    seats::Landing,
};

/// The unit of a device, in bytes: offsets, lengths and buffers are multiples of it.
pub const BLOCK: usize = 4096;

/// A pool of aligned buffers. A clone shares it.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    retain_bytes: usize,
    memory: Mutex<Memory>,
    /// What of the memory is registered with the rings that read into it.
    registry: Registry,
}

impl Drop for Shared {
    /// Before the memory goes.
    fn drop(&mut self) {
        for seat in self.memory.get_mut().seats() {
            self.registry.unseat(seat.number);
        }
    }
}

impl Pool {
    /// A pool that keeps at most `retain_bytes` of unused buffers; what comes back beyond that is
    /// freed. Buffers in use are not limited here, but by who takes them.
    pub fn new(retain_bytes: usize) -> Self {
        Self(Arc::new(Shared {
            retain_bytes,
            memory: Mutex::default(),
            registry: Registry::default(),
        }))
    }

    /// A buffer of `length` bytes, aligned to a [`BLOCK`]. Its content is whatever was there.
    pub fn take(&self, length: usize) -> Buffer {
        let part = self.0.memory.lock().take(capacity_for(length));
        self.buffer(part, length)
    }

    /// A buffer to read into: in registered memory, if it happens to lie in some.
    pub(crate) fn take_to_read(&self, length: usize) -> Buffer {
        let registry = &self.0.registry;
        let mut memory = self.0.memory.lock();
        let mut part = memory.take(capacity_for(length));
        if registry.is_used() {
            let plan = (registry.is_open())
                .then(|| memory.note_read(&part, self.0.retain_bytes, registry.is_eager()));
            if let Some(plan) = plan.flatten() {
                let addresses = plan.addresses.clone();
                let seat = MutexGuard::unlocked(&mut memory, || registry.seat(addresses));
                memory.seated(&plan, seat);
            }
            memory.land(&mut part);
        }
        drop(memory);
        self.buffer(part, length)
    }

    fn buffer(&self, part: Part, length: usize) -> Buffer {
        Buffer {
            part: Some(part),
            length,
            pool: self.clone(),
        }
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// Bytes of unused buffers that are kept.
    pub fn retained_bytes(&self) -> usize {
        self.0.memory.lock().warm_bytes()
    }

    fn give_back(&self, part: Part) {
        let mut memory = self.0.memory.lock();
        memory.give_back(part);
        while let Some(surplus) = memory.surplus(self.0.retain_bytes) {
            let cooled = MutexGuard::unlocked(&mut memory, || surplus.cool(&self.0.registry));
            let whole = memory.settle(cooled);
            MutexGuard::unlocked(&mut memory, || drop(whole));
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pool({} bytes unused)", self.retained_bytes())
    }
}

/// Few enough sizes that buffers are found again, at most a sixteenth larger than asked for.
fn capacity_for(length: usize) -> usize {
    let blocks = length.max(1).next_multiple_of(BLOCK);
    let step = blocks.next_power_of_two() / 32;
    blocks.next_multiple_of(step.max(BLOCK))
}

/// An aligned buffer, owned by whoever fills it. Dropping it gives it back to its pool.
pub struct Buffer {
    /// Always there until the drop.
    part: Option<Part>,
    length: usize,
    pool: Pool,
}

impl Buffer {
    /// The buffer as shared immutable bytes, without a copy. It goes back to the pool when the
    /// last reference is dropped, so a small slice of it keeps all of it.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self)
    }

    /// Leave to read into it as registered memory, if it lies in some. As long as that is there others
    /// may have none.
    pub(crate) fn take_landing(&mut self) -> Option<Landing> {
        self.part.as_mut().and_then(Part::take_landing)
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let all = self.part.as_ref().map_or(&[][..], Part::bytes);
        all.get(..self.length).unwrap_or_default()
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        let length = self.length;
        let all = self.part.as_mut().map(Part::bytes_mut);
        all.and_then(|all| all.get_mut(..length))
            .unwrap_or_default()
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.length)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(part) = self.part.take() {
            self.pool.give_back(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_and_as_long_as_asked() {
        let pool = Pool::new(1 << 20);
        for length in [1, 4096, 4097, 65_536, 1_048_576 + 4096] {
            let buffer = pool.take(length);
            assert_eq!(buffer.len(), length);
            assert_eq!(buffer.as_ptr().align_offset(BLOCK), 0);
        }
    }

    #[test]
    fn frozen_bytes_share_the_memory_and_give_it_back_with_the_last_reference() {
        let pool = Pool::new(1 << 20);
        let mut buffer = pool.take(8192);
        buffer.fill(7);
        let address = buffer.as_ptr();
        let bytes = buffer.freeze();
        assert_eq!(bytes.as_ptr(), address);
        let part = bytes.slice(4096..4100);
        drop(bytes);
        assert_eq!(pool.retained_bytes(), 0, "a slice still refers to it");
        assert_eq!(part, [7; 4][..]);
        drop(part);
        assert_eq!(pool.retained_bytes(), 8192);
        assert_eq!(pool.take(8192).as_ptr(), address, "used again");
    }

    #[test]
    fn unused_buffers_are_bounded() {
        let pool = Pool::new(100_000);
        let taken: Vec<_> = (0..100).map(|_| pool.take(10_000)).collect();
        drop(taken);
        assert!(pool.retained_bytes() <= 100_000);
        assert!(pool.retained_bytes() > 80_000);
    }

    #[test]
    fn capacity_wastes_at_most_a_sixteenth_beyond_a_block() {
        for length in (1..3_000_000).step_by(1_237) {
            let capacity = capacity_for(length);
            assert!(capacity >= length);
            assert_eq!(capacity % BLOCK, 0);
            assert!(
                capacity <= length + length / 16 + BLOCK,
                "{length}: {capacity}"
            );
        }
    }
}
