//! What has become of an object of the plan.

use serde::Serialize;

/// What has become of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Entry {
    /// It waits for its turn.
    Waiting,
    /// It is being fetched.
    Filling,
    /// It is here, and was compared with its digest where it has one.
    Held,
    /// Nothing is to be fetched: it is let in at its first miss.
    Seeded,
    /// The source has none.
    Absent,
    /// The source has another size or digest than was planned.
    Mismatch,
    /// Its site is not known here, or its answers may not be stored.
    Refused,
    /// The source failed.
    SourceFailed,
    /// The disks did not take it.
    Unwritten,
    /// No source may be asked yet.
    Unreached,
    /// What would have to go for it is worth as much: it comes in when viewers have asked for it often enough.
    Outbid,
    /// Nothing is fetched, and viewers have brought all of it.
    Brought,
}

/// All of them, for counting; in order of their numbers.
pub const ENTRIES: [Entry; 12] = [
    Entry::Waiting,
    Entry::Filling,
    Entry::Held,
    Entry::Seeded,
    Entry::Absent,
    Entry::Mismatch,
    Entry::Refused,
    Entry::SourceFailed,
    Entry::Unwritten,
    Entry::Unreached,
    Entry::Outbid,
    Entry::Brought,
];

impl Entry {
    /// As in metrics and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Filling => "filling",
            Self::Held => "held",
            Self::Seeded => "seeded",
            Self::Absent => "absent",
            Self::Mismatch => "mismatch",
            Self::Refused => "refused",
            Self::SourceFailed => "source_failed",
            Self::Unwritten => "unwritten",
            Self::Unreached => "unreached",
            Self::Outbid => "outbid",
            Self::Brought => "brought",
        }
    }

    /// Whether it is left to viewers to bring it.
    pub(crate) fn is_of_viewers(self) -> bool {
        matches!(self, Self::Seeded | Self::Brought)
    }

    /// Whether an attempt failed; it may be tried again.
    pub fn is_failure(self) -> bool {
        match self {
            Self::Waiting
            | Self::Filling
            | Self::Held
            | Self::Seeded
            | Self::Unreached
            | Self::Outbid
            | Self::Brought => false,
            Self::Absent
            | Self::Mismatch
            | Self::Refused
            | Self::SourceFailed
            | Self::Unwritten => true,
        }
    }
}
