//! Amounts of bytes, as people write them.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

/// Bytes, or a share of something: `4TB`, `512GiB`, `5%`, or a bare number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantity {
    /// So many bytes.
    Bytes(u64),
    /// So many hundredths of a percent.
    Share(u64),
}

const UNITS: [(&str, u64); 9] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("B", 1),
];
/// Hundredths of a percent in a whole.
const WHOLE: u64 = 10_000;

impl Quantity {
    /// Bytes, with `whole` as 100 %.
    pub(crate) fn bytes_of(self, whole: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Share(share) => {
                let bytes = u128::from(whole) * u128::from(share) / u128::from(WHOLE);
                u64::try_from(bytes).unwrap_or(u64::MAX)
            }
        }
    }
}

impl FromStr for Quantity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is neither like 10GiB or 1.5TB nor like 5%");
        if let Some(percent) = text.strip_suffix('%') {
            let share = scaled(percent, 100).filter(|share| *share <= WHOLE);
            return share.map(Self::Share).ok_or_else(wrong);
        }
        let unit = UNITS.iter().find_map(|(name, bytes)| {
            let number = text.strip_suffix(name)?;
            Some((number, *bytes))
        });
        let (number, unit) = unit.unwrap_or((text, 1));
        scaled(number.trim_end(), unit)
            .map(Self::Bytes)
            .ok_or_else(wrong)
    }
}

/// A decimal with at most six places times `unit`, cut to a whole number.
fn scaled(decimal: &str, unit: u64) -> Option<u64> {
    let (whole, places) = decimal.split_once('.').unwrap_or((decimal, "0"));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(places) || places.len() > 6 {
        return None;
    }
    let ten = 10_u128.pow(u32::try_from(places.len()).ok()?);
    let digits = whole.parse::<u64>().ok()?;
    let value = u128::from(digits) * ten + u128::from(places.parse::<u64>().ok()?);
    u64::try_from(value.checked_mul(u128::from(unit))? / ten).ok()
}

/// A text as above, or a whole number of bytes.
impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Number(u64),
            Text(String),
        }
        match Raw::deserialize(from)? {
            Raw::Number(bytes) => Ok(Self::Bytes(bytes)),
            Raw::Text(text) => text.parse().map_err(de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_shares_are_read() {
        assert_eq!("10GiB".parse(), Ok(Quantity::Bytes(10 << 30)));
        assert_eq!("1.5TB".parse(), Ok(Quantity::Bytes(1_500_000_000_000)));
        assert_eq!("17".parse(), Ok(Quantity::Bytes(17)));
        assert_eq!("2.5%".parse(), Ok(Quantity::Share(250)));
        assert_eq!(Quantity::Share(250).bytes_of(1_000), 25);
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in [
            "",
            "GiB",
            "-1GiB",
            "1e3",
            "101%",
            "1.2.3GB",
            "99999999999TB",
            "10 apples",
        ] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }
}
