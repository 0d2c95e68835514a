//! What a full socket did not take, and how many drivers keep some of it.

use std::{
    mem,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::batch::{BYTES_MAX, Batch};

/// So many drivers keep something before others go without gathering. Where that many wait the
/// socket has been full for a while, and larger calls would not help it.
pub(super) const KEEPERS_MAX: usize = 64;

/// What a server keeps at most of QUIC datagrams that full sockets did not take, but for those of
/// threads that came at the same moment.
pub const KEPT_BYTES_MAX: usize = KEEPERS_MAX * BYTES_MAX;

/// The drivers of a server that keep something. A clone counts the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keepers(Arc<AtomicUsize>);

impl Keepers {
    pub(super) fn have_room(&self) -> bool {
        self.0.load(Ordering::Relaxed) < KEEPERS_MAX
    }

    /// Keeps a batch, however many do.
    pub(super) fn keep(&self, batch: Batch) -> Kept {
        self.0.fetch_add(1, Ordering::Relaxed);
        Kept {
            batch,
            keepers: self.clone(),
        }
    }
}

/// A batch that is kept, and counts for as long.
#[derive(Debug)]
pub(super) struct Kept {
    batch: Batch,
    keepers: Keepers,
}

impl Kept {
    pub(super) fn into_batch(mut self) -> Batch {
        mem::take(&mut self.batch)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.keepers.0.fetch_sub(1, Ordering::Relaxed);
    }
}
