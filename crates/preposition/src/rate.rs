//! How fast bytes may come in: pure, in virtual time.
//!
//! What is taken is paid for before it counts as come: a piece is due when the rate has brought all
//! of it, less a small burst. Over any ten seconds no more than 1.05 times the rate comes in, because
//! a burst and a piece together are at most a fifth of a second's worth: what is left of the half second
//! is for what sources send ahead when a read begins.

use std::time::Duration;

/// The slowest rate that can be kept. A slower one would have to cut a read's buffers in pieces so
/// small that their handling costs more than their bytes.
pub const BYTES_PER_S_MIN: u64 = 16 << 10;

/// What may come at once after a pause, as a part of a second's worth.
///
/// With a quarter the busiest ten seconds on the wire had 1.056 times the rate: at the beginning the burst
/// came on top of eight reads' windows.
const BURST_PART: u64 = 16;
/// The largest piece that is taken at once, as a part of a second's worth.
const PIECE_PART: u64 = 8;
/// A read's buffer is not cut further than the kernel and TLS hand it out anyway.
const PIECE_BYTES_MAX: u64 = 64 << 10;

/// A rate that is kept. Moments are since any fixed point.
#[derive(Debug)]
pub struct Bucket {
    bytes_per_s: u64,
    /// When all that was taken has been brought by the rate.
    paid: Duration,
}

impl Bucket {
    /// A bucket that lets so much through; 0 is taken for the least.
    pub fn new(bytes_per_s: u64, now: Duration) -> Self {
        Self {
            bytes_per_s: bytes_per_s.max(BYTES_PER_S_MIN),
            paid: now,
        }
    }

    /// Another rate from now on; what was taken stays paid as it was.
    pub fn set_rate(&mut self, bytes_per_s: u64) {
        self.bytes_per_s = bytes_per_s.max(BYTES_PER_S_MIN);
    }

    /// The rate.
    pub fn bytes_per_s(&self) -> u64 {
        self.bytes_per_s
    }

    /// How large a piece may be taken at once.
    pub fn piece_bytes(&self) -> u64 {
        (self.bytes_per_s / PIECE_PART).min(PIECE_BYTES_MAX)
    }

    /// Takes a piece (what is larger than [`Self::piece_bytes`] counts as a burst more), and says
    /// when it is due: not before that may it be handed on.
    pub fn take(&mut self, bytes: u64, now: Duration) -> Duration {
        let burst = self.time_for(self.bytes_per_s / BURST_PART);
        let from = self.paid.max(now.saturating_sub(burst));
        self.paid = from + self.time_for(bytes);
        self.paid.max(now)
    }

    fn time_for(&self, bytes: u64) -> Duration {
        let ns = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_s);
        Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TEN_SECONDS: Duration = Duration::from_secs(10);

    /// What comes when several readers take pieces as fast as they may, with pauses and changes of
    /// the rate: each piece with the moment at which it is due.
    fn arrivals(rates: &[u64], pauses_ms: &[u64], pieces: &[u64]) -> Vec<(Duration, u64)> {
        let mut now = Duration::ZERO;
        let mut bucket = Bucket::new(rates[0], now);
        let mut arrived = Vec::new();
        for turn in 0..4000 {
            if turn % 97 == 0 {
                now += Duration::from_millis(pauses_ms[turn / 97 % pauses_ms.len()]);
                bucket.set_rate(rates[turn / 97 % rates.len()]);
            }
            let bytes = pieces[turn % pieces.len()].clamp(1, bucket.piece_bytes());
            now = bucket.take(bytes, now);
            arrived.push((now, bytes));
        }
        arrived
    }

    fn most_in_ten_seconds(arrived: &[(Duration, u64)]) -> u64 {
        let (mut most, mut sum, mut first) = (0, 0, 0);
        for (at, bytes) in arrived {
            sum += bytes;
            while arrived[first].0 + TEN_SECONDS <= *at {
                sum -= arrived[first].1;
                first += 1;
            }
            most = most.max(sum);
        }
        most
    }

    proptest! {
        #[test]
        fn over_any_ten_seconds_no_more_than_a_twentieth_above_the_rate_comes_in(
            rate in BYTES_PER_S_MIN..10_000_000_000,
            shares in prop::collection::vec(1..=100_u64, 1..5),
            pauses_ms in prop::collection::vec(0..30_000_u64, 1..7),
            pieces in prop::collection::vec(1..2_000_000_u64, 1..9),
        ) {
            let rates: Vec<u64> = shares
                .iter()
                .map(|share| (rate / 100 * share).max(BYTES_PER_S_MIN))
                .collect();
            let arrived = arrivals(&rates, &pauses_ms, &pieces);
            let most = most_in_ten_seconds(&arrived);
            let limit = rates.iter().max().unwrap() * 10 / 100 * 105;
            prop_assert!(most <= limit, "{most} of {limit}");
        }
    }

    #[test]
    fn who_takes_without_pause_gets_the_rate() {
        let mut bucket = Bucket::new(1_000_000, Duration::ZERO);
        let mut now = Duration::ZERO;
        for _ in 0..1000 {
            now = bucket.take(60_000, now);
        }
        let seconds = now.as_secs_f64();
        assert!((58.0..=60.1).contains(&seconds), "60 MB took {seconds} s");
    }

    #[test]
    fn a_rate_of_nothing_is_the_least() {
        assert_eq!(
            Bucket::new(0, Duration::ZERO).bytes_per_s(),
            BYTES_PER_S_MIN
        );
    }
}
