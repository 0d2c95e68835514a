//! What the commands do.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
};

use clap::{Arg, ArgGroup};
use forecast::command::{HOW, How, Workload};
use planner::{Day, Hold, Progress, Sample};

use super::{
    arguments::{Engine, From, Manifests},
    manifests::write,
    output::{progress, say, tell},
};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error(transparent)]
    Plan(#[from] planner::Error),
    #[error("{}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{}", path.display())]
    Key {
        path: PathBuf,
        source: Box<dyn Error + Send + Sync>,
    },
    #[error("signing a manifest")]
    Sign(#[from] manifest::CannotSign),
    #[error("the summary")]
    Summary(#[from] serde_json::Error),
    #[error(transparent)]
    Replay(#[from] forecast::command::Failed),
    #[error("a plan needs --fleet, --catalog, --reports, --key, --output and --work")]
    Arguments,
    #[error("{0}; --without-reports plans all the same")]
    NoReports(planner::Error),
    #[error("the runtime")]
    Runtime(#[source] io::Error),
}

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("how").args(HOW).multiple(true).requires("replay").conflicts_with("work"))]
#[command(mut_args(unless_replayed))]
pub(crate) struct Plan {
    /// Ship nothing: tell what nightly plans would have brought to boxes of several sizes, had viewers
    /// asked for this. A request trace (*.csv, *.oracleGeneral, or of `millpond trace`), or a made-up
    /// workload: n, a or l
    #[arg(long, value_name = "TRACE", conflicts_with_all = ["key", "output", "work"])]
    replay: Option<Workload>,
    #[command(flatten)]
    how: How,
    #[command(flatten)]
    from: Option<From>,
    #[command(flatten)]
    engine: Engine,
    #[command(flatten)]
    manifests: Option<Manifests>,
    /// A folder for tables and what is spilled; what was there of another plan goes.
    #[arg(long, value_name = "FOLDER", required_unless_present = "replay")]
    work: Option<PathBuf>,
}

/// What a plan that is shipped needs, a replay does not.
fn unless_replayed(argument: Arg) -> Arg {
    const SHIPPED: [&str; 5] = ["fleet", "catalog", "reports", "key", "output"];
    if SHIPPED.contains(&argument.get_id().as_str()) {
        argument.required(false).required_unless_present("replay")
    } else {
        argument
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Prepare {
    #[command(flatten)]
    from: From,
    /// A folder for the tables; what was there of another plan goes.
    #[arg(long, value_name = "FOLDER")]
    work: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Solve {
    #[command(flatten)]
    engine: Engine,
    /// The folder that `prepare` wrote.
    #[arg(long, value_name = "FOLDER")]
    work: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Write {
    #[command(flatten)]
    engine: Engine,
    #[command(flatten)]
    manifests: Manifests,
    /// The folder that `prepare` wrote.
    #[arg(long, value_name = "FOLDER")]
    work: PathBuf,
    /// The folder of the plan's rows. Default: where `solve` leaves them.
    #[arg(long, value_name = "FOLDER")]
    rows: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Digest {
    #[command(flatten)]
    engine: Engine,
    /// The folder that `prepare` wrote.
    #[arg(long, value_name = "FOLDER")]
    work: PathBuf,
    /// The folder of the plan's rows. Default: where `solve` leaves them.
    #[arg(long, value_name = "FOLDER")]
    rows: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Make {
    /// Rows of all reports.
    #[arg(long, default_value_t = 50_000_000)]
    rows: u64,
    /// Titles, of 120 objects each.
    #[arg(long, default_value_t = 20_000)]
    titles: u64,
    /// Boxes.
    #[arg(long, default_value_t = 20)]
    boxes: u64,
    /// The day that is planned for.
    #[arg(long, value_name = "DAY", default_value = "2026-11-21")]
    day: Day,
    /// The folder for all of it.
    #[arg(long, value_name = "FOLDER")]
    output: PathBuf,
}

impl Make {
    pub(crate) fn run(&self) -> Result<(), Failed> {
        let sample = Sample {
            rows: self.rows,
            titles: self.titles,
            boxes: self.boxes,
        };
        Ok(sample.write(&self.output, self.day)?)
    }
}

impl Plan {
    pub(crate) async fn run(&self) -> Result<(), Failed> {
        if let Some(workload) = &self.replay {
            say(self.how.run(workload, progress)?);
            return Ok(());
        }
        let (Some(from), Some(manifests), Some(work)) = (&self.from, &self.manifests, &self.work)
        else {
            return Err(Failed::Arguments);
        };
        let key = manifests.check()?;
        tell("prepare");
        let (job, _hold) = from.prepare(work).await?;
        let limits = self.engine.limits();
        planner::solve(work, &job, &limits, tell_progress).await?;
        let rows = own_rows(work);
        write(work, &job, &rows, &limits, (manifests, &key)).await
    }
}

impl Prepare {
    pub(crate) async fn run(&self) -> Result<(), Failed> {
        self.from.prepare(&self.work).await.map(drop)
    }
}

impl Solve {
    pub(crate) async fn run(&self) -> Result<(), Failed> {
        let (job, _hold) = Hold::of_job(&self.work)?;
        Ok(planner::solve(&self.work, &job, &self.engine.limits(), tell_progress).await?)
    }
}

impl Write {
    pub(crate) async fn run(&self) -> Result<(), Failed> {
        let key = self.manifests.check()?;
        let (job, _hold) = Hold::of_job(&self.work)?;
        let rows = self.rows.clone().unwrap_or_else(|| own_rows(&self.work));
        let limits = self.engine.limits();
        write(&self.work, &job, &rows, &limits, (&self.manifests, &key)).await
    }
}

impl Digest {
    pub(crate) async fn run(&self) -> Result<(), Failed> {
        let (job, _hold) = Hold::of_job(&self.work)?;
        let rows = self.rows.clone().unwrap_or_else(|| own_rows(&self.work));
        let digest = planner::digest(&self.work, &job, &rows, &self.engine.limits()).await?;
        say(digest.to_string());
        Ok(())
    }
}

fn own_rows(work: &Path) -> PathBuf {
    work.join("steps").join("plan")
}

pub(crate) fn of_file(path: &Path) -> impl Fn(io::Error) -> Failed {
    move |source| Failed::File {
        path: path.to_owned(),
        source,
    }
}

fn tell_progress(progress: Progress) {
    let Progress { step, pass, passes } = progress;
    match passes {
        1 => tell(step),
        _ => tell(format!("{step} {pass}/{passes}")),
    }
}
