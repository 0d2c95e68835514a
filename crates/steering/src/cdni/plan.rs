//! Which trigger starts, which is too late, which is forgotten. Pure.

use std::{collections::HashMap, sync::Arc};

use super::model::{Action, State, Trigger};

/// What is worked on together: what waits in one of them keeps nobody in another from starting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Pool {
    /// Purges and invalidations: over in a moment.
    Purge,
    /// Prepositions that may be done at any time.
    Urgent,
    /// Prepositions that wait for the node's window, for hours as a rule.
    Window,
}

impl Pool {
    fn of(trigger: &Trigger) -> Self {
        match trigger.draft.action {
            Some(Action::Preposition) if trigger.draft.is_urgent() => Self::Urgent,
            Some(Action::Preposition) => Self::Window,
            Some(Action::Invalidate | Action::Purge) | None => Self::Purge,
        }
    }

    /// Triggers that are worked on at one time.
    fn places(self) -> usize {
        match self {
            Self::Purge => 4,
            Self::Urgent => 16,
            Self::Window => 64,
        }
    }
}

/// How long a trigger that has ended can be asked about (RFC 8007 section 4.4 wants 24 hours).
pub(crate) const KEPT_S: u64 = 24 * 3600;

/// What is to be done with the triggers now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In this order.
    pub(crate) start: Vec<String>,
    /// Their window has passed.
    pub(crate) fail: Vec<(String, &'static str)>,
    pub(crate) forget: Vec<String>,
    /// When to look again, if nothing happens before.
    pub(crate) again_unix_s: Option<u64>,
}

pub(crate) fn plan(triggers: &HashMap<String, Arc<Trigger>>, now_unix_s: u64) -> Plan {
    let mut plan = Plan::default();
    let mut ready: Vec<&Trigger> = Vec::new();
    let mut active: HashMap<Pool, usize> = HashMap::new();
    for trigger in triggers.values() {
        match trigger.state {
            State::Pending => match readiness(trigger, triggers, now_unix_s) {
                Readiness::Now => ready.push(trigger),
                Readiness::At(start) => plan.look_again(start),
                Readiness::AfterOthers => {
                    if let Some(window) = trigger.draft.window {
                        plan.look_again(window.end_unix_s);
                    }
                }
                Readiness::TooLate(why) => plan.fail.push((trigger.id.clone(), why)),
            },
            State::Active | State::Cancelling => *active.entry(Pool::of(trigger)).or_default() += 1,
            State::Complete | State::Failed | State::Cancelled => {
                let until = trigger.changed_unix_s.saturating_add(KEPT_S);
                if now_unix_s >= until {
                    plan.forget.push(trigger.id.clone());
                } else {
                    plan.look_again(until);
                }
            }
        }
    }
    ready.sort_by_key(|trigger| {
        (
            -i16::from(trigger.draft.priority),
            trigger.created_unix_s,
            &trigger.id,
        )
    });
    for trigger in ready {
        let pool = Pool::of(trigger);
        let taken = active.entry(pool).or_default();
        if *taken < pool.places() {
            *taken += 1;
            plan.start.push(trigger.id.clone());
        }
    }
    plan
}

