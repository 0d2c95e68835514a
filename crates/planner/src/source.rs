//! Files that an owner hands in, a row an object: NDJSON, in Zstandard (RFC 8878) or Parquet when the name says so.

use std::{
    ffi::OsStr,
    fs::File,
    io::{BufRead, BufReader, Read as _},
    path::Path,
};

use datafusion::{
    arrow::{
        array::{Array as _, AsArray as _, BooleanArray, Int64Array, RecordBatch, StringArray},
        compute::{CastOptions, cast_with_options},
        datatypes::{DataType, Int64Type},
    },
    parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder,
};
use serde::de::DeserializeOwned;
use zstd::stream::read::Decoder;

use crate::Error;

/// The longest line: 64 KiB, of which a path may be 1 KiB.
const LINE_BYTES_MAX: u64 = 64 << 10;
/// A frame that wants more than 8 MiB of what went before is refused; a node's own want 2.
const WINDOW_LOG_MAX: u32 = 23;
/// Rows of a Parquet file that are in memory at once.
const BATCH_ROWS: usize = 8_192;

/// What a row becomes.
pub(crate) trait FromRow: DeserializeOwned {
    /// The columns that a Parquet file may have.
    const COLUMNS: &'static [(&'static str, Kind)];

    /// The row of a Parquet file.
    fn from_columns(columns: &Columns<'_>) -> Result<Self, String>;
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Number,
    Flag,
}

/// Hands each row of `path` to `each`, which may refuse it with what is wrong.
pub(crate) fn read<T: FromRow>(
    path: &Path,
    mut each: impl FnMut(T) -> Result<(), String>,
) -> Result<(), Error> {
    let mut row = 0_u64;
    let mut take = |read: Result<T, String>| {
        row += 1;
        read.and_then(&mut each).map_err(|problem| Error::Row {
            path: path.to_owned(),
            row,
            problem,
        })
    };
    match path.extension().and_then(OsStr::to_str) {
        Some("parquet") => read_parquet(path, &mut take),
        Some("zst") => read_lines(path, compressed(path)?, &mut take),
        Some(_) | None => read_lines(path, opened(path)?, &mut take),
    }
}

fn opened(path: &Path) -> Result<BufReader<File>, Error> {
    let file = File::open(path).map_err(Error::of_file(path))?;
    Ok(BufReader::with_capacity(1 << 20, file))
}

fn compressed(path: &Path) -> Result<impl BufRead, Error> {
    let mut decoder = Decoder::with_buffer(opened(path)?).map_err(Error::of_file(path))?;
    let bounded = decoder.window_log_max(WINDOW_LOG_MAX);
    bounded.map_err(Error::of_file(path))?;
    Ok(BufReader::with_capacity(1 << 20, decoder))
}

fn read_lines<T: FromRow>(
    path: &Path,
    mut file: impl BufRead,
    take: &mut impl FnMut(Result<T, String>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = (&mut file).take(LINE_BYTES_MAX);
        let read = bounded.read_until(b'\n', &mut line);
        if read.map_err(Error::of_file(path))? == 0 {
            return Ok(());
        }
        let row = if line.len() as u64 == LINE_BYTES_MAX {
            Err(format!("a line of {LINE_BYTES_MAX} bytes and more"))
        } else {
            serde_json::from_slice(&line).map_err(|error| error.to_string())
        };
        take(row)?;
    }
}

fn read_parquet<T: FromRow>(
    path: &Path,
    take: &mut impl FnMut(Result<T, String>) -> Result<(), Error>,
) -> Result<(), Error> {
    let file = File::open(path).map_err(Error::of_file(path))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).map_err(Error::of_parquet(path))?;
    let reader = reader.with_batch_size(BATCH_ROWS).build();
    for batch in reader.map_err(Error::of_parquet(path))? {
        let batch = batch.map_err(|error| Error::of_parquet(path)(error.into()))?;
        let read = Read::of(&batch, T::COLUMNS);
        let read = match &read {
            Ok(read) => read,
            Err(problem) => return take(Err(problem.clone())),
        };
        for row in 0..batch.num_rows() {
            take(T::from_columns(&Columns { read, row }))?;
        }
    }
    Ok(())
}

