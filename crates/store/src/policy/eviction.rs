//! Which segment goes, and what of it stays.

use super::Worth;

/// What is known of a segment that may go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    /// Later uses of segments have larger numbers.
    pub generation: u64,
    /// The decayed sum of the bytes that it served; see [`Worth::heat`].
    pub heat: f64,
}

/// Of the older half of the segments the one with the least heat, the oldest of equals. The younger
/// half has not had the time to show what it is worth.
pub fn victim(segments: &[Segment]) -> Option<usize> {
    let mut generations: Vec<_> = segments.iter().map(|segment| segment.generation).collect();
    let middle = generations.len().checked_sub(1)? / 2;
    let (_, median, _) = generations.select_nth_unstable(middle);
    let median = *median;
    let older = segments
        .iter()
        .enumerate()
        .filter(|(_, segment)| segment.generation <= median);
    older
        .min_by(|(_, one), (_, other)| {
            let coolness = one.heat.total_cmp(&other.heat);
            coolness.then(one.generation.cmp(&other.generation))
        })
        .map(|(index, _)| index)
}

/// Which records of a segment that goes are written once more, the best first: those that are worth
/// more than `price`, as many as `room` takes. Each is told by its bytes and its worth, and named by
/// its index.
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
        let fits = records[*index].0 <= left;
        if fits {
            left -= records[*index].0;
        }
        fits
    });
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(heats: &[f64]) -> Vec<Segment> {
        let segment = |(generation, heat): (u64, &f64)| Segment {
            generation,
            heat: *heat,
        };
        (0..).zip(heats).map(segment).collect()
    }

    #[test]
    fn the_coolest_of_the_older_half_goes() {
        assert_eq!(victim(&segments(&[5.0, 3.0, 4.0, 0.0, 1.0])), Some(1));
        assert_eq!(
            victim(&segments(&[0.0; 5])),
            Some(0),
            "the oldest of equals"
        );
        assert_eq!(victim(&segments(&[7.0])), Some(0));
        assert_eq!(victim(&[]), None);
    }

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
        assert!(kept(&records, Worth::BEYOND_ALL, 100).is_empty());
    }
}
