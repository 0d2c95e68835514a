//! Works on triggers: obeys the plan, drives each to its end, notes what came of it.

use std::{sync::Arc, time::Duration};

use cache::{Expression, Paths, Pattern, Reach};
use futures_util::{StreamExt as _, stream};
use message::ObjectName;
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    book::Book,
    lists::{Lists, Walk},
    model::{Action, Draft, FaultKind, State, Subject, Target, Trigger},
};
use crate::{Engine, Prefill, Purge, PurgeWhat, Reason, Refused, access::Roles};

/// Objects of one trigger that are asked for at one time. The engine has its own limits.
pub(super) const PREFILLS_MAX: usize = 8;

/// The longest sleep: a wall clock may be set while we sleep.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Works until `stop`. What is under way then is begun anew after a restart.
pub(crate) async fn run(
    book: Book,
    engine: Arc<dyn Engine>,
    roles: Roles,
    lists_bytes: u64,
    stop: CancellationToken,
) {
    let lists = Arc::new((Lists::new(lists_bytes), roles));
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
                let lists = Arc::clone(&lists);
                work.spawn(async move { drive(&book, &*engine, &lists, trigger, cancelled).await });
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
    lists: &(Lists, Roles),
    trigger: Arc<Trigger>,
    cancelled: CancellationToken,
) {
    let id = trigger.id.clone();
    let left = trigger.draft.window.map_or(Duration::MAX, |window| {
        Duration::from_secs(window.end_unix_s.saturating_sub(message::now().unix_s()))
    });
    let all = timeout(left, work(book, engine, lists, &trigger));
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
        Ended::Cancelled => trigger.cancelled(),
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

async fn work(book: &Book, engine: &dyn Engine, lists: &(Lists, Roles), trigger: &Trigger) {
    let Some(action) = trigger.draft.action else {
        return;
    };
    let draft = &trigger.draft;
    let all = draft.items.iter();
    let all = all.flat_map(|item| item.targets.iter().map(|target| (&item.subject, target)));
    let (listed, named): (Vec<_>, Vec<_>) =
        all.partition(|(_, target)| matches!(target, Target::List { .. }));
    let at_once = match action {
        Action::Preposition => PREFILLS_MAX,
        // In order, each durable before the next.
        Action::Invalidate | Action::Purge => 1,
    };
    // By number, because the compiler cannot tell the lives of futures over borrowed pairs.
    let named = &named;
    let mut done = stream::iter(0..named.len())
        .map(|place| async move {
            let result = match named.get(place) {
                Some((_, target)) => one(engine, action, target, draft).await,
                None => Ok(()),
            };
            (place, result)
        })
        .buffer_unordered(at_once);
    while let Some((place, result)) = done.next().await {
        let subject = named.get(place).map(|(subject, _)| *subject);
        let now = message::now().unix_s();
        book.note(&trigger.id, now, |trigger| {
            trigger.advance(now);
            if let (Err(refused), Some(subject)) = (result, subject) {
                trigger.blame(kind(refused.reason), subject.clone(), &refused.detail);
            }
        });
    }
    let (lists, roles) = lists;
    let walk = Walk::new(book, engine, (lists, roles), (trigger, action));
    for (subject, target) in listed {
        walk.list(subject, target).await;
    }
}

async fn one(
    engine: &dyn Engine,
    action: Action,
    target: &Target,
    draft: &Draft,
) -> Result<(), Refused> {
    match target {
        Target::Object { site, path, size } => {
            let object = ObjectName {
                site: site.as_str().into(),
                path: path.as_str().into(),
            };
            object_of(engine, action, object, *size, draft).await
        }
        Target::Pattern {
            site,
            pattern,
            case_sensitive,
            with_query,
        } => {
            let pattern = Pattern::parse(pattern, *case_sensitive, *with_query);
            let pattern = pattern.map_err(|bad| Refused::malformed(bad.to_string()))?;
            matching(engine, action, site, pattern.into()).await
        }
        Target::Expression {
            site,
            expression,
            hosts,
            case_sensitive,
            with_query,
        } => {
            let one = Expression::parse(expression, hosts, *case_sensitive, *with_query);
            let one = one.map_err(|bad| Refused::malformed(bad.to_string()))?;
            match one {
                Some(one) => matching(engine, action, site, one.into()).await,
                None => Ok(()),
            }
        }
        // Those are walked through.
        Target::List { .. } => Ok(()),
    }
}

async fn matching(
    engine: &dyn Engine,
    action: Action,
    site: &str,
    paths: Paths,
) -> Result<(), Refused> {
    let reach = reach(action);
    let reach = reach.ok_or_else(|| Refused::malformed("a preposition has no patterns"))?;
    let purge = Purge {
        site: site.into(),
        what: PurgeWhat::Matching(paths),
        reach,
    };
    engine.purge(purge).await
}

/// Does to one object what a trigger wants done.
pub(super) async fn object_of(
    engine: &dyn Engine,
    action: Action,
    object: ObjectName,
    size: Option<u64>,
    draft: &Draft,
) -> Result<(), Refused> {
    let Some(reach) = reach(action) else {
        let wanted = Prefill {
            object,
            size,
            priority: draft.priority,
            is_urgent: draft.is_urgent(),
        };
        return engine.prefill(wanted).await;
    };
    let purge = Purge {
        site: object.site,
        what: PurgeWhat::Object(object.path),
        reach,
    };
    engine.purge(purge).await
}

/// How far an action purges; `None` for one that does not.
fn reach(action: Action) -> Option<Reach> {
    match action {
        Action::Preposition => None,
        Action::Invalidate => Some(Reach::Confirm),
        Action::Purge => Some(Reach::Forget),
    }
}

/// What an owner is told of a refusal.
pub(super) fn kind(reason: Reason) -> FaultKind {
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
