//! Small fleets, and what is planned for them.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use datafusion::{
    arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray},
    parquet::arrow::ArrowWriter,
};
use manifest::Manifest;
use planner::{Action, Day, Fleet, Inputs, Limits, Row, Stamp};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The day that is planned for.
pub(crate) const DAY: &str = "2026-11-21";
/// Plenty.
pub(crate) const LIMITS: Limits = Limits {
    memory_bytes: 1 << 30,
    threads: 2,
    spill_bytes: 1 << 30,
};

/// A path, its size, thousandths of plays, and bytes served of the first 4 MiB.
type Watched = (String, i64, i64, i64);

/// A fleet, its catalogue, and what was watched.
#[derive(Debug, Default)]
pub(crate) struct World {
    knobs: String,
    boxes: String,
    objects: Vec<Value>,
    watched: BTreeMap<(i64, String), Vec<Watched>>,
    held: BTreeMap<String, String>,
}

impl World {
    /// With knobs that make sums easy: nothing of the region is mixed in, a day counts alone, and its night is
    /// over when it begins.
    pub(crate) fn simple() -> Self {
        Self {
            knobs: "days = 1\nshrink_days = 0\nhalf_life_days = 1\nlaunch_lead_hours = 0\n"
                .to_owned(),
            ..Self::default()
        }
    }

    pub(crate) fn knobs(mut self, lines: &str) -> Self {
        self.knobs.push_str(lines);
        self
    }

    /// A box of a cluster of the one region, which holds `capacity` and fills `budget` bytes.
    pub(crate) fn appliance(self, name: &str, cluster: &str, capacity: u64, budget: u64) -> Self {
        self.appliance_in("eu", name, cluster, (capacity, budget, 100))
    }

    pub(crate) fn appliance_in(
        mut self,
        region: &str,
        name: &str,
        cluster: &str,
        (capacity, budget, weight): (u64, u64, u32),
    ) -> Self {
        let of = format!("region = '{region}'\ncluster = '{cluster}'\nweight = {weight}\n");
        let bytes = format!("capacity = {capacity}\nbudget = {budget}\n");
        let inventory = format!("inventory = '{name}.held'\n");
        let head = format!("[[appliance]]\nname = '{name}'\n");
        self.boxes.extend([head, of, bytes, inventory]);
        self.held.entry(name.to_owned()).or_default();
        self
    }

    /// An object of the catalogue that is a title of its own.
    pub(crate) fn object(self, path: &str, size: u64) -> Self {
        self.object_with(path, size, json!({}))
    }

