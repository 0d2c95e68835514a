//! What a planner would like of the fill, and how far the node follows.

/// Wishes of a manifest. None of them can make a node do more than its own config allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hints {
    /// Bytes a second, at most.
    pub bytes_per_s: Option<u64>,
    /// Bytes in one window, at most.
    pub bytes_per_window: Option<u64>,
    /// Objects at a time, at most.
    pub concurrency: Option<u32>,
    /// When all should be there, in seconds since the Unix epoch.
    pub deadline_s: Option<u64>,
}

/// What a node's own config allows, from its lowest useful value to its highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes a second: a fill slower than the lowest never ends.
    pub bytes_per_s: (u64, u64),
    /// Bytes in one window.
    pub bytes_per_window: (u64, u64),
    /// Objects at a time.
    pub concurrency: (u32, u32),
}

/// What the node does: each value within [`Bounds`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clamped {
    /// Bytes a second, at most.
    pub bytes_per_s: u64,
    /// Bytes in one window, at most.
    pub bytes_per_window: u64,
    /// Objects at a time, at most.
    pub concurrency: u32,
    /// When all should be there; `None` when that was not told or is past.
    pub deadline_s: Option<u64>,
    /// How many wishes were not followed to the letter.
    pub changed: u32,
}

impl Hints {
    /// The node's highest values where nothing is wished, and the wish within bounds elsewhere.
    pub fn clamped(&self, bounds: &Bounds, now_s: u64) -> Clamped {
        let mut changed = 0;
        let mut within = |wish: Option<u64>, (low, high): (u64, u64)| {
            let given = wish.map_or(high, |wish| wish.max(low).min(high));
            changed += u32::from(wish.is_some_and(|wish| wish != given));
            given
        };
        let bytes_per_s = within(self.bytes_per_s, bounds.bytes_per_s);
        let bytes_per_window = within(self.bytes_per_window, bounds.bytes_per_window);
        let (low, high) = bounds.concurrency;
        let concurrency = within(self.concurrency.map(u64::from), (low.into(), high.into()));
        let deadline_s = self.deadline_s.filter(|deadline_s| *deadline_s > now_s);
        changed += u32::from(deadline_s != self.deadline_s);
        Clamped {
            bytes_per_s,
            bytes_per_window,
            concurrency: u32::try_from(concurrency).unwrap_or(high),
            deadline_s,
            changed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        bytes_per_s: (1_000, 1_000_000),
        bytes_per_window: (10_000, 50_000_000),
        concurrency: (1, 16),
    };

    #[test]
    fn without_a_wish_the_config_rules() {
        let clamped = Hints::default().clamped(&BOUNDS, 100);
        let expected = Clamped {
            bytes_per_s: 1_000_000,
            bytes_per_window: 50_000_000,
            concurrency: 16,
            deadline_s: None,
            changed: 0,
        };
        assert_eq!(clamped, expected);
    }

    /// Hardening row M16.
    #[test]
    fn absurd_rates_and_past_deadlines_are_clamped_to_local_bounds() {
        let least = Hints {
            bytes_per_s: Some(0),
            bytes_per_window: Some(0),
            concurrency: Some(0),
            deadline_s: Some(99),
        };
        let least = least.clamped(&BOUNDS, 100);
        assert_eq!((least.bytes_per_s, least.bytes_per_window), (1_000, 10_000));
        assert_eq!(
            (least.concurrency, least.deadline_s, least.changed),
            (1, None, 4)
        );
        let most = Hints {
            bytes_per_s: Some(u64::MAX),
            bytes_per_window: Some(u64::MAX),
            concurrency: Some(u32::MAX),
            deadline_s: Some(101),
        };
        let most = most.clamped(&BOUNDS, 100);
        assert_eq!(
            (most.bytes_per_s, most.bytes_per_window),
            (1_000_000, 50_000_000)
        );
        assert_eq!(
            (most.concurrency, most.deadline_s, most.changed),
            (16, Some(101), 3)
        );
    }
}
