//! Why what a plan wants is not done.

use crate::metrics::Unadmitted;

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
