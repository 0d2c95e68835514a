//! When orders are handed to the kernel: each at once while the disk has little to do, several in
//! one call while it has much.

/// How many orders are handed over together at most. Whoever waits for others waits for what so
/// many tasks of his thread do before they ask again: a checksum of 1 MiB takes some 50 µs.
pub(crate) const BATCH_MAX: usize = 16;

/// Whether the `waiting` orders are to be handed over now, in batches of `most`, with `under_way`
/// others in the kernel's hands.
///
/// The disk keeps at least twice as much to do as waits, so it does not run dry meanwhile; with less
/// than four under way nobody waits.
pub(super) fn is_due(waiting: usize, under_way: usize, most: usize) -> bool {
    waiting >= (under_way / 2).min(most).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_with_little_to_do_gets_each_order_at_once() {
        for under_way in 0..4 {
            assert!(is_due(1, under_way, BATCH_MAX), "{under_way}");
        }
    }

    #[test]
    fn a_disk_with_much_to_do_gets_a_batch_of_half_of_it_and_no_more_than_the_bound() {
        let due = |under_way| (1..100).find(|waiting| is_due(*waiting, under_way, BATCH_MAX));
        let batches = [4, 8, 20, 32, 64, 5000].map(due);
        assert_eq!(batches, [2, 4, 10, 16, 16, 16].map(Some));
    }

    #[test]
    fn with_batches_of_one_or_none_nobody_waits() {
        for most in [0, 1] {
            assert!(is_due(1, 1000, most));
        }
    }
}
