//! Reading a record back: one read into a pooled buffer, which becomes the record's bytes.

use bytes::Bytes;

use super::Disk;
use crate::{
    Epoch, Key,
    format::{
        BLOCK,
        record::{HEADER_BYTES, Header, Kind},
    },
    index::{Entry, Place},
};

/// Payloads up to this size are copied out of their block, so that a head of a few hundred bytes
/// does not hold on to pages of RAM.
const COPIED_BYTES_MAX: usize = 16 * 1024;

/// A record as it lies on the disk, checked.
pub(crate) struct Stored {
    pub(crate) bytes: Bytes,
    pub(crate) stamp: Epoch,
    pub(crate) sequence: u64,
}

/// Why a record could not be read.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The disk failed.
    Disk(disk::Error),
    /// Something else lies there, or lay there when it was written over.
    Mismatch,
    /// The record lies there, but its payload is not what was written.
    Corrupt,
}

/// Whether a header is the one that is looked for.
pub(crate) struct Wanted {
    pub(crate) key: Key,
    pub(crate) place: Place,
    pub(crate) length: u32,
    /// Of the segment, read when the place was looked up.
    pub(crate) generation: u64,
}

impl Wanted {
    pub(crate) fn new(disk: &Disk, key: Key, entry: &Entry) -> Self {
        let place = entry.place();
        let generation = disk.generation_at(place.start);
        Self {
            key,
            place,
            length: entry.length(),
            generation,
        }
    }

    fn is(&self, header: &Header) -> bool {
        header.kind == Kind::Payload
            && header.key == self.key
            && header.length == self.length
            && header.generation == self.generation
    }
}

/// Reads what is wanted. Cancel safe.
pub(crate) async fn read(disk: &Disk, wanted: &Wanted) -> Result<Stored, Failure> {
    let start = wanted.place.start;
    let from = start - start % BLOCK;
    let end = start + HEADER_BYTES as u64 + u64::from(wanted.length);
    let length = usize::try_from(end.next_multiple_of(BLOCK) - from).unwrap_or(usize::MAX);
    let buffer = disk
        .device
        .read_at(from, length)
        .await
        .map_err(Failure::Disk)?;
    let at = usize::try_from(start - from).unwrap_or(usize::MAX);
    let header = buffer
        .get(at..)
        .and_then(|bytes| Header::decode(bytes, &disk.secret));
    let header = header
        .filter(|header| wanted.is(header))
        .ok_or(Failure::Mismatch)?;
    let payload = at + HEADER_BYTES..at + HEADER_BYTES + wanted.length as usize;
    let bytes = buffer.get(payload.clone()).ok_or(Failure::Mismatch)?;
    if crc32c::crc32c(bytes) != header.payload_crc {
        return Err(Failure::Corrupt);
    }
    let bytes = if bytes.len() <= COPIED_BYTES_MAX {
        Bytes::copy_from_slice(bytes)
    } else {
        buffer.freeze().slice(payload)
    };
    Ok(Stored {
        bytes,
        stamp: header.stamp,
        sequence: header.sequence,
    })
}
