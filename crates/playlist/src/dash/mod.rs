//! DASH (ISO/IEC 23009-1): manifests whose periods, tracks and segments are all told in one text.

mod read;
mod segments;
mod template;

use std::time::Duration;

/// A manifest, as far as it says where segments are.
#[derive(Debug, Default)]
pub struct Manifest {
    /// `type="dynamic"`.
    is_dynamic: bool,
    duration: Option<Duration>,
    bases: Vec<String>,
    periods: Vec<Period>,
}

#[derive(Debug, Default)]
struct Period {
    start: Option<Duration>,
    duration: Option<Duration>,
    level: Level,
    sets: Vec<Set>,
}

/// An adaptation set.
#[derive(Debug, Default)]
struct Set {
    level: Level,
    tracks: Vec<Track>,
}

/// A representation.
#[derive(Debug, Default)]
struct Track {
    id: String,
    bandwidth: Option<u64>,
    level: Level,
}

/// What periods, sets and tracks each say, and those within them take over.
#[derive(Debug, Default)]
struct Level {
    /// Alternatives.
    bases: Vec<String>,
    addressing: Option<Addressing>,
}

/// How segments are named.
#[derive(Debug)]
struct Addressing {
    kind: Kind,
    timescale: Option<u64>,
    /// Of each segment.
    duration: Option<u64>,
    start_number: Option<u64>,
    end_number: Option<u64>,
    time_offset: Option<u64>,
    /// A template.
    media: Option<String>,
    /// A template.
    index: Option<String>,
    /// A template where the kind is one, else a reference.
    initialization: Option<String>,
    /// Of all segments, apart.
    whole_index: Option<String>,
    timeline: Option<Vec<Run>>,
    segments: Option<Vec<Segment>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One file, with an index of its own.
    Base,
    /// Each segment by its address.
    List,
    /// All by one pattern.
    Template,
}

/// Segments of one duration, one after the other.
#[derive(Debug, Clone, Copy)]
struct Run {
    time: Option<u64>,
    number: Option<u64>,
    duration: u64,
    /// Besides the first; below zero until the next run, or the period's end.
    repeats: i64,
}

/// Where a segment is; without an address it is a range of the track's own file.
#[derive(Debug, Default)]
struct Segment {
    media: Option<String>,
    index: Option<String>,
}

impl Addressing {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            timescale: None,
            duration: None,
            start_number: None,
            end_number: None,
            time_offset: None,
            media: None,
            index: None,
            initialization: None,
            whole_index: None,
            timeline: None,
            segments: None,
        }
    }
}

#[cfg(test)]
mod tests;
