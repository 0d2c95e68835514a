//! One attempt at an object: the sources that may be asked, nearest first.

use std::{sync::Arc, time::Duration};

use cache::{Held, Unfilled};
use message::Upstream;
use parking_lot::Mutex;

use crate::{
    active::{Active, name, wanted},
    config::Parts,
    entry::Entry,
    pace::{Pace, Paced},
    source::{Escalation, Health, Reach, ranked},
};

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The object is here.
    Held(Held, Option<Reach>),
    /// It is not, for the reason that is named; another attempt may do better.
    Failed(Entry),
    /// There was no room, or no source may be asked yet: again after so long, and nobody failed.
    Later(Entry, Duration),
}

/// Others need room more: so long nothing is tried.
const BUSY_PAUSE: Duration = Duration::from_secs(3);
/// A peer that is being filled has more a little later.
const PEER_PAUSE: Duration = Duration::from_secs(20);
/// The write budget comes back over the day.
const BUDGET_PAUSE: Duration = Duration::from_mins(5);

/// What all attempts share.
pub(crate) struct Attempts {
    pub(crate) parts: Parts,
    pub(crate) pace: Arc<Pace>,
    pub(crate) escalation: Escalation,
    health: Mutex<Vec<Health>>,
}

impl Attempts {
    pub(crate) fn new(parts: Parts, pace: Arc<Pace>, escalation: Escalation) -> Self {
        let health = Mutex::new(vec![Health::default(); parts.sources.len()]);
        Self {
            parts,
            pace,
            escalation,
            health,
        }
    }

    /// Tries the object at `place`, which has been wanted for `waited`.
    ///
    /// Cancel safe but for the object: what has arrived of it stays, and the next attempt goes on.
    pub(crate) async fn attempt(&self, active: &Active, place: u32, waited: Duration) -> Outcome {
        let now = (self.parts.clock)();
        let Some((object, _)) = active.at(place) else {
            return Outcome::Failed(Entry::Refused);
        };
        let Some(rules) = (self.parts.rules)(object.site) else {
            return Outcome::Failed(Entry::Refused);
        };
        let (name, wanted) = (name(&object), wanted(&object, now.unix_s()));
        let (order, later) = self.order(object.site, now.wall, waited);
        let mut outcome = match later {
            Some(later) => Outcome::Later(Entry::Unreached, later),
            None => Outcome::Failed(Entry::SourceFailed),
        };
        for index in order {
            let source = &self.parts.sources[index];
            let paced: Arc<dyn Upstream> = Arc::new(Paced {
                upstream: Arc::clone(&source.upstream),
                pace: Arc::clone(&self.pace),
            });
            let cache = &self.parts.cache;
            let filled = cache.prefill(&name, &wanted, paced, &rules, now).await;
            match filled {
                Ok(held) => {
                    self.health.lock()[index].answered();
                    let from = (held.fetched_bytes > 0).then_some(source.reach);
                    return Outcome::Held(held, from);
                }
                Err(why) => {
                    tracing::debug!(object = %name, source = %source.name, %why, "not filled");
                    outcome = self.judge(index, &why, now.wall);
                }
            }
            if let Outcome::Later(Entry::Waiting | Entry::Unwritten, _) = outcome {
                break;
            }
        }
        match (outcome, later) {
            // A farther source will be asked soon enough.
            (Outcome::Failed(Entry::Absent), Some(later)) => {
                Outcome::Later(Entry::Unreached, later.min(PEER_PAUSE))
            }
            (outcome, _) => outcome,
        }
    }

    fn order(&self, site: &str, now: Duration, waited: Duration) -> (Vec<usize>, Option<Duration>) {
        let health = self.health.lock().clone();
        let sources = self.parts.sources.iter().enumerate();
        let having = sources.filter(|(_, source)| source.has(site));
        let (places, reaches): (Vec<usize>, Vec<Reach>) =
            having.map(|(place, source)| (place, source.reach)).unzip();
        let usable = |index: usize| health[places[index]].is_usable(now);
        let (order, later) = ranked(&reaches, usable, &self.escalation, waited);
        (
            order.into_iter().map(|index| places[index]).collect(),
            later,
        )
    }

    /// What a failure says of the object, and of the source.
    fn judge(&self, index: usize, why: &Unfilled, now: Duration) -> Outcome {
        let mut health = self.health.lock();
        let health = &mut health[index];
        match why {
            Unfilled::Absent(_) => {
                health.answered();
                Outcome::Failed(Entry::Absent)
            }
            Unfilled::OtherSize { .. } | Unfilled::OtherDigest => {
                tracing::warn!(source = %self.parts.sources[index].name, %why, "not as planned");
                health.answered();
                Outcome::Failed(Entry::Mismatch)
            }
            Unfilled::Changed | Unfilled::Source(_) => {
                health.failed(now);
                Outcome::Failed(Entry::SourceFailed)
            }
            Unfilled::Unstorable => Outcome::Failed(Entry::Refused),
            Unfilled::Busy => Outcome::Later(Entry::Waiting, BUSY_PAUSE),
            Unfilled::Unwritten(store::Refused::BudgetSpent) => {
                Outcome::Later(Entry::Unwritten, BUDGET_PAUSE)
            }
            Unfilled::Unwritten(_) => Outcome::Failed(Entry::Unwritten),
        }
    }
}