    /// The same with further facts.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "facts are written where they are handed over"
    )]
    pub(crate) fn object_with(mut self, path: &str, size: u64, facts: Value) -> Self {
        let digest = format!("sha256:{:064x}", self.objects.len() + 1);
        let mut object = json!({"site": "vod", "path": path, "size": size, "digest": digest});
        for (name, value) in facts.as_object().unwrap() {
            if value.is_null() {
                object.as_object_mut().unwrap().remove(name);
            } else {
                object[name] = value.clone();
            }
        }
        self.objects.push(object);
        self
    }

    /// A box reported whole plays of `path` on the day that many days before the planned one.
    pub(crate) fn watched(self, age: i64, node: &str, path: &str, plays: i64) -> Self {
        let object = self.objects.iter().find(|object| object["path"] == path);
        let size = object
            .and_then(|object| object["size"].as_i64())
            .unwrap_or(1_000);
        let head = size.min(4 << 20) * plays;
        self.watched_with(age, node, path, (size, plays * 1_000, head))
    }

    /// The same with size, thousandths of plays, and bytes of the first 4 MiB.
    pub(crate) fn watched_with(
        mut self,
        age: i64,
        node: &str,
        path: &str,
        (size, plays, head): (i64, i64, i64),
    ) -> Self {
        let rows = self.watched.entry((age, node.to_owned())).or_default();
        rows.push((path.to_owned(), size, plays, head));
        self
    }

    /// A box holds so many bytes of `path`.
    pub(crate) fn held(mut self, name: &str, path: &str, bytes: u64) -> Self {
        let line = json!({"site": "vod", "path": path, "bytes": bytes});
        let held = self.held.entry(name.to_owned()).or_default();
        held.extend([line.to_string(), "\n".to_owned()]);
        self
    }

    /// Writes all of it, and tells what a plan is made of.
    pub(crate) fn write(&self, folder: &Path) -> Inputs {
        let fleet = format!("[plan]\n{}\n{}", self.knobs, self.boxes);
        fs::write(folder.join("fleet.toml"), fleet).unwrap();
        for (name, lines) in &self.held {
            fs::write(folder.join(format!("{name}.held")), lines).unwrap();
        }
        let lines: Vec<String> = self.objects.iter().map(Value::to_string).collect();
        fs::write(folder.join("catalog.ndjson"), lines.join("\n")).unwrap();
        fs::create_dir_all(folder.join("popularity")).unwrap();
        let day: Day = DAY.parse().unwrap();
        for ((age, node), rows) in &self.watched {
            let of_day = format!("popularity/day={}/node={node}", day.before(*age));
            fs::create_dir_all(folder.join(&of_day)).unwrap();
            write_report(&folder.join(of_day).join("00-0.parquet"), rows);
        }
        Inputs {
            fleet: Fleet::read(&folder.join("fleet.toml")).unwrap(),
            catalog: folder.join("catalog.ndjson"),
            reports: folder.join("popularity"),
            day,
            without_reports: true,
        }
    }

    /// The plan, in order.
    pub(crate) async fn plan(&self) -> Vec<Row> {
        self.try_plan(&LIMITS).await.unwrap()
    }

    pub(crate) async fn try_plan(&self, limits: &Limits) -> Result<Vec<Row>, planner::Error> {
        let day: Day = DAY.parse()?;
        // What would be refused as a manifest is refused here.
        let (rows, _) = self.make(limits, day.begin_s()).await?;
        Ok(rows)
    }

    /// The manifests that are made of the plan in that second, in the order of the boxes' names.
    pub(crate) async fn manifests(&self, issued_s: u64) -> Vec<Manifest> {
        self.make(&LIMITS, issued_s).await.unwrap().1
    }

    async fn make(
        &self,
        limits: &Limits,
        issued_s: u64,
    ) -> Result<(Vec<Row>, Vec<Manifest>), planner::Error> {
        let folder = TempDir::with_prefix("millpond-plan-").unwrap();
        let work = folder.path().join("work");
        let job = planner::prepare(&self.write(folder.path()), &work)?;
        planner::solve(&work, &job, limits, |_| ()).await?;
        let plan = work.join("steps/plan");
        let mut rows = Vec::new();
        let keep = |row| {
            rows.push(row);
            Ok(())
        };
        planner::read_rows(&work, &job, &plan, limits, keep).await?;
        let stamp = Stamp {
            generation: 1,
            issued_s,
            lifetime_s: 3600,
            allow_mass_eviction: false,
        };
        let mut manifests = Vec::new();
        planner::collect(&work, &job, &plan, (limits, &stamp), |manifest, _| {
            manifests.push(manifest);
            Ok(())
        })
        .await?;
        assert_eq!(
            manifests.len(),
            job.audiences.len(),
            "a manifest for each box"
        );
        Ok((rows, manifests))
    }
}

fn write_report(path: &Path, rows: &[Watched]) {
    let number = |pick: fn(&Watched) -> i64| -> ArrayRef {
        let numbers = rows.iter().map(pick);
        Arc::new(Int64Array::from_iter_values(numbers))
    };
    let paths: Vec<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    let sites: ArrayRef = Arc::new(StringArray::from(vec!["vod"; rows.len()]));
    let batch = RecordBatch::try_from_iter([
        ("site", sites),
        ("path", Arc::new(StringArray::from(paths)) as ArrayRef),
        ("size", number(|row| row.1)),
        ("plays", number(|row| row.2)),
        ("first_bytes", number(|row| row.3)),
    ])
    .unwrap();
    let file = fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// Rows as `box path action bytes/need expected`.
pub(crate) fn told(rows: &[Row]) -> Vec<String> {
    let told = rows.iter().map(|row| {
        let action = match row.action {
            Action::Fill => "fill",
            Action::Seed => "seed",
        };
        let Row {
            appliance,
            path,
            bytes,
            need,
            expected,
            ..
        } = row;
        format!("{appliance} {path} {action} {bytes}/{need} {expected}")
    });
    told.collect()
}
