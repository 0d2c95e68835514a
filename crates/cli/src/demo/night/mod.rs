//! `millpond demo --night`: three days in minutes, with nights in which an edge is filled.
//!
//! ```text
//! day: the same viewers at both edges ──▶ shield ──▶ origin (a directory)
//! night: popularity ▶ report (Parquet) ▶ plan ▶ signed manifest ▶ push ▶ fill, at the one edge
//! ```
//!
//! Every part is the real one: nodes with their disks, TLS, signed URLs, popularity, manifests, the steering
//! API. Made up are the viewers and the calendar.

mod figures;
mod library;
mod nodes;
mod planner;
mod plot;
mod reports;
mod viewers;

use std::{
    collections::{BTreeSet, HashSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use forecast::{catalogue::Object, show::bytes};
use manifest::{Action, Keys, Limits, PlannerKey, Role, read_unverified};
use shield::Shield;
use signing::{Algorithm, Label, SigningKey};
use steering::{
    client::Client,
    report::{Phase, Progress},
};
use tokio::time::{self, Instant};

use self::{
    figures::{Day, Night},
    library::{DAYS, HOURS, Library},
    nodes::{ALONE, FILLED, Node, called},
    planner::Planner,
    reports::Reporter,
    viewers::{Heard, Viewers},
};
use crate::{
    Error, keys,
    output::{bar, progress, say},
};

/// How often a fill is asked how far it is.
const INTERVAL: Duration = Duration::from_millis(200);
/// Objects that the API names at once.
const POPULAR_MAX: u16 = 1000;
/// A night is over by then, whatever has come.
const NIGHT_MAX: Duration = Duration::from_mins(5);

/// What `--night` may be told.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With --night")]
#[group(id = "night_settings")]
pub(crate) struct Arguments {
    /// Sessions of viewers on each day
    #[arg(long, requires = "night", default_value_t = 700,
          value_parser = clap::value_parser!(u32).range(10..=20_000))]
    sessions: u32,
    /// Where the plot is written
    #[arg(
        long,
        requires = "night",
        value_name = "FILE",
        default_value = "millpond-night.svg"
    )]
    plot: PathBuf,
    /// The program `millpond-plan`, or `here` for the estimator of `millpond replay` in this process.
    /// Default: the program, if it is beside this one or in PATH, else `here`
    #[arg(long, requires = "night", value_name = "FILE|here")]
    planner: Option<PathBuf>,
}

/// All that plays.
struct Stage<'a> {
    library: Library,
    folder: &'a Path,
    planner: Planner,
    viewers: Viewers,
    filled: Node,
    alone: Node,
    /// Of the one that is filled.
    steering: Client,
    reporter: Reporter,
    /// Folders of the reports of the days so far.
    reported: Vec<PathBuf>,
    /// What viewers of the one edge have asked for so far.
    asked: HashSet<Object>,
    /// What the last night has filled, of which nobody had asked before and all was there since.
    fresh: HashSet<Object>,
}

/// Plays it in this folder.
pub(super) async fn play(
    folder: &Path,
    arguments: &Arguments,
    key: SigningKey,
) -> Result<(), Error> {
    let began = Instant::now();
    let planner = Planner::find(arguments.planner.as_deref())?;
    let library = Library::new(arguments.sessions);
    tell_stage(&library, &planner);
    let asked: BTreeSet<_> = library.plays.iter().map(|play| play.object).collect();
    library.write(&folder.join("origin"), asked)?;
    write_planner_key(folder)?;
    let shield = nodes::start_shield(folder).await?;
    let filled = Node::start(FILLED, folder, shield.address()).await?;
    let mut stage = Stage {
        library,
        folder,
        planner,
        viewers: Viewers::new(folder, key)?,
        steering: filled.steering(folder)?,
        filled,
        alone: Node::start(ALONE, folder, shield.address()).await?,
        reporter: Reporter::new(),
        reported: Vec::new(),
        asked: HashSet::new(),
        fresh: HashSet::new(),
    };
    let days = stage.days().await;
    Box::pin(end(stage, shield)).await;
    let days = days?;
    say(figures::table(&days));
    let plot = &arguments.plot;
    fs::write(plot, plot::svg(&days)).map_err(|error| Error::file(plot, error))?;
    say(format!("plot     {}", plot.display()));
    say(format!(
        "took     {} s; every byte of every answer was compared",
        began.elapsed().as_secs()
    ));
    Ok(())
}

fn tell_stage(library: &Library, planner: &Planner) {
    let all: u64 = library
        .objects()
        .map(|object| library.catalogue.bytes(object))
        .sum();
    say(format!(
        "origin   {} pieces of films and series, {}: five minutes of one rendition each, 2048 times smaller",
        library.objects().len(),
        bytes(all)
    ));
    say(format!(
        "nodes    a shield, and two edges with {} of disk, 8 MiB of RAM and the same viewers: \
         `{FILLED}` is filled at night, `{ALONE}` is not",
        bytes(nodes::DISK_BYTES)
    ));
    say(match planner {
        Planner::Program(program) => format!("planner  {}", program.display()),
        Planner::Here => format!(
            "planner  the estimator of `millpond replay`, in this process. The planner itself is a program of\n\
             \x20        its own: `{}`, then --planner target/plan/millpond-plan",
            planner::BUILD
        ),
    });
}

