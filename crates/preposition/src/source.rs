//! Where an object may be fetched from, and when: nearer sources first, farther ones later.
//!
//! ```text
//! peer of the cluster ──(shield_after)──▶ shield ──(storage_after)──▶ object storage
//! ```
//!
//! One node of a cluster fetches from far away, a *fill master*; it waits for nobody. The others wait
//! for it, and copy from it, because that link is theirs; only what no peer has after a while do they
//! fetch from farther away. Where a kind is not configured nobody waits for it.

use std::time::Duration;

use serde::Serialize;

/// How far away a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Another edge of the same cluster, over mutual TLS.
    Peer,
    /// The shields' ring.
    Shield,
    /// The bucket or directory that the shields read too.
    Storage,
}

impl Reach {
    /// As in metrics and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Shield => "shield",
            Self::Storage => "storage",
        }
    }
}

/// How long nearer sources have to have an object before a farther one is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Escalation {
    /// Whether this node fetches from far away at once.
    pub master: bool,
    /// Before the shield is asked.
    pub shield_after: Duration,
    /// Before object storage is asked.
    pub storage_after: Duration,
}

impl Escalation {
    /// Nobody waits for anybody.
    pub(crate) const NONE: Self = Self {
        master: true,
        shield_after: Duration::ZERO,
        storage_after: Duration::ZERO,
    };

    fn after(&self, reach: Reach) -> Duration {
        match reach {
            Reach::Peer => Duration::ZERO,
            Reach::Shield => self.shield_after,
            Reach::Storage => self.storage_after,
        }
    }
}

/// Which sources may be asked for an object that has been wanted for `waited`, as indexes into
/// `sources` in the order in which to ask; and, if a farther one may be asked later, how long until then.
///
/// `usable` tells which are not left alone for their failures. Of several that are equally far away each
/// `turn` begins with the next, so that they share the work.
pub fn ranked(
    sources: &[Reach],
    usable: impl Fn(usize) -> bool,
    escalation: &Escalation,
    waited: Duration,
    turn: u32,
) -> (Vec<usize>, Option<Duration>) {
    let nearest = sources.iter().min();
    let after = |reach: Reach| {
        if escalation.master || Some(&reach) == nearest {
            Duration::ZERO
        } else {
            escalation.after(reach)
        }
    };
    let mut now: Vec<usize> = (0..sources.len())
        .filter(|&index| usable(index) && after(sources[index]) <= waited)
        .collect();
    now.sort_by_key(|&index| sources[index]);
    for equals in now.chunk_by_mut(|&one, &other| sources[one] == sources[other]) {
        let count = u32::try_from(equals.len()).unwrap_or(u32::MAX);
        equals.rotate_left((turn % count) as usize);
    }
    let later = sources.iter().map(|reach| after(*reach));
    let later = later.filter(|after| *after > waited).min();
    (now, later.map(|after| after.saturating_sub(waited)))
}

/// When a source is left alone: after some failures in a row, each time for longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Health {
    failures: u32,
    /// Since any fixed point.
    until: Option<Duration>,
    /// Whether its last fault were wrong bytes.
    has_lied: bool,
}

impl Health {
    /// So many failures in a row say more of the source than of the objects.
    const FAILURES: u32 = 5;
    const PAUSE: Duration = Duration::from_secs(5);
    const PAUSE_MAX: Duration = Duration::from_mins(5);

    /// Whether it may be asked. After a pause one failure more begins the next.
    pub fn is_usable(&self, now: Duration) -> bool {
        self.until.is_none_or(|until| now >= until)
    }

    /// It answered, if only that it has no such object.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// How long it is left alone from now on.
    pub fn rest(&self, now: Duration) -> Duration {
        let rest = self.until.map(|until| until.saturating_sub(now));
        rest.unwrap_or_default()
    }

    /// It gave other bytes than one that gave the right ones: it is left alone at once.
    pub fn lied(&mut self, now: Duration) {
        self.failures = self.failures.max(Self::FAILURES);
        self.until = Some(now + Self::PAUSE_MAX);
        self.has_lied = true;
    }

