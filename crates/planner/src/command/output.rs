//! What the command says.

use std::{
    error::Error,
    fs,
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

/// The most memory that this process has had, where Linux tells.
pub(crate) fn memory_peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib = line.trim().strip_suffix("kB")?.trim().parse::<u64>();
    kib.ok()?.checked_mul(1024)
}

/// Bytes with a unit that leaves at most four digits.
pub(crate) fn readable(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let (mut unit, mut scale) = (0, 1_u64);
    while unit + 1 < UNITS.len() && bytes / scale >= 1_000 {
        unit += 1;
        scale *= 1_000;
    }
    // Integer arithmetic, for nothing above 2^64 / 10 comes here.
    let tenths = u128::from(bytes) * 10 / u128::from(scale);
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn bytes_are_told_with_a_unit() {
        let told = [0, 999, 1_000, 1_550_000, 40_000_000_000_000].map(readable);
        assert_eq!(told, ["0 B", "999 B", "1.0 kB", "1.5 MB", "40.0 TB"]);
    }
}
