//! What has to make room in RAM, on its way to whoever offers it to the disks.
//!
//! The RAM tier tells it while something is inserted, which happens under the lock of the inserted
//! key. The evicted keys have other locks, so that they are only noted then, by the thread, and
//! dealt with when the lock is free. What may have happened to them in between is told by
//! [`Moment`].

use std::cell::RefCell;

use crate::{Key, Memory, Record};

thread_local! {
    /// What RAM evicts during the insertion that is under way on this thread.
    static EVICTED: RefCell<Vec<(Key, Record)>> = const { RefCell::new(Vec::new()) };
}

/// What had to make room in RAM for something else.
pub(crate) struct Evicted {
    pub(crate) records: Vec<(Key, Record)>,
    pub(crate) moment: Moment,
}

/// When something was evicted: after all changes with a smaller number than `from`, and before all
/// others but `own`, which caused it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    from: u64,
    own: Option<u64>,
}

impl Moment {
    /// After the changes with smaller numbers than `from`.
    pub(crate) const fn after(from: u64) -> Self {
        Self { from, own: None }
    }

    pub(crate) const fn is_caused_by(&mut self, change: u64) {
        self.own = Some(change);
    }

    pub(crate) fn is_after(self, change: u64) -> bool {
        change < self.from || self.own == Some(change)
    }
}

/// The RAM tier of a directory.
pub(crate) fn ram(
    capacity_bytes: u64,
    shard_bytes: u64,
    weigh: impl Fn(&Key, &Record) -> usize + Clone + Send + Sync + 'static,
) -> Memory<Key, Record> {
    Memory::telling(capacity_bytes, shard_bytes, weigh, |key, record| {
        EVICTED.with_borrow_mut(|evicted| evicted.push((*key, record.clone())));
    })
}

/// What was evicted on this thread since this was asked last.
pub(crate) fn take() -> Vec<(Key, Record)> {
    EVICTED.take()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{Epoch, Tier, directory::Directory, placement::Tags};

    fn directory() -> Directory {
        let weigh = |_: &Key, record: &Record| record.bytes.len();
        Directory::new(ram(1_000, 1_000, weigh), Tags::new(&[1; 16]), 1)
    }

    fn key(part: u32) -> Key {
        Key::slice([3; 16], part)
    }

    fn record() -> Record {
        Record {
            bytes: Bytes::from(vec![7; 600]),
            stamp: Epoch::ZERO,
            by_plan: false,
        }
    }

    /// Puts a record that stays in RAM, and tells what had to go for it.
    fn put(directory: &Directory, part: u32) -> Evicted {
        directory.put(key(part), record(), |_| None, |_, _| {}).1
    }

    fn is_taken(directory: &Directory, evicted: Evicted) -> bool {
        let Evicted { records, moment } = evicted;
        let mut taken = false;
        for (key, record) in records {
            directory.offer(key, record, moment, |_| {
                taken = true;
                true
            });
        }
        taken
    }

    #[test]
    fn what_leaves_ram_can_still_be_written() {
        let directory = directory();
        assert!(put(&directory, 1).records.is_empty());
        let evicted = put(&directory, 2);
        assert_eq!(evicted.records.len(), 1);
        assert!(is_taken(&directory, evicted));
        assert_eq!(
            directory.tier(&key(1)),
            Some(Tier::Ram),
            "it waits to be written"
        );
    }

    #[test]
    fn what_was_removed_since_it_left_ram_is_not_written() {
        let directory = directory();
        put(&directory, 1);
        let evicted = put(&directory, 2);
        directory.remove(&key(1), |_| {});
        assert!(!is_taken(&directory, evicted));
        assert_eq!(directory.tier(&key(1)), None);
    }

    #[test]
    fn what_was_replaced_since_it_left_ram_is_not_written() {
        let directory = directory();
        put(&directory, 1);
        let evicted = put(&directory, 2);
        put(&directory, 1);
        assert!(!is_taken(&directory, evicted));
    }
}
