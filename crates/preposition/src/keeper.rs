//! The keeper: the one that takes manifests into force, one at a time.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use manifest::{Accepted, Kind, Limits, Objects, Refused, State};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    active::Active,
    answer::{Pushed, Rejected},
    applied::{self, InForce, Told},
    memory,
    orders::Order,
    rehearsal,
    shape::Shape,
    shared::Shared,
    signed,
    trust::{self, Trusts, Way},
};

/// So long the plan before the one in force may take to go before the next one is judged: whoever
/// works at it is told at once.
const SEAT_WAIT: Duration = Duration::from_secs(10);

/// Takes orders until it is stopped. What is begun is brought to its end, so that an answer
/// always says what is in force.
pub(crate) async fn keep(
    shared: Arc<Shared>,
    mut orders: mpsc::Receiver<Order>,
    stop: CancellationToken,
) {
    let mut trusts = Trusts::default();
    let mut keys = shared.keys.subscribe();
    loop {
        let now = (shared.parts.clock)().wall;
        shared.metrics.show_trusts(&trusts, now);
        let order = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            // By the old ones they were bad.
            Ok(()) = keys.changed() => {
                trusts.forgive();
                continue;
            }
            order = orders.recv() => order,
            () = quarantine_ends(&trusts, now) => continue,
        };
        let Some(order) = order else { return };
        obey(&shared, &mut trusts, order).await;
    }
}

/// Until somebody is listened to again.
async fn quarantine_ends(trusts: &Trusts, now: Duration) {
    match trusts.next_end(now) {
        // By another clock than that which decides: not so often, in case that they differ.
        Some(left) => sleep(left.max(Duration::from_secs(1))).await,
        None => std::future::pending().await,
    }
}

async fn obey(shared: &Arc<Shared>, trusts: &mut Trusts, order: Order) {
    match order {
        Order::Push(bytes, turn, answer) => {
            let outcome = trusted(shared, trusts, &turn.way, bytes.clone()).await;
            if !is_known_already(shared, &outcome, bytes).await {
                note(shared, &turn.way, outcome.as_ref());
            }
            drop(turn);
            // Whoever asked may have gone; what is in force is so all the same.
            let _gone = answer.send(outcome);
        }
        Order::Withdraw(generation, answer) => {
            let outcome = apart(shared, move |shared| withdraw(shared, generation)).await;
            let _gone = answer.send(outcome);
        }
        Order::Released(active) => {
            let outcome = apart(shared, move |shared| released(shared, &active)).await;
            if let Err(error) = outcome {
                tracing::warn!(%error, "what was removed could not be written down");
            }
        }
    }
}

/// Judging and writing take a while and block: in a thread for that.
async fn apart<T: Send + 'static>(
    shared: &Arc<Shared>,
    work: impl FnOnce(&Shared) -> Result<T, Rejected> + Send + 'static,
) -> Result<T, Rejected> {
    let shared = Arc::clone(shared);
    let done = tokio::task::spawn_blocking(move || work(&shared)).await;
    done.unwrap_or(Err(Rejected::Ending))
}

/// Takes a manifest unless too many bad ones came the same way, and judges that way by it.
async fn trusted(
    shared: &Arc<Shared>,
    trusts: &mut Trusts,
    way: &Way,
    bytes: Bytes,
) -> Result<Pushed, Rejected> {
    let now = (shared.parts.clock)().wall;
    if let Some(until) = trusts.quarantine(way, now) {
        let until_s = until.as_secs();
        return Err(Rejected::Quarantined { until_s });
    }
    let outcome = push(shared, bytes).await;
    if outcome.as_ref().err().is_some_and(trust::is_bad)
        && let Some(until) = trusts.was_bad(way, now)
    {
        let (way, who, until_s) = (way.name(), way.who(), until.as_secs());
        tracing::error!(
            way,
            who,
            until_s,
            "bad manifests again and again: none is taken"
        );
    }
    outcome
}

/// A manifest that may come into force.
struct Judged {
    old: Arc<Active>,
    in_force: InForce,
    pushed: Pushed,
    shape: Shape,
}

