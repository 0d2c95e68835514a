//! Files that an owner hands in, a row an object: NDJSON, or Parquet when the name says so.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _},
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

use crate::Error;

/// The longest line: 64 KiB, of which a path may be 1 KiB.
const LINE_BYTES_MAX: u64 = 64 << 10;
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
    let is_parquet = path
        .extension()
        .is_some_and(|extension| extension == "parquet");
    if is_parquet {
        read_parquet(path, &mut take)
    } else {
        read_lines(path, &mut take)
    }
}

fn read_lines<T: FromRow>(
    path: &Path,
    take: &mut impl FnMut(Result<T, String>) -> Result<(), Error>,
) -> Result<(), Error> {
    let file = File::open(path).map_err(Error::of_file(path))?;
    let mut file = BufReader::with_capacity(1 << 20, file);
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
