//! `millpond fill`: how far nodes have come, and what they hold.

use std::time::Duration;

use clap::Subcommand;
use steering::{
    client::ClientError,
    report::{FillFailure, Phase, Progress, amount},
};

use super::{Answers, Failed, Fleet, Node, ask, inventory};
use crate::{
    Error, nodes,
    output::{Board, bar, plain, say},
};

/// How often a node is asked while somebody watches.
const INTERVAL: Duration = Duration::from_secs(2);

/// How often in a row a node may fail to answer before nobody watches it any more.
const SILENT_MAX: u32 = 3;

/// How many failures are shown.
const FAILURES_SHOWN: usize = 10;

const EXAMPLES: &str = "\
Examples:
  millpond fill status --nodes nodes.toml
  millpond fill status --follow --node edge-1 --nodes nodes.toml
      a bar that moves until edge-1 holds all that its manifest wants
  millpond fill status --json --nodes nodes.toml | jq '.[].answer.bytes_held'
`millpond manifest status --help` shows a file for --nodes.";

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// How much of its manifest a node holds, how fast the rest comes, and what failed
    Status(Arguments),
    /// Write what nodes hold of their manifests into files, from which the planner plans
    Inventory(inventory::Arguments),
}

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Ask again every two seconds until each node holds all that it can, or does not answer; with
    /// `--json`, an array a line
    #[arg(short, long)]
    follow: bool,
    #[command(flatten)]
    nodes: nodes::Arguments,
}

pub(crate) fn run(action: &Action) -> Result<(), Error> {
    match action {
        Action::Status(arguments) => status(arguments),
        Action::Inventory(arguments) => inventory::run(arguments),
    }
}

fn status(arguments: &Arguments) -> Result<(), Error> {
    let fleet = arguments.nodes.edges()?;
    if !arguments.follow {
        let now_s = message::now().unix_s();
        let progress = fleet.ask(async |node| node.client.progress().await);
        return progress.tell(|node, progress| {
            say(line(node, progress, now_s));
            tell_failures(node, &progress.failures);
        });
    }
    let answers = fleet.runtime.block_on(follow(&fleet));
    if !fleet.json {
        for answer in &answers.answers {
            if let Ok(progress) = &answer.outcome {
                tell_failures(&answer.node.name, &progress.failures);
            }
        }
    }
    answers.settle()
}

/// Asks until nobody has anything to wait for.
async fn follow(fleet: &Fleet) -> Answers<'_, Progress> {
    let nodes: Vec<&Node> = fleet.nodes.iter().collect();
    let mut turns = tokio::time::interval(INTERVAL);
    let mut silent = vec![0; nodes.len()];
    let mut board = Board::default();
    loop {
        turns.tick().await;
        let answers = ask(&nodes, async |node| node.client.progress().await).await;
        let answers = Answers::new(answers, fleet.json);
        if fleet.json {
            say(answers.json());
        } else {
            board.show(lines(&answers));
        }
        let mut is_over = true;
        for (answer, silent) in answers.answers.iter().zip(&mut silent) {
            is_over &= may_leave(&answer.outcome, silent);
        }
        if is_over {
            return answers;
        }
    }
}

fn lines(answers: &Answers<'_, Progress>) -> Vec<String> {
    let now_s = message::now().unix_s();
    let lines = answers.answers.iter().map(|answer| match &answer.outcome {
        Ok(progress) => line(&answer.node.name, progress, now_s),
        Err(error) => format!("{}: {}", answer.node.name, plain(&error.to_string())),
    });
    lines.collect()
}

/// Whether there is nothing more to wait for of a node. One that does not answer is asked a few times
/// more: it may be about to start again.
fn may_leave(outcome: &Result<Progress, Failed>, silent: &mut u32) -> bool {
    match outcome {
        Ok(progress) => {
            *silent = 0;
            match progress.phase {
                Phase::Idle | Phase::Complete => true,
                Phase::Waiting | Phase::Filling | Phase::Yielding => false,
            }
        }
        Err(Failed::Call(ClientError::Broken { .. })) => {
            *silent += 1;
            *silent >= SILENT_MAX
        }
        Err(
            Failed::Call(
                ClientError::Url { .. }
                | ClientError::Tls(_)
                | ClientError::Refused(_)
                | ClientError::Odd(_),
            )
            | Failed::Restless
            | Failed::Unwritten { .. },
        ) => true,
    }
}

