//! What the edge told of its viewers: the reports that it wrote, hour by hour, to the demo's object storage.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

use parquet::{
    file::reader::{FileReader as _, SerializedFileReader},
    record::RowAccessor as _,
};
use tokio::time::{Instant, sleep};

use super::nodes::FILLED;
use crate::Error;

/// A report of an hour in which there were viewers is there by then.
const PATIENCE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(5);

/// Where the reports are, in the demo's folder.
pub(super) fn folder(demo: &Path) -> PathBuf {
    demo.join("reports").join("popularity")
}

/// Those of a day.
pub(super) fn of_day(demo: &Path, date: &str) -> PathBuf {
    folder(demo)
        .join(format!("day={date}"))
        .join(format!("node={FILLED}"))
}

/// Waits for the report of an hour of this day, which is over. Cancel safe.
pub(super) async fn wait(day: &Path, hour: usize) -> Result<(), Error> {
    let begins = format!("{hour:02}-");
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let Ok(files) = fs::read_dir(day) else {
            sleep(LOOK).await;
            continue;
        };
        let mut names = files.filter_map(|file| file.ok()?.file_name().into_string().ok());
        if names.any(|name| name.starts_with(&begins) && name.ends_with(".parquet")) {
            return Ok(());
        }
        sleep(LOOK).await;
    }
    let problem = format!(
        "{FILLED} has written no report of {hour} h to {}",
        day.display()
    );
    Err(Error::Demo(problem))
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
