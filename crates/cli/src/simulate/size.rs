//! Sizes, absolute or in proportion.

use std::str::FromStr;

/// A number of bytes, or a part of something.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Size {
    Bytes(u64),
    /// 1 is the whole.
    Part(f64),
}

const UNITS: [(&str, u64); 10] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];

impl Size {
    /// In bytes, where `whole` is what it may be a part of.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a size to the nearest kilobyte is near enough, and none is negative"
    )]
    pub(crate) fn of(self, whole: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Part(part) => (whole as f64 * part) as u64,
        }
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is neither like 10GiB or 1.5TB nor like 25%");
        let number = |digits: &str| {
            let number: f64 = digits.trim().parse().map_err(|_no_number| wrong())?;
            (number.is_finite() && number >= 0.0)
                .then_some(number)
                .ok_or_else(wrong)
        };
        if let Some(digits) = text.strip_suffix('%') {
            return Ok(Self::Part(number(digits)? / 100.0));
        }
        let unit = UNITS.iter().find(|(unit, _)| text.ends_with(unit));
        let (unit, bytes) = unit.ok_or_else(wrong)?;
        let number = number(&text[..text.len() - unit.len()])?;
        Ok(Self::Bytes(Self::Part(number).of(*bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_nonsense_is_not() {
        assert_eq!("10GiB".parse(), Ok(Size::Bytes(10 << 30)));
        assert_eq!("1.5TB".parse(), Ok(Size::Bytes(1_500_000_000_000)));
        assert_eq!("512B".parse(), Ok(Size::Bytes(512)));
        assert_eq!("25%".parse::<Size>().map(|size| size.of(400)), Ok(100));
        for text in ["", "10", "GiB", "-1GiB", "NaN%", "1e999TB", "10 apples"] {
            assert!(text.parse::<Size>().is_err(), "{text}");
        }
    }
}
