//! What goes to the terminal. The one place of this package that prints.

use std::{
    io::{self, IsTerminal, Write},
    sync::OnceLock,
};

use crate::Error;

/// Why something was not printed, if that was so.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Whether all went out that was said. A reader that has gone away is no error of ours.
pub(crate) fn complete() -> Result<(), Error> {
    LOST.get().map_or(Ok(()), |lost| Err(Error::Output(lost)))
}

/// Keeps the first error of printing. Whoever prints goes on: what is done for it is not undone.
fn printed(result: io::Result<()>) {
    if let Err(error) = result
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _first = LOST.get_or_init(|| error);
    }
}

/// Prints a line to standard output.
pub(crate) fn say(text: impl AsRef<str>) {
    let mut out = io::stdout().lock();
    printed(writeln!(out, "{}", text.as_ref()).and_then(|()| out.flush()));
}

/// Prints all of a file to standard output.
pub(crate) fn pour(file: &mut impl io::Read) {
    let mut out = io::stdout().lock();
    printed(io::copy(file, &mut out).and_then(|_bytes| out.flush()));
}

/// Prints a line over the last one, where there is a terminal; else a line of its own.
pub(crate) fn refresh(text: &str) {
    let mut out = io::stdout().lock();
    printed(if out.is_terminal() {
        write!(out, "\r\x1b[2K{text}").and_then(|()| out.flush())
    } else {
        writeln!(out, "{text}").and_then(|()| out.flush())
    });
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
    let _gone = writeln!(io::stderr().lock(), "millpond: {}", chain(error));
}

/// Lines on a terminal that the next ones take the place of; elsewhere they are printed when they
/// have changed.
#[derive(Debug, Default)]
pub(crate) struct Board {
    lines: Vec<String>,
}

impl Board {
    pub(crate) fn show(&mut self, lines: Vec<String>) {
        let mut out = io::stdout().lock();
        let text = if out.is_terminal() {
            // Without wrapping: a line that is too long is cut, and stays one line to go back over.
            let back = match self.lines.len() {
                0 => String::new(),
                lines => format!("\x1b[{lines}A"),
            };
            let lines: Vec<String> = lines
                .iter()
                .map(|line| format!("\x1b[2K{line}\n"))
                .collect();
            format!("{back}\x1b[?7l{}\x1b[?7h", lines.concat())
        } else {
            let known = self.lines.iter().map(Some).chain(std::iter::repeat(None));
            let changed = lines
                .iter()
                .zip(known)
                .filter(|(line, known)| Some(*line) != *known);
            let changed: Vec<String> = changed.map(|(line, _)| format!("{line}\n")).collect();
            changed.concat()
        };
        printed(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
        self.lines = lines;
    }
}

/// How much of all is there; full only when it all is.
pub(crate) fn bar(part: u64, all: u64) -> String {
    const WIDTH: usize = 20;
    let full = match all {
        0 => WIDTH,
        all => {
            let full = u128::from(part.min(all)) * WIDTH as u128 / u128::from(all);
            usize::try_from(full).unwrap_or(WIDTH)
        }
    };
    format!("[{:<WIDTH$}]", "#".repeat(full))
}

/// What somebody else has written, without what a terminal would obey.
pub(crate) fn plain(text: &str) -> String {
    let plain = |sign: char| if sign.is_control() { '\u{fffd}' } else { sign };
    text.chars().map(plain).collect()
}

/// An error and what caused it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_full_when_all_is_there_and_not_before() {
        assert_eq!(bar(0, 0), format!("[{}]", "#".repeat(20)));
        assert_eq!(
            bar(u64::MAX - 1, u64::MAX),
            format!("[{} ]", "#".repeat(19))
        );
        assert_eq!(bar(1, 1), bar(9, 1));
        assert_eq!(bar(1, 2), format!("[{}{}]", "#".repeat(10), " ".repeat(10)));
    }

    #[test]
    fn what_others_wrote_cannot_steer_a_terminal() {
        assert_eq!(
            plain("a\x1b[2Jb\r\n\u{9b}c"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}\u{fffd}c"
        );
    }
}
