//! Where the popularity reports are: `day=2026-11-21/node=NAME/*.parquet` under one folder.

use std::{
    fs,
    path::{Path, PathBuf},
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
            let bytes = bytes_of(&path)?;
            if bytes == 0 {
                continue;
            }
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
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::of_file(folder))? {
        let entry = entry.map_err(Error::of_file(folder))?;
        if let Ok(name) = entry.file_name().into_string() {
            found.push((name, entry.path()));
        }
    }
    Ok(found)
}

fn bytes_of(folder: &Path) -> Result<u64, Error> {
    let mut bytes = 0_u64;
    for (name, path) in folders(folder)? {
        if name.ends_with(".parquet") {
            let file = fs::metadata(&path).map_err(Error::of_file(&path))?;
            bytes = bytes.saturating_add(file.len());
        }
    }
    Ok(bytes)
}
