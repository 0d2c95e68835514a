//! The fill plane as steering tells of it: pure translations from one room's words to the other's.

use preposition::{
    Counted, Entry, Failure, FillState, Hours, Item, Page, Rejected, Status, Undone, Why,
};
use steering::{
    Reason, Refused,
    report::{
        FillFailure, Inventory, InventoryObject, InventorySummary, ManifestKind, ManifestState,
        ManifestSummary, ObjectState, Phase, Progress, Pushed, WaitsFor, Window,
    },
};

/// Why a manifest is not in force.
pub(crate) fn refused(rejected: &Rejected) -> Refused {
    let reason = match rejected {
        Rejected::Refused(refused) => reason(refused),
        Rejected::Unkept(_) | Rejected::Unrehearsed(_) => Reason::Failed,
        Rejected::OtherGeneration { .. } => Reason::NotFound,
        Rejected::Busy => Reason::RateLimited,
        Rejected::Ending => Reason::Busy,
        Rejected::Quarantined { .. } => Reason::ManifestQuarantined,
        Rejected::Unfit { .. } => Reason::ManifestUnsupported,
    };
    let refused = Refused::new(reason, rejected.to_string());
    match rejected {
        Rejected::Quarantined { until_s } => refused.not_before(*until_s),
        Rejected::Refused(_)
        | Rejected::Unkept(_)
        | Rejected::Unrehearsed(_)
        | Rejected::OtherGeneration { .. }
        | Rejected::Busy
        | Rejected::Ending
        | Rejected::Unfit { .. } => refused,
    }
}

fn reason(refused: &preposition::Refused) -> Reason {
    use preposition::Refused as Is;
    match refused {
        Is::Unsigned | Is::BadSignature(_) | Is::KeyNotValid(_) | Is::BelowThreshold { .. } => {
            Reason::ManifestUntrusted
        }
        Is::OtherAudience { .. } => Reason::ManifestAudience,
        Is::Replayed { .. } | Is::OtherBase { .. } | Is::OtherPrevious { .. } => {
            Reason::ManifestGeneration
        }
        Is::Expired { .. } | Is::FromTheFuture { .. } => Reason::ManifestExpired,
        Is::MassEviction { .. } => Reason::ManifestEviction,
        Is::TooLarge { .. } => Reason::TooLarge,
        Is::Malformed { .. } => Reason::Malformed,
        Is::NewerSchema { .. }
        | Is::CriticalUnknown(_)
        | Is::NamesHosts { .. }
        | Is::LivesTooLong { .. }
        | Is::Wrong { .. } => Reason::ManifestUnsupported,
    }
}

/// Why an object that was wanted by name is not here.
pub(crate) fn undone(undone: Undone) -> Refused {
    let reason = match undone {
        Undone::Absent
        | Undone::Mismatch
        | Undone::Refused
        | Undone::Unsized
        | Undone::SourceFailed => Reason::Content,
        Undone::Unwritten => Reason::NoRoom,
        Undone::Busy | Undone::Ending => Reason::Busy,
    };
    Refused::new(reason, undone.to_string())
}

/// The manifest in force, after it was pushed.
pub(crate) fn pushed(now: &preposition::Progress, fresh: bool) -> Pushed {
    Pushed {
        generation: now.generation,
        digest: digest(now),
        objects: now.objects,
        missing_bytes: now.bytes_left,
        fresh,
    }
}

/// The manifest in force.
pub(crate) fn summary(now: &preposition::Progress, state: ManifestState) -> ManifestSummary {
    ManifestSummary {
        generation: now.generation,
        audience: now.audience.clone(),
        kind: if now.is_delta {
            ManifestKind::Delta
        } else {
            ManifestKind::Full
        },
        state,
        issued_unix_s: now.issued_s,
        expires_unix_s: now.expires_s,
        objects: now.objects,
        bytes: now.bytes_done + now.bytes_left,
        digest: digest(now),
    }
}

/// How far the fill has come.
pub(crate) fn progress(status: &Status, now_s: u64) -> Progress {
    let window = status.window.or(status.next_window);
    let idle = Progress {
        phase: phase(status),
        waits_for: waits_for(status),
        window: window.map(|Hours { start_s, end_s }| Window {
            opens_unix_s: start_s,
            closes_unix_s: end_s,
        }),
        bytes_per_s: status.measured_bytes_per_s,
        bytes_filled: status.filled_bytes,
        bytes_served: status.served_bytes,
        ..Progress::default()
    };
    let Some(now) = &status.progress else {
        return idle;
    };
    let count = |wanted: fn(Entry) -> bool| {
        let states = now.states.iter().filter(|counted| wanted(counted.state));
        states.map(|Counted { objects, .. }| objects).sum()
    };
    Progress {
        generation: Some(now.generation),
        objects: now.fills,
        objects_held: count(|entry| entry == Entry::Held),
        objects_failed: count(|entry| state(entry) == ObjectState::Failed),
        bytes: now.bytes_done + now.bytes_left,
        bytes_held: now.bytes_done,
        eta_s: now.eta_s.map(|eta| eta.saturating_sub(now_s)),
        failures: status.failures.iter().map(failure).collect(),
        ..idle
    }
}

