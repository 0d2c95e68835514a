//! What is wrong with a config file: everything at once, each with its place and a hint.

use std::{
    fmt,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Problems shown at once; the rest are counted.
const PROBLEMS_MAX: usize = 100;

/// A place in a file, counted from 1, in lines and characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in that line.
    pub column: usize,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where; `None` when the file as a whole is meant.
    pub at: Option<Position>,
    /// What is wrong, with the offending value (never of a secret).
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Why a config file was refused. A node that gets one at start exits with
/// [`EX_CONFIG`](super::EX_CONFIG); a running node keeps what it has.
///
/// Displays one problem a line: `edge.toml:12:5: unknown key "adress" in [listen]: did you mean
/// "address"?`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    file: PathBuf,
    problems: Vec<Problem>,
}

impl Report {
    /// The problems of one file, put in the order of their places.
    pub(super) fn new(file: &Path, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.at);
        Self {
            file: file.to_owned(),
            problems,
        }
    }

    /// One problem with the whole file.
    pub(super) fn of_file(file: &Path, message: String, hint: Option<&str>) -> Self {
        let hint = hint.map(str::to_owned);
        Self::new(
            file,
            vec![Problem {
                at: None,
                message,
                hint,
            }],
        )
    }

    /// Writes itself to stderr; the exit code is [`EX_CONFIG`](super::EX_CONFIG).
    pub fn refuse(&self) -> ExitCode {
        // A closed stderr changes nothing about the exit code.
        let _ = writeln!(std::io::stderr(), "{self}");
        ExitCode::from(super::EX_CONFIG)
    }

    /// The problems, in the order of their places.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        for (index, problem) in self.problems.iter().take(PROBLEMS_MAX).enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            match problem.at {
                Some(Position { line, column }) => write!(f, "{file}:{line}:{column}: ")?,
                None => write!(f, "{file}: ")?,
            }
            f.write_str(&problem.message)?;
            if let Some(hint) = &problem.hint {
                write!(f, ": {hint}")?;
            }
        }
        match self.problems.len().checked_sub(PROBLEMS_MAX) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, "\n{file}: and {more} more"),
        }
    }
}

impl std::error::Error for Report {}
