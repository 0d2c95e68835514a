//! The queue before the keeper: so many manifests of each sender, so that none keeps out the others.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot,
};

use crate::{
    active::Active,
    answer::{Pushed, Rejected},
    trust::Way,
};

/// Orders that may wait, of all together; more are refused, and whoever sends them comes again.
const ORDERS_MAX: usize = 64;
/// Manifests of one sender that may wait or be judged.
const OF_ONE_MAX: usize = 4;

/// What is asked of the keeper.
pub(crate) enum Order {
    Push(Bytes, Turn, oneshot::Sender<Result<Pushed, Rejected>>),
    Withdraw(u64, oneshot::Sender<Result<(), Rejected>>),
    /// What the plan has let go of is gone. The plan may be, too.
    Released(Weak<Active>),
}

/// The end of the queue at which orders are given. A clone is the same queue.
#[derive(Clone)]
pub(crate) struct Orders {
    queue: mpsc::Sender<Order>,
    waiting: Waiting,
}

/// How many manifests of each way wait or are judged; none that has none.
type Waiting = Arc<Mutex<HashMap<Way, usize>>>;

/// A place of a manifest in the queue; dropped, the next one of its sender may come.
pub(crate) struct Turn {
    pub(crate) way: Way,
    waiting: Waiting,
}

impl Orders {
    /// The queue, and where its orders come out.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Order>) {
        let (queue, orders) = mpsc::channel(ORDERS_MAX);
        let waiting = Waiting::default();
        (Self { queue, waiting }, orders)
    }

    /// Has a manifest judged.
    pub(crate) async fn push(&self, way: Way, file: Bytes) -> Result<Pushed, Rejected> {
        let turn = Turn::take(&self.waiting, way)?;
        self.ask(|answer| Order::Push(file, turn, answer)).await
    }

    /// Has the manifest of this generation taken out of force.
    pub(crate) async fn withdraw(&self, generation: u64) -> Result<(), Rejected> {
        self.ask(|answer| Order::Withdraw(generation, answer)).await
    }

    /// Tells that what a plan has let go of is gone; false if there is no room for that now.
    pub(crate) fn released(&self, active: Weak<Active>) -> bool {
        self.queue.try_send(Order::Released(active)).is_ok()
    }

    async fn ask<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, Rejected>>) -> Order,
    ) -> Result<T, Rejected> {
        let (answer, answered) = oneshot::channel();
        match self.queue.try_send(order(answer)) {
            Ok(()) => answered.await.unwrap_or(Err(Rejected::Ending)),
            Err(TrySendError::Full(_)) => Err(Rejected::Busy),
            Err(TrySendError::Closed(_)) => Err(Rejected::Ending),
        }
    }
}

impl Turn {
    fn take(waiting: &Waiting, way: Way) -> Result<Self, Rejected> {
        let mut counts = waiting.lock();
        let count = counts.entry(way.clone()).or_default();
        if *count >= OF_ONE_MAX {
            return Err(Rejected::Busy);
        }
        *count += 1;
        drop(counts);
        let waiting = Arc::clone(waiting);
        Ok(Self { way, waiting })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut counts = self.waiting.lock();
        if let Some(count) = counts.get_mut(&self.way) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.way);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    #[tokio::test]
    async fn who_floods_the_queue_waits_and_the_others_do_not() {
        let (orders, mut received) = Orders::new();
        let push = |who: &str| orders.push(Way::Push(who.into()), Bytes::new());
        let (mut flood, mut refused) = (Vec::new(), 0);
        for _ in 0..9 {
            let mut push = Box::pin(push("flood.test"));
            match futures_util::poll!(&mut push) {
                Poll::Ready(outcome) => {
                    assert!(matches!(outcome, Err(Rejected::Busy)), "{outcome:?}");
                    refused += 1;
                }
                Poll::Pending => flood.push(push),
            }
        }
        assert_eq!(refused, 9 - OF_ONE_MAX);
        let mut other = Box::pin(push("other.test"));
        assert!(futures_util::poll!(&mut other).is_pending());
        // One is judged: there is room for one more.
        drop(received.recv().await);
        assert!(futures_util::poll!(Box::pin(push("flood.test"))).is_pending());
        drop(received);
        assert!(matches!(other.await, Err(Rejected::Ending)));
        assert!(orders.waiting.lock().is_empty());
    }
}
