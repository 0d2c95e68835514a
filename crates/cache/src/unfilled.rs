//! How a fill by plan ends, well or not.

use http::StatusCode;
use message::Error;
use store::Refused;

use crate::filling::Failure;

/// A fill by plan that ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Bytes that came from the source: 0 when all was here.
    pub fetched_bytes: u64,
    /// Bytes that the disks were given.
    pub written_bytes: u64,
}

/// Why an object was not filled. What viewers get of it is as before.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unfilled {
    /// The source has none.
    #[error("the source answered {0}")]
    Absent(StatusCode),
    /// The source has another version of it.
    #[error("the object has {found} bytes, planned are {planned}")]
    OtherSize {
        /// At the source.
        found: u64,
        /// In the plan.
        planned: u64,
    },
    /// The bytes are not those that were planned.
    #[error("the bytes have another sha-256 than planned")]
    OtherDigest,
    /// The object changed while it was fetched.
    #[error("the object changed while it was fetched")]
    Changed,
    /// The source says that it may not be stored, or not in parts.
    #[error("the answer may not be stored, or cannot be read in parts")]
    Unstorable,
    /// Somebody fills it already, or others need the places or the memory more: try again later.
    #[error("no room to fill now")]
    Busy,
    /// The disks did not take it.
    #[error("the disks did not take it: {0}")]
    Unwritten(Refused),
    /// The source failed.
    #[error("the source failed: {0}")]
    Source(Error),
}

impl From<Failure> for Unfilled {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::VersionChanged => Self::Changed,
            Failure::Upstream(error) => Self::Source(error),
            Failure::NoMemory => Self::Busy,
        }
    }
}

/// What the disks' refusal says of the object.
pub(crate) fn unwritten(refused: Refused) -> Unfilled {
    match refused {
        Refused::Busy => Unfilled::Busy,
        Refused::BudgetSpent | Refused::TooLarge | Refused::IndexFull | Refused::Fault => {
            Unfilled::Unwritten(refused)
        }
    }
}
