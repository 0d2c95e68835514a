//! A line of a report.

use std::sync::Arc;

use crate::{
    Hour,
    tally::{PARTS, Rest, Tally},
};

/// What was served of one object in an hour; or, with an empty path, of all objects of a site that
/// are not named; or, with both empty, of sites beyond the 128 that can be told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The site's name.
    pub site: Arc<str>,
    /// The object's path.
    pub path: Arc<str>,
    /// The hour that the report tells of.
    pub hour: Hour,
    /// The object's bytes; 0 where there is no path.
    pub size: u64,
    /// Bytes served.
    pub bytes_served: u64,
    /// Bytes served * 1000 / size. Without a path, the sum of that over the objects.
    pub plays: u64,
    /// Answers with a body.
    pub requests: u64,
    /// Those that began at byte 0.
    pub first: u64,
    /// About how many viewers: within 40 % in nine of ten cases.
    pub sessions: u64,
    /// Bytes served of the first 4 MiB, and of each quarter of what is behind them.
    pub parts: [u64; PARTS],
}

impl Row {
    pub(crate) fn of(site: &Arc<str>, path: &Arc<str>, size: u64, tally: &Tally) -> Self {
        Self {
            site: Arc::clone(site),
            path: Arc::clone(path),
            hour: Hour::default(),
            size,
            bytes_served: tally.bytes(),
            plays: tally.milliplays(size),
            requests: tally.requests,
            first: tally.first,
            sessions: tally.sessions.estimate(),
            parts: tally.parts,
        }
    }

    pub(crate) fn of_rest(site: &Arc<str>, rest: &Rest) -> Self {
        Self {
            plays: rest.milliplays(),
            ..Self::of(site, &Arc::default(), 0, &rest.tally)
        }
    }
}
