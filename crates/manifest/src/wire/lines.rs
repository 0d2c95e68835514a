//! Lines of a payload, decompressed as they are read, within limits.

use std::io::{self, BufRead, BufReader, Read};

use zstd::stream::read::Decoder;

use crate::{Limits, Refused};

/// UTF-8's, which RFC 8259 section 8.1 forbids.
pub(crate) const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// RFC 8878 section 3.1.1: what a zstd frame begins with.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// RFC 8878 section 3.1.1.1.2: 8 MiB is what decoders should support, and bounds their memory.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Decompressed bytes that wait to be split.
const BUFFER_BYTES: usize = 256 * 1024;

/// Whether a payload is compressed.
pub(crate) fn is_zstd(payload: &[u8]) -> bool {
    payload.starts_with(&ZSTD_MAGIC)
}

/// A payload, line by line.
pub(super) struct Lines<'a> {
    source: Source<'a>,
    line: Vec<u8>,
    /// Of the line that was read last.
    pub(super) number: u64,
    bytes_left: u64,
    bytes_max: u64,
}

enum Source<'a> {
    Plain(&'a [u8]),
    Zstd(BufReader<Decoder<'a, &'a [u8]>>),
}

impl<'a> Lines<'a> {
    /// Refuses a frame that tells to be too large before it decompresses a byte of it. `number` is
    /// that of the line before the first.
    pub(super) fn open(payload: &'a [u8], limits: &Limits, number: u64) -> Result<Self, Refused> {
        let bytes_max = limits.payload_bytes_max;
        let source = if is_zstd(payload) {
            let told = zstd::zstd_safe::get_frame_content_size(payload)
                .ok()
                .flatten();
            check_size(told.unwrap_or(0), bytes_max)?;
            let decoder = Decoder::with_buffer(payload).and_then(|mut decoder| {
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Ok(decoder.single_frame())
            });
            let decoder = decoder.map_err(|error| unreadable(number, &error))?;
            Source::Zstd(BufReader::with_capacity(BUFFER_BYTES, decoder))
        } else {
            check_size(payload.len() as u64, bytes_max)?;
            Source::Plain(payload)
        };
        Ok(Self {
            source,
            line: Vec::new(),
            number,
            bytes_left: bytes_max,
            bytes_max,
        })
    }

    /// The next line without its end, at most `line_bytes_max` bytes.
    pub(super) fn next(&mut self, line_bytes_max: u64) -> Result<&[u8], Refused> {
        self.number += 1;
        self.line.clear();
        let most = line_bytes_max.min(self.bytes_left) + 1;
        let read = match &mut self.source {
            Source::Plain(rest) => rest.take(most).read_until(b'\n', &mut self.line),
            Source::Zstd(reader) => reader.take(most).read_until(b'\n', &mut self.line),
        };
        let read = read.map_err(|error| unreadable(self.number, &error))? as u64;
        if self.line.pop_if(|last| *last == b'\n').is_none() {
            return Err(self.without_end(read, line_bytes_max));
        }
        self.bytes_left = self.bytes_left.saturating_sub(read);
        if self.line.starts_with(&BYTE_ORDER_MARK) {
            return Err(self.malformed("a byte order mark; write plain UTF-8"));
        }
        Ok(&self.line)
    }

    /// Makes sure that nothing follows.
    pub(super) fn end(mut self) -> Result<(), Refused> {
        self.number += 1;
        let next = match &mut self.source {
            Source::Plain(rest) => Ok(rest.len()),
            Source::Zstd(reader) => reader.fill_buf().map(<[u8]>::len),
        };
        let next = next.map_err(|error| unreadable(self.number, &error))?;
        let more = match self.source {
            Source::Plain(_) => false,
            Source::Zstd(reader) => !reader.into_inner().finish().is_empty(),
        };
        if next == 0 && !more {
            return Ok(());
        }
        let problem = "bytes after the last line that the head tells of".to_owned();
        let line = self.number;
        Err(Refused::Malformed { line, problem })
    }

    pub(super) fn malformed(&self, problem: &(impl ToString + ?Sized)) -> Refused {
        Refused::Malformed {
            line: self.number,
            problem: problem.to_string(),
        }
    }

    fn without_end(&self, read: u64, line_bytes_max: u64) -> Refused {
        if read > self.bytes_left {
            let found = self.bytes_max.saturating_add(1);
            return too_large(found, self.bytes_max);
        }
        if read > line_bytes_max {
            return self.malformed(&format_args!("a line of more than {line_bytes_max} bytes"));
        }
        self.malformed("the file ends before the last line that the head tells of")
    }
}

fn check_size(bytes: u64, max: u64) -> Result<(), Refused> {
    if bytes > max {
        return Err(too_large(bytes, max));
    }
    Ok(())
}

fn too_large(found: u64, max: u64) -> Refused {
    let what = "bytes when decompressed";
    Refused::TooLarge { what, found, max }
}

fn unreadable(line: u64, error: &io::Error) -> Refused {
    let problem = format!("zstd: {error}");
    Refused::Malformed { line, problem }
}