async fn push(shared: &Arc<Shared>, bytes: Bytes) -> Result<Pushed, Rejected> {
    let seat = timeout(SEAT_WAIT, Arc::clone(&shared.seats).acquire_owned()).await;
    let seat = seat.map_err(|_elapsed| Rejected::Busy)?;
    let signed = bytes.clone();
    let judged = apart(shared, move |shared| judge(shared, &bytes)).await?;
    let judged = rehearsed(shared, judged).await?;
    apart(shared, move |shared| {
        let config = &shared.config;
        let (generation, objects) = (judged.in_force.state.generation, judged.pushed.objects);
        if let Err(error) = signed::keep(&config.folder, generation, &signed) {
            // It can be in force without being shown.
            tracing::warn!(%error, "the manifest is not kept as it was signed");
        }
        applied::save(&config.folder, &judged.in_force)?;
        rehearsal::remember(&config.folder, judged.shape);
        put_in_force(shared, &judged.old, judged.in_force, seat.ok());
        signed::keep_only(&config.folder, generation);
        tracing::info!(generation, objects, "a manifest is in force");
        Ok(judged.pushed)
    })
    .await
}

fn judge(shared: &Shared, bytes: &[u8]) -> Result<Judged, Rejected> {
    let config = &shared.config;
    let now_s = (shared.parts.clock)().unix_s();
    let old = shared.active.load_full();
    let state = &old.in_force.state;
    let memory_bytes_max = memory::plan_bytes_max(config.memory_bytes);
    let limits = Limits {
        memory_bytes_max: memory_bytes_max.saturating_sub(bytes.len() as u64),
        ..config.limits
    };
    let keys = Arc::clone(&shared.keys.borrow());
    let accepted = manifest::accept(state, bytes, now_s, &keys, &limits)?;
    let (pushed, shape) = (
        told(&accepted),
        Shape::of(&accepted.manifest, accepted.plan()),
    );
    let in_force = in_force(&old, accepted, now_s, memory_bytes_max);
    in_force.check_memory(memory_bytes_max)?;
    Ok(Judged {
        old,
        in_force,
        pushed,
        shape,
    })
}

/// Has a child try what is new here, where there is a program for that.
async fn rehearsed(shared: &Arc<Shared>, judged: Judged) -> Result<Judged, Rejected> {
    let config = &shared.config;
    let Some(rehearsal) = &config.rehearsal else {
        return Ok(judged);
    };
    let staged = apart(shared, move |shared| {
        let folder = &shared.config.folder;
        let is_new = !judged.shape.is_known(rehearsal::known(folder));
        if is_new {
            applied::save(&rehearsal::stage(folder), &judged.in_force)?;
        }
        Ok((is_new, judged))
    });
    let (is_new, judged) = staged.await?;
    if is_new {
        let bounds = rehearsal.bounds(config.memory_bytes);
        let run = rehearsal.run(&config.folder, &config.audience, bounds);
        let how = run.await?;
        if !how.success() {
            return Err(Rejected::Unfit { bounds, how });
        }
    }
    Ok(judged)
}

fn withdraw(shared: &Shared, generation: u64) -> Result<(), Rejected> {
    let old = shared.active.load_full();
    let state = &old.in_force.state;
    if state.generation != generation || old.in_force.told.is_none() {
        let current = old.in_force.told.map_or(0, |_| state.generation);
        return Err(Rejected::OtherGeneration {
            asked: generation,
            current,
        });
    }
    let in_force = InForce {
        state: State {
            // A delta would be against a plan that is no longer here: none can name it.
            digest: None,
            plan: Objects::default(),
            audience: state.audience.clone(),
            generation,
        },
        told: None,
        released: old.released(),
    };
    applied::save(&shared.config.folder, &in_force)?;
    // What it had let go of takes memory, too; but the way out must not be barred.
    let seat = Arc::clone(&shared.seats).try_acquire_owned().ok();
    put_in_force(shared, &old, in_force, seat);
    tracing::info!(generation, "the manifest was withdrawn");
    Ok(())
}

