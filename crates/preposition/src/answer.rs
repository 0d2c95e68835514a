//! What becomes of a manifest that somebody sends, in words and numbers for an answer.

use std::process::ExitStatus;

use manifest::Refused;

use crate::{
    applied::Unkept,
    rehearsal::{Bounds, Unrehearsed},
};

/// A manifest that is in force now.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Pushed {
    /// Its generation.
    pub generation: u64,
    /// Identifies it: `sha256:` and its digest.
    pub digest: String,
    /// Objects of the plan, after a delta those of the whole.
    pub objects: u64,
    /// Objects that were not planned before.
    pub added: u64,
    /// Objects that are planned with other bytes than before.
    pub replaced: u64,
    /// Objects that are no longer planned.
    pub removed: u64,
    /// Bytes that the plan wants and the one before did not.
    pub fill_bytes: u64,
    /// Members that were not known here.
    pub ignored: Vec<String>,
}

/// Why a manifest is not in force, or still is.
#[derive(Debug, thiserror::Error)]
pub enum Rejected {
    /// It may not be.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It could not be kept: what was in force is.
    #[error("the manifest could not be kept")]
    Unkept(#[from] Unkept),
    /// A child process that tried it failed: this program cannot bear it, or not within its bounds.
    #[error(
        "the manifest is valid, and a child process that tried it within {} MiB of memory and {} s of CPU \
         time failed: {how}", bounds.memory_bytes >> 20, bounds.cpu_s
    )]
    Unfit {
        /// What it might take.
        bounds: Bounds,
        /// How it ended.
        how: ExitStatus,
    },
    /// It uses what none before it did here, and could not be tried.
    #[error("the manifest uses what none before it did here, and could not be tried")]
    Unrehearsed(#[from] Unrehearsed),
    /// Too many bad ones came the same way.
    #[error("too many bad manifests came this way: none is taken before {}", utc(*until_s))]
    Quarantined {
        /// In seconds since the Unix epoch.
        until_s: u64,
    },
    /// Another generation is in force than is to be withdrawn.
    #[error("generation {asked} is not in force, {} is", number(*current))]
    OtherGeneration {
        /// To be withdrawn.
        asked: u64,
        /// In force; 0 for none.
        current: u64,
    },
    /// Too many come at a time.
    #[error("others are being judged; come again in a few seconds")]
    Busy,
    /// The node is ending.
    #[error("the node is ending")]
    Ending,
}

impl Rejected {
    /// The status of an answer to who sent it.
    pub fn status(&self) -> u16 {
        match self {
            Self::Refused(refused) => refused.status(),
            Self::Unfit { .. } => 422,
            Self::Unkept(_) | Self::Unrehearsed(_) => 500,
            Self::OtherGeneration { .. } => 404,
            Self::Busy | Self::Quarantined { .. } => 429,
            Self::Ending => 503,
        }
    }

    /// A word for a metric label.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Refused(refused) => refused.label(),
            Self::Unkept(_) => "unkept",
            Self::Unfit { .. } => "unfit",
            Self::Unrehearsed(_) => "unrehearsed",
            Self::Quarantined { .. } => "quarantined",
            Self::OtherGeneration { .. } => "other_generation",
            Self::Busy => "busy",
            Self::Ending => "ending",
        }
    }
}

/// A generation, or that there is none.
fn number(generation: u64) -> String {
    match generation {
        0 => "none".to_owned(),
        generation => generation.to_string(),
    }
}

/// A time for people.
fn utc(unix_s: u64) -> String {
    let at = i64::try_from(unix_s).ok();
    let at = at.and_then(|at| jiff::Timestamp::from_second(at).ok());
    at.map_or_else(|| unix_s.to_string(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn until_when_nothing_is_taken_is_told_as_people_tell_time() {
        let rejected = Rejected::Quarantined {
            until_s: 1_795_324_250,
        };
        let told = rejected.to_string();
        assert!(told.ends_with("before 2026-11-22T05:10:50Z"), "{told}");
    }
}
