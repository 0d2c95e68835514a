//! What three days came to.

use std::fmt::Write as _;

use forecast::show::{bytes, ratio};

/// When most watch: from 19 to 23 h.
const EVENING: std::ops::Range<usize> = 19..23;

/// A day, and the night that it begins with; bytes by hour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Day {
    /// What came by plan.
    pub(super) moved: Vec<u64>,
    /// What viewers of each edge asked for.
    pub(super) asked: Vec<u64>,
    /// What the edge that is filled asked the shield for because a viewer asked.
    pub(super) filled: Vec<u64>,
    /// What the other asked it for.
    pub(super) alone: Vec<u64>,
    /// What was served of what the night had filled and nobody had asked for before.
    pub(super) served_of_filled: u64,
}

impl Day {
    /// Bytes that came by plan.
    pub(super) fn moved_bytes(&self) -> u64 {
        self.moved.iter().sum()
    }

    /// The hour in which viewers asked for most.
    pub(super) fn peak(&self) -> usize {
        let hours = self.asked.iter().enumerate();
        hours
            .max_by_key(|(_, bytes)| **bytes)
            .map_or(0, |(hour, _)| hour)
    }

    /// Of the evening: asked for, from the shield with and without fills.
    pub(super) fn evening(&self) -> [u64; 3] {
        [&self.asked, &self.filled, &self.alone].map(|hours| {
            let evening = hours.get(EVENING).unwrap_or_default();
            evening.iter().sum()
        })
    }

    /// Bytes from the shield in the peak hour, with fills and without.
    pub(super) fn at_peak(&self) -> [u64; 2] {
        let peak = self.peak();
        [&self.filled, &self.alone].map(|hours| hours.get(peak).copied().unwrap_or(0))
    }

    /// In one line, when it is over.
    pub(super) fn line(&self) -> String {
        let (peak, [filled, alone]) = (self.peak(), self.at_peak());
        format!(
            "peak hour {peak} h: {} watched; from the shield {} with nights, {} without",
            bytes(self.asked.get(peak).copied().unwrap_or(0)),
            bytes(filled),
            bytes(alone),
        )
    }
}

const HEAD: &str = "
      night          peak hour, from the shield               19 to 23 h, from the shield       served of
      filled       watched   with      without             watched   with      without          what was filled
";

/// All days.
pub(super) fn table(days: &[Day]) -> String {
    let mut text = HEAD.to_owned();
    for (number, day) in days.iter().enumerate() {
        let peak = day.peak();
        let [filled, alone] = day.at_peak();
        let [watched, evening_filled, evening_alone] = day.evening();
        let _infallible = writeln!(
            text,
            "day {} {:<9} {peak:>2} h {:<9} {:<9} {:<9} {:.2}x      {:<9} {:<9} {:<9} {:.2}x   {}",
            number + 1,
            bytes(day.moved_bytes()),
            bytes(day.asked.get(peak).copied().unwrap_or(0)),
            bytes(filled),
            bytes(alone),
            ratio(filled, alone),
            bytes(watched),
            bytes(evening_filled),
            bytes(evening_alone),
            ratio(evening_filled, evening_alone),
            bytes(day.served_of_filled),
        );
    }
    text.push_str(
        "\nwith, without: bytes that the edge that is filled at night, and the one that is not, asked the shield for \
         because viewers\nasked. Day 1 is before the first plan: it shows how much two equal edges differ. Served of \
         what was filled: bytes of what\nnobody had asked for before its night, and that was there when it was asked for.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_the_hour_of_most_viewers_for_both_edges() {
        let mut alone = vec![3; 24];
        alone[5] = 50;
        let day = Day {
            asked: (0..24)
                .map(|hour| if hour == 20 { 90 } else { hour })
                .collect(),
            filled: vec![2; 24],
            alone,
            ..Day::default()
        };
        assert_eq!((day.peak(), day.at_peak()), (20, [2, 3]));
        assert_eq!(day.evening(), [19 + 90 + 21 + 22, 8, 12]);
        assert!(table(&[day]).contains("0.67x"));
    }
}
