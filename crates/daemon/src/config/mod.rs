//! Config files: read whole, judged whole, refused whole.
//!
//! ```
//! use std::{net::SocketAddr, path::Path, time::Duration};
//!
//! let text = "[listen]\nadress = \"0.0.0.0:443\"\nidle = 5\n";
//! let refused = daemon::config::parse(text, Path::new("edge.toml"), |top| {
//!     top.section("listen", |listen| {
//!         let address = listen.address("address").required();
//!         let range = Duration::from_secs(1)..=Duration::from_secs(60);
//!         let idle = listen.duration("idle", range).or(Duration::from_secs(30));
//!         Some((address?, idle))
//!     })
//! });
//! assert_eq!(refused.unwrap_err().to_string(), "\
//! edge.toml:1:2: key \"address\" is missing in [listen]
//! edge.toml:2:1: unknown key \"adress\" in [listen]: did you mean \"address\"?
//! edge.toml:3:8: idle in [listen] is 5: expected a time with its unit, such as \"5s\", from 1s to 1m");
//! ```

mod common;
mod found;
mod report;
mod secret;
mod section;
mod source;
mod suggest;
#[cfg(test)]
mod tests;
mod tree;
mod units;
mod values;

use std::{path::Path, sync::Arc};

use serde_json::Value as Json;

pub use common::{AccessTarget, Admin, Common, Format, Level, Log};
pub use found::Found;
pub use report::{Position, Problem, Report};
pub use secret::Secret;
pub use section::Section;
pub use source::read as read_file;
pub use units::{parse_bytes, show_bytes};

/// The exit code of a process whose config is wrong: `EX_CONFIG` of `sysexits.h`.
pub const EX_CONFIG: u8 = 78;

/// Bytes in a config file: thousands of sites fit.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Syntax errors taken over from the parser; a file of rubbish has hundreds of thousands.
const SYNTAX_ERRORS_MAX: usize = 1_000;

/// A config that was found right in every part.
#[derive(Debug, Clone)]
pub struct Loaded<T> {
    /// What was read.
    pub value: T,
    /// Every key that was asked for, with its value as given or by default; secrets are masked.
    pub effective: Json,
}

/// Reads a file of up to 1 MiB. Blocks on the disk.
///
/// `read` takes what it wants from the top of the file; it returns `None` only after it has been
/// told of something missing.
pub fn load<T>(
    file: &Path,
    read: impl FnOnce(&mut Section) -> Option<T>,
) -> Result<Loaded<T>, Report> {
    let bytes = source::read(file, FILE_BYTES_MAX)
        .map_err(|what| Report::of_file(file, what, Some("expected a config file in TOML")))?;
    let text = String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'));
    let text = text.ok_or_else(|| {
        Report::of_file(
            file,
            "is not text".to_owned(),
            Some("expected UTF-8 without NUL"),
        )
    })?;
    parse(&text, file, read)
}

/// Like [`load`], of a text that is at hand. `file` names it in messages, and relative paths
/// start from its folder.
pub fn parse<T>(
    text: &str,
    file: &Path,
    read: impl FnOnce(&mut Section) -> Option<T>,
) -> Result<Loaded<T>, Report> {
    let (entries, mut syntax) = tree::parse(text);
    syntax.truncate(SYNTAX_ERRORS_MAX);
    let folder: Arc<Path> = file.parent().unwrap_or_else(|| Path::new("")).into();
    let mut top = Section::top(entries, folder, syntax.is_empty());
    let value = read(&mut top);
    let (effective, faults) = top.close_top();

    let lines = Lines::of(text);
    let syntax = syntax.into_iter().map(|fault| Problem {
        at: Some(lines.position(fault.at)),
        message: fault.message,
        hint: None,
    });
    let faults = faults.into_iter().map(|fault| Problem {
        at: Some(lines.position(fault.at)),
        message: fault.message,
        hint: fault.hint,
    });
    let problems: Vec<Problem> = syntax.chain(faults).collect();
    match value {
        Some(value) if problems.is_empty() => Ok(Loaded {
            value,
            effective: effective.into(),
        }),
        None if problems.is_empty() => Err(Report::of_file(
            file,
            "was refused without a reason".to_owned(),
            None,
        )),
        Some(_) | None => Err(Report::new(file, problems)),
    }
}

/// Where lines start, to turn offsets into positions.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0)
            .chain(breaks.map(|(at, _)| at + 1))
            .collect();
        Self { text, starts }
    }

    fn position(&self, at: usize) -> Position {
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        let start = self.starts[line - 1];
        let column = self
            .text
            .get(start..at)
            .map_or(0, |before| before.chars().count())
            + 1;
        Position { line, column }
    }
}
