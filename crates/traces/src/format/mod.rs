//! Files of traces.
//!
//! ```text
//! csv       a header line, then one line a request, in this order of columns:
//!           unix_ms,client,object,offset,length,object_size
//!           all whole numbers below 2^64; object and client may be hashes
//!
//! binary    "MPTRACE1", then 48 bytes a request, little-endian:
//!           unix_ms 8, client 8, object 8, offset 8, length 8, object_size 8
//!
//! oracle    libCacheSim's oracleGeneral: no header, 24 bytes a request, little-endian:
//!           seconds 4, object 8, size 4, next access 8 (not used)
//!           every request is for a whole object, by a client of its own
//! ```

mod binary;
mod csv;
mod oracle;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::Path,
};

use crate::{Error, Request};

const BUFFER_BYTES: usize = 1 << 20;

/// How a trace lies in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `unix_ms,client,object,offset,length,object_size`, with that line first.
    Csv,
    /// 48 bytes a request, after a magic of 8.
    Binary,
    /// libCacheSim's oracleGeneral, which can only be read.
    Oracle,
}

impl Format {
    /// The format that a file's name tells: `.csv`, `.oracleGeneral` (or `.oracle`), else binary.
    pub fn of(path: &Path) -> Self {
        let ending = path.extension().and_then(|ending| ending.to_str());
        match ending.map(str::to_ascii_lowercase).as_deref() {
            Some("csv") => Self::Csv,
            Some("oraclegeneral" | "oracle") => Self::Oracle,
            _ => Self::Binary,
        }
    }
}

/// Reads a trace, request by request, in a fixed amount of memory.
///
/// What it reads is hostile: a record that cannot be, or that goes back in time, is an error, after
/// which there is nothing more to read.
pub struct Reader<R> {
    input: BufReader<R>,
    format: Format,
    /// Records read, the one at hand included.
    number: u64,
    last_ms: u64,
    ended: bool,
}

impl Reader<File> {
    /// Opens a file of the format that its name tells.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::new(File::open(path)?, Format::of(path))
    }
}

impl<R: Read> Reader<R> {
    /// Reads `format` from `input`, which need not be buffered.
    pub fn new(input: R, format: Format) -> Result<Self, Error> {
        let mut reader = Self {
            input: BufReader::with_capacity(BUFFER_BYTES, input),
            format,
            number: 0,
            last_ms: 0,
            ended: false,
        };
        match format {
            Format::Csv => {
                reader.number = 1;
                csv::check_header(&mut reader.input)?;
            }
            Format::Binary => binary::check_magic(&mut reader.input)?,
            Format::Oracle => {}
        }
        Ok(reader)
    }

    fn read(&mut self) -> Result<Option<Request>, Error> {
        self.number += 1;
        let read = match self.format {
            Format::Csv => csv::read(&mut self.input, self.number)?,
            Format::Binary => binary::read(&mut self.input, self.number)?,
            Format::Oracle => oracle::read(&mut self.input, self.number)?,
        };
        let Some(request) = read else { return Ok(None) };
        if !request.is_sound() {
            return Err(self.refused("a range that is empty, or ends behind the object"));
        }
        if request.unix_ms < self.last_ms {
            return Err(self.refused("goes back in time"));
        }
        self.last_ms = request.unix_ms;
        Ok(Some(request))
    }

    fn refused(&self, what: &str) -> Error {
        Error::Record {
            number: self.number,
            what: what.to_owned(),
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Request, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let read = self.read();
        self.ended = !matches!(read, Ok(Some(_)));
        read.transpose()
    }
}

/// Writes a trace.
pub struct Writer<W: Write> {
    output: BufWriter<W>,
    format: Format,
}

impl Writer<File> {
    /// Creates (or empties) a file of the format that its name tells.
    pub fn create(path: &Path) -> Result<Self, Error> {
        Self::new(File::create(path)?, Format::of(path))
    }
}

impl<W: Write> Writer<W> {
    /// Writes `format` to `output`, which need not be buffered.
    pub fn new(output: W, format: Format) -> Result<Self, Error> {
        let mut output = BufWriter::with_capacity(BUFFER_BYTES, output);
        match format {
            Format::Csv => writeln!(output, "{}", csv::HEADER)?,
            Format::Binary => output.write_all(&binary::MAGIC)?,
            Format::Oracle => return Err(Error::ReadOnly("oracleGeneral")),
        }
        Ok(Self { output, format })
    }

    /// Appends a request.
    pub fn write(&mut self, request: &Request) -> Result<(), Error> {
        match self.format {
            Format::Csv => csv::write(&mut self.output, request)?,
            Format::Binary => binary::write(&mut self.output, request)?,
            Format::Oracle => return Err(Error::ReadOnly("oracleGeneral")),
        }
        Ok(())
    }

