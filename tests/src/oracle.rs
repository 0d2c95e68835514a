//! The oracle: content of a test object is a keyed function of name, version and offset.
//!
//! Blocks of 4 KiB, each `tag (16 bytes) . piece of a fixed random pad (4080 bytes)`. The tag and
//! the piece's place in the pad are a keyed hash of name, version and block number. So any range is
//! made by copying, without what comes before it; a byte that is lost, moved, mixed from another
//! version or taken from another object does not fit; and checking is a comparison of memory, some
//! GB/s even in an unoptimised test.

use std::{
    hash::{Hash as _, Hasher as _},
    ops::Range,
    sync::OnceLock,
};

use bytes::{Bytes, BytesMut};
use rand::{RngCore as _, SeedableRng as _, rngs::StdRng};
use siphasher::sip128::{Hasher128 as _, SipHasher13};

const BLOCK_BYTES: u64 = 4096;
const TAG_BYTES: usize = 16;
const PIECE_BYTES: usize = BLOCK_BYTES as usize - TAG_BYTES;
const PAD_BYTES: usize = 1 << 20;
const KEYS: (u64, u64) = (0x6d69_6c6c_706f_6e64, 0x6f72_6163_6c65_2e31);

/// A test object: what its URL names, and which content it has now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// The path, such as `/v/a.m4s`.
    pub name: String,
    /// Another version is other content at every offset.
    pub version: u64,
    /// Its length.
    pub bytes: u64,
}

impl Object {
    /// The first version of an object.
    pub fn new(name: &str, bytes: u64) -> Self {
        Self {
            name: name.to_owned(),
            version: 1,
            bytes,
        }
    }

    /// The next version, of the same length.
    #[must_use]
    pub fn next(&self) -> Self {
        Self {
            version: self.version + 1,
            ..self.clone()
        }
    }

    /// Its strong entity tag, quoted.
    pub fn etag(&self) -> String {
        format!("\"{}-{}\"", self.version, self.bytes)
    }

    /// All of it.
    pub fn content(&self) -> Bytes {
        self.slice(0..self.bytes)
    }

    /// A part of it, which must lie within.
    pub fn slice(&self, range: Range<u64>) -> Bytes {
        assert!(range.end <= self.bytes, "{range:?} is beyond {self:?}");
        bytes(&self.name, self.version, range)
    }

    /// Checks `got`, which begins at `offset`; the error tells the first wrong offset.
    pub fn check(&self, offset: u64, got: &[u8]) -> Result<(), String> {
        let end = offset + got.len() as u64;
        if end > self.bytes {
            return Err(format!(
                "bytes up to {end} of {}, which has {}",
                self.name, self.bytes
            ));
        }
        check(&self.name, self.version, offset, got)
    }
}

/// The bytes of `range`.
pub fn bytes(object: &str, version: u64, range: Range<u64>) -> Bytes {
    let mut made = BytesMut::with_capacity(usize::try_from(range.end - range.start).unwrap());
    for part in Parts::new(object, version, range) {
        made.extend_from_slice(part.bytes());
    }
    made.freeze()
}

/// Checks that `got` is what stands at `offset`; the error tells the first wrong offset.
pub fn check(object: &str, version: u64, offset: u64, got: &[u8]) -> Result<(), String> {
    let mut rest = got;
    for part in Parts::new(object, version, offset..offset + got.len() as u64) {
        let want = part.bytes();
        let (here, after) = rest.split_at(want.len());
        if here != want {
            let at = here.iter().zip(want).position(|(a, b)| a != b).unwrap();
            return Err(format!(
                "{object} version {version}: first wrong byte at offset {}: {:#04x} instead of {:#04x}",
                part.offset + at as u64,
                here[at],
                want[at],
            ));
        }
        rest = after;
    }
    Ok(())
}

/// Walks a range as pieces of tags and of the pad.
struct Parts<'a> {
    object: &'a str,
    version: u64,
    at: u64,
    end: u64,
}

