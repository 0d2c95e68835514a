//! How prepositioning makes way for viewers: pure in what was measured of the last second.
//!
//! ```text
//! share of the rate:   full ──▶ half ──▶ quarter ──▶ ... ──▶ nothing      while viewers need more
//!                      ▲                                       │
//!                      └──── a tenth of the full rate more, each calm second
//! ```

use std::time::Duration;

use serde::Serialize;

/// The whole, in thousandths.
pub(crate) const WHOLE: u32 = 1000;
/// Each calm second gives back so much.
const BACK: u32 = WHOLE / 10;
/// Less than this is nothing: a trickle disturbs as long and brings little.
const LEAST: u32 = WHOLE / 16;

/// When viewers come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// What the node's link to viewers carries; without it nobody can say how full it is.
    pub link_bytes_per_s: Option<u64>,
    /// Share of it, in thousandths, from which on filling makes way.
    pub egress_max: u32,
    /// The 99th percentile of viewers' waits for the disks from which on filling makes way.
    pub disk_p99_max: Duration,
}

/// What was measured of the last interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Body bytes that went to viewers in a second.
    pub egress_bytes_per_s: u64,
    /// How long viewers waited for the disks, 99th percentile; nothing if none did.
    pub disk_p99: Option<Duration>,
    /// How full the disks' write queues are, in thousandths: what does not fit is not stored.
    pub write_queue: u32,
}

/// Who is in the way, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Strain {
    /// The link to viewers.
    Egress,
    /// The disks, as viewers meet them.
    DiskReads,
    /// The disks, as writers meet them.
    DiskWrites,
}

/// How much of the rate is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// In thousandths.
    pub thousandths: u32,
    /// What holds it back just now.
    pub strain: Option<Strain>,
}

impl Share {
    /// All of it.
    pub const FULL: Self = Self {
        thousandths: WHOLE,
        strain: None,
    };

    /// The share for the next second, by what was measured of the last.
    #[must_use]
    pub fn next(self, load: &Load, limits: &Limits) -> Self {
        let strain = limits.strain(load);
        let thousandths = match strain {
            Some(_) if self.thousandths / 2 < LEAST => 0,
            Some(_) => self.thousandths / 2,
            None => (self.thousandths + BACK).min(WHOLE),
        };
        Self {
            thousandths,
            strain,
        }
    }

    /// So much of a rate.
    pub fn of(self, bytes_per_s: u64) -> u64 {
        let bytes = u128::from(bytes_per_s) * u128::from(self.thousandths) / u128::from(WHOLE);
        u64::try_from(bytes).unwrap_or(bytes_per_s)
    }
}

impl Limits {
    /// Half a queue is kept for what viewers make come in.
    const WRITE_QUEUE_MAX: u32 = WHOLE / 2;

    fn strain(&self, load: &Load) -> Option<Strain> {
        let full = self.link_bytes_per_s.is_some_and(|link| {
            u128::from(load.egress_bytes_per_s) * u128::from(WHOLE)
                > u128::from(link) * u128::from(self.egress_max)
        });
        if full {
            Some(Strain::Egress)
        } else if load.disk_p99.is_some_and(|p99| p99 > self.disk_p99_max) {
            Some(Strain::DiskReads)
        } else if load.write_queue > Self::WRITE_QUEUE_MAX {
            Some(Strain::DiskWrites)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        link_bytes_per_s: Some(1_000_000),
        egress_max: 700,
        disk_p99_max: Duration::from_millis(50),
    };

    fn egress(bytes: u64) -> Load {
        Load {
            egress_bytes_per_s: bytes,
            ..Load::default()
        }
    }

    #[test]
    fn viewers_who_need_the_link_have_it_within_seconds() {
        let mut share = Share::FULL;
        for _ in 0..5 {
            share = share.next(&egress(700_001), &LIMITS);
        }
        assert_eq!((share.thousandths, share.strain), (0, Some(Strain::Egress)));
        assert_eq!(share.of(u64::MAX), 0);
    }

    #[test]
    fn what_was_taken_back_comes_again_slowly() {
        let mut share = Share::FULL.next(&egress(800_000), &LIMITS);
        assert_eq!(share.thousandths, 500);
        let mut seconds = 0;
        while share != Share::FULL {
            share = share.next(&egress(700_000), &LIMITS);
            seconds += 1;
        }
        assert_eq!(seconds, 5);
    }

    #[test]
    fn slow_disks_and_full_queues_hold_it_back_too() {
        let slow = Load {
            disk_p99: Some(Duration::from_millis(51)),
            ..Load::default()
        };
        let full = Load {
            write_queue: 501,
            ..Load::default()
        };
        let strain = |load| Share::FULL.next(&load, &LIMITS).strain;
        assert_eq!(strain(slow), Some(Strain::DiskReads));
        assert_eq!(strain(full), Some(Strain::DiskWrites));
        assert_eq!(strain(Load::default()), None);
    }

    #[test]
    fn a_link_of_unknown_width_is_never_full() {
        let limits = Limits {
            link_bytes_per_s: None,
            ..LIMITS
        };
        assert_eq!(Share::FULL.next(&egress(u64::MAX), &limits), Share::FULL);
    }
}
