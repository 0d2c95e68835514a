//! What was served since the last report.

use std::ops::Range;

use crate::sessions::Sessions;

/// The first bytes of an object, counted apart: a first read asks for so many, and a plan may keep
/// only these.
pub const FIRST_BYTES: u64 = 4 << 20;

/// [`FIRST_BYTES`], then the quarters of what is behind them.
pub const PARTS: usize = 5;

/// Thousandths.
pub(crate) const MILLI: u64 = 1000;
/// Plays are added up in these.
const MICRO: u64 = 1_000_000;

/// What was served of one object, or of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    /// Requests that began at byte 0.
    pub(crate) first: u64,
    /// Bytes served of each part.
    pub(crate) parts: [u64; PARTS],
    pub(crate) sessions: Sessions,
}

/// What was served of objects that are not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Rest {
    pub(crate) tally: Tally,
    /// Millionths.
    pub(crate) plays: u64,
}

impl Tally {
    /// Adds an answer. `viewer` is a hash.
    pub(crate) fn add(&mut self, size: u64, served: &Range<u64>, viewer: u64) {
        self.requests = self.requests.saturating_add(1);
        self.first = self.first.saturating_add(u64::from(served.start == 0));
        for (bytes, part) in self.parts.iter_mut().zip(parts(size)) {
            *bytes = bytes.saturating_add(overlap(&part, served));
        }
        self.sessions.add(viewer);
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.parts
            .iter()
            .fold(0, |sum, bytes| sum.saturating_add(*bytes))
    }

    /// Thousandths.
    pub(crate) fn milliplays(&self, size: u64) -> u64 {
        plays(self.bytes(), size, MILLI)
    }

    fn join(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.first = self.first.saturating_add(other.first);
        for (bytes, more) in self.parts.iter_mut().zip(other.parts) {
            *bytes = bytes.saturating_add(more);
        }
        self.sessions.join(other.sessions);
    }
}

impl Rest {
    /// Adds an answer of an object that has no name here.
    pub(crate) fn add(&mut self, size: u64, served: &Range<u64>, viewer: u64) {
        let plays = plays(served.end - served.start, size, MICRO);
        self.plays = self.plays.saturating_add(plays);
        self.tally.add(size, served, viewer);
    }

    /// What was counted of an object that is not to be named.
    pub(crate) fn of(tally: &Tally, size: u64) -> Self {
        Self {
            tally: *tally,
            plays: plays(tally.bytes(), size, MICRO),
        }
    }

    pub(crate) fn join(&mut self, other: &Self) {
        self.plays = self.plays.saturating_add(other.plays);
        self.tally.join(&other.tally);
    }

    /// Thousandths.
    pub(crate) fn milliplays(&self) -> u64 {
        self.plays / (MICRO / MILLI)
    }
}

/// Bytes served / size, in `unit`ths.
fn plays(bytes: u64, size: u64, unit: u64) -> u64 {
    let plays = u128::from(bytes) * u128::from(unit) / u128::from(size.max(1));
    u64::try_from(plays).unwrap_or(u64::MAX)
}

/// Where the parts of an object lie.
fn parts(size: u64) -> [Range<u64>; PARTS] {
    let first = FIRST_BYTES.min(size);
    let behind = size - first;
    // Without an overflow, whatever a size claims to be.
    let edge = |quarter: u64| first + behind / 4 * quarter + behind % 4 * quarter / 4;
    [
        0..first,
        edge(0)..edge(1),
        edge(1)..edge(2),
        edge(2)..edge(3),
        edge(3)..size,
    ]
}

fn overlap(one: &Range<u64>, other: &Range<u64>) -> u64 {
    let end = one.end.min(other.end);
    end.saturating_sub(one.start.max(other.start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_segment_is_all_first_bytes() {
        let mut tally = Tally::default();
        tally.add(FIRST_BYTES, &(0..FIRST_BYTES), 1);
        tally.add(FIRST_BYTES, &(10..20), 2);
        assert_eq!(tally.parts, [FIRST_BYTES + 10, 0, 0, 0, 0]);
        assert_eq!((tally.requests, tally.first), (2, 1));
        assert_eq!(tally.milliplays(FIRST_BYTES), 1000);
    }

    #[test]
    fn a_range_counts_where_it_lies() {
        let mut tally = Tally::default();
        let size = FIRST_BYTES + 400;
        tally.add(size, &(FIRST_BYTES - 10..FIRST_BYTES + 150), 1);
        tally.add(size, &(FIRST_BYTES + 350..size), 1);
        assert_eq!(tally.parts, [10, 100, 50, 0, 50]);
        assert_eq!(tally.first, 0);
    }

    proptest! {
        #[test]
        fn every_byte_served_is_in_one_part(size: u64, start: u64, length: u64) {
            let start = start % size.max(1);
            let served = start..start + length % (size - start).max(1);
            let mut tally = Tally::default();
            tally.add(size, &served, 1);
            prop_assert_eq!(tally.bytes(), served.end - served.start);
        }
    }
}
