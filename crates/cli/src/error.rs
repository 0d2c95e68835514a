//! Why a command failed.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use daemon::config::{EX_CONFIG, Report};

/// What clap ends with.
const EX_USAGE: u8 = 2;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A file could not be read or written.
    #[error("{}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is there already and would be lost.
    #[error("{} is there already; move it away or name another", .0.display())]
    Exists(PathBuf),
    /// A key, scope or URL that cannot be.
    #[error(transparent)]
    Signing(#[from] signing::Error),
    /// An argument that cannot be.
    #[error("{0}")]
    Argument(String),
    /// Arguments that make no command.
    #[error("{0}")]
    Usage(String),
    /// What was to be told could not be written: whoever reads it has a part.
    #[error("standard output")]
    Output(#[source] &'static io::Error),
    /// The demo saw what it must not see, or not what it must.
    #[error("{0}")]
    Demo(String),
    /// A config with problems.
    #[error("{}\n{report}", counted(.report.problems().len()))]
    Config {
        /// All of them.
        report: Report,
    },
    /// The machine refused a task or a signal handler.
    #[error("the runtime")]
    Runtime(#[source] io::Error),
    /// A certificate could not be made.
    #[error("making a certificate")]
    Certificate(#[from] rcgen::Error),
    /// A trace that cannot be read or written.
    #[error("{}", path.display())]
    Trace {
        /// Which.
        path: PathBuf,
        /// Why, with the number of the line or record.
        source: traces::Error,
    },
    /// Nothing could be replayed.
    #[error(transparent)]
    Replay(#[from] forecast::command::Failed),
    /// A manifest, its keys or what it is made from.
    #[error("{}", path.display())]
    Manifest {
        /// Which file.
        path: PathBuf,
        /// Why, with the number of the line.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A node cannot be called.
    #[error("{node}")]
    Client {
        /// Which.
        node: String,
        /// Why.
        source: Box<steering::client::ClientError>,
    },
    /// Not all nodes have done what they were asked.
    #[error(
        "of {asked} nodes {silent} did not answer and {refused} refused{}; what the others answered is done",
        unkept_too(*.unkept)
    )]
    Nodes {
        /// Nodes that were asked.
        asked: usize,
        /// Nobody knows what these have done.
        silent: usize,
        /// These have done nothing.
        refused: usize,
        /// What these answered could not be used.
        unkept: usize,
    },
    /// A node did not start.
    #[error("a node did not start")]
    Node(#[from] node::Error),
}

impl Error {
    /// An error about `path`.
    pub(crate) fn file(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::File {
            path: path.into(),
            source,
        }
    }

    /// An error about the manifest, the keys or the catalogue at `path`.
    pub(crate) fn manifest(
        path: impl AsRef<Path>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Manifest {
            path: path.as_ref().to_owned(),
            source: source.into(),
        }
    }

    /// What turns an error of the trace at `path` into ours.
    pub(crate) fn of_trace(path: &Path) -> impl Fn(traces::Error) -> Self {
        move |source| Self::Trace {
            path: path.to_owned(),
            source,
        }
    }

    /// What the process ends with: 78 for a config, as `sysexits.h` has it, 2 for bad arguments, as the
    /// parser of arguments has it, else 1.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Config { .. } => ExitCode::from(EX_CONFIG),
            Self::Usage(_) => ExitCode::from(EX_USAGE),
            Self::File { .. }
            | Self::Exists(_)
            | Self::Signing(_)
            | Self::Argument(_)
            | Self::Output(_)
            | Self::Demo(_)
            | Self::Runtime(_)
            | Self::Certificate(_)
            | Self::Trace { .. }
            | Self::Replay(_)
            | Self::Manifest { .. }
            | Self::Client { .. }
            | Self::Nodes { .. }
            | Self::Node(_) => ExitCode::FAILURE,
        }
    }
}

fn unkept_too(unkept: usize) -> String {
    match unkept {
        0 => String::new(),
        some => format!(", and what {some} answered could not be kept"),
    }
}

fn counted(problems: usize) -> String {
    match problems {
        1 => "1 problem".to_owned(),
        many => format!("{many} problems"),
    }
}
