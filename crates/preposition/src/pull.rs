//! Pull: a node that nobody can reach fetches its manifest, from object storage or an HTTPS server.
//!
//! ```text
//! taken, unchanged, refused ──▶ again after `interval`
//! failed ──▶ again after 30 s, a minute, two, ... an hour
//! another place or other keys are told ──▶ again at once, all of it
//! ```

use std::{sync::Arc, time::Duration};

use manifest::Refused;
use message::{Condition, ObjectName, Upstream};
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    Preposition, Rejected,
    fetched::{self, Fetched},
    trust::Way,
};

/// It comes again so soon after a failure, and later after each further one.
const AGAIN: Duration = Duration::from_secs(30);
/// After failures in a row it comes again this much later at most.
const PAUSE_MAX: Duration = Duration::from_hours(1);

/// Where the manifest is, and how often it is looked for.
#[derive(Clone)]
pub struct Pull {
    /// The way there.
    pub upstream: Arc<dyn Upstream>,
    /// What it is called there.
    pub name: ObjectName,
    /// How often it is looked for.
    pub interval: Duration,
}

impl std::fmt::Debug for Pull {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pull({}, every {:?})", self.name, self.interval)
    }
}

/// How long until the next pull, after so many failures in a row: an interval, or after a failure half a
/// minute, doubled with each, up to an hour; moved by up to a tenth of it by the node's own number, so
/// that a fleet does not come at once.
pub fn next_pull(interval: Duration, failures: u32, node: u64) -> Duration {
    let pause = match failures.checked_sub(1) {
        None => interval,
        // A place that was away for a moment is not left until tomorrow.
        Some(before) => {
            let again = AGAIN.min(interval).saturating_mul(1 << before.min(20));
            again.min(PAUSE_MAX)
        }
    };
    let spread = u32::try_from(node % 100).unwrap_or(0);
    pause + pause * spread / 1000
}

/// What became of a pull.
#[derive(Debug)]
pub(crate) enum Came {
    /// It is in force.
    Taken,
    /// It was judged before, whatever the judgement.
    Unchanged,
    /// It never will be in force.
    Refused(String),
    /// It was not got at, or cannot be judged now; by who judges it, not before this time since the Unix
    /// epoch.
    Failed(String, Option<u64>),
}

impl Came {
    /// As in metrics.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Unchanged => "unchanged",
            Self::Refused(_) => "refused",
            Self::Failed(..) => "failed",
        }
    }
}

/// What is known from one pull to the next.
#[derive(Default)]
struct Known {
    /// By what the one that was judged last is recognised.
    seen: Option<Condition>,
    failures: u32,
}

/// Pulls until it is stopped: from the place that was told last, if there is one.
pub(crate) async fn run(
    mut pulls: watch::Receiver<Option<Pull>>,
    fill: Preposition,
    node: u64,
    stop: CancellationToken,
) {
    let (mut keys, mut known) = (fill.keys(), Known::default());
    loop {
        let pull = pulls.borrow_and_update().clone();
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            // What was judged by others, or elsewhere, is judged anew.
            Ok(()) = pulls.changed() => known = Known::default(),
            Ok(()) = keys.changed() => known = Known::default(),
            () = round(pull.as_ref(), &fill, &mut known, node) => {}
        }
    }
}

/// A pull, and the wait for the next one.
async fn round(pull: Option<&Pull>, fill: &Preposition, known: &mut Known, node: u64) {
    let Some(pull) = pull else {
        return std::future::pending().await;
    };
    let came = once(pull, fill, &mut known.seen).await;
    known.failures = match &came {
        Came::Taken | Came::Unchanged | Came::Refused(_) => 0,
        Came::Failed(..) => known.failures.saturating_add(1),
    };
    let (failures, place) = (known.failures, &pull.name);
    let mut pause = next_pull(pull.interval, failures, node);
    match &came {
        Came::Taken | Came::Unchanged => {}
        Came::Refused(why) => {
            tracing::warn!(manifest = %place, why, "what lies there is refused");
        }
        Came::Failed(why, not_before) => {
            tracing::warn!(manifest = %place, why, failures, "no manifest was pulled");
            let left_s = not_before.map_or(0, |then| then.saturating_sub(fill.now().unix_s()));
            pause = pause.max(Duration::from_secs(left_s));
        }
    }
    fill.pulled(&came, failures);
    sleep(pause).await;
}

