//! `millpond simulate`: what a box of a certain size would do with a trace.
//!
//! The real policy (`store::policy`) and the real RAM tier (`store::Memory`) decide over a model of
//! the disks' log, request by request; beside them runs a plain LRU cache of the same size, and the
//! offline optimum, which knows the future. See [`forecast::model`] for what is modelled and [`scan`] for
//! how requests are cut into slices.

mod access;
mod optimum;
mod plot;
#[cfg(test)]
mod promises;
mod replay;
mod report;
mod scan;
mod size;
mod tally;

use std::{fs, path::PathBuf};

use clap::ValueEnum;
use forecast::model::Sizes;

use crate::{Error, output::say};
use access::Cut;
use replay::Plan;
use size::Size;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The trace: *.csv, *.oracleGeneral, or the binary format of `millpond trace`
    trace: PathBuf,
    /// RAM for slices: a size, or a percentage of the disk
    #[arg(long, default_value = "0.5%")]
    ram: Size,
    /// Disk: a size, or a percentage of all that the trace asks for; several with commas
    #[arg(long, value_delimiter = ',', required_unless_present = "sweep")]
    disk: Vec<Size>,
    /// Disks of 1, 2, 5, 10, 25, 50, 60 and 100 % of all that the trace asks for
    #[arg(long, conflicts_with = "disk")]
    sweep: bool,
    /// What to simulate; several with commas
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "millpond,lru,optimum"
    )]
    policy: Vec<Policy>,
    /// Days at the trace's start that fill the caches and are not measured
    #[arg(long, default_value_t = 0)]
    warmup: u64,
    /// What may be written to the disk on a day: a size, or a percentage of the disk
    #[arg(long, default_value = "100%")]
    writes_per_day: Size,
    /// Segments of the disk's log
    #[arg(long, default_value = "64MiB")]
    segment: Size,
    /// "cut" as a node cuts objects (up to 4 MiB in one, else 1 MiB each), or "whole" where the
    /// trace's objects stand for what is fetched at once
    #[arg(long, value_enum, default_value = "cut")]
    slices: Slices,
    /// Also draw the misses over the sizes of the disk, as SVG
    #[arg(long)]
    plot: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Policy {
    /// What a node does
    Millpond,
    /// Least recently used, RAM and disk as one, every miss written
    Lru,
    /// Belady with bypass: keeps what is asked for again soonest
    Optimum,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Slices {
    Cut,
    Whole,
}

const SWEEP: [f64; 8] = [0.01, 0.02, 0.05, 0.10, 0.25, 0.50, 0.60, 1.0];

pub(crate) fn run(arguments: &Arguments) -> Result<(), Error> {
    let cut = match arguments.slices {
        Slices::Cut => Cut::Slices,
        Slices::Whole => Cut::Whole,
    };
    let knows_future = arguments.policy.contains(&Policy::Optimum);
    let scan = scan::scan(&arguments.trace, cut, knows_future)?;
    let plans = arguments.plans(&scan)?;
    let runs = replay::replay(&arguments.trace, cut, &scan, &plans, arguments.warmup)?;
    say(report::text(&scan, &runs, arguments.warmup));
    if let Some(path) = &arguments.plot {
        fs::write(path, plot::svg(&scan, &runs)).map_err(|error| Error::file(path, error))?;
        say(format!("{}: misses over sizes", path.display()));
    }
    Ok(())
}

impl Arguments {
    /// Every size with every policy.
    fn plans(&self, scan: &scan::Scan) -> Result<Vec<Plan>, Error> {
        let disks = if self.sweep {
            SWEEP.map(Size::Part).to_vec()
        } else {
            self.disk.clone()
        };
        let mut plans = Vec::new();
        for disk in disks {
            let disk_bytes = disk.of(scan.footprint_bytes);
            let segment_bytes = self.segment.of(disk_bytes);
            if segment_bytes < scan.largest_bytes || disk_bytes / segment_bytes.max(1) < 4 {
                return Err(Error::Argument(format!(
                    "a disk of {disk_bytes} bytes in segments of {segment_bytes}: it must have 4 \
                     at least, and the largest slice has {} bytes",
                    scan.largest_bytes
                )));
            }
            plans.extend(self.policy.iter().map(|policy| Plan {
                policy: *policy,
                sizes: Sizes {
                    ram_bytes: self.ram.of(disk_bytes),
                    disk_bytes,
                    segment_bytes,
                    disk_writes_per_day: self.writes_per_day.of(disk_bytes),
                },
            }));
        }
        Ok(plans)
    }
}
