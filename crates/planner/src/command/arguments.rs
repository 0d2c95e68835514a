//! Arguments that several commands share.

use std::{num::NonZeroUsize, path::PathBuf, thread::available_parallelism};

use planner::{Day, Fleet, Inputs, Limits};

use super::plan::Failed;

/// What a plan is made of.
#[derive(Debug, clap::Args)]
pub(crate) struct From {
    /// The fleet file: TOML or JSON.
    #[arg(long, value_name = "FILE")]
    fleet: PathBuf,
    /// The catalogue: NDJSON or Parquet.
    #[arg(long, value_name = "FILE")]
    catalog: PathBuf,
    /// The folder of popularity reports, with `day=2026-11-21/node=NAME/*.parquet` in it.
    #[arg(long, value_name = "FOLDER")]
    reports: PathBuf,
    /// The day that is planned for; the reports of the days before it are read. Default: today, in
    /// UTC.
    #[arg(long, value_name = "DAY")]
    day: Option<Day>,
}

impl From {
    pub(crate) fn inputs(&self) -> Result<Inputs, Failed> {
        let today = || Day::of(message::now().unix_s());
        Ok(Inputs {
            fleet: Fleet::read(&self.fleet)?,
            catalog: self.catalog.clone(),
            reports: self.reports.clone(),
            day: self.day.unwrap_or_else(today),
        })
    }
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
