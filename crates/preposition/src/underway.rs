//! What is under way: one task for each object, and the place, lane and bytes that it has.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

use crate::{
    active::Active,
    attempt::{Attempts, Outcome},
    entry::Entry,
    schedule::Lane,
};

/// Attempts on their way. Dropped, all of them are cut.
pub(crate) struct Underway {
    attempts: Arc<Attempts>,
    running: HashMap<Id, Running>,
    tasks: JoinSet<Outcome>,
}

/// One of them.
struct Running {
    place: u32,
    lane: Lane,
    bytes: u64,
    handle: AbortHandle,
}

/// An attempt that has ended, if it was not cut.
pub(crate) type Ended = Result<(Id, Outcome), JoinError>;

impl Underway {
    pub(crate) fn new(attempts: Arc<Attempts>) -> Self {
        Self {
            attempts,
            running: HashMap::new(),
            tasks: JoinSet::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.running.len()
    }

    /// What they may bring in, all together.
    pub(crate) fn reserved_bytes(&self) -> u64 {
        self.running.values().map(|running| running.bytes).sum()
    }

    /// Begins an attempt at `place`, which has been wanted for `waited`.
    pub(crate) fn begin(&mut self, active: &Arc<Active>, place: u32, lane: Lane, waited: Duration) {
        let bytes = active
            .at(place)
            .map_or(0, |(object, _)| object.bytes_wanted());
        let (attempts, active) = (Arc::clone(&self.attempts), Arc::clone(active));
        let attempt = async move { attempts.attempt(&active, place, waited).await };
        let handle = self.tasks.spawn(attempt);
        let running = Running {
            place,
            lane,
            bytes,
            handle: handle.clone(),
        };
        self.running.insert(handle.id(), running);
    }

    /// Cuts those of these lanes, and tells of which places they were.
    pub(crate) fn cut(&mut self, lane: impl Fn(Lane) -> bool) -> Vec<u32> {
        let cut = self.running.extract_if(|_, running| lane(running.lane));
        cut.map(|(_, running)| {
            running.handle.abort();
            running.place
        })
        .collect()
    }

    /// The next that ends; nothing if none is under way. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Ended> {
        self.tasks.join_next_with_id().await
    }

    /// Of which place one that has ended was, and how it ended. What was cut in its last moment is
    /// nobody's any more.
    pub(crate) fn ended(&mut self, ended: Ended) -> Option<(u32, Outcome)> {
        let (id, outcome) = match ended {
            Ok(ended) => ended,
            Err(error) if error.is_cancelled() => return None,
            Err(error) => {
                tracing::error!(%error, "a fill by plan panicked");
                (error.id(), Outcome::Failed(Entry::SourceFailed))
            }
        };
        let running = self.running.remove(&id)?;
        Some((running.place, outcome))
    }

    /// Cuts all and waits until they are gone.
    pub(crate) async fn end(&mut self) {
        self.tasks.shutdown().await;
    }
}