fn write_planner_key(folder: &Path) -> Result<(), Error> {
    let key = SigningKey::generate(Algorithm::Ed25519, Label::parse("planner-1")?)?;
    let trusted = PlannerKey {
        key: key.verify_key(),
        roles: vec![Role::Plan, Role::Evict],
    };
    let path = folder.join("planners.json");
    let trusted = Keys::new(vec![trusted], []).map_err(|error| Error::manifest(&path, error))?;
    keys::replace(&path, &trusted.to_json())?;
    keys::replace(&folder.join("planner.json"), &key.to_json())
}

async fn end(stage: Stage<'_>, shield: Shield) {
    stage.filled.drain().await;
    stage.alone.drain().await;
    shield.drain().await;
}

impl Stage<'_> {
    async fn days(&mut self) -> Result<Vec<Day>, Error> {
        let mut days = vec![self.day(0, Night::default()).await?];
        for day in 1..DAYS {
            let night = self.night(day).await?;
            days.push(self.day(day, night).await?);
        }
        Ok(days)
    }

    /// Plays a day at both edges, hour by hour.
    async fn day(&mut self, day: usize, night: Night) -> Result<Day, Error> {
        let mut seen = Day::new(night);
        for hour in 0..HOURS {
            let name = format!(
                "day {}   {hour:>2} h {}",
                day + 1,
                bar(hour as u64, HOURS as u64)
            );
            progress(&name);
            let plays = self.library.of_hour(day * HOURS + hour);
            let (filled, alone) = tokio::try_join!(
                self.viewers
                    .watch(self.filled.address(), FILLED, &self.library, plays),
                self.viewers
                    .watch(self.alone.address(), ALONE, &self.library, plays),
            )?;
            if filled.bytes != alone.bytes {
                let problem = "the edges' viewers did not get the same";
                return Err(Error::Demo(problem.to_owned()));
            }
            seen.asked.push(filled.bytes);
            seen.filled.push(self.filled.take_from_shield());
            seen.alone.push(self.alone.take_from_shield());
            seen.served_of_filled += self.of_filled(&filled);
        }
        progress("");
        say(format!("day {}    {}", day + 1, seen.line()));
        Ok(seen)
    }

    /// Bytes that were there before anybody asked, because the night had filled them.
    fn of_filled(&mut self, heard: &Heard) -> u64 {
        let mut served = 0;
        for (object, (bytes, missed)) in &heard.objects {
            self.asked.insert(*object);
            if *missed {
                self.fresh.remove(object);
            } else if self.fresh.contains(object) {
                served += bytes;
            }
        }
        served
    }

    /// Reports, plans, pushes and fills, for the day that comes.
    async fn night(&mut self, day: usize) -> Result<Night, Error> {
        progress(&format!("night {day}  plans"));
        let popularity = self.steering.popularity(POPULAR_MAX, None).await;
        let popularity = popularity.map_err(called(FILLED))?;
        let reports = self.folder.join("reports");
        let report = reports
            .join(format!("day={}", planner::date(day - 1)))
            .join(format!("node={FILLED}"));
        let reported = self.reporter.file(&popularity, &self.library, &report)?;
        self.reported.push(report);
        let manifest = self.planner.plan(&planner::Night {
            library: &self.library,
            folder: self.folder,
            day,
            reported: &self.reported,
        })?;
        let fills = self.fills(&manifest)?;
        let origin = self.folder.join("origin");
        self.library.write(&origin, fills.iter().copied())?;
        let began = Instant::now();
        let held = self.fill(day, manifest).await?;
        let filled_bytes = self.filled.take_from_shield();
        progress("");
        say(format!(
            "night {day}  {reported} objects reported, {} films and episodes released; planned {}, {} to be \
             held: filled {} in {:.1} s",
            self.library.released(day).len(),
            held.objects,
            bytes(held.bytes),
            bytes(filled_bytes),
            began.elapsed().as_secs_f64(),
        ));
        let asked = &self.asked;
        self.fresh = fills
            .into_iter()
            .filter(|object| !asked.contains(object))
            .collect();
        Ok(Night { filled_bytes })
    }

    /// What a manifest has filled.
    fn fills(&self, manifest: &[u8]) -> Result<Vec<Object>, Error> {
        let read = read_unverified(manifest, &Limits::default());
        let (manifest, _unknown) = read.map_err(|error| Error::manifest(FILLED, error))?;
        let fills = manifest
            .objects
            .iter()
            .filter(|object| object.action == Action::Fill);
        Ok(fills
            .filter_map(|object| self.library.find(object.path))
            .collect())
    }

    /// Pushes the manifest and waits until all of it is there.
    async fn fill(&self, day: usize, manifest: Vec<u8>) -> Result<Progress, Error> {
        let pushed = self.steering.push(Bytes::from(manifest)).await;
        pushed.map_err(called(FILLED))?;
        let mut turns = time::interval(INTERVAL);
        let deadline = Instant::now() + NIGHT_MAX;
        loop {
            turns.tick().await;
            let now = self.steering.progress().await.map_err(called(FILLED))?;
            let (held, all) = (now.bytes_held, now.bytes);
            let bar = bar(held, all);
            progress(&format!(
                "night {day}  fills {bar} {} of {}",
                bytes(held),
                bytes(all)
            ));
            match now.phase {
                Phase::Complete => return Ok(now),
                Phase::Idle | Phase::Waiting | Phase::Filling | Phase::Yielding => {}
            }
            if Instant::now() > deadline {
                return Err(Error::Demo(format!("the night was too short: {now:?}")));
            }
        }
    }
}
