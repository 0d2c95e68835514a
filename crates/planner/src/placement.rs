//! Which boxes of a cluster a title goes to: weighted rendezvous hashing.
//!
//! Titles are hashed to [`BUCKETS`]; for each bucket the boxes of a cluster have an order, best
//! first. A title that takes one box takes the first of them, a hot one further ones. The order is
//! worked out here and handed to the SQL as a table, so that no engine has to agree with another on
//! a logarithm.
//!
//! A box is first as often as its weight is of the sum. One that joins takes from each of the others
//! its share and moves nothing else, one that leaves hands its own to the others.

use ring::digest::{SHA256, digest};

/// Buckets that titles are hashed to. 4,096: boxes of equal weight differ by about 2 % in a cluster
/// of two, 5 % in one of ten.
pub(crate) const BUCKETS: u32 = 4_096;

/// The boxes of a cluster by how well a bucket suits them, best first: indexes into `boxes`, which
/// are names and weights (from 1).
pub fn order(bucket: u32, boxes: &[(&str, u32)]) -> Vec<usize> {
    let mut scored: Vec<(f64, usize)> = boxes
        .iter()
        .enumerate()
        .map(|(index, (name, weight))| (score(bucket, name, *weight), index))
        .collect();
    scored.sort_by(|one, two| {
        one.0
            .total_cmp(&two.0)
            .then(boxes[one.1].0.cmp(boxes[two.1].0))
    });
    scored.into_iter().map(|(_, index)| index).collect()
}

/// Bucket of a title, of the first bytes of its hash.
pub(crate) fn bucket(hash: u128) -> u32 {
    u32::try_from(hash % u128::from(BUCKETS)).unwrap_or(0)
}

/// The time until a box of this weight would come for the bucket, if boxes came at random as often
/// as they weigh: the smallest is the best. That it is exponentially distributed is what makes the
/// shares exact.
fn score(bucket: u32, name: &str, weight: u32) -> f64 {
    let text = format!("{name}\n{bucket}");
    let hash = digest(&SHA256, text.as_bytes());
    let mut top = [0; 4];
    top.copy_from_slice(&hash.as_ref()[..4]);
    // In the middle of its step, so that it is neither 0 nor 1.
    let unit = (f64::from(u32::from_le_bytes(top)) + 0.5) / 4_294_967_296.0;
    -unit.ln() / f64::from(weight.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOXES: [(&str, u32); 3] = [("a", 100), ("b", 100), ("c", 200)];

    fn firsts(boxes: &[(&str, u32)]) -> Vec<usize> {
        (0..BUCKETS).map(|bucket| order(bucket, boxes)[0]).collect()
    }

    #[test]
    fn a_box_is_first_as_often_as_it_weighs() {
        let firsts = firsts(&BOXES);
        let share = |index| firsts.iter().filter(|first| **first == index).count();
        assert_eq!([share(0), share(1), share(2)], [1035, 1016, 2045]);
    }

    #[test]
    fn a_box_that_joins_moves_only_what_it_takes() {
        let (before, after) = (firsts(&BOXES[..2]), firsts(&BOXES));
        for (old, new) in before.iter().zip(&after) {
            assert!(new == old || *new == 2);
        }
    }

    #[test]
    fn the_order_does_not_depend_on_how_boxes_are_listed() {
        let turned = [BOXES[2], BOXES[0], BOXES[1]];
        for bucket in 0..100 {
            let names = |boxes: &[(&'static str, u32)]| -> Vec<&str> {
                order(bucket, boxes).iter().map(|at| boxes[*at].0).collect()
            };
            assert_eq!(names(&BOXES), names(&turned));
        }
    }
}
