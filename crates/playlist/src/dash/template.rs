//! Templates of addresses (ISO/IEC 23009-1 section 5.3.9.4.4).

use std::fmt::Write as _;

use super::Track;
use crate::{Error, collect::REFERENCE_BYTES_MAX};

/// Digits of a number, at most: those of the largest.
const WIDTH_MAX: usize = 20;

/// A template, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template<'t>(Vec<Part<'t>>);

#[derive(Debug, PartialEq, Eq)]
enum Part<'t> {
    Text(&'t str),
    Id,
    Bandwidth { width: usize },
    Number { width: usize },
    Time { width: usize },
}

impl<'t> Template<'t> {
    pub(super) fn parse(text: &'t str) -> Result<Self, Error> {
        let malformed = || Error::Malformed(format!("{text:?} is no template"));
        if text.len() > REFERENCE_BYTES_MAX {
            return Err(Error::TooMany("characters of a reference"));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('$') {
            parts.push(Part::Text(before));
            let (identifier, behind) = behind.split_once('$').ok_or_else(malformed)?;
            let (name, format) = identifier.split_once('%').unwrap_or((identifier, ""));
            let width = width(format).ok_or_else(malformed)?;
            parts.push(match name {
                "" if identifier.is_empty() => Part::Text("$"),
                "RepresentationID" if format.is_empty() => Part::Id,
                "Bandwidth" => Part::Bandwidth { width },
                "Number" => Part::Number { width },
                "Time" => Part::Time { width },
                "SubNumber" => return Err(Error::Unsupported("sequences of segments")),
                _ => return Err(malformed()),
            });
            rest = behind;
        }
        parts.push(Part::Text(rest));
        Ok(Self(parts))
    }

    /// Whether it names another thing for each segment.
    pub(super) fn varies(&self) -> bool {
        let varies = |part: &Part<'_>| matches!(part, Part::Number { .. } | Part::Time { .. });
        self.0.iter().any(varies)
    }

    /// The address of one segment. Without a `number` and a `time` it is for all.
    pub(super) fn fill(
        &self,
        track: &Track,
        number: Option<u64>,
        time: Option<u64>,
    ) -> Result<String, Error> {
        let lacks = |what| Error::Malformed(format!("a template wants a {what} that is not told"));
        let mut made = String::new();
        for part in &self.0 {
            // A track's name may be as long as the manifest, and be wanted some hundred times.
            if made.len() > REFERENCE_BYTES_MAX {
                return Err(Error::TooMany("characters of a reference"));
            }
            let (value, width) = match part {
                Part::Text(text) => {
                    made.push_str(text);
                    continue;
                }
                Part::Id => {
                    made.push_str(&track.id);
                    continue;
                }
                Part::Bandwidth { width } => (track.bandwidth, width),
                Part::Number { width } => (number, width),
                Part::Time { width } => (time, width),
            };
            let value = value.ok_or_else(|| lacks("number"))?;
            // Writing to a string cannot fail.
            let _written = write!(made, "{value:0width$}");
        }
        Ok(made)
    }
}

/// Of a format tag, `%0[width]d`; 1 without any.
fn width(format: &str) -> Option<usize> {
    if format.is_empty() {
        return Some(1);
    }
    let digits = format.strip_prefix('0')?.strip_suffix('d')?;
    let width = digits.parse().ok()?;
    (width <= WIDTH_MAX).then_some(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, Error> {
        let track = Track {
            id: "v/1".to_owned(),
            bandwidth: Some(800),
            ..Track::default()
        };
        Template::parse(text)?.fill(&track, Some(7), Some(90_000))
    }

    #[test]
    fn identifiers_are_replaced_in_their_width() {
        // ISO/IEC 23009-1 section 5.3.9.4.4, table 16.
        for (text, expected) in [
            ("a.m4s", "a.m4s"),
            ("$RepresentationID$/$Number$.m4s", "v/1/7.m4s"),
            (
                "$Bandwidth%06d$-$Number%05d$-$Time$$$",
                "000800-00007-90000$",
            ),
            ("$Time%03d$", "90000"),
        ] {
            assert_eq!(filled(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for text in [
            "$Number",
            "$Numbers$",
            "$Number%5d$",
            "$Number%05x$",
            "$Number%099d$",
            "$Number%018446744073709551616d$",
            "$RepresentationID%05d$",
            "$%05d$",
            "$SubNumber$",
        ] {
            assert!(filled(text).is_err(), "{text}");
        }
    }
}
