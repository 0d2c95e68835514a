//! What a disk was filled with, until it was full: what the least of it is worth.

use super::{
    price::PRICE_MAX,
    worth::{Worth, real},
};

/// Steps of a binary logarithm.
const STEPS: f64 = 4.0;
/// From this power of two below one to the same above it.
const POWERS: f64 = PRICE_MAX;
/// Both ends of the scale are on it.
const COUNT: usize = 49;
/// This part of the bytes may be worth less than the least: what was filled by mistake, and the few viewers
/// that come while a plan fills the disk.
const LEAST: f64 = 0.02;

/// Bytes by what they were worth when they were written.
#[derive(Debug)]
pub(super) struct Content {
    bytes: [f64; COUNT],
}

impl Content {
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0.0; COUNT],
        }
    }

    pub(super) fn add(&mut self, bytes: u64, worth: Worth) {
        self.bytes[step(worth.log2())] += real(bytes);
    }

    /// What all but the least part is worth, as a binary logarithm.
    pub(super) fn least(&self) -> f64 {
        let few = self.bytes.iter().sum::<f64>() * LEAST;
        let mut below = 0.0;
        let least = self.bytes.iter().position(|bytes| {
            below += bytes;
            below > few
        });
        least.map_or(-POWERS, |step| {
            f64::from(u32::try_from(step).unwrap_or(0)) / STEPS - POWERS
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to a few steps from zero on"
)]
fn step(log2: f64) -> usize {
    ((log2.clamp(-POWERS, POWERS) + POWERS) * STEPS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_part_that_is_worth_less_says_nothing() {
        let mut content = Content::new();
        assert!(content.least() <= -POWERS);
        content.add(99, Worth::new(2.6));
        content.add(1, Worth::NOTHING);
        assert!((content.least() - 2.5).abs() < f64::EPSILON);
        content.add(4, Worth::ONCE);
        assert!(content.least().abs() < f64::EPSILON);
    }

    #[test]
    fn what_is_off_the_scale_is_at_its_end() {
        let mut content = Content::new();
        content.add(10, Worth::PINNED);
        assert!((content.least() - POWERS).abs() < f64::EPSILON);
        content.add(10, Worth::NOTHING);
        assert!((content.least() + POWERS).abs() < f64::EPSILON);
    }
}
