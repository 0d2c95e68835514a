//! Arguments that several commands share.

use std::{
    error::Error,
    fs,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    thread::available_parallelism,
};

use forecast::show::bytes as readable;
use manifest::{Signed, SigningKey};
use planner::{Day, Fleet, Hold, Inputs, Job, Limits, Stamp};

use super::{
    output::tell,
    plan::{Failed, of_file},
};

/// What a plan is made of.
#[derive(Debug, clap::Args)]
pub(crate) struct From {
    /// The fleet file: TOML or JSON.
    #[arg(long, value_name = "FILE")]
    fleet: PathBuf,
    /// The catalogue: NDJSON or Parquet.
    #[arg(long, value_name = "FILE")]
    catalog: PathBuf,
    /// The popularity reports: a folder, or `s3://BUCKET/PREFIX`, with
    /// `day=2026-11-21/node=NAME/*.parquet` in it. Keys, region and endpoint of a bucket are those of the
    /// environment (`AWS_ACCESS_KEY_ID`, `AWS_REGION`, `AWS_ENDPOINT`, ...).
    #[arg(long, value_name = "FOLDER|URL")]
    reports: String,
    /// The day that is planned for; the reports of the days before it are read. Default: today, in
    /// UTC.
    #[arg(long, value_name = "DAY")]
    day: Option<Day>,
    /// Plan also when no box has reported of any of the days: what is mandatory, and what launches.
    #[arg(long)]
    without_reports: bool,
}

impl From {
    /// Writes the tables of a job, in a folder that stays this process's.
    pub(crate) async fn prepare(&self, work: &Path) -> Result<(Job, Hold), Failed> {
        let hold = Hold::to_prepare(work)?;
        let job =
            planner::prepare(&self.inputs(work).await?, work).map_err(|error| match error {
                planner::Error::NoReports { .. } => Failed::NoReports(error),
                other => Failed::Plan(other),
            })?;
        let (days, boxes) = job.unreported();
        let strangers = job.strangers.iter().map(String::as_str).collect();
        for (what, names) in [
            ("no report on", days),
            ("no report from", boxes),
            (
                "reports are passed over, since the fleet does not have it, of",
                strangers,
            ),
        ] {
            if !names.is_empty() {
                let (count, some) = (names.len(), some(&names));
                tell(format!("{what} {some} ({count} in all)"));
            }
        }
        Ok((job, hold))
    }

    /// What a bucket has is copied into the work folder first.
    async fn inputs(&self, work: &Path) -> Result<Inputs, Failed> {
        let today = || Day::of(message::now().unix_s());
        let day = self.day.unwrap_or_else(today);
        let fleet = Fleet::read(&self.fleet)?;
        let reports = if self.reports.starts_with("s3://") {
            let folder = work.join("reports");
            let moved = planner::fetch(&self.reports, &fleet, day, &folder).await?;
            tell(format!("reports: {} copied", readable(moved)));
            folder
        } else {
            PathBuf::from(&self.reports)
        };
        Ok(Inputs {
            fleet,
            catalog: self.catalog.clone(),
            reports,
            day,
            without_reports: self.without_reports,
        })
    }
}

/// The first few of many names.
fn some(names: &[&str]) -> String {
    const SHOWN: usize = 5;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    let dots = if names.len() > SHOWN { ", ..." } else { "" };
    format!("{shown}{dots}")
}

/// What the engine may use.
#[derive(Debug, clap::Args)]
pub(crate) struct Engine {
    /// How much memory the process may take, about. What does not fit goes to disk for a while.
    #[arg(long, value_name = "BYTES", default_value = "4GiB", value_parser = planner::parse_bytes)]
    memory: u64,
    /// How much disk that may be, in the work folder.
    #[arg(long, value_name = "BYTES", default_value = "200GB", value_parser = planner::parse_bytes)]
    spill: u64,
    /// Threads. Default: as many as the machine has cores.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

impl Engine {
    pub(crate) fn limits(&self) -> Limits {
        let cores = || available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Limits {
            memory_bytes: self.memory,
            threads: self.threads.unwrap_or_else(cores).get(),
            spill_bytes: self.spill,
        }
    }
}

/// What manifests are made with.
#[derive(Debug, clap::Args)]
pub(crate) struct Manifests {
    /// The planner's signing key, Ed25519.
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// The folder for the manifests, one a box.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) output: PathBuf,
    /// A folder of what the boxes took before, as `NAME.manifest`, with `NAME.delta` beside it where it
    /// was that. Of a box that has one there, what changes is written beside the whole, as `NAME.delta`;
    /// a box that took something else refuses it, and takes the whole.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) previous: Option<PathBuf>,
    /// The generation of the manifests, higher than that of each before. Default: the second since
    /// the Unix epoch.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=manifest::GENERATION_MAX))]
    generation: Option<u64>,
    /// For how many days a box may take them.
    #[arg(long, value_name = "DAYS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=35))]
    expires: u64,
    /// Let boxes drop much of what they hold: the second flag that they ask for.
    #[arg(long)]
    allow_mass_eviction: bool,
    /// Print the summary as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Manifests {
    /// The key; a key or a folder that cannot be is found before the work and not after it.
    pub(crate) fn check(&self) -> Result<SigningKey, Failed> {
        if let Some(previous) = &self.previous {
            fs::read_dir(previous).map_err(of_file(previous))?;
        }
        let key = self.read_key()?;
        let (output, probe) = (&self.output, self.output.join("probe.part"));
        fs::create_dir_all(output).map_err(of_file(output))?;
        fs::write(&probe, "").map_err(of_file(&probe))?;
        fs::remove_file(&probe).map_err(of_file(&probe))?;
        Ok(key)
    }

    fn read_key(&self) -> Result<SigningKey, Failed> {
        let path = &self.key;
        let bytes = fs::read(path).map_err(of_file(path))?;
        let wrong = |source: Box<dyn Error + Send + Sync>| Failed::Key {
            path: path.clone(),
            source,
        };
        let key = SigningKey::parse(&bytes).map_err(|error| wrong(error.into()))?;
        // Nothing but the algorithm keeps a key from signing.
        let signed = Signed::draft(&[]).sign(&key);
        signed.map_err(|error| wrong(error.into()))?;
        Ok(key)
    }

    pub(crate) fn stamp(&self) -> Stamp {
        let now_s = message::now().unix_s();
        Stamp {
            generation: self.generation.unwrap_or(now_s),
            issued_s: now_s,
            lifetime_s: self.expires * 24 * 3600,
            allow_mass_eviction: self.allow_mass_eviction,
        }
    }
}
