//! One direction of a path, as a pure decider: a bottleneck with a finite queue, then a distance.

use std::time::Duration;

const NANOS_PER_S: u128 = 1_000_000_000;

/// What a path is like. Both directions are alike.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// What the bottleneck lets through.
    pub(super) bytes_per_s: u64,
    /// What waits before it at most; more is lost.
    pub(super) queue_bytes: u64,
    /// From its end to the other side.
    pub(super) delay: Duration,
    /// Packets in a million that are lost for no reason.
    pub(super) loss_ppm: u32,
}

/// What becomes of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is at the other side then.
    Arrives(Duration),
    /// The queue is full.
    Overflows,
    /// By chance.
    Lost,
}

/// One direction. Times are since some beginning.
#[derive(Debug)]
pub(super) struct Link {
    shape: Shape,
    /// When the bottleneck has let through all that it took.
    free_at: Duration,
    chance: u64,
}

impl Link {
    /// `seed` decides which packets chance takes.
    pub(super) fn new(shape: Shape, seed: u64) -> Self {
        Self {
            shape,
            free_at: Duration::ZERO,
            chance: seed,
        }
    }

    /// Takes a packet, or does not. Packets come in order of time, and arrive in their order.
    pub(super) fn offer(&mut self, now: Duration, bytes: u64) -> Fate {
        if self.takes_chance() {
            return Fate::Lost;
        }
        let begins = self.free_at.max(now);
        if self.waiting(begins.saturating_sub(now)) + u128::from(bytes)
            > u128::from(self.shape.queue_bytes)
        {
            return Fate::Overflows;
        }
        self.free_at = begins + self.takes(bytes);
        Fate::Arrives(self.free_at + self.shape.delay)
    }

    /// The bytes that the bottleneck lets through in that time.
    fn waiting(&self, time: Duration) -> u128 {
        time.as_nanos() * u128::from(self.shape.bytes_per_s) / NANOS_PER_S
    }

    fn takes(&self, bytes: u64) -> Duration {
        let nanos = u128::from(bytes) * NANOS_PER_S / u128::from(self.shape.bytes_per_s.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// splitmix64.
    fn takes_chance(&mut self) -> bool {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % 1_000_000 < u64::from(self.shape.loss_ppm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        bytes_per_s: 1_000_000,
        queue_bytes: 3_000,
        delay: Duration::from_millis(50),
        loss_ppm: 0,
    };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn packets_queue_for_the_bottleneck_and_overflow_when_it_has_enough() {
        let mut link = Link::new(SHAPE, 1);
        let fates = [(); 4].map(|()| link.offer(ms(0), 1_000));
        let arrives = |after| Fate::Arrives(ms(after));
        assert_eq!(
            fates,
            [arrives(51), arrives(52), arrives(53), Fate::Overflows]
        );
        assert_eq!(link.offer(ms(1), 1_000), arrives(54));
        assert_eq!(link.offer(ms(100), 1_000), arrives(151));
    }

    #[test]
    fn chance_takes_as_many_as_it_should() {
        let shape = Shape {
            queue_bytes: u64::MAX,
            loss_ppm: 10_000,
            ..SHAPE
        };
        let mut link = Link::new(shape, 7);
        let lost = (0..100_000).filter(|at| link.offer(ms(*at), 1) == Fate::Lost);
        let lost = lost.count();
        assert!((900..1_100).contains(&lost), "{lost} of 100,000");
    }
}
