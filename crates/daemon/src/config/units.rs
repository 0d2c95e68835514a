//! Sizes and times with their units: `512MiB`, `10GB`, `250ms`, `2h`.

use std::time::Duration;

const BYTES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

const MILLISECONDS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads `512MiB`; `kB` is taken as `KB`.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.replace("kB", "KB");
    parse(&text, &BYTES)
}

/// Reads `250ms`.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    parse(text, &MILLISECONDS).map(Duration::from_millis)
}

/// Writes bytes in the largest unit that keeps the number whole, binary ones first.
pub fn show_bytes(bytes: u64) -> String {
    let unit = BYTES
        .iter()
        .find(|(_, size)| bytes >= *size && bytes.is_multiple_of(*size));
    let (name, size) = unit.copied().unwrap_or(("B", 1));
    format!("{}{name}", bytes / size)
}

/// Writes a time in the largest unit that keeps the number whole.
pub(super) fn show_duration(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if ms == 0 {
        return "0s".to_owned();
    }
    let unit = MILLISECONDS
        .iter()
        .find(|(_, size)| ms.is_multiple_of(*size));
    let (name, size) = unit.copied().unwrap_or(("ms", 1));
    format!("{}{name}", ms / size)
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.replace('_', "").parse().ok()?;
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let (_, size) = units.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*size)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_and_times_are_read_with_their_units() {
        assert_eq!(parse_bytes("512MiB"), Some(512 << 20));
        assert_eq!(parse_bytes("10GB"), Some(10_000_000_000));
        assert_eq!(parse_bytes("10 kB"), Some(10_000));
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("7d"), Some(Duration::from_hours(7 * 24)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "5",
            "MiB",
            "-1MiB",
            "1.5GiB",
            "1mib",
            "99999999999TiB",
            "1MiBs",
            "½MiB",
        ] {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
        for text in ["5", "s", "1m30s", "5 sec", "-5s", "999999999999999999999s"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_as_the_same(bytes: u64, ms: u64) {
            prop_assert_eq!(parse_bytes(&show_bytes(bytes)), Some(bytes));
            let duration = Duration::from_millis(ms);
            prop_assert_eq!(parse_duration(&show_duration(duration)), Some(duration));
        }

        #[test]
        fn any_text_is_read_without_a_panic(text: String) {
            let _ = (parse_bytes(&text), parse_duration(&text));
        }
    }
}
