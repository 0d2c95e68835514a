//! Who decides what gets onto the disks and what stays there: the policy with a clock.

use std::{fmt, ops::Range, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{
    Admit,
    policy::{Admission, KEPT_MAX, Policy, Settings, TOLD_BYTES, Told, Worth, kept},
};

/// For so long what an earlier run read from disk counts as asked for twice.
const LEARNING: Duration = Duration::from_hours(4 * 24);
const USED: Worth = Worth::TWICE;

/// The time since a moment that stays the same. Only differences matter.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Duration + Send + Sync>);

impl Clock {
    /// A clock of the caller's own, for tests and simulations.
    pub fn new(now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    fn now(&self) -> Duration {
        (self.0)()
    }
}

impl Default for Clock {
    fn default() -> Self {
        let begun = Instant::now();
        Self::new(move || begun.elapsed())
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({:?})", self.now())
    }
}

/// The policy of all disks of a store.
pub(crate) struct Judge {
    policy: Policy,
    capacity_bytes: u64,
    clock: Clock,
    admit: Admit,
}

impl Judge {
    pub(crate) fn new(
        capacity_bytes: u64,
        disk_writes_per_day: u64,
        clock: Clock,
        admit: Admit,
    ) -> Self {
        let settings = Settings {
            capacity_bytes,
            disk_writes_per_day,
        };
        Self {
            policy: Policy::new(&settings),
            capacity_bytes,
            clock,
            admit,
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.now()
    }

    pub(crate) fn reference(&self, viewer: Option<u64>, tag: u64) {
        self.policy.reference(viewer, tag, self.now());
    }

    pub(crate) fn expect(&self, tag: u64, per_day_thousandths: u32) {
        self.policy.expect(tag, per_day_thousandths, self.now());
    }

    pub(crate) fn expect_asked(&self, tag: u64, per_day_thousandths: u32) {
        self.policy
            .expect_asked(tag, per_day_thousandths, self.now());
    }

    pub(crate) fn appraise(&self, tag: u64, per_day_thousandths: u32) {
        self.policy.appraise(tag, per_day_thousandths, self.now());
    }

    pub(crate) fn is_worth_filling(&self, per_day_thousandths: u32) -> bool {
        match self.admit {
            Admit::Everything => true,
            Admit::Proven => self.policy.is_worth_filling(per_day_thousandths),
        }
    }

    pub(crate) fn is_worth_keeping(&self, per_day_thousandths: u32) -> bool {
        match self.admit {
            Admit::Everything => true,
            Admit::Proven => self.policy.is_worth_keeping(per_day_thousandths),
        }
    }

    pub(crate) fn pin(&self, tag: u64, bytes: u32) -> bool {
        self.policy.pin(tag, bytes)
    }

    pub(crate) fn unpin(&self, tag: u64) {
        self.policy.unpin(tag);
    }

    pub(crate) fn is_pinned(&self, tag: u64) -> bool {
        self.policy.is_pinned(tag)
    }

    pub(crate) fn begin_pins(&self) {
        self.policy.begin_pins();
    }

    pub(crate) fn end_pins(&self) {
        self.policy.end_pins();
    }

    pub(crate) fn pinned_bytes(&self) -> u64 {
        self.policy.pinned_bytes()
    }

    pub(crate) fn missed(&self, bytes: u64) {
        self.policy.missed(bytes, self.now());
    }

    pub(crate) fn admits(&self, tag: u64) -> Admission {
        match self.admit {
            Admit::Everything => Admission::Write,
            Admit::Proven => self.policy.admits(tag, self.now()),
        }
    }

    /// Whether what a plan wants may be written: that it is wanted is proof enough.
    pub(crate) fn admits_planned(&self) -> Admission {
        match self.admit {
            Admit::Proven if self.policy.budget_left_bytes() == 0 => Admission::BudgetSpent,
            Admit::Proven | Admit::Everything => Admission::Write,
        }
    }

    pub(crate) fn wrote(&self, bytes: u64) {
        self.policy.wrote(bytes);
    }

    pub(crate) fn kept_bytes(&self, bytes: u64) {
        self.policy.kept(bytes);
    }

    pub(crate) fn wrote_planned(&self, tag: u64, bytes: u64) {
        self.policy.wrote_planned(tag, bytes, self.now());
    }

    pub(crate) fn filled(&self) {
        self.policy.filled();
    }

    pub(crate) fn found(&self, bytes: u64) {
        self.policy.found(bytes);
    }

    /// What a head is worth. Nobody counts who wants it: being read is what it is judged by.
    pub(crate) fn worth_of_head(&self, tag: u64, is_used: bool) -> Worth {
        if self.policy.is_pinned(tag) {
            Worth::PINNED
        } else if is_used {
            Worth::MOST
        } else {
            Worth::NOTHING
        }
    }

    /// What a record that was in use is worth. Where everything is admitted whatever was read from
    /// disk stays: nobody counts.
    pub(crate) fn worth(&self, tag: u64, is_used: bool) -> Worth {
        match self.admit {
            Admit::Everything if self.policy.is_pinned(tag) => Worth::PINNED,
            Admit::Everything if is_used => Worth::MOST,
            Admit::Everything => Worth::NOTHING,
            Admit::Proven => {
                let now = self.now();
                let counted = self.policy.worth(tag, now);
                // What was counted before the restart may be lost, and what was used is not.
                let is_remembered = is_used && now < LEARNING;
                if is_remembered {
                    counted.max(USED)
                } else {
                    counted
                }
            }
        }
    }

    /// Which of these records of a segment, told by bytes and worth, are written once more into so much
    /// room: their indexes in order.
    pub(crate) fn kept(
        &self,
        records: &[(u64, Worth)],
        segment_bytes: u64,
        room: u64,
    ) -> Vec<usize> {
        let (price, part) = match self.admit {
            // As much for what is new: it has no other way to make itself known than to be there.
            Admit::Everything => (Worth::ONCE, segment_bytes / 2),
            Admit::Proven => (
                self.policy.keeping_price(),
                segment_bytes / KEPT_MAX.1 * KEPT_MAX.0,
            ),
        };
        let mut kept = kept(records, price, part.min(room));
        // They are read in the order in which they lie.
        kept.sort_unstable();
        kept
    }

    /// How many buckets what was asked for is counted in.
    pub(crate) fn buckets(&self) -> u64 {
        self.policy.buckets()
    }

    /// Bytes of those buckets.
    pub(crate) fn table_bytes(&self) -> u64 {
        self.policy.buckets() * TOLD_BYTES as u64
    }

    /// Tells what some of the buckets hold.
    pub(crate) fn tell(&self, buckets: Range<u64>, into: &mut Vec<u8>) {
        self.policy.tell(buckets, self.now(), into);
    }

    /// Takes in what a bucket of a table of `of` of them told.
    pub(crate) fn recall(&self, bucket: u64, of: u64, told: &[u8]) {
        self.policy.recall(bucket, of, told, self.now());
    }

    pub(crate) fn tell_price(&self) -> Told {
        self.policy.tell_price()
    }

    pub(crate) fn recall_price(&self, told: Told) {
        self.policy.recall_price(told);
    }

    pub(crate) fn budget_left_bytes(&self) -> u64 {
        self.policy.budget_left_bytes()
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        Policy::memory_bytes(self.capacity_bytes)
    }
}
