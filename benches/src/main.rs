//! `benches compare`: the edge beside Debian's nginx, on the same core, the same bodies, the same
//! cipher.

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
    /// Measure CPU per byte of warm hits over TLS, against nginx where there is one.
    Compare(compare::Arguments),
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
}

fn main() -> ExitCode {
    match Command::parse().action {
        Action::Compare(arguments) => match compare::run(&arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _gone = writeln!(io::stderr(), "benches: {error}");
                ExitCode::FAILURE
            }
        },
        Action::Http3Load(arguments) => match compare::load_http3(&arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _gone = writeln!(io::stderr(), "benches: {error}");
                ExitCode::FAILURE
            }
        },
        Action::Edge { config } => {
            let words = ["millpond-edge", "run"].map(OsString::from);
            edge::command(words.into_iter().chain([config.into_os_string()]))
        }
    }
}
