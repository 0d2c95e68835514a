//! The command `replay`, for whichever program offers it.

use std::{convert::Infallible, fs, io, path::PathBuf, str::FromStr};

use clap::ValueEnum;
use traces::{Preset, Reader};

use crate::replay::{Options, Record, Reports, TooLong, plot, report, table};

/// What to replay, and how.
#[derive(Debug, clap::Args)]
pub struct Replay {
    /// A made-up workload: n, a large catalogue with a long tail; a, a small one; l, n with four
    /// times the viewers
    #[arg(
        long,
        value_enum,
        ignore_case = true,
        required_unless_present = "trace"
    )]
    preset: Option<Kind>,
    /// A trace instead: *.csv, *.oracleGeneral, or the binary format of `millpond trace`. Of that
    /// every object is an asset of its own, which plans know little of
    #[arg(conflicts_with = "preset")]
    trace: Option<PathBuf>,
    #[command(flatten)]
    how: How,
}

/// How to replay.
#[derive(Debug, clap::Args)]
pub struct How {
    /// Part of the preset's titles and viewers
    #[arg(long, default_value_t = 0.2, value_parser = scale)]
    scale: f64,
    /// How many days of the preset, beginning on a Monday
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u64).range(2..=28))]
    days: u64,
    /// Days of the preset after them, in which only what was filled is followed: a slice serves for as
    /// long as it is there
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u64).range(0..=21))]
    follow: u64,
    /// Another seed is another workload of the same kind
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Disks, in percent of all that is asked for; several with commas
    #[arg(long, value_delimiter = ',', default_value = "10,25,50,60",
          value_parser = clap::value_parser!(u32).range(1..=200))]
    disk: Vec<u32>,
    /// Days at the start that are not measured
    #[arg(long, default_value_t = 7)]
    warmup: u32,
    /// What may be filled in a night, in percent of the disk
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=100))]
    fill: u32,
    /// How many viewers have to ask for an object within a week for reports to name it, as nodes have it in
    /// `[popularity] sessions_min`: plans learn of no more. 1 tells all
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=32))]
    sessions_min: u32,
    /// Reports do not tell by folder what they do not name
    #[arg(long)]
    without_folders: bool,
    /// How wrong forecasts of launches are: the deviation of their logarithm
    #[arg(long, default_value_t = 0.8, value_parser = deviation)]
    forecast_error: f64,
    /// The fewest requests a day that a slice is filled for, in thousandths
    #[arg(long, default_value_t = Options::default().fill_floor)]
    fill_floor: u32,
    /// Also draw it, as SVG
    #[arg(long)]
    plot: Option<PathBuf>,
}

/// The names of the arguments of [`How`], for programs that take them with one of their own alone.
pub const HOW: [&str; 12] = [
    "scale",
    "days",
    "follow",
    "seed",
    "disk",
    "warmup",
    "fill",
    "sessions_min",
    "without_folders",
    "forecast_error",
    "fill_floor",
    "plot",
];

/// What is asked for.
#[derive(Debug, Clone)]
pub enum Workload {
    /// A made-up one.
    Preset(Kind),
    /// A trace in a file.
    Trace(PathBuf),
}

/// A made-up workload.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Kind {
    /// A large catalogue with a long tail.
    N,
    /// A small catalogue.
    A,
    /// `N` with four times the viewers.
    L,
}

/// `n`, `a`, `l`, or a path.
impl FromStr for Workload {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let kind = Kind::from_str(text, true);
        Ok(kind.map_or_else(|_path| Self::Trace(PathBuf::from(text)), Self::Preset))
    }
}

/// Why there is no replay.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The trace cannot be read.
    #[error("{}", path.display())]
    Trace {
        /// Which.
        path: PathBuf,
        /// Why, with the number of the line or record.
        source: traces::Error,
    },
    /// The plot cannot be written.
    #[error("{}", path.display())]
    Plot {
        /// Where to.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The trace does not fit.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// Nothing is left to measure.
    #[error("{days} days, of which {warmup} are not measured: nothing is left")]
    TooShort {
        /// Days that there are.
        days: usize,
        /// Days that are not measured.
        warmup: usize,
    },
}

impl Replay {
    /// Plays what is asked for: see [`How::run`].
    ///
    /// # Errors
    /// As [`How::run`].
    pub fn run(&self, progress: impl Fn(&str) + Sync) -> Result<String, Failed> {
        let workload = match (&self.trace, self.preset) {
            (Some(trace), _) => Workload::Trace(trace.clone()),
            (None, preset) => Workload::Preset(preset.unwrap_or(Kind::N)),
        };
        self.how.run(&workload, progress)
    }
}

impl How {
    /// Plays everything, telling `progress` a line that stands for how far it is, and says what came
    /// of it. Takes minutes, and a few hundred bytes of memory for each object of the catalogue.
    ///
    /// # Errors
    /// When there is nothing to play, or the plot cannot be written.
    pub fn run(
        &self,
        workload: &Workload,
        progress: impl Fn(&str) + Sync,
    ) -> Result<String, Failed> {
        let record = self.record(workload)?;
        let options = Options {
            percents: self.disk.clone(),
            warmup_days: usize::try_from(self.warmup).unwrap_or(usize::MAX),
            fill_percent: self.fill,
            reports: Reports {
                sessions_min: self.sessions_min,
                folders: !self.without_folders,
            },
            forecast_error: self.forecast_error,
            fill_floor: self.fill_floor,
            ..Options::default()
        };
        if record.days() <= options.warmup_days {
            return Err(Failed::TooShort {
                days: record.days(),
                warmup: options.warmup_days,
            });
        }
        let table = table(&record, &options, |done, all| progress(&bar(done, all)));
        progress("");
        if let Some(path) = &self.plot {
            fs::write(path, plot::svg(&table)).map_err(|source| Failed::Plot {
                path: path.clone(),
                source,
            })?;
        }
        Ok(report::text(&table))
    }

    fn record(&self, workload: &Workload) -> Result<Record, Failed> {
        let preset = match workload {
            Workload::Trace(path) => {
                let wrong = |source| Failed::Trace {
                    path: path.clone(),
                    source,
                };
                let requests = Reader::open(path).map_err(wrong)?;
                let requests = requests.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
                return Ok(Record::unlisted(&requests)?);
            }
            Workload::Preset(Kind::N) => Preset::N,
            Workload::Preset(Kind::A) => Preset::A,
            Workload::Preset(Kind::L) => Preset::L,
        };
        let settings = preset.settings(self.scale, self.days + self.follow, self.seed);
        let follow = usize::try_from(self.follow).unwrap_or(usize::MAX);
        Ok(Record::synthetic(&settings, follow)?)
    }
}

fn bar(done: usize, all: usize) -> String {
    let filled = done * 40 / all.max(1);
    format!(
        "replaying [{:<40}] {done} of {all} runs",
        "#".repeat(filled)
    )
}

fn scale(text: &str) -> Result<f64, String> {
    let scale: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if (0.001..=1.0).contains(&scale) {
        Ok(scale)
    } else {
        Err("from 0.001 to 1".to_owned())
    }
}

fn deviation(text: &str) -> Result<f64, String> {
    let deviation: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if (0.0..=10.0).contains(&deviation) {
        Ok(deviation)
    } else {
        Err("from 0 to 10".to_owned())
    }
}