enum Readiness {
    Now,
    At(u64),
    AfterOthers,
    TooLate(&'static str),
}

fn readiness(trigger: &Trigger, all: &HashMap<String, Arc<Trigger>>, now_unix_s: u64) -> Readiness {
    for id in &trigger.draft.prerequisites {
        // Second edition: they are to be finished, however they ended; so are those that were
        // forgotten since.
        let other = all.get(id);
        if other.is_some_and(|other| !other.state.is_final()) {
            return Readiness::AfterOthers;
        }
    }
    match trigger.draft.window {
        Some(window) if now_unix_s >= window.end_unix_s => {
            Readiness::TooLate("its window has passed")
        }
        Some(window) if now_unix_s < window.start_unix_s => Readiness::At(window.start_unix_s),
        Some(_) | None => Readiness::Now,
    }
}

impl Plan {
    fn look_again(&mut self, at: u64) {
        self.again_unix_s = Some(self.again_unix_s.map_or(at, |known| known.min(at)));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::{
        super::model::{Action, Draft, Edition, Window},
        *,
    };

    fn trigger(id: &str, change: impl FnOnce(&mut Trigger)) -> (String, Arc<Trigger>) {
        let action = Some(Action::Preposition);
        let draft = Draft::new(Edition::Second, "owner", action, Json::Null);
        let mut trigger = Trigger::new(id.to_owned(), draft, 100);
        change(&mut trigger);
        (id.to_owned(), Arc::new(trigger))
    }

    #[test]
    fn the_highest_priority_comes_first_and_then_the_oldest() {
        let purge = |trigger: &mut Trigger| trigger.draft.action = Some(Action::Purge);
        let purging = |id, change: fn(&mut Trigger)| {
            trigger(id, |made| {
                purge(made);
                change(made);
            })
        };
        let all = HashMap::from([
            purging("a", |a| a.created_unix_s = 3),
            purging("b", |b| b.created_unix_s = 2),
            purging("c", |c| c.draft.priority = 50),
            purging("d", |d| d.draft.priority = -50),
            purging("e", |e| e.state = State::Active),
        ]);
        assert_eq!(plan(&all, 200).start, ["c", "b", "a"], "one place is taken");
    }

    #[test]
    fn what_waits_for_the_night_keeps_neither_purges_nor_the_urgent_from_starting() {
        let waiting = (0..100).map(|n| {
            trigger(&format!("night-{n}"), |night| {
                night.state = State::Active;
            })
        });
        let mut all: HashMap<_, _> = waiting.collect();
        let purge = |purge: &mut Trigger| purge.draft.action = Some(Action::Purge);
        let urgent = |urgent: &mut Trigger| urgent.draft.priority = 1;
        all.extend([
            trigger("purge", purge),
            trigger("urgent", urgent),
            trigger("late", |_| {}),
        ]);
        assert_eq!(plan(&all, 200).start, ["urgent", "purge"]);
    }

    #[test]
    fn a_window_is_waited_for_and_its_end_is_the_end() {
        let window = Some(Window {
            start_unix_s: 1_000,
            end_unix_s: 2_000,
        });
        let all = HashMap::from([trigger("a", |a| a.draft.window = window)]);
        let before = plan(&all, 500);
        assert_eq!((before.start.len(), before.again_unix_s), (0, Some(1_000)));
        assert_eq!(plan(&all, 1_000).start, ["a"]);
        assert_eq!(plan(&all, 2_000).fail[0].0, "a");
    }

    #[test]
    fn what_builds_on_another_waits_until_that_has_ended() {
        let dependent = |b: &mut Trigger| b.draft.prerequisites = vec!["a".to_owned()];
        let with = |state| {
            let all = HashMap::from([trigger("a", |a| a.state = state), trigger("b", dependent)]);
            plan(&all, 200)
        };
        assert_eq!(with(State::Pending).start, ["a"]);
        for under_way in [State::Active, State::Cancelling] {
            assert!(with(under_way).start.is_empty(), "{under_way:?}");
        }
        for ended in [State::Complete, State::Failed, State::Cancelled] {
            assert_eq!(with(ended).start, ["b"], "{ended:?}");
        }
        let alone = HashMap::from([trigger("b", dependent)]);
        assert_eq!(plan(&alone, 200).start, ["b"], "it was forgotten meanwhile");
    }

    #[test]
    fn what_has_ended_is_kept_for_a_day() {
        let all = HashMap::from([trigger("a", |a| {
            a.state = State::Complete;
            a.changed_unix_s = 1_000;
        })]);
        assert_eq!(plan(&all, 1_000 + KEPT_S - 1).forget.len(), 0);
        assert_eq!(plan(&all, 1_000 + KEPT_S).forget, ["a"]);
    }
}