struct Part {
    offset: u64,
    tag: [u8; TAG_BYTES],
    /// Within the block; wholly in the tag or wholly behind it.
    range: Range<usize>,
    pad_at: usize,
}

impl<'a> Parts<'a> {
    fn new(object: &'a str, version: u64, range: Range<u64>) -> Self {
        Self {
            object,
            version,
            at: range.start,
            end: range.end,
        }
    }
}

impl Iterator for Parts<'_> {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        if self.at >= self.end {
            return None;
        }
        let offset = self.at;
        let block = offset / BLOCK_BYTES;
        let start = (offset % BLOCK_BYTES) as usize;
        let limit = if start < TAG_BYTES {
            TAG_BYTES as u64
        } else {
            BLOCK_BYTES
        };
        self.at = self.end.min(block * BLOCK_BYTES + limit);
        let end = start + (self.at - offset) as usize;
        let mut hasher = SipHasher13::new_with_keys(KEYS.0, KEYS.1);
        (self.object, self.version, block).hash(&mut hasher);
        hasher.write_u8(0);
        let tag = hasher.finish128().as_bytes();
        let place = u64::from_le_bytes(tag[..8].try_into().unwrap());
        let pad_at = (place % (PAD_BYTES - PIECE_BYTES) as u64) as usize;
        Some(Part {
            offset,
            tag,
            range: start..end,
            pad_at,
        })
    }
}

impl Part {
    fn bytes(&self) -> &[u8] {
        if self.range.start < TAG_BYTES {
            return &self.tag[self.range.clone()];
        }
        let at = self.pad_at + self.range.start - TAG_BYTES;
        &pad()[at..at + self.range.len()]
    }
}

fn pad() -> &'static [u8] {
    static PAD: OnceLock<Vec<u8>> = OnceLock::new();
    PAD.get_or_init(|| {
        let mut pad = vec![0; PAD_BYTES];
        StdRng::seed_from_u64(KEYS.0 ^ KEYS.1).fill_bytes(&mut pad);
        pad
    })
}

#[cfg(test)]
mod tests {
    use rand::Rng as _;
    use tokio::time::Instant;

    use super::*;

    #[test]
    fn any_range_is_the_same_as_a_cut_of_the_whole() {
        let object = Object::new("/a", 50_000);
        let whole = object.content();
        let mut random = StdRng::seed_from_u64(7);
        for _ in 0..500 {
            let start = random.random_range(0..50_000);
            let end = random.random_range(start..=50_000);
            let part = object.slice(start..end);
            assert_eq!(
                part,
                whole.slice(start as usize..end as usize),
                "{start}..{end}"
            );
            object.check(start, &part).unwrap();
        }
    }

    #[test]
    fn the_first_wrong_offset_is_told() {
        let object = Object::new("/a", 20_000);
        let mut got = object.slice(5_000..15_000).to_vec();
        got[4_321] ^= 1;
        got[9_000] ^= 1;
        let error = object.check(5_000, &got).unwrap_err();
        assert!(error.contains("first wrong byte at offset 9321"), "{error}");
    }

    #[test]
    fn bytes_of_another_place_version_or_object_never_fit() {
        let object = Object::new("/a", 1 << 20);
        let got = object.slice(8_192..12_288);
        for other in [Object::new("/b", 1 << 20), object.next()] {
            assert!(other.check(8_192, &got).is_err());
            // Not even a piece without the tag.
            assert!(other.check(8_208, &got[16..80]).is_err());
        }
        for offset in [0, 4_096, 8_191, 8_193, 12_288] {
            assert!(object.check(offset, &got).is_err(), "{offset}");
        }
        assert!(
            object.check((1 << 20) - 10, &[0; 11]).is_err(),
            "beyond the end"
        );
    }

    #[test]
    fn checking_is_faster_than_the_network() {
        let object = Object::new("/a", 64 << 20);
        let content = object.content();
        let start = Instant::now();
        object.check(0, &content).unwrap();
        let seconds = start.elapsed().as_secs_f64();
        assert!(seconds < 0.6, "64 MiB took {seconds:.3} s");
    }
}
