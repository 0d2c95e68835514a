//! From what an owner tells to tables.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use ring::digest::{Context, SHA256};

use crate::{
    Day, Entry, Error, Fleet, Job,
    day::DAY_S,
    held::Held,
    placement::{BUCKETS, bucket, order},
    reports::{self, Folder},
    source,
    tables::Rows,
};

/// Objects of a catalogue, at most. 20 million: their names are 0.7 GB while they are read.
const OBJECTS_MAX: usize = 20_000_000;
/// Days for which a title is judged by its newest day alone.
const YOUNG_DAYS: i64 = 4;
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
}

/// Writes the tables of a job, and the job itself, into `work`. What was there of another job goes.
pub fn prepare(inputs: &Inputs, work: &Path) -> Result<Job, Error> {
    for folder in ["tables", "steps", "spill"].map(|name| work.join(name)) {
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(Error::of_file(&folder))?;
        }
    }
    let reports = fs::canonicalize(&inputs.reports).map_err(Error::of_file(&inputs.reports))?;
    let mut folders = reports::find(&reports, inputs.day, inputs.fleet.knobs.days)?;
    // A box that has left the fleet no longer counts.
    folders.retain(|folder| inputs.fleet.find(&folder.node).is_some());
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
    let job = Job::new(&inputs.fleet, inputs.day, &reports, &folders);
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
            let capacity: u64 = boxes.iter().map(|appliance| appliance.capacity).sum();
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
            source::read(path, |held: Held| {
                let numbers = [whole(index), cluster, bytes(held.bytes)];
                keep(
                    rows.push([Some(held.site), Some(held.path)], numbers),
                    &mut failed,
                )
            })
            .map_err(|error| failed.take().unwrap_or(error))?;
        }
        rows.finish()
    }

    fn objects(&self) -> Result<(), Error> {
        let mut objects = Objects::new(self)?;
        let mut failed = None;
        source::read(&self.inputs.catalog, |entry: Entry| {
            objects.push(entry, &mut failed)
        })
        .map_err(|error| failed.take().unwrap_or(error))?;
        objects.rows.finish()
    }
}

/// The catalogue on its way into a table. Titles and rungs become numbers as they are met, so that
/// the same catalogue gives the same numbers.
struct Objects {
    rows: Rows,
    day: Day,
    days: i64,
    seen: HashSet<u128>,
    assets: HashMap<u128, i64>,
    variants: BTreeMap<(String, String), i64>,
}

impl Objects {
    fn new(tables: &Tables<'_>) -> Result<Self, Error> {
        let texts = ["site", "path", "digest"];
        let numbers = [
            "object", "size", "asset", "variant", "position", "bucket", "fillable", "pinned",
            "launch", "excluded", "told", "forecast", "live_at",
        ];
        Ok(Self {
            rows: tables.create("object", &texts, &numbers)?,
            day: tables.inputs.day,
            days: i64::from(tables.inputs.fleet.knobs.days),
            seen: HashSet::new(),
            assets: HashMap::new(),
            variants: BTreeMap::new(),
        })
    }

    fn push(&mut self, entry: Entry, failed: &mut Option<Error>) -> Result<(), String> {
        entry.check()?;
        if !self.seen.insert(hash(["path", &entry.site, &entry.path])) {
            return Err(format!("{} is there twice", entry.path));
        }
        if self.seen.len() > OBJECTS_MAX {
            return Err(format!("more than {OBJECTS_MAX} objects"));
        }
        let title = match &entry.asset {
            Some(asset) => hash(["asset", &entry.site, asset]),
            None => hash(["path", &entry.site, &entry.path]),
        };
        let next = whole(self.assets.len()) + 1;
        let asset = *self.assets.entry(title).or_insert(next);
        let next = whole(self.variants.len()) + 1;
        let rung = (entry.site.clone(), entry.variant);
        let variant = *self.variants.entry(rung).or_insert(next);

        let begin = self.day.begin_s();
        let live_at = entry.live_at.unwrap_or(0);
        let is_out = live_at < begin + DAY_S;
        // Until a whole day of it was seen, its owner knows more.
        let is_new = live_at + DAY_S > begin;
        let numbers = [
            whole(self.seen.len()),
            bytes(entry.size),
            asset,
            variant,
            i64::from(entry.position),
            i64::from(bucket(title)),
            i64::from(entry.digest.is_some()),
            i64::from(entry.mandatory),
            i64::from(is_new && entry.forecast > 0),
            i64::from(entry.excluded || !(is_out || entry.mandatory)),
            self.days_that_tell(live_at),
            if is_new {
                bytes(entry.forecast) * 1_000
            } else {
                0
            },
            bytes(live_at),
        ];
        let texts = [Some(entry.site), Some(entry.path), entry.digest];
        keep(self.rows.push(texts, numbers), failed)
    }

    /// How many of the days before tell of what viewers may have since then: of what is young the
    /// newest alone.
    fn days_that_tell(&self, live_at_s: u64) -> i64 {
        match self.day.since(Day::of(live_at_s)) {
            ..YOUNG_DAYS => 1,
            age => age.min(self.days),
        }
    }
}

/// Keeps an error that has nothing to do with the row, and stops the reading.
fn keep(done: Result<(), Error>, failed: &mut Option<Error>) -> Result<(), String> {
    done.map_err(|error| {
        *failed = Some(error);
        String::new()
    })
}

/// A hash of names; no name contains a line break or what follows one.
fn hash(names: [&str; 3]) -> u128 {
    let mut context = Context::new(&SHA256);
    for name in names {
        context.update(&(name.len() as u64).to_le_bytes());
        context.update(name.as_bytes());
    }
    let mut top = [0; 16];
    top.copy_from_slice(&context.finish().as_ref()[..16]);
    u128::from_le_bytes(top)
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn bytes(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