fn phase(status: &Status) -> Phase {
    match (status.state, status.why) {
        (FillState::Empty, _) => Phase::Idle,
        (FillState::Complete, _) => Phase::Complete,
        (FillState::Filling | FillState::Waiting | FillState::Drained, Why::Yielding { .. }) => {
            Phase::Yielding
        }
        (FillState::Filling, _) => Phase::Filling,
        (FillState::Waiting | FillState::Drained, _) => Phase::Waiting,
    }
}

fn waits_for(status: &Status) -> Option<WaitsFor> {
    match status.state {
        FillState::Empty | FillState::Complete | FillState::Filling => return None,
        FillState::Waiting | FillState::Drained => {}
    }
    Some(match status.why {
        Why::WindowClosed => WaitsFor::Window,
        Why::AllowanceSpent { .. } => WaitsFor::Allowance,
        Why::Yielding { .. } => WaitsFor::Viewers,
        Why::Unreached => WaitsFor::Sources,
        Why::Drained => WaitsFor::Operator,
        // All that is missing has been put off.
        Why::Idle | Why::Busy if has_unreached(status) => WaitsFor::Sources,
        Why::Idle | Why::Busy => WaitsFor::Retry,
    })
}

fn has_unreached(status: &Status) -> bool {
    let mut states = status.progress.iter().flat_map(|now| &now.states);
    states.any(|counted| counted.state == Entry::Unreached && counted.objects > 0)
}

fn failure(failed: &Failure) -> FillFailure {
    let reason = match failed.state {
        Entry::Absent => "the sources have none",
        Entry::Mismatch => "the sources have another size or SHA-256 than planned",
        Entry::Refused => "its site is not known here, or its answers may not be stored",
        Entry::SourceFailed => "the sources failed",
        Entry::Unwritten => "the disks did not take it",
        // Not failures.
        Entry::Waiting
        | Entry::Filling
        | Entry::Held
        | Entry::Seeded
        | Entry::Unreached
        | Entry::Outbid
        | Entry::Brought => "",
    };
    FillFailure {
        site: failed.site.clone(),
        path: failed.path.clone(),
        reason: reason.to_owned(),
        attempts: failed.attempts.into(),
    }
}

/// What is held, in short.
pub(crate) fn holdings(now: &preposition::Progress) -> InventorySummary {
    InventorySummary {
        generation: Some(now.generation),
        complete_ratio: f64::from(now.complete) / 1000.0,
        summary: digest(now),
    }
}

/// A page of what is held.
pub(crate) fn inventory(now: &preposition::Progress, page: Page) -> Inventory {
    let InventorySummary {
        complete_ratio,
        summary,
        ..
    } = holdings(now);
    Inventory {
        generation: Some(page.generation),
        complete_ratio,
        summary,
        objects: page.objects.into_iter().map(object).collect(),
        next: page.next.map(|place| place.to_string()),
    }
}

fn object(item: Item) -> InventoryObject {
    let state = state(item.state);
    InventoryObject {
        site: item.site,
        path: item.path,
        size: item.size,
        held_bytes: if state == ObjectState::Held {
            item.planned_bytes
        } else {
            0
        },
        state,
        pinned: item.is_pinned,
    }
}

fn state(entry: Entry) -> ObjectState {
    match entry {
        Entry::Waiting | Entry::Unreached => ObjectState::Missing,
        Entry::Filling => ObjectState::Filling,
        Entry::Held | Entry::Brought => ObjectState::Held,
        Entry::Seeded | Entry::Outbid => ObjectState::Seeded,
        Entry::Absent
        | Entry::Mismatch
        | Entry::Refused
        | Entry::SourceFailed
        | Entry::Unwritten => ObjectState::Failed,
    }
}

/// The manifest's digest in hexadecimal.
fn digest(now: &preposition::Progress) -> String {
    let told = now.digest.as_deref().unwrap_or_default();
    told.strip_prefix("sha256:").unwrap_or(told).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_that_is_answered_is_the_one_that_the_fill_plane_means() {
        let all = [
            Rejected::Refused(preposition::Refused::Unsigned),
            Rejected::Refused(preposition::Refused::Replayed {
                generation: 1,
                current: 2,
            }),
            Rejected::Refused(preposition::Refused::Expired {
                expires_s: 1,
                now_s: 2,
            }),
            Rejected::Refused(preposition::Refused::CriticalUnknown("x".to_owned())),
            Rejected::Refused(preposition::Refused::TooLarge {
                what: "bytes of memory",
                found: 2,
                max: 1,
            }),
            Rejected::Quarantined { until_s: 1 },
            Rejected::Busy,
            Rejected::Ending,
            Rejected::OtherGeneration {
                asked: 1,
                current: 2,
            },
        ];
        for rejected in all {
            let told = refused(&rejected);
            assert_eq!(told.reason.status().as_u16(), rejected.status(), "{told}");
        }
    }
}
