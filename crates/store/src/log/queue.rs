//! What waits for a disk's writer: bounded, in order, never blocking those who put.

use std::collections::VecDeque;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::{Key, format::record::span};

/// Removals that may wait for one disk. Beyond it the disk's content is given up for the next
/// start, which is the cheaper evil: a removal must not be lost.
const TOMBSTONES_MAX: usize = 1 << 16;

/// The queue of one disk.
pub(crate) struct Queue {
    bytes_max: u64,
    state: Mutex<State>,
    wake: Notify,
    /// How many items have been dealt with; closed when the writer has ended.
    settled: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    items: VecDeque<Item>,
    bytes: u64,
    tombstones: usize,
    /// Items ever pushed.
    pushed: u64,
    /// Everything up to this item is to be durable soon.
    flush_to: u64,
    /// A removal up to this sequence number did not fit.
    lost: Option<u64>,
    ending: Ending,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Ending {
    #[default]
    No,
    /// Deal with what is there, then end.
    Close,
    /// End at once.
    Abandon,
}

/// Why a record is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It was removed. It must not come back.
    Removed,
    /// It was replaced. If that cannot be written it may come back after a restart, as old as it
    /// is: better than to give up a disk for it.
    Replaced,
}

/// What is to be written. The payload stays with the directory until then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    /// The record that waits under this sequence number.
    Put {
        key: Key,
        sequence: u64,
        length: u32,
    },
    /// What is older of this key is dead: it was removed, or replaced by what stayed in RAM.
    Bury { key: Key, sequence: u64, why: Why },
}

/// What the writer is to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Write these; they are settled as item `upto`.
    Write { items: Vec<Item>, upto: u64 },
    /// A removal up to this sequence number was not queued: see that it is not forgotten.
    Lost(u64),
    /// Make everything durable, then settle `upto`.
    Sync { upto: u64 },
    /// All is dealt with and nothing more will come.
    Close,
    /// Nobody waits any more.
    Abandon,
}

impl Queue {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            state: Mutex::default(),
            wake: Notify::new(),
            settled: watch::Sender::new(0),
        }
    }

    /// Queues a put, unless the queue is full or closed.
    pub(crate) fn offer(&self, key: Key, sequence: u64, length: u32) -> bool {
        let mut state = self.state.lock();
        let bytes = state.bytes + span(length);
        if state.ending != Ending::No || bytes > self.bytes_max {
            return false;
        }
        state.bytes = bytes;
        state.push(Item::Put {
            key,
            sequence,
            length,
        });
        drop(state);
        self.wake.notify_one();
        true
    }

    /// Queues the death of what is older than `sequence`.
    pub(crate) fn bury(&self, key: Key, sequence: u64, why: Why) {
        let mut state = self.state.lock();
        if state.ending != Ending::No {
            return;
        }
        if state.tombstones < TOMBSTONES_MAX {
            state.tombstones += 1;
            state.push(Item::Bury { key, sequence, why });
        } else if why == Why::Removed {
            state.lost = Some(sequence);
        }
        drop(state);
        self.wake.notify_one();
    }

    /// Waits until all that was pushed before is durable, or given up, or the writer has ended.
    pub(crate) async fn flush(&self) {
        let mut settled = self.settled.subscribe();
        let upto = {
            let mut state = self.state.lock();
            state.flush_to = state.pushed;
            state.pushed
        };
        self.wake.notify_one();
        // An error means that the writer has ended: there is nothing to wait for.
        let _ = settled.wait_for(|settled| *settled >= upto).await;
    }

    /// Takes nothing more, and waits until the writer has ended.
    pub(crate) async fn close(&self) {
        let mut settled = self.settled.subscribe();
        self.state.lock().end(Ending::Close);
        self.wake.notify_one();
        let _ = settled.wait_for(|settled| *settled == u64::MAX).await;
    }

    /// Tells the writer to end at once.
    pub(crate) fn abandon(&self) {
        self.state.lock().end(Ending::Abandon);
        self.wake.notify_one();
    }

    /// Whether it was closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().ending != Ending::No
    }

    /// Whether nobody waits for what is queued any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.state.lock().ending == Ending::Abandon
    }

    /// Whether nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.state.lock().items.is_empty()
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> u64 {
        self.state.lock().bytes
    }

    /// What the writer is to do next, waiting for it. A batch holds about `bytes_max`, and one
    /// item at least. Cancel safe.
    pub(crate) async fn next(&self, bytes_max: u64) -> Next {
        loop {
            let woken = self.wake.notified();
            if let Some(next) = self.state.lock().next(bytes_max, *self.settled.borrow()) {
                return next;
            }
            woken.await;
        }
    }

    /// All items up to `upto` are durable, or given up.
    pub(crate) fn settle(&self, upto: u64) {
        self.settled.send_replace(upto);
    }

    /// The writer has ended.
    pub(crate) fn ended(&self) {
        self.abandon();
        self.settle(u64::MAX);
    }
}

