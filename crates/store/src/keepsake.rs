//! Files of hints in the state folder: what a run leaves for the next one to be quick or clever
//! about, and nothing that has to be right.
//!
//! ```text
//! header  "MPKEPT\0\0" 8 | version 1, zero 7 | owner 16 | zero 28 | crc32c of all above 4     64 B
//! chunk   mark 8 | length of the payload 4 | crc32c of mark, length and payload 4 | payload
//! ```
//!
//! A file is written beside the old one and takes its place when it is durable. Reading ends at the
//! first thing that is damaged, and what came before it is good. Blocking: for threads that may.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
};

use crate::format::{
    checksum::{crc32c, crc32c_of_both},
    put_all, take,
};

const MAGIC: [u8; 8] = *b"MPKEPT\0\0";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 64;
const CHUNK_HEADER_BYTES: usize = 16;
/// A longer payload is neither written nor read: one is held in memory at a time.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 64 << 20;

/// A piece of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Chunk {
    /// What the payload is about.
    pub(crate) mark: u64,
    pub(crate) payload: Vec<u8>,
}

/// Writes chunks of an owner to `path`, durably, in place of what was there.
pub(crate) fn write(
    path: &Path,
    owner: &[u8; 16],
    chunks: impl Iterator<Item = Chunk>,
) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let mut file = File::create(&fresh)?;
    file.write_all(&header(owner))?;
    for Chunk { mark, payload } in chunks {
        let too_long = || io::Error::other("a chunk is too long");
        let length = u32::try_from(payload.len()).map_err(|_large| too_long())?;
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(too_long());
        }
        let mut fields = [0; CHUNK_HEADER_BYTES];
        put_all(&mut fields, &[&mark.to_le_bytes(), &length.to_le_bytes()]);
        let crc = crc32c_of_both(&fields[..12], &payload);
        put_all(&mut fields[12..], &[&crc.to_le_bytes()]);
        file.write_all(&fields)?;
        file.write_all(&payload)?;
    }
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// Reads what was written to `path` by this owner, a chunk at a time.
pub(crate) fn read(path: &Path, owner: &[u8; 16], mut each: impl FnMut(&Chunk)) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut bytes = [0; HEADER_BYTES];
    file.read_exact(&mut bytes)?;
    if bytes != header(owner) {
        return Err(damaged());
    }
    let mut left = file.metadata()?.len().saturating_sub(bytes.len() as u64);
    while left > 0 {
        let mut fields = [0; CHUNK_HEADER_BYTES];
        file.read_exact(&mut fields)?;
        let (mark, length, crc) = parse(&fields).ok_or_else(damaged)?;
        left = left.saturating_sub(CHUNK_HEADER_BYTES as u64 + length as u64);
        if length > PAYLOAD_BYTES_MAX {
            return Err(damaged());
        }
        let mut payload = vec![0; length];
        file.read_exact(&mut payload)?;
        if crc32c_of_both(&fields[..12], &payload) != crc {
            return Err(damaged());
        }
        each(&Chunk { mark, payload });
    }
    Ok(())
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "it is damaged, or another's")
}

fn header(owner: &[u8; 16]) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    let version = [VERSION, 0, 0, 0, 0, 0, 0, 0];
    put_all(&mut bytes, &[&MAGIC, &version, owner]);
    let crc = crc32c(&bytes[..60]);
    put_all(&mut bytes[60..], &[&crc.to_le_bytes()]);
    bytes
}

/// A chunk's mark, the length of its payload, and its check.
fn parse(mut fields: &[u8]) -> Option<(u64, usize, u32)> {
    let fields = &mut fields;
    let mark = u64::from_le_bytes(take(fields)?);
    let length = u32::from_le_bytes(take(fields)?);
    let crc = u32::from_le_bytes(take(fields)?);
    Some((mark, usize::try_from(length).ok()?, crc))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: [u8; 16] = [4; 16];

    fn chunks() -> Vec<Chunk> {
        let chunk = |mark: u8| Chunk {
            mark: u64::from(mark) << 40,
            payload: vec![mark; usize::from(mark) * 100],
        };
        (0..6).map(chunk).collect()
    }

    fn read_all(path: &Path, owner: &[u8; 16]) -> (Vec<Chunk>, io::Result<()>) {
        let mut found = Vec::new();
        let done = read(path, owner, |chunk| found.push(chunk.clone()));
        (found, done)
    }

    #[test]
    fn what_was_written_comes_back_and_the_last_time_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        write(&path, &OWNER, chunks().into_iter().take(2)).unwrap();
        write(&path, &OWNER, chunks().into_iter()).unwrap();
        let (found, done) = read_all(&path, &OWNER);
        done.unwrap();
        assert_eq!(found, chunks());
        assert!(read_all(&path, &[5; 16]).1.is_err(), "another's");
    }

    #[test]
    fn a_flipped_bit_or_a_missing_end_costs_what_comes_behind_it_and_makes_nothing_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        write(&path, &OWNER, chunks().into_iter()).unwrap();
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            fs::write(&path, &bytes).unwrap();
            let (found, done) = read_all(&path, &OWNER);
            assert!(done.is_err(), "byte {at}");
            assert!(chunks().starts_with(&found), "byte {at}");
        }
        for length in (0..whole.len()).step_by(7) {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(chunks().starts_with(&read_all(&path, &OWNER).0), "{length}");
        }
    }
}
