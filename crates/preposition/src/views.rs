//! How it stands, as plain data: times in seconds since the Unix epoch, sizes in bytes.

use std::time::Duration;

use manifest::Pin;
use serde::Serialize;

use crate::{
    active::Active,
    entry::{ENTRIES, Entry},
    failures::Failure,
    schedule::Why,
    shared::{Pulse, Shared},
    window::At,
    yielding::WHOLE,
};

/// Objects of one page, at most.
pub const PAGE_MAX: usize = 1000;

/// How filling stands.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// What it does.
    pub state: FillState,
    /// Why nothing more is begun.
    pub why: Why,
    /// The window that is open.
    pub window: Option<Hours>,
    /// The one that opens next.
    pub next_window: Option<Hours>,
    /// What it may use now.
    pub rate_bytes_per_s: u64,
    /// What has come in of late.
    pub measured_bytes_per_s: u64,
    /// What viewers leave of the rate, in thousandths.
    pub share: u32,
    /// What this window has brought in.
    pub window_bytes: u64,
    /// What has come in since the node was started.
    pub filled_bytes: u64,
    /// What viewers had since then of what a plan put on disk, whenever that was.
    pub served_bytes: u64,
    /// Objects under way.
    pub running: usize,
    /// Of the plan in force, if there is one.
    pub progress: Option<Progress>,
    /// What failed of late and is not here yet, newest first: a hundred at most.
    pub failures: Vec<Failure>,
}

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FillState {
    /// No manifest is in force.
    Empty,
    /// Objects are on their way.
    Filling,
    /// It waits, for the reason told.
    Waiting,
    /// All that is worth its place is here, or failed for good.
    Complete,
    /// An operator has stopped it.
    Drained,
}

/// From `start_s` to before `end_s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Hours {
    /// When it begins.
    pub start_s: u64,
    /// When it is over.
    pub end_s: u64,
}

/// How far a manifest has come.
#[derive(Debug, Clone, Serialize)]
pub struct Progress {
    /// For whom it is.
    pub audience: String,
    /// Its generation.
    pub generation: u64,
    /// Identifies it.
    pub digest: Option<String>,
    /// When it was taken into force.
    pub accepted_s: u64,
    /// When it was made.
    pub issued_s: u64,
    /// From when on it says nothing any more.
    pub expires_s: u64,
    /// Whether it told what changes, and not all.
    pub is_delta: bool,
    /// Objects, what is only seeded included.
    pub objects: u64,
    /// Objects to be filled.
    pub fills: u64,
    /// Objects by what has become of them.
    pub states: Vec<Counted>,
    /// Bytes that are here.
    pub bytes_done: u64,
    /// Bytes that are not yet.
    pub bytes_left: u64,
    /// What of the objects to be filled is here, in thousandths.
    pub complete: u32,
    /// Whether more than one in a hundred failed.
    pub is_degraded: bool,
    /// Whether nothing is left to be tried.
    pub is_landed: bool,
    /// When it will be done, if it goes on as it does.
    pub eta_s: Option<u64>,
}

/// So many objects are so.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Counted {
    /// How.
    pub state: Entry,
    /// How many.
    pub objects: u64,
}

/// A page of the inventory.
#[derive(Debug, Clone, Serialize)]
pub struct Page {
    /// Of which generation.
    pub generation: u64,
    /// Objects, in order of site and path.
    pub objects: Vec<Item>,
    /// Where the next page begins.
    pub next: Option<u32>,
}

/// An object of the inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Its site.
    pub site: String,
    /// Its path.
    pub path: String,
    /// Bytes of the whole object.
    pub size: u64,
    /// Bytes of it that are planned: fewer, where only its first are.
    pub planned_bytes: u64,
    /// Whether it stays whatever the traffic, at some time at least.
    pub is_pinned: bool,
    /// What it hashes to.
    pub digest: Option<String>,
    /// What has become of it.
    pub state: Entry,
}

impl Progress {
    pub(crate) fn of(active: &Active, pulse: &Pulse) -> Option<Self> {
        let (state, told) = (&active.in_force.state, active.in_force.told?);
        let (wanted, held) = active.bytes();
        let (fills, bytes_left) = (active.fills(), wanted.saturating_sub(held));
        let here = active.count(Entry::Held) * u64::from(WHOLE);
        Some(Self {
            audience: state.audience.as_str().to_owned(),
            generation: state.generation,
            digest: state.digest.map(|digest| digest.to_string()),
            accepted_s: told.accepted_s,
            issued_s: told.issued_s,
            expires_s: told.expires_s,
            is_delta: told.is_delta,
            objects: active.len() as u64,
            fills,
            states: ENTRIES
                .map(|state| Counted {
                    state,
                    objects: active.count(state),
                })
                .to_vec(),
            bytes_done: held,
            bytes_left,
            complete: u32::try_from(here.checked_div(fills).unwrap_or_else(|| WHOLE.into()))
                .unwrap_or(WHOLE),
            is_degraded: active.is_degraded(),
            is_landed: active.is_landed(),
            eta_s: eta(pulse, bytes_left).map(|eta| eta.as_secs()),
        })
    }
}

