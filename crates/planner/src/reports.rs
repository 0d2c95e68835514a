//! Where the popularity reports are: `day=2026-11-21/node=NAME/*.parquet` under one folder.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use datafusion::{
    arrow::datatypes::{DataType, Field, Schema},
    parquet::{
        arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder},
        errors::ParquetError,
        file::{metadata::ColumnChunkMetaData, statistics::Statistics},
    },
};

use crate::{Day, Error};

/// Folders of a day and a node that are looked at, at most: 28 days of 10,000 boxes.
const FOLDERS_MAX: usize = 280_000;

/// What one box reported on one day.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pub(crate) day: Day,
    pub(crate) node: String,
    pub(crate) path: PathBuf,
    /// Bytes of its files.
    pub(crate) bytes: u64,
}

/// The folders of `days` days before `day` under `root`. What has another name is passed over: the
/// folder is shared storage, and may have more in it than reports.
pub(crate) fn find(root: &Path, day: Day, days: u32) -> Result<Vec<Folder>, Error> {
    let mut found = Vec::new();
    for age in 1..=i64::from(days) {
        let of_day = day.before(age);
        for (name, path) in folders(&root.join(format!("day={of_day}")))? {
            let Some(node) = name.strip_prefix("node=") else {
                continue;
            };
            let Some(bytes) = bytes_of(&path)? else {
                continue;
            };
            found.push(Folder {
                day: of_day,
                node: node.to_owned(),
                path,
                bytes,
            });
            if found.len() > FOLDERS_MAX {
                let problem = format!("more than {FOLDERS_MAX} folders of reports");
                return Err(Error::Plan(problem));
            }
        }
    }
    found.sort_by(|one, two| one.path.cmp(&two.path));
    Ok(found)
}

/// Names and paths of what is in a folder; none when it is not there.
fn folders(folder: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::of_file(folder))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::of_file(folder))?;
        if let Ok(name) = entry.file_name().into_string() {
            found.push((name, entry.path()));
        }
    }
    Ok(found)
}

/// Bytes of its reports; `None` where there is none.
fn bytes_of(folder: &Path) -> Result<Option<u64>, Error> {
    let mut bytes = None;
    for path in files(folder)? {
        let file = fs::metadata(&path).map_err(Error::of_file(&path))?;
        bytes = Some(bytes.unwrap_or(0_u64).saturating_add(file.len()));
    }
    Ok(bytes)
}

fn files(folder: &Path) -> Result<impl Iterator<Item = PathBuf>, Error> {
    let found = folders(folder)?.into_iter();
    Ok(found.filter_map(|(name, path)| name.ends_with(".parquet").then_some(path)))
}

/// Refuses reports that the SQL could not read, or would read as something else: an engine names no
/// file, and takes a number that is not there for the highest.
pub(crate) fn check(folder: &Folder) -> Result<(), Error> {
    for path in files(&folder.path)? {
        let file = File::open(&path).map_err(Error::of_file(&path))?;
        let report = ParquetRecordBatchReaderBuilder::try_new(file);
        let report = report.map_err(Error::of_parquet(&path))?;
        for field in report_schema().fields() {
            check_column(&report, field).map_err(|problem| Error::Input {
                path: path.clone(),
                problem,
            })?;
        }
    }
    Ok(())
}

/// The first file whose rows cannot be read. To be asked when an engine failed, which does not say which it
/// was: it reads all of them.
pub(crate) fn damaged(folders: &[PathBuf]) -> Option<Error> {
    let read_all = |folder: &PathBuf| -> Result<(), Error> {
        files(folder)?.try_for_each(|path| read(&path).map_err(Error::of_parquet(&path)))
    };
    folders.iter().find_map(|folder| read_all(folder).err())
}

fn read(path: &Path) -> Result<(), ParquetError> {
    let report = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let schema = report_schema();
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let wanted = ProjectionMask::columns(report.parquet_schema(), names);
    let mut rows = report.with_projection(wanted).build()?;
    rows.try_for_each(|batch| batch.map(drop))?;
    Ok(())
}

fn check_column(
    report: &ParquetRecordBatchReaderBuilder<File>,
    wanted: &Field,
) -> Result<(), String> {
    let name = wanted.name();
    let Ok(found) = report.schema().field_with_name(name) else {
        return Err(format!("it has no column {name}"));
    };
    let (found, is_text) = (found.data_type(), wanted.data_type().is_string());
    if !(found == wanted.data_type() || is_text && found.is_string()) {
        return Err(format!("its column {name} is {found}"));
    }
    let is_whole = |column: &ColumnChunkMetaData| {
        let statistics = column.statistics();
        let nulls = statistics.and_then(Statistics::null_count_opt);
        column.column_descr().max_def_level() == 0 || nulls == Some(0)
    };
    let mut groups = report.metadata().row_groups().iter();
    let is_whole = groups.all(|group| {
        let mut columns = group.columns().iter();
        let column = columns.find(|column| column.column_path().parts() == [name.as_str()]);
        column.is_some_and(is_whole)
    });
    if is_whole {
        Ok(())
    } else {
        Err(format!("rows of it may have no {name}"))
    }
}

/// The columns of a report that the SQL reads, beside those of its folders.
pub(crate) fn report_schema() -> Schema {
    let text = |name| Field::new(name, DataType::Utf8View, false);
    let number = |name| Field::new(name, DataType::Int64, false);
    Schema::new(vec![
        text("site"),
        text("path"),
        number("size"),
        number("plays"),
        number("first_bytes"),
    ])
}