impl State {
    fn push(&mut self, item: Item) {
        self.pushed += 1;
        self.items.push_back(item);
    }

    fn end(&mut self, ending: Ending) {
        if self.ending != Ending::Abandon {
            self.ending = ending;
        }
    }

    fn next(&mut self, bytes_max: u64, settled: u64) -> Option<Next> {
        if self.ending == Ending::Abandon {
            return Some(Next::Abandon);
        }
        if let Some(sequence) = self.lost.take() {
            return Some(Next::Lost(sequence));
        }
        let taken = self.pushed - self.items.len() as u64;
        if self.flush_to > settled && taken >= self.flush_to {
            return Some(Next::Sync { upto: taken });
        }
        if self.items.is_empty() {
            return (self.ending == Ending::Close).then_some(Next::Close);
        }
        let items = self.take(bytes_max);
        let upto = taken + items.len() as u64;
        Some(Next::Write { items, upto })
    }

    fn take(&mut self, bytes_max: u64) -> Vec<Item> {
        let (mut items, mut bytes) = (Vec::new(), 0);
        while let Some(item) = self.items.front().copied() {
            let length = if let Item::Put { length, .. } = item {
                length
            } else {
                0
            };
            bytes += span(length);
            if bytes > bytes_max && !items.is_empty() {
                break;
            }
            match item {
                Item::Put { length, .. } => self.bytes -= span(length),
                Item::Bury { .. } => self.tombstones -= 1,
            }
            items.push(item);
            self.items.pop_front();
        }
        items
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(part: u32) -> Key {
        Key::slice([0; 16], part)
    }

    fn put(part: u32) -> Item {
        Item::Put {
            key: key(part),
            sequence: u64::from(part),
            length: 1000,
        }
    }

    fn offer(queue: &Queue, part: u32) -> bool {
        queue.offer(key(part), u64::from(part), 1000)
    }

    #[tokio::test]
    async fn puts_come_in_order_and_in_batches() {
        let queue = Queue::new(1 << 20);
        for part in 0..5 {
            assert!(offer(&queue, part));
        }
        queue.bury(key(9), 9, Why::Removed);
        let next = queue.next(2 * span(1000)).await;
        assert_eq!(
            next,
            Next::Write {
                items: vec![put(0), put(1)],
                upto: 2
            }
        );
        let next = queue.next(1).await;
        assert_eq!(
            next,
            Next::Write {
                items: vec![put(2)],
                upto: 3
            },
            "one at least"
        );
        let rest = vec![
            put(3),
            put(4),
            Item::Bury {
                key: key(9),
                sequence: 9,
                why: Why::Removed,
            },
        ];
        assert_eq!(
            queue.next(1 << 20).await,
            Next::Write {
                items: rest,
                upto: 6
            }
        );
        assert_eq!(queue.bytes(), 0);
    }

    #[tokio::test]
    async fn a_full_queue_takes_removals_only() {
        let queue = Queue::new(2 * span(1000));
        assert!(offer(&queue, 0) && offer(&queue, 1));
        assert!(!offer(&queue, 2));
        queue.bury(key(3), 3, Why::Removed);
        let Next::Write { items, .. } = queue.next(1 << 20).await else {
            panic!()
        };
        assert_eq!(items.len(), 3);
        assert!(offer(&queue, 2));
    }

    #[tokio::test]
    async fn removals_beyond_the_bound_are_reported_lost() {
        let queue = Queue::new(1);
        for sequence in 0..=TOMBSTONES_MAX as u64 {
            queue.bury(key(1), sequence, Why::Removed);
        }
        queue.bury(key(1), u64::MAX, Why::Replaced);
        assert_eq!(queue.next(1 << 20).await, Next::Lost(TOMBSTONES_MAX as u64));
    }

    #[tokio::test]
    async fn a_flush_is_asked_for_after_what_was_there_and_ends_when_it_is_settled() {
        let queue = std::sync::Arc::new(Queue::new(1 << 20));
        offer(&queue, 0);
        let flushed = tokio::spawn({
            let queue = std::sync::Arc::clone(&queue);
            async move { queue.flush().await }
        });
        assert!(matches!(
            queue.next(1 << 20).await,
            Next::Write { upto: 1, .. }
        ));
        assert_eq!(queue.next(1 << 20).await, Next::Sync { upto: 1 });
        assert!(!flushed.is_finished());
        queue.settle(1);
        flushed.await.unwrap();
    }

    #[tokio::test]
    async fn a_closed_queue_is_emptied_first() {
        let queue = Queue::new(1 << 20);
        offer(&queue, 0);
        queue.state.lock().end(Ending::Close);
        assert!(!offer(&queue, 1));
        assert!(matches!(queue.next(1 << 20).await, Next::Write { .. }));
        assert_eq!(queue.next(1 << 20).await, Next::Close);
        queue.abandon();
        assert_eq!(queue.next(1 << 20).await, Next::Abandon);
    }
}
