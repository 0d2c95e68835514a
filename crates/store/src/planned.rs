//! What a plan tells the store, and why what it wants is not done.

use bytes::Bytes;

use crate::{Epoch, Key, Record, Store, metrics::Unadmitted};

impl Store {
    /// A plan expects so many thousandths of a request a day for the record. That is credit: the
    /// record counts as if it had been asked for at this rate all along, so that it is written at
    /// its first miss if that is worth a write, and stays on disk until its viewers come. The credit
    /// decays as what viewers add does, by half in four days. Tell it before the fill of what was
    /// not told before; to tell it twice adds nothing.
    ///
    /// A few atomic operations, and a short lock that misses take as well: not for hits.
    pub fn expect(&self, key: &Key, per_day_thousandths: u32) {
        let tag = self.0.directory.tag(key);
        self.0.admission.judge.expect(tag, per_day_thousandths);
    }

    /// The same for what has just come in because somebody asked for it: that counts on top.
    pub fn expect_asked(&self, key: &Key, per_day_thousandths: u32) {
        let tag = self.0.directory.tag(key);
        let judge = &self.0.admission.judge;
        judge.expect_asked(tag, per_day_thousandths);
    }

    /// The same at the start of a plan's day, for what is held: from now on the record is worth what
    /// the plan expects, more or less than what was counted. A plan knows more of a slice than the
    /// few requests for it tell; what is asked for afterwards counts on from there. Only once with
    /// every plan: more often it would forget what its day brings.
    pub fn appraise(&self, key: &Key, per_day_thousandths: u32) {
        let tag = self.0.directory.tag(key);
        self.0.admission.judge.appraise(tag, per_day_thousandths);
    }

    /// Whether what is expected at this rate is worth being filled ahead of its viewers: everything
    /// is while the disks have room, or one of them has: it was replaced. What is worth less than what
    /// would have to go for it is not, nor what is worth little more.
    pub fn is_worth_filling(&self, per_day_thousandths: u32) -> bool {
        let admission = &self.0.admission;
        admission.has_room() || admission.judge.is_worth_filling(per_day_thousandths)
    }

    /// The same for what was there and was lost: it has to be worth what would have to go for it.
    pub fn is_worth_keeping(&self, per_day_thousandths: u32) -> bool {
        let admission = &self.0.admission;
        admission.has_room() || admission.judge.is_worth_keeping(per_day_thousandths)
    }

    /// Keeps a record on disk, in place of an older one, because a plan wants it there: it need not
    /// have proven itself, but the write budget holds. It does not go into RAM, and what is there of
    /// its key leaves it. Tell as well what is expected of it ([`Self::expect`]), or nothing speaks
    /// for it when its segment goes.
    ///
    /// It is durable after [`Self::flush`]. Never blocks.
    ///
    /// # Errors
    /// When it is not going to be written, and why; the disks hold what they held then.
    pub fn put_planned(&self, key: Key, stamp: Epoch, bytes: Bytes) -> Result<(), Refused> {
        let record = Record {
            bytes,
            stamp,
            by_plan: true,
        };
        self.0.admission.put_planned(key, record)
    }

    /// Keeps a record of so many bytes on disk whatever the traffic, once it is there, until
    /// [`Self::unpin`] or a restart: whoever pins does so again. A pinned head counts with its bytes
    /// as well. Of a segment that is full of pinned records the last may be lost.
    ///
    /// # Errors
    /// When the pinned records would take more than [`crate::policy::PINNED_MAX`] of the disks. Nothing is pinned
    /// then.
    pub fn pin(&self, key: &Key, bytes: u32) -> Result<(), PinsFull> {
        let tag = self.0.directory.tag(key);
        if self.0.admission.judge.pin(tag, bytes) {
            return Ok(());
        }
        self.0.metrics.refused_pins.inc();
        Err(PinsFull)
    }

    /// Whether the record is pinned, be it there or not.
    pub fn is_pinned(&self, key: &Key) -> bool {
        let tag = self.0.directory.tag(key);
        self.0.admission.judge.is_pinned(tag)
    }

    /// A round of pins begins: all that is to stay pinned is pinned again, and what is not by
    /// [`Self::end_pins`] is let go of then. A round that is given up for the next one costs no pin.
    pub fn begin_pins(&self) {
        self.0.admission.judge.begin_pins();
    }

    /// Lets go of the pins that were not told again since [`Self::begin_pins`] was called last. It holds a
    /// lock of what comes in for one walk over all pins.
    pub fn end_pins(&self) {
        self.0.admission.judge.end_pins();
    }

    /// From now on the record has to be worth its place again.
    pub fn unpin(&self, key: &Key) {
        let tag = self.0.directory.tag(key);
        self.0.admission.judge.unpin(tag);
    }
}

/// Why a planned record was not taken for a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Too much waits to be written: again after [`crate::Store::flush`].
    #[error("too much waits to be written")]
    Busy,
    /// No more may be written today.
    #[error("the write budget is spent")]
    BudgetSpent,
    /// It is longer than any segment.
    #[error("the record is longer than a segment can take")]
    TooLarge,
    /// The index holds as many records as it may.
    #[error("the index is full")]
    IndexFull,
    /// There is no disk that is fit to be written to, or the store was closed.
    #[error("no disk can be written to")]
    Fault,
}

impl From<Unadmitted> for Refused {
    fn from(reason: Unadmitted) -> Self {
        match reason {
            Unadmitted::Full => Self::Busy,
            Unadmitted::TooLarge => Self::TooLarge,
            Unadmitted::Index => Self::IndexFull,
            Unadmitted::BudgetSpent => Self::BudgetSpent,
            // Nothing that is planned is unproven.
            Unadmitted::Unproven | Unadmitted::Faulty | Unadmitted::Closed => Self::Fault,
        }
    }
}

/// What is pinned would take more of the disks than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("pinned records would take more than an eighth of the disks")]
pub struct PinsFull;
