//! Continuous repair: what should be here is looked for, and what is not is filled again.

use std::sync::Arc;

use cache::Holding;
use manifest::Object;

use crate::{
    active::Active,
    entry::{ENTRIES, Entry},
    shared::Shared,
    wanted::{is_outbid, name, wanted},
};

/// Objects between two chances for others to run.
const BATCH: usize = 256;

/// What a walk over the plan has found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Repaired {
    /// Objects that were here and are not.
    pub(crate) lost: u64,
    /// What the plan has let go of is gone.
    pub(crate) is_released: bool,
    /// The store was told what is expected of what is here.
    pub(crate) has_told: bool,
}

/// Walks over the plan: notes what is here and what is not, and once a day tells the store again what
/// is expected of what is here.
pub(crate) async fn repair(shared: Arc<Shared>, active: Arc<Active>) -> Repaired {
    pin(&shared, &active).await;
    let begun_s = (shared.parts.clock)().unix_s();
    let tells = active.is_to_be_told(begun_s);
    let mut repaired = Repaired::default();
    for (turn, place) in active.order().iter().enumerate() {
        if turn % BATCH == BATCH - 1 {
            tokio::task::yield_now().await;
        }
        let Some((object, entry)) = active.at(*place) else {
            continue;
        };
        let Some(rules) = (shared.parts.rules)(object.site) else {
            continue;
        };
        // Read each time: a pin that ends meanwhile stays ended.
        let now_s = (shared.parts.clock)().unix_s();
        let (name, wanted) = (name(&object), wanted(&object, now_s));
        let cache = &shared.parts.cache;
        let holding = cache.holding(&name, &wanted, &rules).await;
        match (holding, entry) {
            (Holding::Lacking, Entry::Held | Entry::Outbid) => {
                if entry == Entry::Held {
                    repaired.lost += 1;
                    active.lost.note(*place);
                }
                let is_outbid = is_outbid(cache, &object, active.lost.has(*place), now_s);
                let next = if is_outbid {
                    Entry::Outbid
                } else {
                    Entry::Waiting
                };
                active.set(*place, next);
            }
            (Holding::Whole, _) if entry != Entry::Filling => active.set(*place, Entry::Held),
            (Holding::Lacking | Holding::Unverified | Holding::Whole, _) => {}
        }
        // Not verified before its turn comes, but here.
        if holding == Holding::Unverified {
            active.brought.note(*place);
        } else {
            active.brought.take(*place);
        }
        if holding == Holding::Lacking || entry == Entry::Filling {
            continue;
        }
        if tells {
            cache.tell_expected(&name, &wanted, &rules).await;
        }
    }
    if tells {
        active.told(begun_s);
        repaired.has_told = true;
    }
    if active.is_to_be_released() {
        release(&shared, &active).await;
        repaired.is_released = true;
    }
    repaired
}

/// Pins again what the plan pins, best first, and lets go of all other pins: of what plans before had
/// pinned, of what was purged. What does not fit into the disks may be here all the same.
async fn pin(shared: &Shared, active: &Active) {
    let cache = &shared.parts.cache;
    cache.begin_pins();
    let all = 0..u32::try_from(active.len()).unwrap_or(u32::MAX);
    let unordered = all.filter(|place| active.entry(*place).is_of_viewers());
    let places = active.order().iter().copied().chain(unordered);
    for (turn, place) in places.enumerate() {
        if turn % BATCH == BATCH - 1 {
            tokio::task::yield_now().await;
        }
        let now_s = (shared.parts.clock)().unix_s();
        let object = active.at(place).map(|(object, _)| object);
        let Some(object) = object.filter(|object| object.is_pinned(now_s)) else {
            continue;
        };
        if let Some(rules) = (shared.parts.rules)(object.site) {
            let (name, wanted) = (name(&object), wanted(&object, now_s));
            cache.pin(&name, &wanted, &rules).await;
        }
    }
    cache.end_pins();
}

/// Has what failed tried anew.
pub(crate) fn forget_failures(active: &Active) {
    if ENTRIES
        .iter()
        .any(|it| it.is_failure() && active.count(*it) > 0)
    {
        for place in active.order() {
            if active.entry(*place).is_failure() {
                active.set(*place, Entry::Waiting);
            }
        }
    }
}

/// Lets go of the pins at these places of a plan: their time is over.
pub(crate) async fn unpin_at(shared: Arc<Shared>, active: Arc<Active>, places: Vec<u32>) {
    let now_s = (shared.parts.clock)().unix_s();
    let objects = places.iter().filter_map(|place| active.at(*place));
    unpin(&shared, objects.map(|(object, _)| object), now_s).await;
}

async fn unpin(shared: &Shared, objects: impl Iterator<Item = Object<'_>>, now_s: u64) {
    for (turn, object) in objects.enumerate() {
        if turn % BATCH == BATCH - 1 {
            tokio::task::yield_now().await;
        }
        if let Some(rules) = (shared.parts.rules)(object.site) {
            let (name, wanted) = (name(&object), wanted(&object, now_s));
            shared.parts.cache.unpin(&name, &wanted, &rules).await;
        }
    }
}

/// Lets go of what a plan has explicitly removed, for good.
async fn release(shared: &Shared, active: &Active) {
    let now_s = (shared.parts.clock)().unix_s();
    for object in active.in_force.released.iter() {
        if let Some(rules) = (shared.parts.rules)(object.site) {
            let (name, wanted) = (name(&object), wanted(&object, now_s));
            shared.parts.cache.release(&name, &wanted, &rules).await;
        }
    }
}
