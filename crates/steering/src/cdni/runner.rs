//! Works on triggers: obeys the plan, drives each to its end, notes what came of it.

use std::{sync::Arc, time::Duration};

use cache::{Pattern, Reach};
use futures_util::{StreamExt as _, stream};
use message::ObjectName;
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    book::Book,
    model::{Action, Draft, FaultKind, State, Subject, Target, Trigger},
};
use crate::{Engine, Prefill, Purge, PurgeWhat, Reason, Refused};

/// Objects of one trigger that are asked for at one time. The engine has its own limits.
const PREFILLS_MAX: usize = 8;

/// The longest sleep: a wall clock may be set while we sleep.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Works until `stop`. What is under way then is begun anew after a restart.
pub(crate) async fn run(book: Book, engine: Arc<dyn Engine>, stop: CancellationToken) {
    let mut work = JoinSet::new();
    loop {
        let now = message::now().unix_s();
        let plan = book.plan(now);
        for (id, why) in plan.fail {
            book.end(&id, now, |trigger| give_up(trigger, FaultKind::Reject, why))
                .await;
        }
        for id in plan.forget {
            if let Err(refused) = book.remove(&id).await {
                tracing::error!(id, %refused, "a trigger cannot be forgotten");
            }
        }
        for id in plan.start {
            if let Some((trigger, cancelled)) = book.begin(&id, now) {
                let (book, engine) = (book.clone(), Arc::clone(&engine));
                work.spawn(async move { drive(&book, &*engine, trigger, cancelled).await });
            }
        }
        let pause = plan.again_unix_s.map_or(LOOK_EVERY, |at| {
            Duration::from_secs(at.saturating_sub(now)).clamp(Duration::from_secs(1), LOOK_EVERY)
        });
        tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = work.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a trigger's task failed");
                }
            }
            _ = timeout(pause, book.changed.notified()) => {}
        }
    }
    work.shutdown().await;
}

/// Does all that a trigger asks for, or until it is cancelled or its window ends.
async fn drive(
    book: &Book,
    engine: &dyn Engine,
    trigger: Arc<Trigger>,
    cancelled: CancellationToken,
) {
    let id = trigger.id.clone();
    let left = trigger.draft.window.map_or(Duration::MAX, |window| {
        Duration::from_secs(window.end_unix_s.saturating_sub(message::now().unix_s()))
    });
    let all = timeout(left, work(book, engine, &trigger));
    let ended = tokio::select! {
        biased;
        () = cancelled.cancelled() => Ended::Cancelled,
        all = all => if all.is_ok() { Ended::Done } else { Ended::Late },
    };
    let now = message::now().unix_s();
    book.end(&id, now, |trigger| match ended {
        Ended::Done => trigger.state = trigger.outcome(),
        Ended::Late => give_up(
            trigger,
            FaultKind::Reject,
            "its window ended before it was done",
        ),
        Ended::Cancelled => {
            let told = Subject::Spec(trigger.draft.told.clone());
            trigger.blame(FaultKind::Cancelled, told, "cancelled");
            trigger.state = State::Cancelled;
        }
    })
    .await;
}

enum Ended {
    Done,
    Late,
    Cancelled,
}

fn give_up(trigger: &mut Trigger, kind: FaultKind, why: &str) {
    let told = Subject::Spec(trigger.draft.told.clone());
    trigger.blame(kind, told, why);
    trigger.state = State::Failed;
}

async fn work(book: &Book, engine: &dyn Engine, trigger: &Trigger) {
    let Some(action) = trigger.draft.action else {
        return;
    };
    let items = &trigger.draft.items;
    // By number, because the compiler cannot tell the lives of futures over borrowed pairs.
    let places = (0..items.len()).flat_map(|item| {
        let targets = items.get(item).map_or(0, |item| item.targets.len());
        (0..targets).map(move |target| (item, target))
    });
    let places: Vec<(usize, usize)> = places.collect();
    let at_once = match action {
        Action::Preposition => PREFILLS_MAX,
        // In order, each durable before the next.
        Action::Invalidate | Action::Purge => 1,
    };
    let draft = &trigger.draft;
    let mut done = stream::iter(places)
        .map(|(item, target)| async move {
            let target = items.get(item).and_then(|item| item.targets.get(target));
            let result = match target {
                Some(target) => one(engine, action, target, draft).await,
                None => Ok(()),
            };
            (item, result)
        })
        .buffer_unordered(at_once);
    while let Some((item, result)) = done.next().await {
        let subject = items.get(item).map(|item| item.subject.clone());
        book.note(&trigger.id, message::now().unix_s(), |trigger| {
            trigger.done += 1;
            if let (Err(refused), Some(subject)) = (result, subject) {
                trigger.blame(kind(refused.reason), subject, &refused.detail);
            }
        });
    }
}

async fn one(
    engine: &dyn Engine,
    action: Action,
    target: &Target,
    draft: &Draft,
) -> Result<(), Refused> {
    let reach = match action {
        Action::Preposition => return prefill(engine, target, draft).await,
        Action::Invalidate => Reach::Confirm,
        Action::Purge => Reach::Forget,
    };
    let (site, what) = match target {
        Target::Object { site, path, .. } => (site, PurgeWhat::Object(path.as_str().into())),
        Target::Pattern {
            site,
            pattern,
            case_sensitive,
            with_query,
        } => {
            let pattern = Pattern::parse(pattern, *case_sensitive, *with_query);
            let pattern = pattern.map_err(|bad| Refused::malformed(bad.to_string()))?;
            (site, PurgeWhat::Matching(pattern))
        }
    };
    let purge = Purge {
        site: site.as_str().into(),
        what,
        reach,
    };
    engine.purge(purge).await
}

async fn prefill(engine: &dyn Engine, target: &Target, draft: &Draft) -> Result<(), Refused> {
    match target {
        Target::Object { site, path, size } => {
            let object = ObjectName {
                site: site.as_str().into(),
                path: path.as_str().into(),
            };
            let wanted = Prefill {
                object,
                size: *size,
                priority: draft.priority,
                is_urgent: draft.is_urgent(),
            };
            engine.prefill(wanted).await
        }
        Target::Pattern { .. } => Err(Refused::malformed("a preposition has no patterns")),
    }
}

/// What an owner is told of a refusal.
fn kind(reason: Reason) -> FaultKind {
    match reason {
        Reason::Content | Reason::NotFound => FaultKind::Content,
        Reason::Role | Reason::UnknownHost => FaultKind::Permission,
        Reason::Failed | Reason::AuditUnwritable => FaultKind::Internal,
        Reason::Unsupported => FaultKind::Unsupported,
        Reason::Malformed
        | Reason::Browser
        | Reason::Method
        | Reason::TooSlow
        | Reason::TooLarge
        | Reason::MediaType
        | Reason::RateLimited
        | Reason::ManifestUntrusted
        | Reason::ManifestAudience
        | Reason::ManifestGeneration
        | Reason::ManifestExpired
        | Reason::ManifestEviction
        | Reason::ManifestUnsupported
        | Reason::ManifestQuarantined
        | Reason::NoRoom
        | Reason::Busy
        | Reason::Loop
        | Reason::Conflict => FaultKind::Reject,
    }
}