async fn once(pull: &Pull, fill: &Preposition, seen: &mut Option<Condition>) -> Came {
    let fetched = fetched::fetch(pull, seen.clone(), fill.now(), fill.pulled_bytes_max());
    match fetched.await {
        Ok(Fetched::Unchanged) => Came::Unchanged,
        Ok(Fetched::TooLarge(refused, new)) => {
            *seen = new;
            let refused = Rejected::Refused(refused);
            fill.refused(&refused);
            Came::Refused(refused.to_string())
        }
        Ok(Fetched::Whole(file, new)) => {
            let judged = fill.push_by(Way::Pull, file.clone()).await;
            let came = match judged {
                Ok(_) => Came::Taken,
                Err(why) if is_replayed(&why) && fill.is_known(file).await => Came::Unchanged,
                Err(why) => rejected(&why),
            };
            // What was judged once need not come again, whatever the judgement.
            if !matches!(came, Came::Failed(..)) {
                *seen = new;
            }
            came
        }
        Err(error) => Came::Failed(error.to_string(), None),
    }
}

fn is_replayed(why: &Rejected) -> bool {
    matches!(why, Rejected::Refused(Refused::Replayed { .. }))
}

/// Whether the same bytes will always be answered so.
fn rejected(why: &Rejected) -> Came {
    match why {
        Rejected::Quarantined { until_s } => Came::Failed(why.to_string(), Some(*until_s)),
        Rejected::Busy
        | Rejected::Ending
        | Rejected::Unkept(_)
        | Rejected::Unrehearsed(_)
        // Its time comes, or that of its key: by this clock, or when that is right again.
        | Rejected::Refused(Refused::FromTheFuture { .. } | Refused::KeyNotValid(_)) => {
            Came::Failed(why.to_string(), None)
        }
        Rejected::Refused(_) | Rejected::Unfit { .. } | Rejected::OtherGeneration { .. } => {
            Came::Refused(why.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_too_early_is_pulled_again() {
        let early = Refused::FromTheFuture {
            issued_s: 2_000,
            now_s: 1_000,
        };
        let came = |why: Rejected| rejected(&why).name();
        assert_eq!(came(early.into()), "failed");
        assert_eq!(came(Refused::Unsigned.into()), "refused");
        assert_eq!(came(Rejected::Busy), "failed");
        let until_s = 7;
        let quarantined = rejected(&Rejected::Quarantined { until_s });
        assert!(matches!(quarantined, Came::Failed(_, Some(7))));
    }

    #[test]
    fn a_node_comes_back_soon_after_a_failure_later_after_each_and_not_with_all_others() {
        let minute = Duration::from_mins(1);
        assert_eq!(next_pull(minute, 0, 0), minute);
        assert_eq!(next_pull(minute, 1, 0), minute / 2);
        assert_eq!(next_pull(minute, 4, 0), minute * 4);
        assert_eq!(next_pull(minute, u32::MAX, 0), PAUSE_MAX);
        assert_eq!(next_pull(minute, 0, 50), minute + minute / 20);
        let often = Duration::from_secs(10);
        assert_eq!(next_pull(often, 1, 0), often, "no sooner than without");
        let day = Duration::from_hours(24);
        assert_eq!(next_pull(day, 1, 0), minute / 2, "not the day after");
        assert_eq!(next_pull(day, 99, 0), PAUSE_MAX);
    }
}