fn tell_failures(node: &str, failures: &[FillFailure]) {
    for failure in failures.iter().take(FAILURES_SHOWN) {
        let name = plain(&format!("{}:{}", failure.site, failure.path));
        let reason = plain(&failure.reason);
        say(format!(
            "{node}: {name} failed {} times: {reason}",
            failure.attempts
        ));
    }
}

/// One line: how much is held, how fast the rest comes, for how long.
fn line(node: &str, progress: &Progress, now_s: u64) -> String {
    let Some(generation) = progress.generation else {
        return format!("{node}: no manifest");
    };
    let (held, all) = (progress.bytes_held.min(progress.bytes), progress.bytes);
    let failed = match progress.objects_failed {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    format!(
        "{node}: generation {generation} {} {}, {} of {}, {} of {} objects, {}{failed}",
        bar(held, all),
        progress.percent(),
        amount(held),
        amount(all),
        progress.objects_held,
        progress.objects,
        progress.doing(now_s),
    )
}

#[cfg(test)]
mod tests {
    use steering::report::{WaitsFor, Window};

    use super::*;

    fn filling() -> Progress {
        Progress {
            generation: Some(7),
            phase: Phase::Filling,
            objects: 10,
            objects_held: 4,
            objects_failed: 1,
            bytes: 1 << 30,
            bytes_held: 1 << 29,
            bytes_per_s: 1 << 20,
            eta_s: Some(512),
            ..Progress::default()
        }
    }

    #[test]
    fn the_bar_tells_how_much_how_fast_and_how_long() {
        assert_eq!(
            line("e", &filling(), 0),
            "e: generation 7 [##########          ] 50.0 %, 512.0 MiB of 1.0 GiB, \
             4 of 10 objects, filling, 1.0 MiB/s, 8 min left, 1 failed"
        );
        assert_eq!(line("e", &Progress::default(), 0), "e: no manifest");
    }

    #[test]
    fn a_closed_window_is_told_with_its_opening() {
        let waiting = Progress {
            phase: Phase::Waiting,
            waits_for: Some(WaitsFor::Window),
            window: Some(Window {
                opens_unix_s: 10_000,
                closes_unix_s: 20_000,
            }),
            ..filling()
        };
        let told = line("e", &waiting, 1_000);
        assert!(
            told.contains("waits for its window, which opens in 2 h 30 min"),
            "{told}"
        );
    }

    #[test]
    fn what_it_waits_for_is_told_and_no_time_that_nobody_knows() {
        let waiting = |waits_for| Progress {
            phase: Phase::Waiting,
            waits_for,
            eta_s: None,
            ..filling()
        };
        let sources = line("e", &waiting(Some(WaitsFor::Sources)), 0);
        assert!(
            sources.contains(", waits for its sources, 1 failed"),
            "{sources}"
        );
        let never = line("e", &waiting(Some(WaitsFor::Window)), 0);
        assert!(never.contains("none is configured"), "{never}");
    }

    #[test]
    fn an_empty_plan_is_done_and_nothing_short_of_all_is() {
        let empty = Progress {
            generation: Some(1),
            phase: Phase::Complete,
            ..Progress::default()
        };
        assert!(line("e", &empty, 0).contains("#] 100.0 %"));
        let nearly = Progress {
            bytes: 1 << 40,
            bytes_held: (1 << 40) - 1,
            ..filling()
        };
        let told = line("e", &nearly, 0);
        assert!(told.contains(" ] 99.9 %"), "{told}");
    }

    #[test]
    fn who_is_done_or_refuses_is_left_at_once_and_who_is_silent_after_three_times() {
        let mut silent = 0;
        let broken = || {
            let (to, what) = (String::new(), String::new());
            Err(Failed::Call(ClientError::Broken { to, what }))
        };
        assert!(!may_leave(&broken(), &mut silent));
        assert!(!may_leave(&broken(), &mut silent));
        assert!(!may_leave(&Ok(filling()), &mut silent));
        let left: Vec<bool> = (0..3).map(|_| may_leave(&broken(), &mut silent)).collect();
        assert_eq!(left, [false, false, true]);
        assert!(may_leave(&Ok(Progress::default()), &mut silent));
        assert!(may_leave(
            &Err(Failed::Call(ClientError::Odd(String::new()))),
            &mut silent
        ));
    }
}
