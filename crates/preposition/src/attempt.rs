//! One attempt at an object: the sources that may be asked, nearest first.

use std::{sync::Arc, time::Duration};

use cache::{Expected, Held, Holding, SiteRules, Unfilled, Wanted};
use http::StatusCode;
use message::{ByteRange, Fetch, ObjectName, Response, Timestamp, Upstream};
use parking_lot::Mutex;
use semantics::content_range::{self, ContentRange};

use crate::{
    active::Active,
    config::Parts,
    entry::Entry,
    errands::{Errand, Met, Undone},
    pace::{Pace, Paced},
    source::{Escalation, Health, Reach, ranked},
    wanted::{is_outbid, name, wanted},
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
    /// Nothing of it is here, and what would have to go for it is worth as much.
    Outbid,
}

/// Others need room more: so long nothing is tried.
const BUSY_PAUSE: Duration = Duration::from_secs(3);
/// A peer that is being filled has more a little later.
const PEER_PAUSE: Duration = Duration::from_secs(20);
/// The write budget comes back over the day.
const BUDGET_PAUSE: Duration = Duration::from_mins(5);

/// What is expected of an errand: somebody will ask.
const ERRAND: Expected = Expected {
    requests_per_day: 1,
    is_pinned: false,
};

/// What an attempt is to bring.
struct Goal {
    name: ObjectName,
    wanted: Wanted,
    rules: Arc<SiteRules>,
    at: Timestamp,
    /// Of the object in the plan.
    place: u32,
}

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
        let goal = Goal {
            name: name(&object),
            wanted: wanted(&object, now.unix_s()),
            rules,
            at: now,
            place,
        };
        let was_here = active.lost.has(place);
        let is_outbid = is_outbid(&self.parts.cache, &object, was_here, now.unix_s());
        if is_outbid && self.lacks_all(&goal).await {
            return Outcome::Outbid;
        }
        // What is urgent waits for nobody, but still asks the nearest first.
        let waited = if object.fast_track {
            Duration::MAX
        } else {
            waited
        };
        self.bring(&goal, waited).await
    }

    /// Whether nothing was begun of an object, and viewers have not brought it.
    async fn lacks_all(&self, goal: &Goal) -> bool {
        let (cache, name, wanted) = (&self.parts.cache, &goal.name, &goal.wanted);
        let is_lacking = cache.holding(name, wanted, &goal.rules).await == Holding::Lacking;
        is_lacking && !cache.has_begun(name, wanted)
    }

    /// Tries an object that is in no plan.
    pub(crate) async fn errand(&self, errand: &Errand) -> Met {
        let now = (self.parts.clock)();
        let Some(rules) = (self.parts.rules)(&errand.name.site) else {
            return Met::Undone(Undone::Refused);
        };
        let mut goal = Goal {
            name: errand.name.clone(),
            wanted: Wanted {
                size: errand.size.unwrap_or(0),
                sha256: None,
                first_bytes: u64::MAX,
                expected: ERRAND,
            },
            rules,
            at: now,
            place: 0,
        };
        if errand.size.is_none() {
            match self.size_of(&goal).await {
                Ok(0) => return Met::Done,
                Ok(size) => goal.wanted.size = size,
                Err(met) => return met,
            }
        }
        goal.wanted.first_bytes = goal.wanted.size;
        // Who asks for it by name does not wait for nearer sources to get it first.
        self.bring(&goal, Duration::MAX).await.into()
    }

    /// Asks the sources for a first byte, and so how many there are.
    async fn size_of(&self, goal: &Goal) -> Result<u64, Met> {
        let (order, _) = self.order(goal, &Escalation::NONE, Duration::MAX);
        let mut met = Met::Later(BUSY_PAUSE);
        for index in order {
            let fetch = Fetch {
                object: goal.name.clone(),
                range: Some(ByteRange { first: 0, last: 0 }),
                condition: None,
                carried: message::Carried::default(),
                demand: message::Demand::Any,
                at: goal.at,
            };
            met = match self.parts.sources[index].upstream.fetch(fetch).await {
                Ok(response) => match total(&response) {
                    Ok(total) => return Ok(total),
                    Err(undone) => Met::Undone(undone),
                },
                Err(_failed) => {
                    self.health.lock()[index].failed(goal.at.wall);
                    Met::Undone(Undone::SourceFailed)
                }
            };
        }
        Err(met)
    }

    async fn bring(&self, goal: &Goal, waited: Duration) -> Outcome {
        let (near, later) = self.order(goal, &self.escalation, waited);
        let mut liars = Vec::new();
        let outcome = match self.try_each(goal, &near, &mut liars).await {
            // Who gave other bytes than planned has had his time: nobody waits for him.
            Some(Outcome::Failed(Entry::Mismatch)) if later.is_some() => {
                let (mut far, _) = self.order(goal, &Escalation::NONE, waited);
                far.retain(|source| !near.contains(source));
                let outcome = self.try_each(goal, &far, &mut liars).await;
                return outcome.unwrap_or(Outcome::Failed(Entry::Mismatch));
            }
            outcome => outcome,
        };
        self.or_later(goal, outcome, later, waited)
    }

    /// Asks one source after the other, until one has the object or there is no room for it. Nothing
    /// if there is none to ask. `liars` gave other bytes than planned.
    async fn try_each(
        &self,
        goal: &Goal,
        order: &[usize],
        liars: &mut Vec<usize>,
    ) -> Option<Outcome> {
        let mut failed = None;
        for &index in order {
            let source = &self.parts.sources[index];
            let paced: Arc<dyn Upstream> = Arc::new(Paced {
                upstream: Arc::clone(&source.upstream),
                pace: Arc::clone(&self.pace),
            });
            let (cache, rules) = (&self.parts.cache, &goal.rules);
            let filled = cache.prefill(&goal.name, &goal.wanted, paced, rules, goal.at);
            let outcome = match filled.await {
                Ok(held) => {
                    self.agree_against(liars, index, goal);
                    let from = (held.fetched_bytes > 0).then_some(source.reach);
                    return Some(Outcome::Held(held, from));
                }
                Err(why) => {
                    tracing::debug!(object = %goal.name, source = %source.name, %why, "not filled");
                    self.judge(index, &why, goal)
                }
            };
            match outcome {
                Outcome::Later(..) => return Some(outcome),
                Outcome::Failed(Entry::Mismatch) => liars.push(index),
                Outcome::Failed(_) | Outcome::Held(..) | Outcome::Outbid => {}
            }
            failed = Some(outcome);
        }
        // That one of them lied says more than that another has none.
        let lied = (!liars.is_empty()).then_some(Outcome::Failed(Entry::Mismatch));
        lied.or(failed)
    }

    /// A source had what was planned: those that gave other bytes before it are to blame, and not the
    /// plan.
    fn agree_against(&self, liars: &[usize], index: usize, goal: &Goal) {
        let mut health = self.health.lock();
        health[index].answered();
        for &liar in liars {
            let source = &self.parts.sources[liar].name;
            tracing::error!(%source, object = %goal.name, "left alone: it gave wrong bytes");
            health[liar].lied(goal.at.wall);
        }
    }

    /// What becomes of an object that no source gave, when a farther one may be asked `later`.
    fn or_later(
        &self,
        goal: &Goal,
        outcome: Option<Outcome>,
        later: Option<Duration>,
        waited: Duration,
    ) -> Outcome {
        let now = goal.at.wall;
        let Some(outcome) = outcome else {
            // Those that might have it are left alone for their failures.
            let health = self.health.lock();
            let sources = self.parts.sources.iter().zip(health.iter());
            let having = sources.filter(|(source, _)| source.has(&goal.name.site));
            let rest = having.map(|(_, health)| health.rest(now)).min();
            let Some(rest) = rest else {
                return Outcome::Failed(Entry::Absent);
            };
            let rest = rest.max(BUSY_PAUSE);
            return Outcome::Later(
                Entry::Unreached,
                later.map_or(rest, |later| later.min(rest)),
            );
        };
        match (outcome, later) {
            // A farther source will be asked soon enough: no attempt is lost until then.
            (Outcome::Failed(Entry::Absent | Entry::SourceFailed), Some(later)) => {
                // Less and less often, or a cluster that waits for its master asks it all the time.
                let pause = PEER_PAUSE.max(waited / 4);
                Outcome::Later(Entry::Unreached, later.min(pause))
            }
            (outcome, _) => outcome,
        }
    }

    /// Whether any source may be asked at all.
    pub(crate) fn is_any_usable(&self, now: Duration) -> bool {
        self.health
            .lock()
            .iter()
            .any(|health| health.is_usable(now))
    }

    fn order(
        &self,
        goal: &Goal,
        escalation: &Escalation,
        waited: Duration,
    ) -> (Vec<usize>, Option<Duration>) {
        let health = self.health.lock().clone();
        let sources = self.parts.sources.iter().enumerate();
        let having = sources.filter(|(place, source)| {
            source.has(&goal.name.site) && !health[*place].is_distrusted(goal.at.wall)
        });
        let (places, reaches): (Vec<usize>, Vec<Reach>) =
            having.map(|(place, source)| (place, source.reach)).unzip();
        let usable = |index: usize| health[places[index]].is_usable(goal.at.wall);
        let (order, later) = ranked(&reaches, usable, escalation, waited, goal.place);
        (
            order.into_iter().map(|index| places[index]).collect(),
            later,
        )
    }

    /// What a failure says of the object, and of the source.
    fn judge(&self, index: usize, why: &Unfilled, goal: &Goal) -> Outcome {
        let now = goal.at.wall;
        let mut health = self.health.lock();
        let health = &mut health[index];
        match why {
            Unfilled::Absent(_) => {
                health.answered();
                Outcome::Failed(Entry::Absent)
            }
            Unfilled::OtherSize { .. } | Unfilled::OtherDigest => {
                let source = &self.parts.sources[index].name;
                tracing::error!(%source, object = %goal.name, %why, "not as planned");
                Outcome::Failed(Entry::Mismatch)
            }
            Unfilled::Changed | Unfilled::Source(_) => {
                let was_usable = health.is_usable(now);
                health.failed(now);
                if was_usable && !health.is_usable(now) {
                    let (source, rest) = (&self.parts.sources[index].name, health.rest(now));
                    tracing::warn!(%source, ?rest, %why, "left alone: it fails again and again");
                }
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

/// How long an object is, by the answer to a question for its first byte.
fn total(response: &Response) -> Result<u64, Undone> {
    let told = content_range::parse(response.headers());
    match response.status() {
        StatusCode::PARTIAL_CONTENT => match told {
            Ok(Some(ContentRange::Part {
                total: Some(total), ..
            })) => Ok(total),
            Ok(_) | Err(_) => Err(Undone::Unsized),
        },
        StatusCode::OK => response.body().length().ok_or(Undone::Unsized),
        // No range of nothing can be satisfied.
        StatusCode::RANGE_NOT_SATISFIABLE => Ok(0),
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(Undone::Absent),
        _ => Err(Undone::SourceFailed),
    }
}
