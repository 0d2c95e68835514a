//! The `millpond` command: what an operator or a packager does by hand.

mod check;
mod demo;
mod error;
mod keys;
mod output;
mod sign;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub(crate) use error::Error;

/// Millpond: an edge cache and origin shield for video and music segments.
#[derive(Debug, Parser)]
#[command(name = "millpond", version, about)]
struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Play signed segments through an edge, a shield and an origin, on this machine.
    Demo(demo::Arguments),
    /// Make keys that sign URLs.
    #[command(subcommand)]
    Keys(keys::Action),
    /// Sign a URL.
    Sign(sign::Arguments),
    /// Check a config file of an edge or a shield: every error at once, each with its line.
    Check(check::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Command::parse().action {
        Action::Demo(arguments) => demo::run(&arguments),
        Action::Keys(action) => keys::run(&action),
        Action::Sign(arguments) => sign::run(&arguments),
        Action::Check(arguments) => check::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            error.exit_code()
        }
    }
}
