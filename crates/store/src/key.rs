//! What a record is called, what it holds and how old its knowledge of purges is.

use std::{fmt, time::Duration};

use bytes::Bytes;

/// The name of a record: a version (or object) and a part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The version's or the object's id: a keyed 128-bit hash, so that nobody outside can choose
    /// keys that meet in one place.
    pub id: [u8; 16],
    /// Which part of it: a slice's index, or [`Key::HEAD`].
    pub part: u32,
}

impl Key {
    /// The part that is no slice but the head of an object.
    pub const HEAD: u32 = u32::MAX;

    /// The key of an object's head.
    pub const fn head(id: [u8; 16]) -> Self {
        Self {
            id,
            part: Self::HEAD,
        }
    }

    /// Whether it is the key of an object's head.
    pub const fn is_head(&self) -> bool {
        self.part == Self::HEAD
    }

    /// The key of slice `part` of a version.
    pub const fn slice(id: [u8; 16], part: u32) -> Self {
        Self { id, part }
    }
}

/// A point in the order of purges: the number of the last purge that was durable at that time.
///
/// A record that was filled from `stamp` on is dead for a scope when
/// `stamp < store.purged_at(scope)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u64);

impl Epoch {
    /// Before all purges: what [`crate::Store::purged_at`] says of a scope that never was purged.
    pub const ZERO: Self = Self(0);

    /// The epoch as a number, for logs and for records of the caller's own.
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The epoch that [`Self::as_u64`] told.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The epoch of a wall-clock time since the Unix epoch: its milliseconds, rounded up.
    pub fn of_time(wall: Duration) -> Self {
        let ms = wall.as_nanos().div_ceil(1_000_000);
        Self(u64::try_from(ms).unwrap_or(u64::MAX))
    }

    /// When the purge of this number was, if its epoch was made of a time: then or before. Numbers
    /// that were only counted are long ago.
    pub const fn time(self) -> Duration {
        Duration::from_millis(self.0)
    }

    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A record as it is served. A clone is a reference count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The payload, exactly as it was put.
    pub bytes: Bytes,
    /// The stamp that it was put with.
    pub stamp: Epoch,
    /// Whether a plan put it on disk ([`crate::Store::put_planned`]): it was there before anybody
    /// asked. It stays so in RAM, when it is written once more and after a restart, until it is put
    /// anew.
    pub by_plan: bool,
}

/// Where a record was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// In memory.
    Ram,
    /// On one of the disks.
    Disk,
}

impl Tier {
    /// The word for logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ram => "ram",
            Self::Disk => "disk",
        }
    }
}
