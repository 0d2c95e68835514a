//! From what an owner tells to tables.

use std::{
    collections::{BTreeSet, HashSet},
    fs, io,
    path::{Path, PathBuf},
};

use manifest::Held;

use crate::{
    Day, Entry, Error, Fleet, Job,
    objects::Objects,
    placement::{BUCKETS, order},
    reports::{self, Folder},
    source,
    tables::Rows,
};

/// 1 MiB.
const MIB: u64 = 1 << 20;

/// What a plan is made of.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The boxes.
    pub fleet: Fleet,
    /// The catalogue: NDJSON, or Parquet.
    pub catalog: PathBuf,
    /// The folder of the reports.
    pub reports: PathBuf,
    /// The day that is planned for. The reports of the days before it are read.
    pub day: Day,
    /// Whether it may be planned from no reports at all, which are more likely those of another place than
    /// none.
    pub without_reports: bool,
}

impl Inputs {
    /// The days whose reports are read.
    fn days(&self) -> String {
        let oldest = self.day.before(i64::from(self.fleet.knobs.days));
        format!("{oldest} to {}", self.day.before(1))
    }
}

/// Removes what may be there.
fn remove(by: impl Fn(&Path) -> io::Result<()>, path: &Path) -> Result<(), Error> {
    match by(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::of_file(path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Folders in that of a plan: what `prepare`, `solve` and Spark write there, and what goes to disk for a while.
const WRITTEN: [&str; 4] = ["tables", "steps", "spill", "spark"];
/// These, and the reports of a bucket.
pub(crate) const OWN: [&str; 5] = ["tables", "steps", "spill", "spark", "reports"];

/// Writes the tables of a job, and the job itself, into `work`. What was there of another job goes.
pub fn prepare(inputs: &Inputs, work: &Path) -> Result<Job, Error> {
    // First of all, so that a job never lies beside tables of another.
    remove(|path| fs::remove_file(path), &work.join("job.json"))?;
    for folder in WRITTEN {
        remove(|path| fs::remove_dir_all(path), &work.join(folder))?;
    }
    let reports = fs::canonicalize(&inputs.reports).map_err(Error::of_file(&inputs.reports))?;
    let folders = reports::find(&reports, inputs.day, inputs.fleet.knobs.days)?;
    // A box that has left the fleet no longer counts.
    let is_known = |folder: &Folder| inputs.fleet.find(&folder.node).is_some();
    let (folders, others): (Vec<_>, Vec<_>) = folders.into_iter().partition(is_known);
    let others: BTreeSet<String> = others.into_iter().map(|folder| folder.node).collect();
    if folders.is_empty() && !inputs.without_reports {
        return Err(Error::NoReports {
            path: inputs.reports.clone(),
            days: inputs.days(),
            strangers: others.into_iter().collect(),
        });
    }
    folders.iter().try_for_each(reports::check)?;
    let tables = Tables {
        inputs,
        folder: work.join("tables"),
    };
    tables.days()?;
    tables.knobs()?;
    tables.appliances()?;
    tables.clusters(&folders)?;
    tables.placement()?;
    tables.inventory()?;
    tables.objects()?;
    let mut job = Job::new(&inputs.fleet, inputs.day, &reports, &folders);
    job.strangers = others.into_iter().collect();
    job.write(work)?;
    Ok(job)
}

struct Tables<'a> {
    inputs: &'a Inputs,
    folder: PathBuf,
}

impl Tables<'_> {
    fn create(&self, name: &str, texts: &[&str], numbers: &[&str]) -> Result<Rows, Error> {
        Rows::create(&self.folder.join(name).join("0.parquet"), texts, numbers)
    }

    fn days(&self) -> Result<(), Error> {
        let (knobs, day) = (&self.inputs.fleet.knobs, self.inputs.day);
        let mut rows = self.create("day", &["day"], &["age", "weight"])?;
        for age in 0..knobs.days {
            let of = day.before(i64::from(age) + 1).to_string();
            rows.push([Some(of)], [i64::from(age), knobs.weight(age)])?;
        }
        rows.finish()
    }

    fn knobs(&self) -> Result<(), Error> {
        let columns = self.inputs.fleet.knobs.columns();
        let mut rows = self.create("knob", &[], &columns.map(|(name, _)| name))?;
        rows.push([], columns.map(|(_, value)| value))?;
        rows.finish()
    }

    fn appliances(&self) -> Result<(), Error> {
        let fleet = &self.inputs.fleet;
        let numbers = ["appliance", "cluster", "region", "capacity", "budget"];
        let mut rows = self.create("appliance", &["node"], &numbers)?;
        for (index, appliance) in fleet.appliances.iter().enumerate() {
            let region = fleet.clusters[appliance.cluster].region;
            let numbers = [
                whole(index),
                whole(appliance.cluster),
                whole(region),
                bytes(appliance.capacity),
                bytes(appliance.budget),
            ];
            rows.push([Some(appliance.name.as_str().to_owned())], numbers)?;
        }
        rows.finish()
    }

    /// The weight of a cluster is that of the days on which any of its boxes reported: so much of
    /// what is known of it is its own. `tell` has the same of the newest 1, 2, ... days.
    fn clusters(&self, folders: &[Folder]) -> Result<(), Error> {
        let fleet = &self.inputs.fleet;
        let reported: HashSet<(&str, Day)> = folders
            .iter()
            .map(|folder| (folder.node.as_str(), folder.day))
            .collect();
        let numbers = [
            "cluster",
            "region",
            "appliances",
            "capacity",
            "capacity_mib",
            "weight",
        ];
        let mut rows = self.create("cluster", &[], &numbers)?;
        let mut tells = self.create("tell", &[], &["cluster", "told", "weight"])?;
        for (index, cluster) in fleet.clusters.iter().enumerate() {
            let boxes: Vec<_> = fleet
                .of_cluster(index)
                .map(|(_, appliance)| appliance)
                .collect();
            let capacities = boxes.iter().map(|appliance| appliance.capacity);
            let capacity = capacities.fold(0, u64::saturating_add);
            let mut weight = 0;
            for age in 0..fleet.knobs.days {
                let day = self.inputs.day.before(i64::from(age) + 1);
                let is_reported = boxes
                    .iter()
                    .any(|appliance| reported.contains(&(appliance.name.as_str(), day)));
                weight += i64::from(is_reported) * fleet.knobs.weight(age);
                if weight > 0 {
                    tells.push([], [whole(index), i64::from(age) + 1, weight])?;
                }
            }
            let capacity_mib = (capacity / MIB).max(1);
            let numbers = [
                whole(index),
                whole(cluster.region),
                whole(boxes.len()),
                // Half of the most, so that twice as much is still a number.
                bytes(capacity).min(i64::MAX / 2),
                bytes(capacity_mib),
                weight,
            ];
            rows.push([], numbers)?;
        }
        tells.finish()?;
        rows.finish()
    }

    fn placement(&self) -> Result<(), Error> {
        let fleet = &self.inputs.fleet;
        let mut rows = self.create(
            "placement",
            &[],
            &["cluster", "bucket", "rank", "appliance"],
        )?;
        for cluster in 0..fleet.clusters.len() {
            let boxes: Vec<_> = fleet.of_cluster(cluster).collect();
            let weighed: Vec<(&str, u32)> = boxes
                .iter()
                .map(|(_, appliance)| (appliance.name.as_str(), appliance.weight))
                .collect();
            for bucket in 0..BUCKETS {
                for (rank, at) in order(bucket, &weighed).into_iter().enumerate() {
                    let appliance = whole(boxes[at].0);
                    rows.push(
                        [],
                        [
                            whole(cluster),
                            i64::from(bucket),
                            whole(rank) + 1,
                            appliance,
                        ],
                    )?;
                }
            }
        }
        rows.finish()
    }

    fn inventory(&self) -> Result<(), Error> {
        let mut rows = self.create(
            "inventory",
            &["site", "path"],
            &["appliance", "cluster", "bytes"],
        )?;
        let mut failed = None;
        for (index, appliance) in self.inputs.fleet.appliances.iter().enumerate() {
            let Some(path) = &appliance.inventory else {
                continue;
            };
            let cluster = whole(appliance.cluster);
            source::read(path, |held: Held<'static>| {
                let numbers = [whole(index), cluster, bytes(held.bytes)];
                let names = [held.site, held.path];
                keep(
                    rows.push(names.map(|name| Some(name.into_owned())), numbers),
                    &mut failed,
                )
            })
            .map_err(|error| failed.take().unwrap_or(error))?;
        }
        rows.finish()
    }

    fn objects(&self) -> Result<(), Error> {
        let mut objects = Objects::create(&self.folder, self.inputs)?;
        let mut failed = None;
        source::read(&self.inputs.catalog, |entry: Entry| {
            objects.push(entry, &mut failed)
        })
        .map_err(|error| failed.take().unwrap_or(error))?;
        objects.finish(&self.inputs.catalog)
    }
}

/// Keeps an error that has nothing to do with the row, and stops the reading.
pub(crate) fn keep(done: Result<(), Error>, failed: &mut Option<Error>) -> Result<(), String> {
    done.map_err(|error| {
        *failed = Some(error);
        String::new()
    })
}

pub(crate) fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(crate) fn bytes(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