impl Shared {
    pub(crate) fn status(&self) -> Status {
        let (active, pulse) = (self.active.load_full(), *self.pulse.lock());
        let hours = |opening: crate::window::Opening| Hours {
            start_s: opening.start.as_secs(),
            end_s: opening.end.as_secs(),
        };
        let (window, next_window) = match pulse.at {
            At::Open(opening) => (Some(hours(opening)), None),
            At::Closed(next) => (None, next.map(hours)),
        };
        Status {
            state: state(&active, &pulse),
            why: pulse.why,
            window,
            next_window,
            rate_bytes_per_s: pulse.rate_bytes_per_s,
            measured_bytes_per_s: pulse.measured_bytes_per_s,
            share: pulse.share.thousandths,
            window_bytes: pulse.window_bytes,
            filled_bytes: self.metrics.bytes.get(),
            served_bytes: self.parts.cache.prefilled_served_bytes(),
            running: pulse.running,
            progress: Progress::of(&active, &pulse),
            failures: self.failures.lock().of(&active),
        }
    }

    /// A page from place `from` on.
    pub(crate) fn page(&self, from: u32, count: usize) -> Page {
        page(&self.active.load_full(), from, count)
    }
}

/// A page of a plan.
pub(crate) fn page(active: &Active, from: u32, count: usize) -> Page {
    let places = from..from.saturating_add(u32::try_from(count.min(PAGE_MAX)).unwrap_or(0));
    let items = places.clone().map_while(|place| {
        let (object, state) = active.at(place)?;
        let is_brought =
            matches!(state, Entry::Waiting | Entry::Outbid) && active.brought.has(place);
        Some((object, if is_brought { Entry::Brought } else { state }))
    });
    let objects: Vec<_> = items
        .map(|(object, state)| Item {
            site: object.site.to_owned(),
            path: object.path.to_owned(),
            size: object.size,
            planned_bytes: object.first_bytes.unwrap_or(object.size).min(object.size),
            is_pinned: object.pin != Pin::Unpinned,
            digest: object.digest.map(|digest| digest.to_string()),
            state,
        })
        .collect();
    let has_more = (places.end as usize) < active.len() && !objects.is_empty();
    Page {
        generation: active.in_force.state.generation,
        objects,
        next: has_more.then_some(places.end),
    }
}

fn state(active: &Active, pulse: &Pulse) -> FillState {
    if pulse.why == Why::Drained {
        FillState::Drained
    } else if active.in_force.told.is_none() {
        FillState::Empty
    } else if pulse.running > 0 {
        FillState::Filling
    } else if active.is_landed() {
        FillState::Complete
    } else {
        FillState::Waiting
    }
}

/// When the last byte comes in, if all goes on as it does: at the pace of late, or at the rate that
/// it is given if nothing is under way, from now or from when the window opens. While it waits for
/// anything else nobody can say.
fn eta(pulse: &Pulse, bytes_left: u64) -> Option<Duration> {
    let is_told = match pulse.why {
        Why::WindowClosed | Why::Busy => true,
        // The last of them are on their way; what else is missing has been put off.
        Why::Idle => pulse.running > 0,
        Why::AllowanceSpent { .. } | Why::Yielding { .. } | Why::Unreached | Why::Drained => false,
    };
    if !is_told && bytes_left > 0 {
        return None;
    }
    let from = match pulse.at {
        At::Open(_) => pulse.told_at,
        At::Closed(next) => next?.start,
    };
    let pace = match (pulse.running, pulse.measured_bytes_per_s) {
        (0, _) | (_, 0) => pulse.rate_bytes_per_s,
        (_, pace) => pace,
    };
    Some(from + Duration::from_secs(bytes_left.checked_div(pace)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{window::Opening, yielding::Share};

    #[test]
    fn no_time_is_told_that_nobody_knows() {
        let s = Duration::from_secs;
        let opening = |start, end| Opening {
            start: s(start),
            end: s(end),
        };
        let filling = Pulse {
            at: At::Open(opening(0, 1000)),
            why: Why::Busy,
            share: Share::FULL,
            rate_bytes_per_s: 100,
            measured_bytes_per_s: 50,
            window_bytes: 0,
            running: 1,
            told_at: s(10),
        };
        assert_eq!(eta(&filling, 100), Some(s(12)), "at the pace of late");
        let closed = Pulse {
            at: At::Closed(Some(opening(2000, 3000))),
            why: Why::WindowClosed,
            running: 0,
            ..filling
        };
        assert_eq!(
            eta(&closed, 100),
            Some(s(2001)),
            "at its rate, from then on"
        );
        let waiting = |why| Pulse {
            why,
            running: 0,
            ..filling
        };
        for why in [Why::Idle, Why::Unreached, Why::Drained] {
            assert_eq!(eta(&waiting(why), 100), None, "{why:?}");
        }
        assert!(eta(&waiting(Why::Idle), 0).is_some(), "it is complete");
    }
}
