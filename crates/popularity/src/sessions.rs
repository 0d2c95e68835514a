//! How many viewers, about, in 32 bytes.
//!
//! ```text
//! word 0   64 bits; every viewer sets one
//! word 1   the same of one viewer in 8
//! word 2   of one in 64
//! word 3   of one in 512
//! ```
//!
//! Linear counting (Whang and others, 1990) of the first word that is not too full, scaled up by its
//! sample (Estan, Varghese and Fisk, 2003). Bits lead back to nobody: a viewer is a number with a salt
//! that no other process has, and 1 of 64 of all viewers share a bit.

/// A word with more bits than this tells too little: the next one is asked.
const BITS_TRUSTED: u32 = 58;
/// One viewer in 2^3 goes on to the next word.
const SAMPLE_BITS: u32 = 3;
const WORDS: usize = 4;

/// Who asked, as a set that only its size can be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sessions([u64; WORDS]);

impl Sessions {
    /// Adds a viewer. `mixed` is a hash of the viewer's number.
    pub fn add(&mut self, mixed: u64) {
        let bit = 1 << (mixed >> 58);
        let sampled = mixed.trailing_zeros() / SAMPLE_BITS;
        for (word, level) in self.0.iter_mut().zip(0..) {
            if level <= sampled {
                *word |= bit;
            }
        }
    }

    /// Adds all viewers of another set.
    pub(crate) fn join(&mut self, other: Self) {
        for (word, more) in self.0.iter_mut().zip(other.0) {
            *word |= more;
        }
    }

    /// So many viewers there were for certain: two may share a bit, but none has two. 64 at most.
    pub(crate) fn at_least(self) -> u32 {
        self.0[0].count_ones()
    }

    /// The same bits, four of them as one.
    pub(crate) fn folded(self) -> u16 {
        let [bits, ..] = self.0;
        let [low, high, ..] = (bits | bits >> 16 | bits >> 32 | bits >> 48).to_le_bytes();
        u16::from_le_bytes([low, high])
    }

    /// About how many viewers there were: within 40 % in nine of ten cases, up to 50,000.
    pub(crate) fn estimate(self) -> u64 {
        let mut scale = 1;
        for word in &self.0[..WORDS - 1] {
            if word.count_ones() <= BITS_TRUSTED {
                return linear(*word) * scale / STEPS;
            }
            scale <<= SAMPLE_BITS;
        }
        linear(self.0[WORDS - 1]) * scale / STEPS
    }
}

/// Fractions of a viewer that [`linear`] counts in.
const STEPS: u64 = 1024;

/// How many viewers set these bits, most likely: 64 * ln(64 / zero bits), in fractions.
fn linear(word: u64) -> u64 {
    let zeros = f64::from(word.count_zeros().max(1));
    let viewers = 64.0 * (64.0 / zeros).ln();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 64 * ln 64 times 1024"
    )]
    let steps = (viewers * 1024.0).round() as u64;
    steps
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::hash::mix;

    pub(crate) fn of(viewers: std::ops::Range<u64>) -> Sessions {
        let mut sessions = Sessions::default();
        viewers.for_each(|viewer| sessions.add(mix(viewer)));
        sessions
    }

    #[test]
    fn a_few_are_never_told_as_more() {
        for begin in (0..100_000).step_by(10) {
            for count in 0..8 {
                let sessions = of(begin..begin + u64::from(count));
                assert!(sessions.at_least() <= count);
            }
        }
    }

    #[test]
    fn nine_of_ten_estimates_are_within_40_percent() {
        for count in [1_u64, 5, 20, 90, 150, 180, 400, 1000, 5000, 20_000, 50_000] {
            let near = (0..100).filter(|turn| {
                let begin = turn * 1_000_000;
                let estimate = of(begin..begin + count).estimate();
                estimate.abs_diff(count) * 10 <= count * 4
            });
            let near = near.count();
            assert!(near >= 90, "{count}: {near} of 100");
        }
    }

    #[test]
    fn who_comes_again_is_not_counted_again() {
        let mut once = of(0..30);
        let twice = once;
        once.join(of(10..20));
        assert_eq!(once, twice);
    }
}
