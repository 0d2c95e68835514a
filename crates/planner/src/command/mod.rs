//! The command line.

mod arguments;
mod manifests;
mod output;
mod plan;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use forecast::show::bytes as readable;
use output::{complain, memory_peak, tell};
use plan::Failed;

const EXAMPLES: &str = "\
Examples:
  millpond-plan plan --fleet fleet.toml --catalog catalog.ndjson --reports /mnt/popularity \\
      --key planner.key.json --work /var/tmp/plan --output manifests
      a signed manifest for each box, for today's evening
  millpond-plan plan --replay n --scale 0.1 --plot n.svg
      what such plans would have brought to boxes of several sizes, before anything ships
  millpond-plan prepare --fleet fleet.toml --catalog catalog.parquet --reports /mnt/popularity --work /mnt/plan
  spark-submit --master spark://host:7077 crates/planner/spark/plan.py --work /mnt/plan
  millpond-plan write --work /mnt/plan --rows /mnt/plan/spark/plan --key planner.key.json --output manifests
      the same with the SQL on a distributed engine

Exit codes: 0 done, 1 failed (why is on standard error), 2 bad arguments.";

/// Threads that read files. Each has a stack and an arena of the allocator, and reads only what there is
/// memory for; tokio would have up to 512.
const BLOCKING_THREADS_MAX: usize = 16;

/// From what a fleet's viewers watched to what each box should hold tomorrow.
#[derive(Debug, Parser)]
#[command(name = "millpond-plan", version, about, after_help = EXAMPLES)]
struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Prepare, solve and write: signed manifests from reports; or tell what plans would bring.
    Plan(Box<plan::Plan>),
    /// Write the tables that the SQL reads, besides the reports.
    Prepare(plan::Prepare),
    /// Run the SQL over what was prepared.
    Solve(plan::Solve),
    /// Write signed manifests from the rows of a plan, and say what they come to.
    Write(plan::Write),
    /// Make up a fleet with a catalogue and reports, to measure a plan.
    Sample(plan::Make),
    /// Print the digest of the rows of a plan, by which the plans of two engines are compared.
    Digest(plan::Digest),
}

/// Runs the command and tells what it ends with.
pub(crate) fn run() -> ExitCode {
    let action = Command::parse().action;
    let begun = message::now().mono;
    let done = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()
        .map_err(Failed::Runtime)
        .and_then(|runtime| runtime.block_on(perform(&action)));
    match done {
        Ok(()) => {
            let seconds = begun.elapsed().as_secs();
            let memory = memory_peak().map_or_else(String::new, |bytes| {
                format!(", {} of memory at most", readable(bytes))
            });
            tell(format!("{seconds} s{memory}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

async fn perform(action: &Action) -> Result<(), Failed> {
    match action {
        Action::Plan(arguments) => arguments.run().await,
        Action::Prepare(arguments) => arguments.run().await,
        Action::Solve(arguments) => arguments.run().await,
        Action::Write(arguments) => arguments.run().await,
        Action::Sample(arguments) => arguments.run(),
        Action::Digest(arguments) => arguments.run().await,
    }
}
