//! The comparison: servers on the same core, a load generator on another, runs that take turns.

mod arguments;
mod client;
mod courses;
mod cpu;
mod error;
pub(crate) mod floor;
mod http3;
mod load;
mod machine;
mod measure;
mod night;
mod origin;
mod page_cache;
mod path;
mod pki;
mod processes;
mod proof;
mod report;
mod rows;
mod scaling;
mod select;
mod servers;
mod stage;
mod target;
mod world;

use std::{fs, io::Write, process::Stdio};

use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};

use arguments::Common;
pub(crate) use arguments::{Compare, Scaling};
use courses::Courses;
use error::Error;
use floor::Sink;
pub(crate) use http3::load::{Arguments as Http3Load, run as load_http3};
use load::Generator;
pub(crate) use night::Night;
pub(crate) use path::Path;
use report::Report;
use select::Peer;
use stage::Tools;
use world::World;

/// Measures what `compare` was asked for, and prints it.
pub(crate) fn run(arguments: &Compare) -> Result<(), Error> {
    let cores = cores();
    stay_on(&arguments.client_core.to_string())?;
    let runtime = Runtime::new().map_err(Error::io("starting a runtime"))?;
    let report = runtime.block_on(unless_ended(compare(arguments, cores)))?;
    print(&report.markdown(), &report.json(), &arguments.common)
}

/// The same for `scaling`.
pub(crate) fn run_scaling(arguments: &Scaling) -> Result<(), Error> {
    let cores = cores();
    let runtime = Runtime::new().map_err(Error::io("starting a runtime"))?;
    let (text, json) = runtime.block_on(unless_ended(scaling::measure(arguments, cores)))?;
    print(&text, &json, &arguments.common)
}

/// The same for `fill`.
pub(crate) fn run_night(arguments: &Night) -> Result<(), Error> {
    stay_on(&arguments.client_core.to_string())?;
    let runtime = Runtime::new().map_err(Error::io("starting a runtime"))?;
    let report = runtime.block_on(unless_ended(night::measure(arguments)))?;
    let mut out = std::io::stdout().lock();
    let _gone = write!(out, "{}\n{:#}\n", report.markdown(), report.json());
    Ok(())
}

/// The same for `path`, in a network of its own.
pub(crate) fn run_path(arguments: &Path) -> Result<(), Error> {
    if !arguments.inside {
        return Err(path::enter());
    }
    stay_on(&arguments.client_core.to_string())?;
    let runtime = Runtime::new().map_err(Error::io("starting a runtime"))?;
    let report = runtime.block_on(unless_ended(path::measure(arguments)))?;
    let mut out = std::io::stdout().lock();
    let _gone = write!(out, "{}", report.markdown());
    Ok(())
}

/// Work that a signal ends as an error would: with no server and no folder left behind.
async fn unless_ended<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let mut asked = signal(SignalKind::terminate()).map_err(Error::io("waiting for signals"))?;
    let mut broken = signal(SignalKind::interrupt()).map_err(Error::io("waiting for signals"))?;
    tokio::select! {
        done = work => done,
        _ = asked.recv() => Err(Error::Broken("it was asked to end".to_owned())),
        _ = broken.recv() => Err(Error::Broken("it was interrupted".to_owned())),
    }
}

/// Before this process goes to some of them.
fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn print(text: &str, json: &serde_json::Value, common: &Common) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    let _gone = write!(out, "{text}");
    match &common.json {
        Some(file) => fs::write(file, format!("{json:#}\n")).map_err(Error::io(file.display())),
        None => Ok(()),
    }
}

/// Origin, shield and checks live in this process: they keep off the servers' core.
fn stay_on(cores: &str) -> Result<(), Error> {
    let mut taskset = std::process::Command::new("taskset");
    taskset.args(["-acp", cores, &std::process::id().to_string()]);
    let status = taskset.stdout(Stdio::null()).status();
    let status = status.map_err(Error::io("taskset (Debian: util-linux)"))?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Broken(format!("this machine has no cores {cores}")))
}

/// A line of progress, beside the tables on the other channel.
fn say(line: &str) {
    let _gone = writeln!(std::io::stderr(), "{line}");
}

async fn compare(arguments: &Compare, cores: usize) -> Result<Report, Error> {
    let common = &arguments.common;
    let rows = common.rows(&[])?;
    let peers = common.peers(&Peer::ALL);
    let rounds = common.rounds();
    let setup = common.setup(arguments.server_core.to_string(), 1);
    let generator = Generator::find(&arguments.client_core.to_string()).await?;
    let world = World::make().await?;
    let sink = Sink::start()?;
    let mut report = Report {
        rounds,
        ..Report::default()
    };
    let tools = Tools {
        world: &world,
        generator: &generator,
        sink: &sink,
        rounds,
    };
    let courses = Courses {
        tools,
        setup,
        peers: &peers,
        rows: &rows,
    };
    courses.run(&mut report).await?;
    let on = format!("core {}", arguments.server_core);
    report.machine = machine::describe(cores, &on, &generator, &peers);
    world.close().await;
    Ok(report)
}
