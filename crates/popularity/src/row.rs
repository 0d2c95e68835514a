//! A line of a report.

use std::sync::Arc;

use crate::{
    Hour,
    tally::{PARTS, Rest, Tally},
};

/// What was served of one object in an hour; or, with a path that ends with `/` and no size, of all objects in
/// that folder and those below that are told neither by name nor by a folder further in; or, with an empty path, of all others of a site; or, with both empty, of
/// sites beyond the 128 that can be told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The site's name.
    pub site: Arc<str>,
    /// The object's path, or the folder's.
    pub path: Arc<str>,
    /// The hour that the report tells of.
    pub hour: Hour,
    /// The object's bytes; 0 where there is no object.
    pub size: u64,
    /// Bytes served.
    pub bytes_served: u64,
    /// Bytes served * 1000 / size. Of several objects the sum of that.
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
        Self::of_folder(site, "", rest)
    }

    pub(crate) fn of_folder(site: &Arc<str>, path: &str, rest: &Rest) -> Self {
        Self {
            plays: rest.milliplays(),
            ..Self::of(site, &path.into(), 0, &rest.tally)
        }
    }
}
