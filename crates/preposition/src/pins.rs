//! Pins: those that end in time, and those that went with the plan that they were of.
//!
//! The store keeps a pin until it is told otherwise, so that somebody has to know of each one.

use manifest::{Object, Objects, Pin};

use crate::active::Active;

/// The pins that are to go, now or later.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    /// When pins of the plan in force end, and where they are in it; the next one last.
    ends: Vec<(u64, u32)>,
    /// What plans before this one had pinned, and this one has not. It stays until it has been let
    /// go of: a plan that is replaced at once leaves its predecessor's to the next.
    former: Objects,
}

impl Pins {
    /// Another plan is in force.
    pub(crate) fn take_over(&mut self, old: &Active, new: &Active, now_s: u64) {
        let goes = |object: &Object<'_>| {
            let kept = new.in_force.state.plan.find(object.site, object.path);
            let kept = kept.and_then(|at| new.in_force.state.plan.at(at));
            !kept.is_some_and(|kept| kept.is_pinned(now_s) && kept.same_content(object))
        };
        let plan = &old.in_force.state.plan;
        let lost = plan.iter().filter(|object| object.pin != Pin::Unpinned);
        let lost: Vec<_> = lost.filter(goes).collect();
        let is_new = |object: &Object<'_>| plan.find(object.site, object.path).is_none();
        let former = self.former.iter();
        let former = former.filter(|object| is_new(object) && goes(object));
        // All of them were legal, and none is there twice.
        self.former = Objects::collect(former.chain(lost)).unwrap_or_default();
        self.schedule(new, now_s);
    }

    /// Looks up when pins of the plan end: once more after a clock was set back.
    pub(crate) fn schedule(&mut self, active: &Active, now_s: u64) {
        let plan = (0_u32..).zip(active.in_force.state.plan.iter());
        let ends = plan.filter_map(|(place, object)| match object.pin {
            Pin::Until(end_s) if end_s > now_s => Some((end_s, place)),
            Pin::Until(_) | Pin::Unpinned | Pin::WhilePlanned => None,
        });
        self.ends = ends.collect();
        self.ends.sort_unstable_by(|one, other| other.cmp(one));
    }

    /// Places whose pins have ended by now, each told once.
    pub(crate) fn due(&mut self, now_s: u64) -> Vec<u32> {
        let stay = self.ends.partition_point(|(end_s, _)| *end_s > now_s);
        let due = self.ends.split_off(stay);
        due.into_iter().map(|(_, place)| place).collect()
    }

    /// What plans before this one had pinned.
    pub(crate) fn former(&self) -> Objects {
        self.former.clone()
    }

    /// That has been let go of.
    pub(crate) fn forget_former(&mut self) {
        self.former = Objects::default();
    }
}

#[cfg(test)]
mod tests {
    use manifest::Digest;

    use super::*;
    use crate::applied::InForce;

    fn active(objects: &[(&str, &str, Pin)]) -> Active {
        let objects = objects.iter().map(|(path, content, pin)| Object {
            pin: *pin,
            ..Object::fill("vod", path, 10, Digest::of(content.as_bytes()))
        });
        Active::new(InForce::sample(objects), u64::MAX)
    }

    fn former(pins: &Pins) -> Vec<String> {
        let former = pins.former.iter().map(|object| object.path.to_owned());
        former.collect()
    }

    #[test]
    fn a_pin_ends_in_its_second_and_is_told_once() {
        let until = |end_s| Pin::Until(end_s);
        let plan = [
            ("/a", "", until(30)),
            ("/b", "", until(10)),
            ("/c", "", until(20)),
            ("/d", "", Pin::WhilePlanned),
            ("/e", "", until(5)),
        ];
        let mut pins = Pins::default();
        pins.schedule(&active(&plan), 5);
        assert_eq!(pins.due(9), [0; 0]);
        assert_eq!(pins.due(10), [1]);
        assert_eq!(pins.due(29), [2]);
        assert_eq!(pins.due(29), [0; 0]);
        assert_eq!(pins.due(99), [0]);
    }

    #[test]
    fn what_a_plan_no_longer_pins_is_let_go_of_even_if_that_plan_is_gone_at_once() {
        let first = active(&[
            ("/a", "", Pin::WhilePlanned),
            ("/b", "", Pin::WhilePlanned),
            ("/c", "1", Pin::WhilePlanned),
            ("/d", "", Pin::WhilePlanned),
        ]);
        let second = active(&[
            ("/a", "", Pin::WhilePlanned),
            ("/c", "2", Pin::WhilePlanned),
            ("/d", "", Pin::Unpinned),
        ]);
        let third = active(&[("/d", "", Pin::WhilePlanned)]);
        let mut pins = Pins::default();
        pins.take_over(&first, &second, 0);
        assert_eq!(former(&pins), ["/b", "/c", "/d"], "other bytes are not it");
        pins.take_over(&second, &third, 0);
        assert_eq!(former(&pins), ["/a", "/b", "/c"]);
        pins.forget_former();
        assert_eq!(former(&pins), [""; 0]);
    }
}
