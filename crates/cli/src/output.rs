//! What goes to the terminal. The one place of this package that prints.

use std::{
    error::Error as _,
    io::{self, IsTerminal, Write},
};

use crate::Error;

/// Prints a line to standard output. A reader that has gone away is no error of ours.
pub(crate) fn say(text: impl AsRef<str>) {
    let mut out = io::stdout().lock();
    let _gone = writeln!(out, "{}", text.as_ref()).and_then(|()| out.flush());
}

/// Prints a line over the last one, where there is a terminal; else a line of its own.
pub(crate) fn refresh(text: &str) {
    let mut out = io::stdout().lock();
    let _gone = if out.is_terminal() {
        write!(out, "\r\x1b[2K{text}").and_then(|()| out.flush())
    } else {
        writeln!(out, "{text}").and_then(|()| out.flush())
    };
}

/// Shows on standard error how far something is, in one line that the next call writes over; an
/// empty one clears it. Where there is no terminal nobody waits, and nothing is shown.
pub(crate) fn progress(text: &str) {
    let mut out = io::stderr().lock();
    if out.is_terminal() {
        let _gone = write!(out, "\r\x1b[2K{text}").and_then(|()| out.flush());
    }
}

/// Prints a remark to standard error.
pub(crate) fn remark(text: &str) {
    let _gone = writeln!(io::stderr().lock(), "millpond: {text}");
}

/// Prints an error and what caused it to standard error.
pub(crate) fn complain(error: &Error) {
    let mut text = format!("millpond: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    let _gone = writeln!(io::stderr().lock(), "{text}");
}
