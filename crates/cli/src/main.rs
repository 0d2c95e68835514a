//! The `millpond` command: what an operator or a packager does by hand.

mod check;
mod demo;
mod error;
mod keys;
mod manifest;
mod nodes;
mod output;
mod replay;
mod sign;
mod simulate;
mod trace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub(crate) use error::Error;

const EXAMPLES: &str = "\
Examples:
  millpond demo
      everything on this machine: an origin with a clip, a shield, an edge, and a page that plays it
  millpond keys new --kid 2027-01 --signing-key vod.signing.json --key-set vod.keys.json
      vod.keys.json goes to the edges (`keys` of the site), vod.signing.json stays with who signs
  millpond sign https://cdn.example/films/1/master.m3u8 --site vod --key vod.signing.json
      a URL whose token is good for all of /films/1 and inherited by relative URLs
  millpond manifest new --audience edge-1 --directory www --site vod --output tonight.manifest
      what edge-1 should hold, to be signed with `millpond manifest sign`
  millpond manifest push tonight.manifest --nodes nodes.toml
      edge-1 follows it from now on; `millpond fill status --nodes nodes.toml` tells how far it is
  millpond purge --site vod --prefix /films/1/ --nodes nodes.toml
      all nodes forget that film, shields before edges
  millpond check /etc/millpond/edge.toml
      every problem at once, each with its line; exit code 78 if there is any
  millpond trace --preset n --scale 0.1 --output n.trace
      a tenth of a made-up workload: two weeks of a large film catalogue
  millpond simulate n.trace --slices whole --segment 2GiB --warmup 7 --sweep --plot n.svg
      hits, upstream and disk writes of boxes of eight sizes
  millpond replay --preset n --plot n.svg
      what nightly plans bring to boxes of four sizes, beside none and perfect ones

Exit codes: 0 done, 1 failed (why is on standard error), 2 bad arguments, 78 a config with problems.";

/// Millpond: an edge cache and origin shield for video and music segments.
#[derive(Debug, Parser)]
#[command(name = "millpond", version, about, after_help = EXAMPLES)]
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
    /// Write, sign and look at manifests of what appliances should hold.
    #[command(subcommand)]
    Manifest(manifest::Action),
    /// Tell how far running nodes have come with filling what their manifests want, and what they hold.
    #[command(subcommand)]
    Fill(nodes::fill::Action),
    /// Tell what running nodes are asked for most.
    #[command(subcommand)]
    Popularity(nodes::popularity::Action),
    /// Have running nodes forget what they hold, or confirm it before they serve it again.
    Purge(nodes::purge::Arguments),
    /// Check a config file of an edge or a shield: every error at once, each with its line.
    Check(check::Arguments),
    /// Write a synthetic trace of requests.
    Trace(trace::Arguments),
    /// Size a box: what a node would do with a trace, beside LRU and the offline optimum.
    Simulate(simulate::Arguments),
    /// Foresee what plans bring: nights of filling, and the evenings after them, beside without.
    Replay(forecast::command::Replay),
}

fn main() -> ExitCode {
    let outcome = match Command::parse().action {
        Action::Demo(arguments) => demo::run(&arguments),
        Action::Keys(action) => keys::run(&action),
        Action::Sign(arguments) => sign::run(&arguments),
        Action::Manifest(action) => manifest::run(&action),
        Action::Fill(action) => nodes::fill::run(&action),
        Action::Popularity(action) => nodes::popularity::run(&action),
        Action::Purge(arguments) => nodes::purge::run(&arguments),
        Action::Check(arguments) => check::run(&arguments),
        Action::Trace(arguments) => trace::run(&arguments),
        Action::Simulate(arguments) => simulate::run(&arguments),
        Action::Replay(arguments) => replay::run(&arguments),
    };
    match outcome.and_then(|()| output::complete()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            error.exit_code()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_of_all_commands_agree_with_themselves() {
        super::Command::command().debug_assert();
    }
}
