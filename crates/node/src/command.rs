//! The command line of a node's binary: `run` and `check`.

use std::{
    ffi::OsString,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use daemon::{
    config::Report,
    process::{self, BoxError, Daemon, Sockets},
};

use preposition::{Bounds, Label, Rehearsal};

use crate::Sections;

/// A plan of a million objects takes some five seconds, and some thirty where nothing is optimised.
const REHEARSAL_CPU_S: u64 = 60;

/// A node of Millpond.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Serve until SIGTERM, then drain.
    Run {
        /// The config file.
        #[arg(value_name = "FILE")]
        config: PathBuf,
    },
    /// Say everything that is wrong with a config file; exit 78 if anything is.
    Check {
        /// The config file.
        #[arg(value_name = "FILE")]
        config: PathBuf,
    },
    /// Try the manifest that lies on the stage of a fill plane's folder; exit 0 if it does no harm.
    /// The node itself calls this.
    #[command(hide = true)]
    Rehearse {
        /// The fill plane's folder.
        folder: PathBuf,
        /// For whom its manifests are.
        #[arg(value_parser = Label::parse)]
        audience: Label,
        /// What it may take of memory.
        memory_bytes: u64,
        /// What it may take of the CPU.
        cpu_s: u64,
    },
}

/// What starts this very program, as it runs, to rehearse a manifest; nothing if it was not started
/// by [`command`]'s words.
pub fn rehearsal() -> Option<Rehearsal> {
    let mut arguments: Vec<_> = std::env::args_os().skip(1).collect();
    // Whatever came before the subcommand belongs to a program of several.
    let run = arguments.iter().position(|argument| argument == "run")?;
    arguments.truncate(run);
    arguments.push("rehearse".into());
    Some(Rehearsal {
        // Also when the file was replaced by a newer one since.
        program: "/proc/self/exe".into(),
        arguments,
        cpu_s: REHEARSAL_CPU_S,
    })
}

/// A config of one kind of node.
pub trait NodeConfig: Sized + Send + 'static {
    /// The node that is built from it.
    type Node: process::Node;

    /// Reads a config file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    fn load(file: &Path) -> Result<Self, Report>;

    /// What it has in common with other kinds.
    fn sections(&self) -> &Sections;

    /// What is allowed, and hardly meant, or cannot work on this machine. Blocks while it looks.
    fn warnings(&self) -> Vec<String> {
        self.sections().warnings()
    }

    /// Every key with its value, secrets masked.
    fn effective(&self) -> serde_json::Value;

    /// Builds the node.
    fn build(self, daemon: Daemon) -> impl Future<Output = Result<Self::Node, BoxError>> + Send;
}

/// Does what the command line says. Blocks; call it from `main`, once, before any thread runs.
pub fn command<C: NodeConfig>(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let command = match Command::try_parse_from(arguments) {
        Ok(command) => command,
        Err(error) => {
            let _gone = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
        }
    };
    match command.action {
        Action::Check { config } => match C::load(&config) {
            Ok(checked) => {
                let (file, told) = (config.display(), crate::checked(&checked));
                let _gone = writeln!(io::stdout(), "{file}: right in every part\n\n{told}");
                ExitCode::SUCCESS
            }
            Err(report) => report.refuse(),
        },
        Action::Run { config } => run::<C>(&config),
        Action::Rehearse {
            folder,
            audience,
            memory_bytes,
            cpu_s,
        } => {
            let bounds = Bounds {
                memory_bytes,
                cpu_s,
            };
            rehearse(&folder, &audience, bounds)
        }
    }
}

fn run<C: NodeConfig>(file: &Path) -> ExitCode {
    let sockets = match Sockets::inherit() {
        Ok(sockets) => sockets,
        Err(error) => {
            let _gone = writeln!(io::stderr(), "{error}");
            return ExitCode::FAILURE;
        }
    };
    match C::load(file) {
        Ok(config) => {
            let common = config.sections().common.clone();
            let effective = config.effective();
            process::start(&common, effective, sockets, |daemon| config.build(daemon))
        }
        Err(report) => report.refuse(),
    }
}

/// A panic ends it with another code than 0, as an error does.
fn rehearse(folder: &Path, audience: &Label, bounds: Bounds) -> ExitCode {
    // Should memory run out, this is what goes first.
    let _unset = std::fs::write("/proc/self/oom_score_adj", "1000");
    match preposition::rehearse(folder, audience, bounds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _gone = writeln!(io::stderr(), "{error}");
            ExitCode::FAILURE
        }
    }
}
