//! What an edge tells of a day, as rows of Parquet.

use std::{
    collections::HashMap,
    fs::{self, File},
    iter,
    path::{Path, PathBuf},
};

use parquet::{
    file::reader::{FileReader as _, SerializedFileReader},
    record::RowAccessor as _,
};
use popularity::{Hour, PARTS, Row, write_report};
use steering::report::{Popular, Popularity};

use super::library::Library;
use crate::{Error, output::chain};

/// Asks an edge what its viewers have played, and files the day's part of it as a report.
///
/// An edge reports by itself, once an hour of real time; here a day is over long before. So it is asked, over
/// the steering API, and what it says is written in the format of its reports, under the day that was
/// played.
pub(super) struct Reporter {
    /// Plays and bytes of each path up to the last midnight.
    told: HashMap<String, (u64, u64)>,
}

impl Reporter {
    pub(super) fn new() -> Self {
        Self {
            told: HashMap::new(),
        }
    }

    /// Writes the report of the day that has ended into `folder`, and tells how many objects it names.
    pub(super) fn file(
        &mut self,
        popularity: &Popularity,
        library: &Library,
        folder: &Path,
    ) -> Result<u64, Error> {
        let mut rows = Vec::new();
        for popular in &popularity.objects {
            let now = (popular.plays_thousandths, popular.bytes);
            let before = self
                .told
                .insert(popular.path.clone(), now)
                .unwrap_or_default();
            let plays = now.0.saturating_sub(before.0);
            if let (Some(object), 1..) = (library.find(&popular.path), plays) {
                let bytes = now.1.saturating_sub(before.1);
                rows.push(row(popular, library.catalogue.bytes(object), plays, bytes));
            }
        }
        fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
        let path = folder.join("00-0.parquet");
        let file = File::create(&path).map_err(|error| Error::file(&path, error))?;
        write_report(iter::once(rows), file)
            .map_err(|error| Error::Demo(format!("{}: {}", path.display(), chain(&error))))
    }
}

/// One viewer a play: who watched is not told, and here nobody did.
fn row(popular: &Popular, size: u64, plays: u64, bytes: u64) -> Row {
    let requests = plays.div_ceil(1000);
    let mut parts = [0; PARTS];
    parts[0] = bytes;
    Row {
        site: popular.site.as_str().into(),
        path: popular.path.as_str().into(),
        hour: Hour::default(),
        size,
        bytes_served: bytes,
        plays,
        requests,
        first: requests,
        sessions: requests,
        parts,
    }
}

/// Paths, and how often each was played, in thousandths.
pub(super) fn read(folder: &Path) -> Result<Vec<(String, u64)>, Error> {
    let mut plays = Vec::new();
    for path in parquet_below(folder)? {
        let wrong = |error: parquet::errors::ParquetError| {
            Error::Demo(format!("{}: {error}", path.display()))
        };
        let file = File::open(&path).map_err(|error| Error::file(&path, error))?;
        let reader = SerializedFileReader::new(file).map_err(wrong)?;
        let columns = reader.metadata().file_metadata().schema().get_fields();
        let place = |name: &str| {
            let missing = || Error::Demo(format!("{}: no column {name}", path.display()));
            let place = columns.iter().position(|column| column.name() == name);
            place.ok_or_else(missing)
        };
        let (name, count) = (place("path")?, place("plays")?);
        for row in reader.get_row_iter(None).map_err(wrong)? {
            let row = row.map_err(wrong)?;
            let path = row.get_string(name).map_err(wrong)?.clone();
            let count = row.get_long(count).map_err(wrong)?;
            plays.push((path, u64::try_from(count).unwrap_or(0)));
        }
    }
    Ok(plays)
}

fn parquet_below(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let (mut folders, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).map_err(|error| Error::file(&folder, error))?;
        for entry in entries {
            let path = entry.map_err(|error| Error::file(&folder, error))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "parquet") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