    /// Whether it is left alone for wrong bytes: then nobody waits for what it might have.
    pub fn is_distrusted(&self, now: Duration) -> bool {
        self.has_lied && !self.is_usable(now)
    }

    /// It failed to answer.
    pub fn failed(&mut self, now: Duration) {
        self.failures = self.failures.saturating_add(1);
        if let Some(beyond) = self.failures.checked_sub(Self::FAILURES) {
            let pause = Self::PAUSE.saturating_mul(1 << beyond.min(10));
            self.until = Some(now + pause.min(Self::PAUSE_MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCES: [Reach; 4] = [Reach::Storage, Reach::Peer, Reach::Shield, Reach::Peer];
    const COPIER: Escalation = Escalation {
        master: false,
        shield_after: Duration::from_mins(10),
        storage_after: Duration::from_mins(30),
    };

    fn order(escalation: &Escalation, minutes: u64) -> (Vec<usize>, Option<Duration>) {
        let waited = Duration::from_mins(minutes);
        ranked(&SOURCES, |_| true, escalation, waited, 0)
    }

    #[test]
    fn a_copier_asks_farther_sources_only_when_nearer_ones_had_their_time() {
        assert_eq!(
            order(&COPIER, 0),
            (vec![1, 3], Some(Duration::from_mins(10)))
        );
        assert_eq!(
            order(&COPIER, 10),
            (vec![1, 3, 2], Some(Duration::from_mins(20)))
        );
        assert_eq!(order(&COPIER, 30), (vec![1, 3, 2, 0], None));
    }

    #[test]
    fn a_master_waits_for_nobody_but_still_asks_the_nearest_first() {
        let master = Escalation {
            master: true,
            ..COPIER
        };
        assert_eq!(order(&master, 0), (vec![1, 3, 2, 0], None));
    }

    #[test]
    fn nobody_waits_for_a_kind_that_is_not_there() {
        let (now, later) = ranked(
            &[Reach::Storage, Reach::Shield],
            |_| true,
            &COPIER,
            Duration::ZERO,
            0,
        );
        assert_eq!((now, later), (vec![1], Some(Duration::from_mins(30))));
        let (now, _) = ranked(&[Reach::Storage], |_| true, &COPIER, Duration::ZERO, 0);
        assert_eq!(now, vec![0]);
    }

    #[test]
    fn peers_share_the_work() {
        let master = Escalation::NONE;
        let order = |turn| ranked(&SOURCES, |_| true, &master, Duration::ZERO, turn).0;
        assert_eq!(order(0), [1, 3, 2, 0]);
        assert_eq!(order(1), [3, 1, 2, 0]);
        assert_eq!(order(u32::MAX), [3, 1, 2, 0]);
    }

    #[test]
    fn who_gave_wrong_bytes_is_left_alone_at_once() {
        let mut health = Health::default();
        let now = Duration::from_hours(1);
        health.lied(now);
        assert!(!health.is_usable(now));
        assert!(health.is_distrusted(now));
        assert_eq!(health.rest(now), Health::PAUSE_MAX);
        assert!(health.is_usable(now + Health::PAUSE_MAX));
    }

    #[test]
    fn who_fails_is_passed_over() {
        let (now, _) = ranked(&SOURCES, |index| index != 1, &COPIER, Duration::ZERO, 0);
        assert_eq!(now, vec![3]);
    }

    #[test]
    fn a_source_is_left_alone_after_failures_in_a_row_and_each_time_for_longer() {
        let mut health = Health::default();
        let now = Duration::from_hours(1);
        (0..4).for_each(|_| health.failed(now));
        assert!(health.is_usable(now), "four say little");
        health.failed(now);
        assert!(!health.is_usable(now));
        let later = now + Health::PAUSE;
        assert!(health.is_usable(later));
        health.failed(later);
        assert!(!health.is_usable(later + Health::PAUSE));
        health.answered();
        assert!(health.is_usable(later));
        (0..100).for_each(|_| health.failed(now));
        assert!(health.is_usable(now + Health::PAUSE_MAX));
    }
}
