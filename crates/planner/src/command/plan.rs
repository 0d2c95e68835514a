//! What the commands do.

use std::{
    io,
    path::{Path, PathBuf},
};

use planner::{Job, Progress};

use super::{
    arguments::{Engine, From},
    output::{say, tell},
};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error(transparent)]
    Plan(#[from] planner::Error),
    #[error("the runtime")]
    Runtime(#[source] io::Error),
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

impl Prepare {
    pub(crate) fn run(&self) -> Result<(), Failed> {
        planner::prepare(&self.from.inputs()?, &self.work)?;
        Ok(())
    }
}

impl Solve {
    pub(crate) async fn run(&self) -> Result<(), Failed> {
        let job = Job::read(&self.work)?;
        let limits = self.engine.limits();
        Ok(planner::solve(&self.work, &job, &limits, tell_progress).await?)
    }
}

impl Digest {
    pub(crate) async fn run(&self) -> Result<(), Failed> {
        let job = Job::read(&self.work)?;
        let rows = self.rows.clone().unwrap_or_else(|| own_rows(&self.work));
        let digest = planner::digest(&self.work, &job, &rows, &self.engine.limits()).await?;
        say(digest);
        Ok(())
    }
}

fn own_rows(work: &Path) -> PathBuf {
    work.join("steps").join("plan")
}

fn tell_progress(progress: Progress) {
    let Progress { step, pass, passes } = progress;
    match passes {
        1 => tell(step),
        _ => tell(format!("{step} {pass}/{passes}")),
    }
}
