//! What is held of the plan in force, as planners read it: a line of JSON for each object, in one zstd frame.

use std::io::{self, Write};

use manifest::Held;
use zstd::stream::write::Encoder;

use crate::{
    active::Active,
    entry::Entry,
    views::{PAGE_MAX, page},
};

/// zstd's own default.
const LEVEL: i32 = 3;

/// The whole file, of `bytes_max` at most. It looks at all of the plan.
///
/// # Errors
/// When it would be larger.
pub(crate) fn write(active: &Active, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = Bounded {
        bytes: Vec::new(),
        room: bytes_max,
    };
    let (mut lines, mut from) = (Encoder::new(file, LEVEL)?, Some(0));
    while let Some(place) = from {
        let told = page(active, place, PAGE_MAX);
        let here = told.objects.iter();
        for item in here.filter(|item| is_here(item.state)) {
            let line = Held {
                site: (&*item.site).into(),
                path: (&*item.path).into(),
                bytes: item.planned_bytes,
            };
            line.write(&mut lines)?;
        }
        from = told.next;
    }
    Ok(lines.finish()?.bytes)
}

fn is_here(entry: Entry) -> bool {
    match entry {
        Entry::Held | Entry::Brought => true,
        Entry::Waiting
        | Entry::Filling
        | Entry::Seeded
        | Entry::Absent
        | Entry::Mismatch
        | Entry::Refused
        | Entry::SourceFailed
        | Entry::Unwritten
        | Entry::Unreached
        | Entry::Outbid => false,
    }
}

/// Bytes in memory, and no more than there is room for.
struct Bounded {
    bytes: Vec<u8>,
    room: u64,
}

impl Write for Bounded {
    fn write(&mut self, more: &[u8]) -> io::Result<usize> {
        let room = self.room.checked_sub(more.len() as u64);
        self.room = room.ok_or(io::ErrorKind::FileTooLarge)?;
        self.bytes.extend_from_slice(more);
        Ok(more.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use manifest::{Digest, Object};

    use super::*;
    use crate::applied::InForce;

    #[test]
    fn what_is_here_is_a_line_over_all_pages_and_what_is_not_is_none() {
        let paths: Vec<String> = (0..2500).map(|n| format!("/{n:04}")).collect();
        let digest = Digest::of(b"content");
        let objects = paths.iter();
        let objects = objects.map(|path| Object::fill("vod", path, 7, digest));
        let active = Active::new(InForce::sample(objects), u64::MAX);
        for place in [0, 999, 1000, 2499] {
            active.set(place, Entry::Held);
        }
        active.set(5, Entry::Absent);
        active.set(6, Entry::Filling);
        let file = write(&active, 1 << 20).unwrap();
        let text = String::from_utf8(zstd::decode_all(&*file).unwrap()).unwrap();
        let line = |n| format!("{{\"site\":\"vod\",\"path\":\"/{n}\",\"bytes\":7}}\n");
        assert_eq!(text, ["0000", "0999", "1000", "2499"].map(line).concat());
        let error = write(&active, file.len() as u64 - 1).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }
}
