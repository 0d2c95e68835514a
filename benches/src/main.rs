//! `benches compare`: the edge beside the servers that Debian packages, on the same core, the same
//! bodies, the same cipher.

mod compare;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};

/// Whole-node comparisons. The criterion benches run with `cargo bench -p benches`.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Measure the edge beside nginx, Varnish, Traffic Server, `HAProxy` and h2o, where they are.
    Compare(compare::Compare),
    /// Measure the same on one core, on two and on all.
    Scaling(compare::Scaling),
    /// Measure the rate of a fill by plan, and what it costs viewers.
    Fill(compare::Night),
    /// Measure one viewer behind a long path, over HTTP/1.1, 2 and 3.
    Path(compare::Path),
    /// Run an edge: `compare` starts this program again, so that the edge is its own process.
    #[command(hide = true)]
    Edge {
        /// Its config file.
        #[arg(long)]
        config: PathBuf,
    },
    /// Ask for objects over HTTP/3: `compare` starts this program again on the generator's core.
    #[command(hide = true)]
    Http3Load(compare::Http3Load),
    /// Seal and write, and nothing else: `compare` starts this program again for its floor.
    #[command(hide = true)]
    Floor(compare::floor::Arguments),
}

fn main() -> ExitCode {
    match Command::parse().action {
        Action::Compare(arguments) => exit(compare::run(&arguments)),
        Action::Scaling(arguments) => exit(compare::run_scaling(&arguments)),
        Action::Fill(arguments) => exit(compare::run_night(&arguments)),
        Action::Path(arguments) => exit(compare::run_path(&arguments)),
        Action::Http3Load(arguments) => exit(compare::load_http3(&arguments)),
        Action::Floor(arguments) => exit(compare::floor::run(&arguments)),
        Action::Edge { config } => {
            let words = ["millpond-edge", "run"].map(OsString::from);
            edge::command(words.into_iter().chain([config.into_os_string()]))
        }
    }
}

fn exit(outcome: Result<(), impl std::fmt::Display>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _gone = writeln!(io::stderr(), "benches: {error}");
            ExitCode::FAILURE
        }
    }
}
