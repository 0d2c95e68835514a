//! The offline optimum: Belady's rule with bypass. It knows when each slice is asked for again,
//! keeps what comes soonest, and does not take in what comes later than all it has.
//!
//! For slices of one size that is the most that any cache can hit; where sizes differ it is within
//! a few percent of it, on either side.

use std::collections::BinaryHeap;

use forecast::model::{Access, Served, Source, Tags};

use super::scan::Scan;

pub(crate) struct Optimum<'a> {
    capacity: u64,
    held: u64,
    next: &'a [u32],
    number: usize,
    /// When each slice that is held is asked for again, and its bytes.
    slices: Tags<(u32, u64)>,
    /// The same, the latest first; with entries that are out of date.
    latest: BinaryHeap<(u32, u64)>,
}

impl<'a> Optimum<'a> {
    pub(crate) fn new(capacity_bytes: u64, scan: &'a Scan) -> Self {
        Self {
            capacity: capacity_bytes,
            held: 0,
            next: &scan.next,
            number: 0,
            slices: Tags::default(),
            latest: BinaryHeap::new(),
        }
    }

    pub(crate) fn access(&mut self, access: &Access) -> Served {
        let again = self.next.get(self.number).copied().unwrap_or(Scan::NEVER);
        self.number += 1;
        let hit = self.slices.remove(&access.tag).is_some();
        if hit {
            self.held -= access.bytes;
        }
        let mut written = 0;
        if again != Scan::NEVER {
            self.slices.insert(access.tag, (again, access.bytes));
            self.latest.push((again, access.tag));
            self.held += access.bytes;
            let stays = self.make_room(access.tag);
            written = if stays && !hit { access.bytes } else { 0 };
        }
        if self.latest.len() > 2 * self.slices.len() + 1024 {
            let slices = &self.slices;
            self.latest
                .retain(|(again, tag)| slices.get(tag).is_some_and(|slice| slice.0 == *again));
        }
        let source = if hit { Source::Disk } else { Source::Upstream };
        Served { source, written }
    }

    /// Drops what comes latest until all fits; whether `tag` is still there then.
    fn make_room(&mut self, tag: u64) -> bool {
        let mut stays = true;
        while self.held > self.capacity
            && let Some((again, last)) = self.latest.pop()
        {
            let is_current = self.slices.get(&last).filter(|slice| slice.0 == again);
            if let Some((_, bytes)) = is_current.copied() {
                self.slices.remove(&last);
                self.held -= bytes;
                stays &= last != tag;
            }
        }
        stays
    }
}
