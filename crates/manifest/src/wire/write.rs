//! From a manifest to a payload.

use std::io::{self, Write};

use zstd::stream::write::Encoder;

use super::{head::RawHead, object::RawObject};
use crate::Manifest;

/// zstd's own default: a million objects take a second and 45 MiB.
const ZSTD_LEVEL: i32 = 3;

/// How a payload is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Lines of JSON.
    Plain,
    /// The same lines in one zstd frame with a checksum.
    Zstd,
}

impl Manifest {
    /// The payload: the same manifest is always the same bytes.
    pub fn to_payload(&self, encoding: Encoding) -> Vec<u8> {
        let payload = match encoding {
            Encoding::Plain => {
                let mut lines = Vec::new();
                self.write_lines(&mut lines).map(|()| lines)
            }
            Encoding::Zstd => Encoder::new(Vec::new(), ZSTD_LEVEL).and_then(|mut encoder| {
                encoder.include_checksum(true)?;
                self.write_lines(&mut encoder)?;
                encoder.finish()
            }),
        };
        // Memory takes every byte, and text and numbers always serialise; an empty payload would
        // be refused by whoever reads it.
        payload.unwrap_or_default()
    }

    fn write_lines(&self, out: &mut impl Write) -> io::Result<()> {
        let head = RawHead::of(&self.head, self.objects.len(), self.removed.len());
        write_line(out, &head)?;
        for object in self.objects.iter() {
            write_line(out, &RawObject::of(&object))?;
        }
        for (site, path) in self.removed.iter() {
            write_line(out, &RawObject::removal(site, path))?;
        }
        Ok(())
    }
}

fn write_line(out: &mut impl Write, line: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
