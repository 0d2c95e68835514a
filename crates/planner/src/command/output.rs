//! What the command says.

use std::{
    error::Error,
    fs,
    io::{self, IsTerminal as _, Write as _},
};

/// A line of the result, on standard output. Whoever reads it may have gone; that is his choice.
pub(crate) fn say(line: impl AsRef<str>) {
    let _gone = writeln!(io::stdout(), "{}", line.as_ref());
}

/// A line about what goes on, on standard error.
pub(crate) fn tell(line: impl AsRef<str>) {
    let _gone = writeln!(io::stderr(), "{}", line.as_ref());
}

/// A line that stands for how far it is, in the place of the one before; only where people see it.
pub(crate) fn progress(line: &str) {
    let mut out = io::stderr().lock();
    if out.is_terminal() {
        let _gone = write!(out, "\r\x1b[2K{line}").and_then(|()| out.flush());
    }
}

/// An error with its reasons, each once: some errors say theirs themselves.
pub(crate) fn complain(error: &dyn Error) {
    let mut line = format!("error: {error}");
    let mut source = error.source();
    while let Some(error) = source {
        let reason = error.to_string();
        if !line.ends_with(&reason) {
            line = format!("{line}: {reason}");
        }
        source = error.source();
    }
    tell(line);
}

/// The most memory that this process has had, where Linux tells.
pub(crate) fn memory_peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib = line.trim().strip_suffix("kB")?.trim().parse::<u64>();
    kib.ok()?.checked_mul(1024)
}
