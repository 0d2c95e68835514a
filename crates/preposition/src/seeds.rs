//! What viewers have brought of what a plan leaves to them: planners want to know what is here.

use std::sync::Arc;

use cache::Holding;

use crate::{
    active::Active,
    entry::Entry,
    shared::Shared,
    wanted::{name, wanted},
};

/// Objects between two chances for others to run.
const BATCH: usize = 256;

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// All of it; and the store is told what is expected of what is here.
    All,
    /// What viewers have asked for since the last look, and was not here then.
    Asked,
}

/// Looks what is here of what was not to be fetched.
pub(crate) async fn look(shared: Arc<Shared>, active: Arc<Active>, look: Look) {
    let all = 0..u32::try_from(active.len()).unwrap_or(u32::MAX);
    for (turn, place) in all.enumerate() {
        if turn % BATCH == BATCH - 1 {
            tokio::task::yield_now().await;
        }
        let Some((object, entry)) = active.at(place) else {
            return;
        };
        let was_asked = active.asked.take(place);
        if !entry.is_of_viewers() || (look == Look::Asked && !was_asked) {
            continue;
        }
        let Some(rules) = (shared.parts.rules)(object.site) else {
            continue;
        };
        let now_s = (shared.parts.clock)().unix_s();
        let (name, wanted) = (name(&object), wanted(&object, now_s));
        let cache = &shared.parts.cache;
        if cache.holding(&name, &wanted, &rules).await == Holding::Lacking {
            active.set(place, Entry::Seeded);
            continue;
        }
        active.set(place, Entry::Brought);
        if look == Look::All {
            cache.tell_expected(&name, &wanted, &rules).await;
        }
    }
}
