//! What is filled first, and what is left out when the disk is too small.

use std::cmp::Reverse;

use crate::{Action, Object, Objects};

/// What of a plan a node fills, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// Places in the plan of what is filled, first things first.
    pub fill: Vec<u32>,
    /// Bytes that these want.
    pub fill_bytes: u64,
    /// Places in the plan of what would not fit: it is let in at its first miss, like a seed.
    pub left_out: Vec<u32>,
}

impl Objects {
    /// Orders what is to be filled: the fast track, what is pinned at `now_s`, then by priority,
    /// and by expected value for each byte stored. What does not fit into `capacity_bytes` is left
    /// out, so that a plan larger than the disk pushes out nothing that is worth more.
    ///
    /// An object's expected requests are its expected bytes served for each byte stored, so they
    /// are the density themselves; of equal ones those of which first bytes are wanted, then what goes
    /// live first, then by name, in which the first slices of a title come first.
    pub fn order(&self, capacity_bytes: u64, now_s: u64) -> Order {
        let fills = (0_u32..).zip(self.iter());
        let fills = fills.filter(|(_, object)| object.action == Action::Fill);
        let mut ranked: Vec<_> = fills
            .map(|(at, object)| (rank(&object, now_s), at))
            .collect();
        ranked.sort_unstable();
        let mut order = Order::default();
        for (_, at) in ranked {
            let bytes = self
                .at(at as usize)
                .map_or(0, |object| object.bytes_wanted());
            if bytes > capacity_bytes - order.fill_bytes {
                order.left_out.push(at);
            } else {
                order.fill_bytes += bytes;
                order.fill.push(at);
            }
        }
        order
    }
}

type Rank = (Reverse<(bool, bool, u8, u64, bool)>, u64);

fn rank(object: &Object<'_>, now_s: u64) -> Rank {
    let worth = (
        object.fast_track,
        object.is_pinned(now_s),
        object.priority,
        object.expected,
        object.first_bytes.is_some(),
    );
    (Reverse(worth), object.live_at_s.unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Digest, Pin};

    fn fill(path: &str, expected: u64) -> Object<'_> {
        Object {
            expected,
            ..Object::fill("a", path, 100, Digest::of(path.as_bytes()))
        }
    }

    fn paths(plan: &Objects, places: &[u32]) -> String {
        let path = |at: &u32| plan.at(*at as usize).unwrap().path.to_owned();
        places.iter().map(path).collect()
    }

    #[test]
    fn urgent_pinned_important_and_dense_objects_go_first_in_this_order() {
        let plan = Objects::collect([
            fill("/dense", 9_000),
            fill("/late", 1_000),
            Object {
                live_at_s: Some(7),
                ..fill("/live", 1_000)
            },
            Object {
                priority: 1,
                ..fill("/important", 2)
            },
            Object {
                pin: Pin::Until(11),
                ..fill("/pinned", 1)
            },
            Object {
                pin: Pin::Until(10),
                ..fill("/unpinned", 1)
            },
            Object {
                fast_track: true,
                ..fill("/urgent", 0)
            },
            Object::seed("a", "/seed", 100, 1_000_000),
        ])
        .unwrap();
        let order = plan.order(u64::MAX, 10);
        let expected = "/urgent/pinned/important/dense/live/late/unpinned";
        assert_eq!(paths(&plan, &order.fill), expected);
        assert_eq!((order.fill_bytes, order.left_out.len()), (700, 0));
    }

    /// Hardening row M12: more than the disk is planned by order, and never over the disk.
    #[test]
    fn what_does_not_fit_is_left_out_and_the_best_is_kept() {
        let large = Object {
            size: 250,
            ..fill("/large", 500)
        };
        let objects = [fill("/1", 100), fill("/2", 200), fill("/3", 900), large];
        let plan = Objects::collect(objects).unwrap();
        let order = plan.order(300, 0);
        assert_eq!(paths(&plan, &order.fill), "/3/2/1");
        assert_eq!(paths(&plan, &order.left_out), "/large");
        assert_eq!(order.fill_bytes, 300);
        assert_eq!(plan.order(0, 0).left_out.len(), 4);
    }
}
