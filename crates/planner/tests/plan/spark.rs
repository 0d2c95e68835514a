//! The planner's SQL on a distributed engine: two workers of Spark, each a process of its own.

use std::{
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use datafusion::prelude::{ParquetReadOptions, SessionContext};
use planner::{Day, Fleet, Inputs, Sample};
use tempfile::TempDir;

use crate::world::{DAY, LIMITS};

#[tokio::test]
#[ignore = "starts a Spark of three processes, which takes a minute and more: just spark"]
async fn the_same_sql_makes_the_same_plan_on_a_distributed_engine() {
    let Some((python, home)) = spark() else {
        return;
    };
    let folder = TempDir::with_prefix("millpond-spark-").unwrap();
    let work = folder.path().join("work");
    let job = planner::prepare(&sample(folder.path()), &work).unwrap();
    planner::solve(&work, &job, &LIMITS, |_| ()).await.unwrap();

    submit(&python, &home, &work);

    let digest = async |rows: &str| {
        let rows = work.join(rows);
        planner::digest(&work, &job, &rows, &LIMITS).await.unwrap()
    };
    let counts = async |rows: &str| {
        let folders = job
            .steps
            .iter()
            .map(|step| work.join(rows).join(&step.name));
        let mut counts = Vec::new();
        for folder in folders {
            counts.push((folder.file_name().unwrap().to_owned(), count(&folder).await));
        }
        counts
    };
    let counted = counts("steps").await;
    assert_eq!(counted, counts("spark").await);
    assert!(counted.iter().all(|(_, rows)| *rows > 0), "{counted:?}");
    assert_eq!(digest("steps/plan").await, digest("spark/plan").await);
    let (_, planned) = counted.last().unwrap();
    assert!(*planned > 1_000, "{planned} rows are too few to tell");
}

fn sample(folder: &Path) -> Inputs {
    let day: Day = DAY.parse().unwrap();
    let sample = Sample {
        rows: 40_000,
        titles: 100,
        boxes: 5,
    };
    sample.write(folder, day).unwrap();
    Inputs {
        fleet: Fleet::read(&folder.join("fleet.toml")).unwrap(),
        catalog: folder.join("catalog.parquet"),
        reports: folder.join("popularity"),
        day,
        without_reports: false,
    }
}

async fn count(folder: &Path) -> usize {
    let session = SessionContext::new();
    let rows = session.read_parquet(folder.to_str().unwrap(), ParquetReadOptions::default());
    rows.await.unwrap().count().await.unwrap()
}

/// Python with Spark, as `.ci/foreign spark` installs it, and Spark's home; says so when there is none.
fn spark() -> Option<(PathBuf, String)> {
    let own = root().join(".cache/python/bin/python3");
    for python in [own, PathBuf::from("python3")] {
        let home = "import os, pyspark; print(os.path.dirname(pyspark.__file__))";
        let found = Command::new(&python).args(["-c", home]).output();
        let found = found.ok().filter(|output| output.status.success());
        let mut java = Command::new("java");
        let version = java.arg("-version").stderr(Stdio::null()).status();
        let has_java = version.is_ok_and(|status| status.success());
        if let (Some(home), true) = (found, has_java) {
            let home = String::from_utf8_lossy(&home.stdout).trim().to_owned();
            return Some((python, home));
        }
    }
    // Past the test runner, which keeps to itself what a test that does not fail has printed.
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let line = format!("skipped: {test}: no java, or no python3 with pyspark\n");
    io::stderr().write_all(line.as_bytes()).unwrap();
    None
}

/// Runs `spark/plan.py` with two workers on this machine, which Spark's home has the programs for.
fn submit(python: &Path, home: &str, work: &Path) {
    let mut spark = Command::new(Path::new(home).join("bin/spark-submit"));
    spark
        .env("SPARK_HOME", home)
        .env("PYSPARK_PYTHON", python)
        .env("SPARK_LOCAL_IP", "127.0.0.1")
        .args(["--master", "local-cluster[2,1,1024]"])
        .args(["--driver-memory", "1g"])
        .args(["--conf", "spark.ui.enabled=false"])
        .args(["--conf", "spark.sql.shuffle.partitions=4"])
        .arg(root().join("crates/planner/spark/plan.py"))
        .arg("--work")
        .arg(work)
        .current_dir(work);
    let output = spark.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}
