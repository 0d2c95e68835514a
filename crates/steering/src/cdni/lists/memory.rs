//! Memory for object lists, for what they name, and for the lists among that.
//!
//! A list has its memory before it is read, and nobody who has that waits for more: what a list names is
//! done, and the lists in it are written down, before the next one is read. What is written down has its
//! room from the start. So those who walk through lists wait for each other, and never in a circle.

use playlist::Limits;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{
    super::model::{Action, Trigger},
    read::Named,
};
use crate::{Reason, Refused};

/// What lists of a trigger name together: a film of two hours in segments of two seconds has 3,600 in
/// each of its tracks.
pub(super) const OBJECTS_MAX: u64 = 50_000;

/// The longest list.
const TEXT_BYTES_MAX: u64 = 4 << 20;
/// What a name takes in a list besides its characters.
const NAME_BYTES: u64 = 64;
const UNIT_BYTES: u64 = 1 << 10;

/// Triggers whose lists are walked through at one time, in each pool.
const WALKS_MAX: u64 = 16;

/// Memory for lists and what they name.
pub(crate) struct Lists {
    /// Of purges, of what is urgent, and of what waits for its window: nobody waits there for the
    /// others.
    pools: [Pool; 3],
    /// What reading one takes.
    reading_units: u32,
    pub(super) limits: Limits,
    /// What the lists take that one walk has still to read.
    pub(super) later_bytes_max: u64,
}

struct Pool {
    walks: Semaphore,
    lists: Semaphore,
}

impl Lists {
    pub(crate) fn new(bytes: u64) -> Self {
        let share = bytes / 3;
        let (reading, later) = (share / 2, share / 4);
        let whole = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let limits = Limits {
            // As much again for what is made of it while it is read.
            text_bytes_max: whole((reading / 4).min(TEXT_BYTES_MAX)),
            objects_max: whole((reading / 4 / NAME_BYTES).min(OBJECTS_MAX)),
            names_bytes_max: whole(reading / 4),
        };
        let units = |bytes: u64| whole(bytes / UNIT_BYTES).min(Semaphore::MAX_PERMITS);
        let pool = || Pool {
            walks: Semaphore::new(whole(WALKS_MAX)),
            // So that one can be read while others are worked on.
            lists: Semaphore::new(units(share - later)),
        };
        Self {
            pools: [pool(), pool(), pool()],
            reading_units: u32::try_from(units(reading)).unwrap_or(u32::MAX),
            limits,
            later_bytes_max: later / WALKS_MAX,
        }
    }

    /// Waits until a trigger may walk through its lists. Whoever waits holds nothing.
    pub(super) async fn walk(
        &self,
        trigger: &Trigger,
        action: Action,
    ) -> Result<SemaphorePermit<'_>, Refused> {
        let walks = &self.pool(trigger, action).walks;
        walks.acquire().await.map_err(closed)
    }

    /// Waits for what reading a list takes. Whoever waits holds the permit of a walk.
    pub(super) async fn reading(
        &self,
        trigger: &Trigger,
        action: Action,
    ) -> Result<SemaphorePermit<'_>, Refused> {
        let lists = &self.pool(trigger, action).lists;
        lists.acquire_many(self.reading_units).await.map_err(closed)
    }

    fn pool(&self, trigger: &Trigger, action: Action) -> &Pool {
        let [purges, urgent, window] = &self.pools;
        match action {
            Action::Invalidate | Action::Purge => purges,
            Action::Preposition if trigger.draft.is_urgent() => urgent,
            Action::Preposition => window,
        }
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it is what turns the error of a call into ours"
)]
fn closed(error: tokio::sync::AcquireError) -> Refused {
    // Nobody closes it.
    Refused::new(Reason::Failed, error.to_string())
}

/// What a list takes, of what it took to read it.
pub(super) fn shrunk<'l>(mut memory: SemaphorePermit<'l>, named: &Named) -> SemaphorePermit<'l> {
    let (count, characters) = match named {
        Named::Playlist(listing) => {
            let sets = [&listing.playlists, &listing.objects, &listing.keys];
            size(sets.into_iter().flatten().map(|name| name.len()))
        }
        Named::List(entries) => size(entries.iter().map(|entry| entry.href.len())),
    };
    // Once as it is, and once more by reference while it is worked on.
    let bytes = characters + 2 * NAME_BYTES * count;
    let units = usize::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(usize::MAX);
    memory.split(units).unwrap_or(memory)
}

fn size(names: impl Iterator<Item = usize>) -> (u64, u64) {
    names.fold((0, 0), |(count, characters), name| {
        (count + 1, characters + name as u64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_holds_what_it_may_leaves_room_to_read() {
        for bytes in [1 << 20, 64 << 20, u64::MAX / 2] {
            let lists = Lists::new(bytes);
            for pool in &lists.pools {
                let permits = pool.lists.available_permits();
                assert!(permits >= lists.reading_units as usize, "{bytes}");
            }
            let later = lists.later_bytes_max * WALKS_MAX;
            assert!(later <= bytes / 12, "{bytes}");
        }
    }
}
