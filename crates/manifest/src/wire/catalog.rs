//! Lines of objects without a head: a catalogue from which a manifest is made.

use super::{
    json::Unknown,
    object::ObjectSeed,
    read::{OBJECT_BYTES_MAX, check_host, parse},
};
use crate::{Limits, Objects, Refused, objects};

/// Reads objects as they stand in a manifest, one a line, in any order; empty lines are skipped.
/// Also returns members that are not known: a catalogue often has more than a manifest.
///
/// # Errors
/// The first line that is wrong, or what is wrong with all of them.
pub fn read_objects(text: &[u8], limits: &Limits) -> Result<(Objects, Vec<String>), Refused> {
    let mut unknown = Unknown::default();
    let mut builder = objects::Builder::default();
    let mut last = 0;
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        last = number;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let malformed = |problem: String| Refused::Malformed {
            line: number,
            problem,
        };
        if line.len() as u64 > OBJECT_BYTES_MAX {
            return Err(malformed(format!("more than {OBJECT_BYTES_MAX} bytes")));
        }
        let raw = parse(line, ObjectSeed(&mut unknown));
        check_host(&mut unknown, number)?;
        let raw = raw.map_err(|error| malformed(error.to_string()))?;
        let kept = raw.object().and_then(|object| builder.push(&object));
        kept.map_err(|wrong| Refused::Wrong {
            line: number,
            wrong,
        })?;
        let (found, max) = (builder.len() as u64, limits.names_max);
        if found > max {
            let what = "objects";
            return Err(Refused::TooLarge { what, found, max });
        }
    }
    let objects = builder.finish();
    let objects = objects.map_err(|wrong| Refused::Wrong { line: last, wrong })?;
    Ok((objects, unknown.into_names()))
}
