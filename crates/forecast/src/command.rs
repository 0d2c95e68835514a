//! The command `replay`, for whichever program offers it.

use std::{fs, io, path::PathBuf};

use clap::ValueEnum;
use traces::{Preset, Reader};

use crate::replay::{Options, Record, TooLong, plot, report, table};

/// What to replay.
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
    /// Part of the preset's titles and viewers
    #[arg(long, default_value_t = 0.2, value_parser = scale)]
    scale: f64,
    /// How many days of the preset, beginning on a Monday
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u64).range(2..=49))]
    days: u64,
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
    /// How wrong forecasts of launches are: the deviation of their logarithm
    #[arg(long, default_value_t = 0.8)]
    forecast_error: f64,
    /// The fewest requests a day that a slice is filled for, in thousandths
    #[arg(long, default_value_t = Options::default().fill_floor)]
    fill_floor: u32,
    /// Also draw it, as SVG
    #[arg(long)]
    plot: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    N,
    A,
    L,
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
    /// Plays everything, telling `progress` a line that stands for how far it is, and says what came
    /// of it. Takes minutes, and a few hundred bytes of memory for each object of the catalogue.
    ///
    /// # Errors
    /// When there is nothing to play, or the plot cannot be written.
    pub fn run(&self, progress: impl Fn(&str) + Sync) -> Result<String, Failed> {
        let record = self.record()?;
        let options = Options {
            percents: self.disk.clone(),
            warmup_days: usize::try_from(self.warmup).unwrap_or(usize::MAX),
            fill_percent: self.fill,
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

    fn record(&self) -> Result<Record, Failed> {
        if let Some(path) = &self.trace {
            let wrong = |source| Failed::Trace {
                path: path.clone(),
                source,
            };
            let requests = Reader::open(path).map_err(wrong)?;
            let requests = requests.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
            return Ok(Record::unlisted(&requests)?);
        }
        let preset = match self.preset {
            Some(Kind::A) => Preset::A,
            Some(Kind::L) => Preset::L,
            Some(Kind::N) | None => Preset::N,
        };
        let settings = preset.settings(self.scale, self.days, self.seed);
        Ok(Record::synthetic(&settings)?)
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
