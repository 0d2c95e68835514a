//! What the commands do.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::{Arg, ArgGroup};
use forecast::{
    command::{HOW, How, Workload},
    show::bytes as readable,
};
use manifest::{Encoding, Manifest, Signed, SigningKey};
use planner::{Day, Job, Limits, Progress, Sample, Summary};

use super::{
    arguments::{Engine, From, Manifests},
    output::{memory_peak, progress, say, tell},
};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    #[error(transparent)]
    Plan(#[from] planner::Error),
    #[error("{}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the signing key")]
    Key(#[from] signing::Error),
    #[error("signing a manifest")]
    Sign(#[from] manifest::CannotSign),
    #[error("the summary")]
    Summary(#[from] serde_json::Error),
    #[error(transparent)]
    Replay(#[from] forecast::command::Failed),
    #[error("a plan needs --fleet, --catalog, --reports, --key, --output and --work")]
    Arguments,
    #[error("the runtime")]
    Runtime(#[source] io::Error),
}

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("how").args(HOW).multiple(true).requires("replay"))]
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
        // A key that cannot be is found before the work and not after it.
        let key = read_key(&manifests.key)?;
        tell("prepare");
        let job = planner::prepare(&from.inputs(work).await?, work)?;
        let limits = self.engine.limits();
        planner::solve(work, &job, &limits, tell_progress).await?;
        let rows = own_rows(work);
        write(work, &job, &rows, &limits, (manifests, &key)).await
    }
}

impl Prepare {
    pub(crate) async fn run(&self) -> Result<(), Failed> {
        planner::prepare(&self.from.inputs(&self.work).await?, &self.work)?;
        Ok(())
    }
}

impl Solve {
    pub(crate) async fn run(&self) -> Result<(), Failed> {
        let job = Job::read(&self.work)?;
        let begun = message::now().mono;
        planner::solve(&self.work, &job, &self.engine.limits(), tell_progress).await?;
        let seconds = begun.elapsed().as_secs();
        let memory = memory_peak().map_or_else(String::new, |bytes| {
            format!(", {} of memory at most", readable(bytes))
        });
        tell(format!("{seconds} s{memory}"));
        Ok(())
    }
}

impl Write {
    pub(crate) async fn run(&self) -> Result<(), Failed> {
        let key = read_key(&self.manifests.key)?;
        let job = Job::read(&self.work)?;
        let rows = self.rows.clone().unwrap_or_else(|| own_rows(&self.work));
        let limits = self.engine.limits();
        write(&self.work, &job, &rows, &limits, (&self.manifests, &key)).await
    }
}

impl Digest {
    pub(crate) async fn run(&self) -> Result<(), Failed> {
        let job = Job::read(&self.work)?;
        let rows = self.rows.clone().unwrap_or_else(|| own_rows(&self.work));
        let digest = planner::digest(&self.work, &job, &rows, &self.engine.limits()).await?;
        say(digest.to_string());
        Ok(())
    }
}

fn own_rows(work: &Path) -> PathBuf {
    work.join("steps").join("plan")
}

fn read_key(path: &Path) -> Result<SigningKey, Failed> {
    let bytes = fs::read(path).map_err(of_file(path))?;
    Ok(SigningKey::parse(&bytes)?)
}

fn of_file(path: &Path) -> impl Fn(io::Error) -> Failed {
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

async fn write(
    work: &Path,
    job: &Job,
    rows: &Path,
    limits: &Limits,
    (arguments, key): (&Manifests, &SigningKey),
) -> Result<(), Failed> {
    let output = &arguments.output;
    fs::create_dir_all(output).map_err(of_file(output))?;
    let mut summaries: Vec<Summary> = Vec::new();
    let mut failed = None;
    let stamp = arguments.stamp();
    tell("manifests");
    let collected = planner::collect(work, job, rows, (limits, &stamp), |manifest, summary| {
        let name = summary.appliance.clone();
        summaries.push(summary);
        let written = delta(arguments, &name, &manifest).and_then(|delta| {
            if let Some(delta) = delta {
                seal(&delta, key, &output.join(format!("{name}.delta")))?;
            }
            seal(&manifest, key, &output.join(format!("{name}.manifest")))
        });
        written.map_err(|error| {
            failed = Some(error);
            planner::Error::Plan("a manifest could not be written".to_owned())
        })
    });
    if let Err(error) = collected.await {
        return Err(failed.unwrap_or(Failed::Plan(error)));
    }
    report(&summaries, arguments.json)
}

/// What changes against the manifest before, if there is one.
fn delta(
    arguments: &Manifests,
    name: &str,
    manifest: &Manifest,
) -> Result<Option<Manifest>, Failed> {
    let Some(folder) = &arguments.previous else {
        return Ok(None);
    };
    let path = folder.join(format!("{name}.manifest"));
    match fs::read(&path) {
        Ok(file) => Ok(Some(planner::delta(&path, &file, manifest)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(of_file(&path)(error)),
    }
}

/// Signs a manifest and writes it under its name when it is whole.
fn seal(manifest: &Manifest, key: &SigningKey, path: &Path) -> Result<(), Failed> {
    let payload = manifest.to_payload(Encoding::Zstd);
    let mut signed = Signed::draft(&payload);
    signed.sign(key)?;
    let part = path.with_extension("part");
    fs::write(&part, signed.to_bytes()).map_err(of_file(&part))?;
    fs::rename(&part, path).map_err(of_file(path))
}

fn report(summaries: &[Summary], is_json: bool) -> Result<(), Failed> {
    if is_json {
        say(serde_json::to_string_pretty(summaries)?);
        return Ok(());
    }
    say(format!(
        "{:<20} {:>10} {:>10} {:>8} {:>9} {:>10} {:>10} {:>9} {:>10}",
        "box",
        "holds",
        "capacity",
        "objects",
        "beginnings",
        "fill",
        "budget",
        "seeds",
        "serves/day"
    ));
    for summary in summaries {
        say(format!(
            "{:<20} {:>10} {:>10} {:>8} {:>9} {:>10} {:>10} {:>9} {:>10}",
            summary.appliance,
            readable(summary.bytes),
            readable(summary.capacity),
            summary.objects,
            summary.beginnings,
            readable(summary.fill_bytes),
            readable(summary.budget),
            summary.seeds,
            readable(summary.served_bytes),
        ));
        if summary.fill_bytes_pinned > summary.budget {
            let nights = summary.fill_bytes_pinned.div_ceil(summary.budget.max(1));
            say(format!(
                "  what is pinned takes {nights} nights of its budget, and nothing else is filled"
            ));
        }
    }
    Ok(())
}
