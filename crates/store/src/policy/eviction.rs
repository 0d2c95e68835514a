//! What of a segment stays when it goes.

use super::Worth;

/// How much of a segment may be taken by what is kept, seven eighths as a fraction: the rest is for
/// what is new. Rewriting is bounded by seven bytes for each new one.
pub const KEPT_MAX: (u64, u64) = (7, 8);

/// Which records of a segment that goes are written once more, the best first: those that are worth
/// more than `price`, as many as `room` takes, and what is pinned even if it takes more. Each is told
/// by its bytes and its worth, and named by its index.
pub fn kept(records: &[(u64, Worth)], price: Worth, room: u64) -> Vec<usize> {
    let mut best: Vec<_> = (0..records.len())
        .filter(|index| records[*index].1 > price)
        .collect();
    best.sort_by(|one, other| {
        let worth = |index: &usize| records[*index].1.log2();
        worth(other).total_cmp(&worth(one))
    });
    let mut left = room;
    best.retain(|index| {
        let (bytes, worth) = records[*index];
        let stays = bytes <= left || worth == Worth::PINNED;
        if stays {
            left = left.saturating_sub(bytes);
        }
        stays
    });
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_are_kept_as_far_as_there_is_room() {
        let worth = Worth::new;
        let records = [
            (10, worth(1.0)),
            (10, worth(3.0)),
            (25, worth(2.0)),
            (5, worth(-1.0)),
        ];
        assert_eq!(kept(&records, worth(0.0), 100), [1, 2, 0]);
        assert_eq!(
            kept(&records, worth(0.0), 20),
            [1, 0],
            "what does not fit makes room"
        );
        assert_eq!(
            kept(&records, worth(1.0), 100),
            [1, 2],
            "the price itself is not enough"
        );
        assert!(kept(&records, Worth::MOST, 100).is_empty());
    }

    #[test]
    fn what_is_pinned_is_kept_at_any_price_and_takes_the_room_of_others() {
        let records = [
            (10, Worth::new(9.0)),
            (10, Worth::PINNED),
            (10, Worth::PINNED),
            (4, Worth::new(8.0)),
        ];
        assert_eq!(kept(&records, Worth::MOST, 5), [1, 2]);
        assert_eq!(kept(&records, Worth::ONCE, 24), [1, 2, 3]);
    }
}
