//! Reports of popularity, read back by the format's own reader.

use std::{fs, path::Path};

use bytes::Bytes;
use parquet::{
    file::reader::{FileReader as _, SerializedFileReader},
    record::RowAccessor as _,
};

/// What a row tells, as far as tests look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// The node of the file's key.
    pub node: String,
    /// The site.
    pub site: String,
    /// The path.
    pub path: String,
    /// Bytes served.
    pub bytes_served: u64,
    /// Thousandths.
    pub plays: u64,
    /// Requests.
    pub requests: u64,
}

/// All rows of all reports under a folder.
pub fn in_folder(root: &Path) -> Vec<Reported> {
    let mut folders = vec![root.join("popularity")];
    let mut rows = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let key = path.strip_prefix(root).unwrap().to_str().unwrap();
                rows.extend(of(key, fs::read(&path).unwrap().into()));
            }
        }
    }
    rows
}

/// The rows of one report, under its key.
pub fn of(key: &str, report: Bytes) -> Vec<Reported> {
    let parts: Vec<&str> = key.split('/').collect();
    let [room, day, node, file] = parts[..] else {
        panic!("{key} is no key of a report");
    };
    assert!(room == "popularity" && file.ends_with(".parquet"), "{key}");
    assert_eq!(day.strip_prefix("day=").map(str::len), Some(10), "{key}");
    let node = node.strip_prefix("node=").unwrap();
    let reader = SerializedFileReader::new(report).unwrap();
    let rows = reader.get_row_iter(None).unwrap().map(|row| {
        let row = row.unwrap();
        let text = |column| row.get_string(column).unwrap().clone();
        let number = |column| u64::try_from(row.get_long(column).unwrap()).unwrap();
        Reported {
            node: node.to_owned(),
            site: text(0),
            path: text(1),
            bytes_served: number(4),
            plays: number(5),
            requests: number(6),
        }
    });
    rows.collect()
}
