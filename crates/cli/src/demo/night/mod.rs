//! `millpond demo --night`: three days in minutes, with nights in which an edge is filled.
//!
//! ```text
//! day: the same viewers at both edges ──▶ shield ──▶ origin (a directory)
//! night: popularity ▶ report (Parquet) ▶ plan ▶ signed manifest ▶ push ▶ fill, at the one edge
//! ```
//!
//! Every part is the real one: nodes with their disks, TLS, signed URLs, popularity and its hourly reports,
//! manifests, the steering API, the window and its rate. Made up are the viewers and the clock.

mod calendar;
mod figures;
mod library;
mod nodes;
mod planner;
mod plot;
mod reports;
mod stage;
mod viewers;

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use forecast::{catalogue::Object, show::bytes};
use manifest::{Action, Limits, read_unverified};
use shield::Shield;
use signing::SigningKey;
use steering::{client::Client, report::Progress};
use tokio::time::{self, Instant};

use self::{
    calendar::Calendar,
    figures::Day,
    library::{DAYS, HOURS, Library},
    nodes::{ALONE, FILLED, Node, Size, WINDOW, called},
    planner::Planner,
    viewers::{Heard, Viewers},
};
use crate::{
    Error,
    output::{bar, progress, say},
    trace::Kind,
};

/// How often a fill is asked how far it is.
const INTERVAL: Duration = Duration::from_millis(100);
/// Real time that an hour takes at least: in the window, whose rate is of real seconds, and else.
const WINDOW_HOUR: Duration = Duration::from_millis(1500);
const HOUR: Duration = Duration::from_millis(20);
/// After the window closes the edge has so long to see it and to count what came last.
const SETTLED: Duration = Duration::from_millis(100);