fn released(shared: &Shared, active: &Weak<Active>) -> Result<(), Rejected> {
    // Another plan may be in force by now, with a list of its own.
    let active = active.upgrade();
    let active = active.filter(|active| Arc::ptr_eq(&shared.active.load_full(), active));
    if let Some(active) = active {
        applied::save_without(&shared.config.folder, &active.in_force, &Objects::default())?;
    }
    Ok(())
}

fn put_in_force(
    shared: &Shared,
    old: &Active,
    in_force: InForce,
    seat: Option<OwnedSemaphorePermit>,
) {
    let active = Active::new(in_force, shared.config.capacity_bytes).seated(seat);
    active.inherit(old);
    shared.metrics.show(&active);
    shared.active.store(Arc::new(active));
    shared.changed.notify_one();
}

/// What is in force once `accepted` is. What plans before have let go of and is still here goes with what
/// this one lets go of, as long as there is memory for it; then the policy decides about it.
fn in_force(old: &Active, accepted: Accepted, now_s: u64, memory_bytes_max: u64) -> InForce {
    let head = &accepted.manifest.head;
    let told = Told {
        accepted_s: now_s,
        issued_s: head.issued_s,
        expires_s: head.expires_s,
        is_delta: matches!(head.kind, Kind::Delta { .. }),
        bytes_per_s: head.hints.bytes_per_s,
        bytes_per_window: head.hints.bytes_per_window,
        concurrency: head.hints.concurrency,
        deadline_s: head.hints.deadline_s,
    };
    let plan = &old.in_force.state.plan;
    let removed = accepted.manifest.removed.iter();
    let removed = removed.filter_map(|(site, path)| plan.at(plan.find(site, path)?));
    // All of them were legal, and none is there twice.
    let removed = Objects::collect(removed).unwrap_or_default();
    let pending = old.released();
    let pending = pending.iter().filter(|object| {
        let is_wanted = accepted.plan().find(object.site, object.path).is_some();
        let is_removed_again = plan.find(object.site, object.path).is_some();
        !is_wanted && !is_removed_again
    });
    let released = Objects::collect(removed.iter().chain(pending)).unwrap_or_default();
    let mut in_force = InForce {
        state: accepted.into_state(),
        told: Some(told),
        released,
    };
    if in_force.check_memory(memory_bytes_max).is_err() {
        in_force.released = removed;
    }
    in_force
}

fn told(accepted: &Accepted) -> Pushed {
    let diff = &accepted.diff;
    Pushed {
        generation: accepted.manifest.head.generation,
        digest: accepted.digest.to_string(),
        objects: accepted.plan().len() as u64,
        added: diff.added.len() as u64,
        replaced: diff.replaced.len() as u64,
        removed: diff.removed.len() as u64,
        fill_bytes: diff.fill_bytes,
        ignored: accepted.ignored.clone(),
    }
}

/// Whether what is in force came again, which is no refusal: from where it is pulled, since it still
/// lies there, or from a planner that did not hear the answer.
async fn is_known_already(
    shared: &Arc<Shared>,
    outcome: &Result<Pushed, Rejected>,
    file: Bytes,
) -> bool {
    if !matches!(outcome, Err(Rejected::Refused(Refused::Replayed { .. }))) {
        return false;
    }
    let known = apart(shared, move |shared| Ok(shared.is_in_force(&file)));
    known.await.unwrap_or(false)
}

fn note(shared: &Shared, way: &Way, outcome: Result<&Pushed, &Rejected>) {
    match outcome {
        Ok(pushed) => {
            shared.metrics.applied.inc();
            shared.metrics.unknown.inc_by(pushed.ignored.len() as u64);
        }
        Err(why) => {
            let refused = &shared.metrics.refused;
            refused.with_label_values(&[why.label()]).inc();
            let (way, who) = (way.name(), way.who());
            tracing::warn!(way, who, %why, "a manifest was refused; what was in force stays");
        }
    }
}
