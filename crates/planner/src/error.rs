//! Why there is no plan.

use std::{
    io,
    path::{Path, PathBuf},
};

use datafusion::{error::DataFusionError, parquet::errors::ParquetError};

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A Parquet file could not be read or written.
    #[error("{}", path.display())]
    Parquet {
        /// Which.
        path: PathBuf,
        /// Why.
        source: ParquetError,
    },
    /// A file or a folder that is handed in and cannot be planned from.
    #[error("{}: {problem}", path.display())]
    Input {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// No box of the fleet has reported.
    #[error("{} has no report of a box of the fleet from {days}{}", path.display(), only(strangers))]
    NoReports {
        /// The folder of the reports.
        path: PathBuf,
        /// Of which days.
        days: String,
        /// Others that reported.
        strangers: Vec<String>,
    },
    /// Another process works in the folder.
    #[error("{}: another millpond-plan works in this folder", path.display())]
    Busy {
        /// Its lock.
        path: PathBuf,
    },
    /// A bucket of reports could not be read.
    #[error("{url}")]
    Bucket {
        /// Which, or which object of it.
        url: String,
        /// Why.
        source: object_store::Error,
    },
    /// A file that an owner hands in has a row that cannot be.
    #[error("{}: {row}: {problem}", path.display())]
    Row {
        /// Which file.
        path: PathBuf,
        /// Which line or row, from 1.
        row: u64,
        /// What is wrong.
        problem: String,
    },
    /// A fleet file that cannot be, with all its problems.
    #[error("{}:\n  {}", path.display(), problems.join("\n  "))]
    Fleet {
        /// Which file.
        path: PathBuf,
        /// All of them.
        problems: Vec<String>,
    },
    /// A folder that `prepare` did not write, or another version of it.
    #[error("{}: not a prepared job", path.display())]
    Job {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// No day of the calendar.
    #[error("{0:?} is not a day like 2026-11-21")]
    Day(String),
    /// The engine failed.
    #[error("{step} in {}", work.display())]
    Engine {
        /// The step that it was at.
        step: &'static str,
        /// The folder of tables, rows and what is spilled.
        work: PathBuf,
        /// Why.
        source: DataFusionError,
    },
    /// More is mandatory than a box pins.
    #[error(
        "{appliance}: {bytes} bytes are mandatory, and a box pins at most an eighth of what it \
         holds: {bytes_max} of {capacity}"
    )]
    Pinned {
        /// Which box.
        appliance: String,
        /// How much is mandatory there.
        bytes: u64,
        /// How much it pins.
        bytes_max: u64,
        /// How much it holds.
        capacity: u64,
    },
    /// The manifest before is none, or not one that changes can be told against.
    #[error("{}: {problem}", path.display())]
    Previous {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A manifest that cannot be.
    #[error("a manifest")]
    Manifest(#[from] manifest::Wrong),
    /// A row of a plan that no plan has.
    #[error("the plan: {0}")]
    Plan(String),
}

fn only(strangers: &[String]) -> String {
    match strangers {
        [] => String::new(),
        [one] => format!(", only of {one:?}"),
        [one, others @ ..] => format!(", only of {one:?} and {} others", others.len()),
    }
}

impl Error {
    /// What turns an I/O error about `path` into ours.
    pub(crate) fn of_file(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::File {
            path: path.to_owned(),
            source,
        }
    }

    /// What turns a Parquet error about `path` into ours.
    pub(crate) fn of_parquet(path: &Path) -> impl Fn(ParquetError) -> Self {
        move |source| Self::Parquet {
            path: path.to_owned(),
            source,
        }
    }

    /// What turns an engine's error at `step`, over what is in `work`, into ours.
    pub(crate) fn at(step: &'static str, work: &Path) -> impl Fn(DataFusionError) -> Self {
        move |source| Self::Engine {
            step,
            work: work.to_owned(),
            source,
        }
    }
}
