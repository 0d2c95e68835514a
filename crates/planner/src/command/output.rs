//! What the command says.

use std::{
    error::Error,
    io::{self, Write as _},
};

/// A line of the result, on standard output. Whoever reads it may have gone; that is his choice.
pub(crate) fn say(line: impl AsRef<str>) {
    let _gone = writeln!(io::stdout(), "{}", line.as_ref());
}

/// A line about what goes on, on standard error.
pub(crate) fn tell(line: impl AsRef<str>) {
    let _gone = writeln!(io::stderr(), "{}", line.as_ref());
}

/// An error with its reasons.
pub(crate) fn complain(error: &dyn Error) {
    let mut line = format!("error: {error}");
    let mut source = error.source();
    while let Some(reason) = source {
        line = format!("{line}: {reason}");
        source = reason.source();
    }
    tell(line);
}
