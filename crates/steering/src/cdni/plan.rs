//! Which trigger starts, which is too late, which is forgotten. Pure.

use std::{collections::HashMap, sync::Arc};

use super::model::{State, Trigger};

/// Triggers that are worked on at one time.
pub(crate) const ACTIVE_MAX: usize = 4;

/// How long a trigger that has ended can be asked about (RFC 8007 section 4.4 wants 24 hours).
pub(crate) const KEPT_S: u64 = 24 * 3600;

/// What is to be done with the triggers now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// In this order.
    pub(crate) start: Vec<String>,
    /// Their window has passed, or what they build on will never be.
    pub(crate) fail: Vec<(String, &'static str)>,
    pub(crate) forget: Vec<String>,
    /// When to look again, if nothing happens before.
    pub(crate) again_unix_s: Option<u64>,
}

pub(crate) fn plan(triggers: &HashMap<String, Arc<Trigger>>, now_unix_s: u64) -> Plan {
    let mut plan = Plan::default();
    let mut ready: Vec<&Trigger> = Vec::new();
    let mut active = 0;
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
                Readiness::Never(why) => plan.fail.push((trigger.id.clone(), why)),
            },
            State::Active | State::Cancelling => active += 1,
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
    let room = ACTIVE_MAX.saturating_sub(active);
    plan.start = ready
        .iter()
        .take(room)
        .map(|trigger| trigger.id.clone())
        .collect();
    plan
}

enum Readiness {
    Now,
    At(u64),
    AfterOthers,
    Never(&'static str),
}

fn readiness(trigger: &Trigger, all: &HashMap<String, Arc<Trigger>>, now_unix_s: u64) -> Readiness {
    for id in &trigger.draft.prerequisites {
        match all.get(id).map(|other| other.state) {
            Some(State::Complete) => {}
            Some(State::Pending | State::Active) => return Readiness::AfterOthers,
            Some(State::Failed | State::Cancelling | State::Cancelled) | None => {
                return Readiness::Never("what it depends on is not complete and will not be");
            }
        }
    }
    match trigger.draft.window {
        Some(window) if now_unix_s >= window.end_unix_s => {
            Readiness::Never("its window has passed")
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
        let all = HashMap::from([
            trigger("a", |a| a.created_unix_s = 3),
            trigger("b", |b| b.created_unix_s = 2),
            trigger("c", |c| c.draft.priority = 50),
            trigger("d", |d| d.draft.priority = -50),
            trigger("e", |e| e.state = State::Active),
        ]);
        assert_eq!(plan(&all, 200).start, ["c", "b", "a"], "one place is taken");
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
    fn what_builds_on_another_waits_for_it_and_fails_with_it() {
        let dependent = |b: &mut Trigger| b.draft.prerequisites = vec!["a".to_owned()];
        let with = |state| {
            let all = HashMap::from([trigger("a", |a| a.state = state), trigger("b", dependent)]);
            plan(&all, 200)
        };
        assert_eq!(with(State::Pending).start, ["a"]);
        assert_eq!(with(State::Complete).start, ["b"]);
        assert_eq!(with(State::Failed).fail.len(), 1);
        let alone = HashMap::from([trigger("b", dependent)]);
        assert_eq!(plan(&alone, 200).fail.len(), 1);
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
