//! A prepared job: what an engine is told, and what its rows are then read with.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    Day, Error, Fleet,
    reports::Folder,
    steps::{STEPS, TABLES},
};

/// The form of `job.json` and of the tables.
const VERSION: u32 = 4;

/// A prepared job, as `job.json` in its folder has it. The tables lie in `tables/NAME/`, the rows of
/// a step in `steps/NAME/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    version: u32,
    /// The day that is planned for.
    pub day: String,
    /// The days whose reports count, the newest first.
    pub days: Vec<String>,
    /// The folder of the reports.
    pub reports: PathBuf,
    /// Those of its folders that are read, which are partitions `day=`, `node=`.
    pub report_folders: Vec<PathBuf>,
    /// The tables.
    pub tables: Vec<String>,
    /// The SQL, in order.
    pub steps: Vec<Sql>,
    /// The boxes, by their numbers in the tables.
    pub audiences: Vec<Audience>,
    /// Bytes of the reports of each cluster.
    pub report_bytes: Vec<u64>,
    /// What else reported: boxes that the fleet does not have.
    pub strangers: Vec<String>,
}

/// A step: its rows are the table of its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sql {
    /// Its name.
    pub name: String,
    /// Its text.
    pub sql: String,
}

/// A box, as the tables number it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Audience {
    /// Its name.
    pub name: String,
    /// Its cluster, as a number.
    pub cluster: usize,
    /// Bytes that it holds.
    pub capacity: u64,
    /// Bytes that a night's fill may move.
    pub budget: u64,
}

/// A box keeps at most an eighth of its disks whatever the traffic, and refuses pins beyond that.
const PINNED_PARTS: u64 = 8;

impl Audience {
    /// Bytes that can be pinned on it.
    pub(crate) fn pinned_max(&self) -> u64 {
        self.capacity / PINNED_PARTS
    }
}

impl Job {
    pub(crate) fn new(fleet: &Fleet, day: Day, reports: &Path, folders: &[Folder]) -> Self {
        let mut report_bytes = vec![0_u64; fleet.clusters.len()];
        let mut report_folders = Vec::new();
        for folder in folders {
            if let Some(appliance) = fleet.find(&folder.node) {
                let bytes = &mut report_bytes[appliance.cluster];
                *bytes = bytes.saturating_add(folder.bytes);
                report_folders.push(folder.path.clone());
            }
        }
        let audiences = fleet.appliances.iter().map(|appliance| Audience {
            name: appliance.name.as_str().to_owned(),
            cluster: appliance.cluster,
            capacity: appliance.capacity,
            budget: appliance.budget,
        });
        let steps = STEPS.iter().map(|step| Sql {
            name: step.name.to_owned(),
            sql: step.sql.to_owned(),
        });
        Self {
            version: VERSION,
            day: day.to_string(),
            days: (1..=i64::from(fleet.knobs.days))
                .map(|age| day.before(age).to_string())
                .collect(),
            reports: reports.to_owned(),
            report_folders,
            tables: TABLES.map(str::to_owned).to_vec(),
            steps: steps.collect(),
            audiences: audiences.collect(),
            report_bytes,
            strangers: Vec::new(),
        }
    }

    /// Reads the job that was prepared in `work`.
    pub fn read(work: &Path) -> Result<Self, Error> {
        let path = work.join("job.json");
        let text = fs::read(&path).map_err(Error::of_file(&path))?;
        let wrong = |source| Error::Job {
            path: path.clone(),
            source,
        };
        let job: Self = serde_json::from_slice(&text).map_err(wrong)?;
        if job.version == VERSION {
            Ok(job)
        } else {
            let problem = format!(
                "{} has version {}, not {VERSION}",
                path.display(),
                job.version
            );
            Err(Error::Plan(problem))
        }
    }

    /// Days of which no box reported, and boxes that reported of none.
    pub fn unreported(&self) -> (Vec<&str>, Vec<&str>) {
        let folders = self.report_folders.iter();
        let parts: HashSet<&OsStr> = folders.flat_map(|folder| folder.iter()).collect();
        let is_missing = |kind: &str, name: &str| {
            let part = format!("{kind}={name}");
            !parts.contains(OsStr::new(&part))
        };
        let days = self.days.iter().map(String::as_str);
        let boxes = self.audiences.iter().map(|audience| audience.name.as_str());
        (
            days.filter(|day| is_missing("day", day)).collect(),
            boxes.filter(|node| is_missing("node", node)).collect(),
        )
    }

    pub(crate) fn write(&self, work: &Path) -> Result<(), Error> {
        let path = work.join("job.json");
        let text = serde_json::to_vec_pretty(self).map_err(|source| Error::Job {
            path: path.clone(),
            source,
        })?;
        fs::write(&path, text).map_err(Error::of_file(&path))
    }
}
