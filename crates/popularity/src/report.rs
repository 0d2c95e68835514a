//! A report as a Parquet file.

use std::{io::Write, sync::Arc};

use parquet::{
    basic::Compression,
    column::writer::ColumnWriter,
    data_type::ByteArray,
    errors::ParquetError,
    file::{
        metadata::KeyValue,
        properties::{WriterProperties, WriterPropertiesPtr},
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::{parser::parse_message_type, types::TypePtr},
};

use crate::Row;

/// The columns of a report. Whoever reads one reads by these names; further ones may follow.
pub const SCHEMA: &str = "message popularity {
  required binary site (UTF8);
  required binary path (UTF8);
  required int64 hour;
  required int64 size;
  required int64 bytes_served;
  required int64 plays;
  required int64 requests;
  required int64 first;
  required int64 sessions;
  required int64 first_bytes;
  required int64 quarter_1;
  required int64 quarter_2;
  required int64 quarter_3;
  required int64 quarter_4;
}";

/// In the file's metadata, as `millpond.popularity`. 1 had no rows of folders.
pub const SCHEMA_VERSION: u32 = 2;

/// Rows of a group, at most, so that a writer holds a few MiB.
const GROUP_ROWS: usize = 1 << 14;

/// Why there is no report, or no keeper of them.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The format refused it.
    #[error("writing a report")]
    Parquet(#[from] ParquetError),
    /// A file or a folder could not be written.
    #[error("the folder of popularity")]
    Io(#[from] std::io::Error),
    /// Two metrics have one name.
    #[error("metrics")]
    Metrics(#[from] prometheus::Error),
}

/// Writes rows as a Parquet file, and tells how many they were.
///
/// # Errors
/// When `into` refuses bytes; what it has then is no report.
pub fn write_report(
    rows: impl Iterator<Item = Vec<Row>>,
    into: impl Write + Send,
) -> Result<u64, Error> {
    let schema: TypePtr = Arc::new(parse_message_type(SCHEMA)?);
    let mut file = SerializedFileWriter::new(into, schema, properties())?;
    let (mut group, mut count) = (Vec::new(), 0);
    for mut some in rows {
        count += some.len() as u64;
        group.append(&mut some);
        if group.len() >= GROUP_ROWS {
            write_group(&mut file, &group)?;
            group.clear();
        }
    }
    if !group.is_empty() {
        write_group(&mut file, &group)?;
    }
    file.close()?;
    Ok(count)
}

fn properties() -> WriterPropertiesPtr {
    let version = KeyValue::new("millpond.popularity".to_owned(), SCHEMA_VERSION.to_string());
    let properties = WriterProperties::builder()
        .set_created_by("millpond".to_owned())
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(vec![version]));
    Arc::new(properties.build())
}

fn write_group<W: Write + Send>(
    file: &mut SerializedFileWriter<W>,
    rows: &[Row],
) -> Result<(), Error> {
    let mut group = file.next_row_group()?;
    write_texts(&mut group, rows, |row| &row.site)?;
    write_texts(&mut group, rows, |row| &row.path)?;
    write_numbers(&mut group, rows, |row| row.hour.0)?;
    write_numbers(&mut group, rows, |row| row.size)?;
    write_numbers(&mut group, rows, |row| row.bytes_served)?;
    write_numbers(&mut group, rows, |row| row.plays)?;
    write_numbers(&mut group, rows, |row| row.requests)?;
    write_numbers(&mut group, rows, |row| row.first)?;
    write_numbers(&mut group, rows, |row| row.sessions)?;
    for part in 0..crate::PARTS {
        write_numbers(&mut group, rows, |row| row.parts[part])?;
    }
    group.close()?;
    Ok(())
}

fn write_texts<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[Row],
    text: impl Fn(&Row) -> &Arc<str>,
) -> Result<(), Error> {
    let Some(mut column) = group.next_column()? else {
        return Err(few_columns());
    };
    if let ColumnWriter::ByteArrayColumnWriter(writer) = column.untyped() {
        let texts: Vec<ByteArray> = rows
            .iter()
            .map(|row| ByteArray::from(&**text(row)))
            .collect();
        writer.write_batch(&texts, None, None)?;
    }
    Ok(column.close()?)
}

/// Saturates: the columns are signed, because not every engine has unsigned ones.
fn write_numbers<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[Row],
    number: impl Fn(&Row) -> u64,
) -> Result<(), Error> {
    let Some(mut column) = group.next_column()? else {
        return Err(few_columns());
    };
    if let ColumnWriter::Int64ColumnWriter(writer) = column.untyped() {
        let numbers = rows
            .iter()
            .map(|row| i64::try_from(number(row)).unwrap_or(i64::MAX));
        let numbers: Vec<i64> = numbers.collect();
        writer.write_batch(&numbers, None, None)?;
    }
    Ok(column.close()?)
}

fn few_columns() -> Error {
    Error::Parquet(ParquetError::General(
        "the schema has too few columns".to_owned(),
    ))
}
