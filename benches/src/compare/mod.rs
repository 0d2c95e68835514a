//! The comparison: two servers on one core, a load generator on another, runs that take turns.

mod cpu;
mod error;
mod http3;
mod load;
mod machine;
mod measure;
mod nginx;
mod ours;
mod pinned;
mod pki;
mod proof;
mod report;
mod target;
mod world;

use std::{fs, io::Write, path::PathBuf};

use tokio::runtime::Runtime;

use error::Error;
pub(crate) use http3::load::{Arguments as Http3Load, run as load_http3};
use measure::{Plan, Protocol, Row, Sample, Shape, Spread};
use nginx::Nginx;
use ours::Ours;
use pinned::Cores;
use report::Report;
use target::Target;
use world::World;

/// Tries of each setting of nginx, and their length as a part of a run's.
const TRIES: usize = 3;
const TRY_PART: u64 = 4;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Fewer and shorter runs: for a first look, not for a claim.
    #[arg(long)]
    quick: bool,
    /// Runs of each server in each row; the median counts.
    #[arg(long, value_name = "N")]
    runs: Option<usize>,
    /// Body bytes of one run, in MB.
    #[arg(long, value_name = "MB")]
    megabytes: Option<u64>,
    /// The core that both servers share.
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// The core of the load generator.
    #[arg(long, default_value_t = 1)]
    client_core: usize,
    /// Only rows whose name contains this, such as "H2" or "1 MiB".
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Leave nginx out.
    #[arg(long)]
    alone: bool,
    /// Write every run here as well.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Arguments {
    fn plan(&self) -> Plan {
        let (runs, megabytes) = if self.quick { (3, 500) } else { (5, 1000) };
        Plan {
            runs: self.runs.unwrap_or(runs).max(1),
            body_bytes: self.megabytes.unwrap_or(megabytes).max(1) * 1_000_000,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let runtime = Runtime::new().map_err(Error::io("starting a runtime"))?;
    let report = runtime.block_on(compare(arguments))?;
    let mut out = std::io::stdout().lock();
    let _gone = write!(out, "{}", report.markdown());
    if let Some(file) = &arguments.json {
        let text = format!("{:#}\n", report.json());
        fs::write(file, text).map_err(Error::io(file.display()))?;
    }
    Ok(())
}

async fn compare(arguments: &Arguments) -> Result<Report, Error> {
    let cores = Cores {
        server: arguments.server_core,
        client: arguments.client_core,
    };
    let generator = load::Generator::find(&cores).await?;
    let world = World::make()?;
    let ours = Ours::start(&world, &cores).await?;
    let nginx = if arguments.alone {
        None
    } else {
        Nginx::start(&world, &cores).await?
    };
    let mut targets = vec![ours.signed(), ours.open()];
    targets.extend(nginx.iter().flat_map(Nginx::targets));
    proof::warm_and_check(&world, &targets).await?;

    let plan = arguments.plan();
    let mut rows = Vec::new();
    for shape in Shape::all() {
        let named = |only: &String| shape.to_string().contains(only.as_str());
        if arguments.only.as_ref().is_none_or(named) {
            let (ours, nginx) = (&ours, nginx.as_ref());
            rows.push(row(&generator, &world, shape, &plan, ours, nginx).await?);
        }
    }
    let machine = machine::describe(&cores, nginx.is_some(), &generator).await;
    let report = Report {
        machine,
        plan,
        rows,
    };
    if let Some(nginx) = nginx {
        nginx.stop().await?;
    }
    ours.stop().await?;
    Ok(report)
}

/// Finds nginx's best settings for the shape, then lets the servers take turns.
async fn row(
    generator: &load::Generator,
    world: &World,
    shape: Shape,
    plan: &Plan,
    ours: &Ours,
    nginx: Option<&Nginx>,
) -> Result<Row, Error> {
    let mut contestants = vec![ours.signed(), ours.open()];
    let tried = match nginx.filter(|_| shape.protocol != Protocol::Http3) {
        Some(nginx) => try_out(generator, world, shape, plan, nginx).await?,
        None => Vec::new(),
    };
    let best = tried
        .iter()
        .min_by(|(_, one), (_, other)| one.total_cmp(other));
    contestants.extend(best.map(|(target, _)| target.clone()));
    let mut row = Row::new(shape, &contestants, &tried);
    for turn in 0..plan.runs {
        for place in 0..contestants.len() {
            // Whoever goes first in one round goes last in the next.
            let at = (place + turn) % contestants.len();
            let target = &contestants[at];
            let sample = generator
                .measure(world, shape, target, plan.body_bytes)
                .await?;
            row.add(at, sample);
        }
    }
    Ok(row)
}

/// What each setting of nginx costs per GB in the shape: the median of short runs that take turns,
/// so that a moment's noise does not choose.
async fn try_out(
    generator: &load::Generator,
    world: &World,
    shape: Shape,
    plan: &Plan,
    nginx: &Nginx,
) -> Result<Vec<(Target, f64)>, Error> {
    let targets = nginx.targets();
    let mut samples = vec![Vec::new(); targets.len()];
    for _ in 0..TRIES {
        for (target, samples) in targets.iter().zip(&mut samples) {
            let short = plan.body_bytes / TRY_PART;
            samples.push(generator.measure(world, shape, target, short).await?);
        }
    }
    let cost = |samples: Vec<Sample>| Spread::of(samples.iter().map(Sample::cpu_s_per_gb)).median;
    Ok(targets
        .into_iter()
        .zip(samples.into_iter().map(cost))
        .collect())
}
