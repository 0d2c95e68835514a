//! Random numbers that are the same everywhere and for ever, from a seed.
//!
//! A trace is told by its preset and its seed: a generator whose numbers change with the version
//! of a dependency would make it another trace. This is `splitmix64`, which is plenty for a model.

/// A source of numbers.
#[derive(Debug, Clone)]
pub(crate) struct Draw(u64);

impl Draw {
    /// A source of its own for each `purpose` of a `seed`.
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        Self(mix(seed ^ mix(purpose)))
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Less than `bound`, which is not zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound.max(1)
    }

    /// From 0 up to 1, without 1.
    pub(crate) fn unit(&mut self) -> f64 {
        unit(self.number())
    }

    pub(crate) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    pub(crate) fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// Mean 0, deviation 1.
    pub(crate) fn normal(&mut self) -> f64 {
        let (radius, angle) = (self.exponential(2.0).sqrt(), self.unit());
        radius * (angle * std::f64::consts::TAU).cos()
    }

    /// Median 1.
    pub(crate) fn log_normal(&mut self, sigma: f64) -> f64 {
        (self.normal() * sigma).exp()
    }

    /// At least 1, with a tail of `alpha`, cut at `most`.
    pub(crate) fn pareto(&mut self, alpha: f64, most: f64) -> f64 {
        (1.0 - self.unit()).powf(-1.0 / alpha).min(most)
    }

    /// How many of what happens `mean` times on average: by gaps for few, by the normal for many.
    pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 50.0 {
            return whole(mean + self.normal() * mean.sqrt());
        }
        let (mut count, mut left) = (0, mean - self.exponential(1.0));
        while left > 0.0 {
            count += 1;
            left -= self.exponential(1.0);
        }
        count
    }
}

/// A fixed log-normal number for a thing, with median 1.
pub(crate) fn trait_of(thing: u64, sigma: f64) -> f64 {
    Draw(mix(thing)).log_normal(sigma)
}

pub(crate) fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn unit(number: u64) -> f64 {
    real(number >> 11) / real(1 << 53)
}

/// The number as a float.
#[expect(
    clippy::cast_precision_loss,
    reason = "a model's numbers need no 53 bits"
)]
pub(crate) fn real(number: u64) -> f64 {
    number as f64
}

/// The nearest whole number; nothing below 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "such a cast saturates"
)]
pub(crate) fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(draws: impl Fn(&mut Draw) -> f64) -> f64 {
        let mut draw = Draw::new(1, 2);
        (0..100_000).map(|_| draws(&mut draw)).sum::<f64>() / 100_000.0
    }

    #[test]
    fn distributions_have_their_means() {
        assert!((mean(Draw::unit) - 0.5).abs() < 0.01);
        assert!((mean(|draw| draw.exponential(3.0)) - 3.0).abs() < 0.1);
        assert!(mean(Draw::normal).abs() < 0.02);
        assert!((mean(|draw| draw.normal().powi(2)) - 1.0).abs() < 0.03);
        assert!((mean(|draw| real(draw.poisson(2.5))) - 2.5).abs() < 0.05);
        assert!((mean(|draw| real(draw.poisson(200.0))) - 200.0).abs() < 0.5);
    }

    #[test]
    fn a_seed_draws_the_same_numbers_for_ever() {
        let mut draw = Draw::new(7, 1);
        let first = [draw.number(), draw.number()];
        assert_eq!(
            first,
            [15_982_519_592_918_295_750, 14_508_008_514_632_305_508]
        );
        assert_ne!(Draw::new(7, 2).number(), first[0]);
    }
}
