//! Tables as Parquet files.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::Arc,
};

use datafusion::{
    arrow::{
        array::{ArrayRef, Int64Array, RecordBatch, StringArray},
        datatypes::{DataType, Field, Schema, SchemaRef},
    },
    parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties},
};

use crate::Error;

/// Rows of a group: few enough that one is small beside the engine's memory.
const GROUP_ROWS: usize = 1 << 17;
/// Rows that are gathered before they are written.
const BATCH_ROWS: usize = 1 << 13;

/// A Parquet file that is being written. It has its name only when it is whole.
pub(crate) struct TableFile {
    writer: ArrowWriter<File>,
    part: PathBuf,
    path: PathBuf,
}

impl TableFile {
    /// Begins a file, with its folder.
    pub(crate) fn create(path: &Path, schema: SchemaRef) -> Result<Self, Error> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(Error::of_file(folder))?;
        }
        let part = path.with_extension("part");
        let file = File::create(&part).map_err(Error::of_file(&part))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let writer = ArrowWriter::try_new(file, schema, Some(properties));
        Ok(Self {
            writer: writer.map_err(Error::of_parquet(path))?,
            part,
            path: path.to_owned(),
        })
    }

    /// Writes rows.
    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.writer
            .write(batch)
            .map_err(Error::of_parquet(&self.path))
    }

    /// Ends the file and gives it its name.
    pub(crate) fn finish(self) -> Result<(), Error> {
        self.writer.close().map_err(Error::of_parquet(&self.path))?;
        fs::rename(&self.part, &self.path).map_err(Error::of_file(&self.path))
    }
}

/// Rows of texts and whole numbers, gathered and written as they come.
pub(crate) struct Rows {
    file: TableFile,
    schema: SchemaRef,
    texts: Vec<Vec<Option<String>>>,
    numbers: Vec<Vec<i64>>,
}

impl Rows {
    /// A table with these columns: the texts first.
    pub(crate) fn create(path: &Path, texts: &[&str], numbers: &[&str]) -> Result<Self, Error> {
        let text = |name: &&str| Field::new(*name, DataType::Utf8, true);
        let number = |name: &&str| Field::new(*name, DataType::Int64, false);
        let fields = texts.iter().map(text).chain(numbers.iter().map(number));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Ok(Self {
            file: TableFile::create(path, Arc::clone(&schema))?,
            schema,
            texts: vec![Vec::new(); texts.len()],
            numbers: vec![Vec::new(); numbers.len()],
        })
    }

    /// Adds a row.
    pub(crate) fn push<const T: usize, const N: usize>(
        &mut self,
        texts: [Option<String>; T],
        numbers: [i64; N],
    ) -> Result<(), Error> {
        for (column, text) in self.texts.iter_mut().zip(texts) {
            column.push(text);
        }
        for (column, number) in self.numbers.iter_mut().zip(numbers) {
            column.push(number);
        }
        let rows = self.numbers.first().map_or(0, Vec::len);
        if rows >= BATCH_ROWS {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Ends the table.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        self.flush()?;
        self.file.finish()
    }

    fn flush(&mut self) -> Result<(), Error> {
        let texts = self
            .texts
            .iter_mut()
            .map(|column| -> ArrayRef { Arc::new(StringArray::from(std::mem::take(column))) });
        let numbers = self
            .numbers
            .iter_mut()
            .map(|column| -> ArrayRef { Arc::new(Int64Array::from(std::mem::take(column))) });
        let columns = texts.chain(numbers).collect();
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns);
        let batch = batch.map_err(|error| Error::of_parquet(&self.file.path)(error.into()))?;
        self.file.write(&batch)
    }
}
