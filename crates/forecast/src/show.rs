//! Numbers for eyes.

/// Three digits and a decimal unit.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let (mut unit, mut divisor) = (0, 1);
    while unit + 1 < UNITS.len() && number / divisor >= 1000 {
        (unit, divisor) = (unit + 1, divisor * 1000);
    }
    let value = ratio(number, divisor);
    let digits = if unit == 0 || value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// The part, or nothing of nothing.
#[expect(
    clippy::cast_precision_loss,
    reason = "for eyes and for comparisons of percents"
)]
pub fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_three_digits() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(1_500), "1.50 kB");
        assert_eq!(bytes(23_456_789), "23.5 MB");
        assert_eq!(bytes(900_000_000_000_000), "900 TB");
        assert_eq!(bytes(u64::MAX), "18447 PB");
    }
}