/// What `--night` may be told.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "With --night")]
#[group(id = "night_settings")]
pub(crate) struct Arguments {
    /// Who watches what, as `trace` and `replay` have it: n, a large catalogue with a long tail; a, a small
    /// one; l, n with four times the viewers. At 3000 sessions that is 675 films and series and their
    /// viewers, 51, and 169
    #[arg(long, requires = "night", value_enum, ignore_case = true, default_value_t = Kind::N)]
    preset: Kind,
    /// Sessions of viewers on each day; films and series are as many as the preset has for them
    #[arg(long, requires = "night", default_value_t = 3000,
          value_parser = clap::value_parser!(u32).range(10..=20_000))]
    sessions: u32,
    /// Another seed is another catalogue and other viewers
    #[arg(long, requires = "night", default_value_t = 1)]
    seed: u64,
    /// An edge's disk, in percent of all that is asked for in the three days
    #[arg(long, requires = "night", value_name = "PERCENT", default_value_t = 50,
          value_parser = clap::value_parser!(u64).range(1..=200))]
    disk: u64,
    /// What a night may fill, in percent of the disk
    #[arg(long, requires = "night", value_name = "PERCENT", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=100))]
    budget: u64,
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
    calendar: Calendar,
    library: Library,
    size: Size,
    folder: &'a Path,
    planner: Planner,
    viewers: Viewers,
    filled: Node,
    alone: Node,
    /// Of the one that is filled.
    steering: Client,
    /// What viewers of the one edge have asked for so far.
    asked: HashSet<Object>,
    /// What the last plan wants here.
    planned: Vec<Object>,
    /// What nights have filled, of which nobody had asked before and all was there since.
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
    let calendar = Calendar::begin()?;
    let library = Library::new(arguments.preset.into(), arguments.sessions, arguments.seed);
    let asked = library.asked();
    let asked_bytes = asked.iter().map(|object| library.catalogue.bytes(*object));
    let window = WINDOW_HOUR * u32::try_from(WINDOW.len()).unwrap_or(1);
    let size = Size::of(asked_bytes.sum(), arguments.disk, arguments.budget, window);
    say(stage::text(&library, &size, &planner, &asked));
    library.write(&folder.join("origin"), asked)?;
    let shield = nodes::start_shield(folder).await?;
    let filled = Node::start(FILLED, folder, shield.address(), &size).await?;
    let mut stage = Stage {
        calendar,
        library,
        size,
        folder,
        planner,
        viewers: Viewers::new(folder, key)?,
        steering: filled.steering(folder)?,
        filled,
        alone: Node::start(ALONE, folder, shield.address(), &size).await?,
        asked: HashSet::new(),
        planned: Vec::new(),
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

async fn end(stage: Stage<'_>, shield: Shield) {
    stage.filled.drain().await;
    stage.alone.drain().await;
    shield.drain().await;
}

impl Stage<'_> {
    async fn days(&mut self) -> Result<Vec<Day>, Error> {
        let mut days = Vec::with_capacity(DAYS);
        for day in 0..DAYS {
            let mut seen = Day::default();
            for hour in 0..HOURS {
                self.hour(day, hour, &mut seen).await?;
            }
            progress("");
            say(format!("day {}    {}", day + 1, seen.line()));
            days.push(seen);
        }
        Ok(days)
    }

    /// Plays an hour at both edges. With the first of a day a plan comes, and within the window what it
    /// wants.
    async fn hour(&mut self, day: usize, hour: usize, seen: &mut Day) -> Result<(), Error> {
        let name = format!("day {}   {hour:>2} h", day + 1);
        progress(&format!("{name} {}", bar(hour as u64, HOURS as u64)));
        let is_open = day > 0 && WINDOW.contains(&hour);
        let takes = if is_open { WINDOW_HOUR } else { HOUR };
        let until = Instant::now() + takes;
        self.calendar.turn(day * HOURS + hour, takes);
        self.wait_for_report(day * HOURS + hour).await?;
        if day > 0 && hour == 0 {
            self.night(day).await?;
        }
        if day > 0 && hour == WINDOW.end {
            self.close(day, seen).await?;
        }
        let plays = self.library.of_hour(day * HOURS + hour);
        let watch = |edge: &Node| {
            let viewers = &self.viewers;
            viewers.watch(edge.address(), edge.name, &self.library, plays)
        };
        let (filled, alone, ()) = tokio::try_join!(
            watch(&self.filled),
            watch(&self.alone),
            self.look(&name, is_open, until)
        )?;
        if filled.bytes != alone.bytes {
            let problem = "the edges' viewers did not get the same";
            return Err(Error::Demo(problem.to_owned()));
        }
        let came = self.filled.take_from_shield();
        if came.planned_bytes > 0 && !is_open {
            let problem = format!("{} came by plan at {hour} h", bytes(came.planned_bytes));
            return Err(Error::Demo(problem));
        }
        seen.asked.push(filled.bytes);
        seen.filled.push(came.asked_bytes);
        seen.moved.push(came.planned_bytes);
        seen.alone.push(self.alone.take_from_shield().asked_bytes);
        seen.served_of_filled += self.of_filled(&filled);
        Ok(())
    }

    /// The edge tells of each hour in which there were viewers, once the next has begun.
    async fn wait_for_report(&self, hour: usize) -> Result<(), Error> {
        let Some(last) = hour.checked_sub(1) else {
            return Ok(());
        };
        if self.library.of_hour(last).is_empty() {
            return Ok(());
        }
        let day = self.calendar.date(last / HOURS);
        reports::wait(&reports::of_day(self.folder, &day), last % HOURS).await
    }

    /// Waits, and shows meanwhile how far the fill is.
    async fn look(&self, name: &str, is_open: bool, until: Instant) -> Result<(), Error> {
        let mut turns = time::interval(INTERVAL);
        while is_open && Instant::now() + INTERVAL < until {
            turns.tick().await;
            let now = self.steering.progress().await.map_err(called(FILLED))?;
            let (held, all) = (now.bytes_held, now.bytes);
            let bar = bar(held, all);
            progress(&format!(
                "{name} fills {bar} {} of {}",
                bytes(held),
                bytes(all)
            ));
        }
        time::sleep_until(until).await;
        Ok(())
    }

    /// Bytes that were there before anybody asked, because a night had filled them.
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

    /// Plans from the reports and pushes, for the day that begins.
    async fn night(&mut self, day: usize) -> Result<(), Error> {
        progress(&format!("night {day}  plans"));
        let manifest = self.planner.plan(&planner::Night {
            library: &self.library,
            folder: self.folder,
            calendar: &self.calendar,
            size: &self.size,
            day,
        })?;
        self.planned = self.fills(&manifest)?;
        let origin = self.folder.join("origin");
        self.library.write(&origin, self.planned.iter().copied())?;
        let pushed = self.steering.push(Bytes::from(manifest)).await;
        let pushed = pushed.map_err(called(FILLED))?;
        progress("");
        say(format!(
            "night {day}  {} films and episodes released; a plan of {} pieces, {} of them to be held",
            self.library.released(day).len(),
            pushed.objects,
            self.planned.len(),
        ));
        Ok(())
    }

    /// What a manifest wants filled.
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

    /// Tells what has come in by plan now that the window is closed.
    async fn close(&mut self, day: usize, seen: &mut Day) -> Result<(), Error> {
        time::sleep(SETTLED).await;
        let last = self.filled.take_from_shield();
        if let Some(hour) = seen.moved.last_mut() {
            *hour += last.planned_bytes;
        }
        let Progress {
            objects,
            objects_held,
            ..
        } = self.steering.progress().await.map_err(called(FILLED))?;
        progress("");
        let moved_bytes = seen.moved_bytes();
        say(format!(
            "night {day}  {} filled, the window is closed: {objects_held} of {objects} are here",
            bytes(moved_bytes),
        ));
        let asked = &self.asked;
        let planned = self.planned.iter();
        self.fresh
            .extend(planned.filter(|object| !asked.contains(object)));
        Ok(())
    }
}
