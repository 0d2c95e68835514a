//! Pins that end in time: when, and where they are in the plan. What else is no longer pinned is let go of
//! by the walk over the plan, which pins again what is.

use manifest::Pin;

use crate::active::Active;

/// The pins that are to go in their time.
#[derive(Debug, Default)]
pub(crate) struct Pins {
    /// When pins of the plan in force end, and where they are in it; the next one last.
    ends: Vec<(u64, u32)>,
}

impl Pins {
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
}

#[cfg(test)]
mod tests {
    use manifest::{Digest, Object};

    use super::*;
    use crate::applied::InForce;

    fn active(objects: &[(&str, &str, Pin)]) -> Active {
        let objects = objects.iter().map(|(path, content, pin)| Object {
            pin: *pin,
            ..Object::fill("vod", path, 10, Digest::of(content.as_bytes()))
        });
        Active::new(InForce::sample(objects), u64::MAX)
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
}
