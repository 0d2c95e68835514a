//! `millpond trace`: writes a synthetic trace.

use std::path::PathBuf;

use clap::ValueEnum;
use traces::{Preset, Synthetic, Writer};

use crate::{Error, output::say};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// n: a large catalogue with a long tail; a: a small catalogue; l: n with four times the viewers
    #[arg(long, value_enum, ignore_case = true)]
    preset: Kind,
    /// How many days, beginning on a Monday
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u64).range(1..=3650))]
    days: u64,
    /// Another seed is another trace of the same kind; the same seed is the same trace for ever
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Part of the preset's titles and viewers: 0.1 is a tenth of the requests and of the bytes
    #[arg(long, default_value_t = 1.0, value_parser = scale)]
    scale: f64,
    /// Where to: *.csv for text, anything else for the binary format
    #[arg(short, long)]
    output: PathBuf,
}

/// A preset, as an argument.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    N,
    A,
    L,
}

impl From<Kind> for Preset {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::N => Self::N,
            Kind::A => Self::A,
            Kind::L => Self::L,
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let preset = Preset::from(arguments.preset);
    let settings = preset.settings(arguments.scale, arguments.days, arguments.seed);
    let wrong = Error::of_trace(&arguments.output);
    let mut writer = Writer::create(&arguments.output).map_err(&wrong)?;
    let mut requests = 0_u64;
    for request in Synthetic::new(&settings) {
        writer.write(&request).map_err(&wrong)?;
        requests += 1;
    }
    writer.finish().map_err(&wrong)?;
    say(format!(
        "{}: {requests} requests",
        arguments.output.display()
    ));
    Ok(())
}

fn scale(text: &str) -> Result<f64, String> {
    let scale: f64 = text.parse().map_err(|error| format!("{error}"))?;
    if (0.001..=100.0).contains(&scale) {
        Ok(scale)
    } else {
        Err("from 0.001 to 100".to_owned())
    }
}