    /// Writes out what is buffered. Without it the end may be missing.
    pub fn finish(mut self) -> Result<(), Error> {
        Ok(self.output.flush()?)
    }
}

/// Fills `record`; false at the end of the file, an error within a record.
fn fill(input: &mut impl BufRead, record: &mut [u8], number: u64) -> Result<bool, Error> {
    if input.fill_buf()?.is_empty() {
        return Ok(false);
    }
    match input.read_exact(record) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Error::Cut(number)),
        Err(error) => Err(error.into()),
    }
}

/// The next eight bytes of a record as a number.
fn number_at<const AT: usize, const RECORD: usize>(record: &[u8; RECORD]) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&record[AT..AT + 8]);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(number: u64) -> Request {
        Request {
            unix_ms: 1_700_000_000_000 + number,
            client: number % 7,
            object: u64::MAX - number,
            offset: number,
            length: 1 + number,
            object_size: 1 + 2 * number,
        }
    }

    fn written(format: Format, requests: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, format).unwrap();
        for number in 0..requests {
            writer.write(&request(number)).unwrap();
        }
        writer.finish().unwrap();
        bytes
    }

    fn read(bytes: &[u8], format: Format) -> Result<Vec<Request>, Error> {
        Reader::new(bytes, format)?.collect()
    }

    #[test]
    fn what_is_written_comes_back() {
        let expected: Vec<_> = (0..1000).map(request).collect();
        for format in [Format::Csv, Format::Binary] {
            assert_eq!(read(&written(format, 1000), format).unwrap(), expected);
        }
    }

    #[test]
    fn a_cut_file_is_an_error_and_not_a_shorter_trace() {
        let bytes = written(Format::Binary, 3);
        let cut = read(&bytes[..bytes.len() - 1], Format::Binary);
        assert!(matches!(cut, Err(Error::Cut(3))), "{cut:?}");
        let bytes = written(Format::Csv, 3);
        let cut = read(&bytes[..bytes.len() - 1], Format::Csv);
        assert!(matches!(cut, Err(Error::Cut(4))), "{cut:?}");
    }

    #[test]
    fn lines_that_are_none_are_refused_with_their_number() {
        for (line, what) in [
            ("1,2,3,0,9", "6 columns"),
            ("1,2,3,0,9,9,9", "6 columns"),
            ("1,2,x,0,9,9", "object"),
            ("-1,2,3,0,9,9", "unix_ms"),
            ("1,2,3,0,0,9", "range"),
            ("1,2,3,1,9,9", "range"),
            ("1,2,3,18446744073709551615,2,9", "range"),
        ] {
            let file = format!("{}\n1,1,1,0,1,1\n{line}\n", csv::HEADER);
            let error = read(file.as_bytes(), Format::Csv).unwrap_err().to_string();
            assert!(
                error.starts_with("record 3: ") && error.contains(what),
                "{line}: {error}"
            );
        }
    }

    #[test]
    fn other_files_are_refused_at_once() {
        assert!(read(b"a,b,c\n1,2,3\n", Format::Csv).is_err());
        assert!(read(b"GIF89a..........", Format::Binary).is_err());
        assert!(read(b"", Format::Binary).is_err());
        assert!(Writer::new(Vec::new(), Format::Oracle).is_err());
    }

    #[test]
    fn time_does_not_go_back() {
        let file = format!("{}\n5,1,1,0,1,1\n4,1,1,0,1,1\n", csv::HEADER);
        let error = read(file.as_bytes(), Format::Csv).unwrap_err().to_string();
        assert!(error.contains("back in time"), "{error}");
    }

    #[test]
    fn an_endless_line_does_not_fill_the_memory() {
        let line = vec![b'1'; 4 << 20];
        let file = [csv::HEADER.as_bytes(), b"\n", &line].concat();
        assert!(matches!(
            read(&file, Format::Csv),
            Err(Error::Record { number: 2, .. })
        ));
    }

    #[test]
    fn oracle_general_is_read() {
        let mut bytes = Vec::new();
        for (second, object, size) in [(9_u32, 77_u64, 1000_u32), (10, 78, 5)] {
            bytes.extend(second.to_le_bytes());
            bytes.extend(object.to_le_bytes());
            bytes.extend(size.to_le_bytes());
            bytes.extend((-1_i64).to_le_bytes());
        }
        let requests = read(&bytes, Format::Oracle).unwrap();
        assert_eq!((requests[0].unix_ms, requests[0].object), (9000, 77));
        assert_eq!((requests[1].length, requests[1].object_size), (5, 5));
        assert_ne!(requests[0].client, requests[1].client);
    }

    #[test]
    fn names_tell_formats() {
        let of = |name: &str| Format::of(Path::new(name));
        assert_eq!(of("a.csv"), Format::Csv);
        assert_eq!(of("a.oracleGeneral"), Format::Oracle);
        assert_eq!(of("a.trace"), Format::Binary);
    }
}