/// The columns of a batch.
struct Read {
    texts: Vec<(&'static str, StringArray)>,
    numbers: Vec<(&'static str, Int64Array)>,
    flags: Vec<(&'static str, BooleanArray)>,
}

/// One row of it.
pub(crate) struct Columns<'a> {
    read: &'a Read,
    row: usize,
}

impl Read {
    fn of(batch: &RecordBatch, known: &[(&'static str, Kind)]) -> Result<Self, String> {
        let mut read = Self {
            texts: Vec::new(),
            numbers: Vec::new(),
            flags: Vec::new(),
        };
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let found = known.iter().find(|(name, _)| name == field.name());
            let Some((name, kind)) = found else {
                return Err(format!("a column {:?} is not known", field.name()));
            };
            let to = match kind {
                Kind::Text => DataType::Utf8,
                Kind::Number => DataType::Int64,
                Kind::Flag => DataType::Boolean,
            };
            // What cannot be that is an error, and no row without a value.
            let strictly = CastOptions {
                safe: false,
                ..CastOptions::default()
            };
            let column = cast_with_options(column, &to, &strictly);
            let column = column.map_err(|error| format!("column {name}: {error}"))?;
            match kind {
                Kind::Text => read.texts.push((name, column.as_string().clone())),
                Kind::Number => {
                    let column = column.as_primitive::<Int64Type>().clone();
                    read.numbers.push((name, column));
                }
                Kind::Flag => read.flags.push((name, column.as_boolean().clone())),
            }
        }
        Ok(read)
    }
}

impl Columns<'_> {
    /// A text, where there is one.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let (_, column) = self.read.texts.iter().find(|(known, _)| *known == name)?;
        column
            .is_valid(self.row)
            .then(|| column.value(self.row).to_owned())
    }

    /// A text that must be there.
    pub(crate) fn needed(&self, name: &str) -> Result<String, String> {
        self.text(name).ok_or_else(|| format!("no {name}"))
    }

    /// A number from 0 on, where there is one.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, String> {
        let found = self.read.numbers.iter().find(|(known, _)| *known == name);
        let Some((_, column)) = found.filter(|(_, column)| column.is_valid(self.row)) else {
            return Ok(None);
        };
        let value = column.value(self.row);
        let whole = u64::try_from(value).map_err(|_negative| format!("{name} is {value}"))?;
        Ok(Some(whole))
    }

    /// Whether a flag is there and set.
    pub(crate) fn flag(&self, name: &str) -> bool {
        let found = self.read.flags.iter().find(|(known, _)| *known == name);
        found.is_some_and(|(_, column)| column.is_valid(self.row) && column.value(self.row))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use manifest::Held;

    use super::*;

    fn held(path: &Path) -> (Vec<u64>, Result<(), Error>) {
        let mut bytes = Vec::new();
        let done = read(path, |held: Held<'static>| {
            bytes.push(held.bytes);
            Ok(())
        });
        (bytes, done)
    }

    #[test]
    fn what_is_compressed_is_read_like_what_is_not_and_half_of_it_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let line = |bytes| format!("{{\"site\":\"vod\",\"path\":\"/a\",\"bytes\":{bytes}}}\n");
        let lines = (0..10_000).map(line).collect::<Vec<_>>().concat();
        let whole = zstd::encode_all(lines.as_bytes(), 3).unwrap();
        let path = folder.path().join("edge-1.ndjson.zst");
        fs::write(&path, &whole).unwrap();
        let (bytes, done) = held(&path);
        done.unwrap();
        assert_eq!(bytes, (0..10_000).collect::<Vec<_>>());
        for length in [1, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(held(&path).1.is_err(), "{length} of {} bytes", whole.len());
        }
        fs::write(&path, &lines).unwrap();
        assert!(held(&path).1.is_err(), "not compressed");
    }
}
