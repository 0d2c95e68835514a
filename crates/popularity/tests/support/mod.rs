//! What tests of reports have in common.

use std::{ops::Range, time::Duration};

use popularity::{Demand, Popularity};

/// An hour that has just begun.
pub(crate) const NOW: Duration = Duration::from_hours(498_687);

/// Each viewer asks for the same bytes of an object.
pub(crate) fn ask_at(
    sketch: &Popularity,
    (path, size): (&str, u64),
    served: Range<u64>,
    viewers: Range<u64>,
    now: Duration,
) {
    let mut object = [0; 16];
    object[..path.len()].copy_from_slice(path.as_bytes());
    for viewer in viewers {
        let demand = Demand {
            object: &object,
            site: &"vod".into(),
            path: &path.into(),
            size,
            served: served.clone(),
            viewer,
        };
        sketch.count(&demand, now);
    }
}
