//! Templates of addresses ([MS-SSTR] section 2.2.2.3, `UrlPattern`).

use std::fmt::Write as _;

use super::Track;
use crate::{Error, collect::REFERENCE_BYTES_MAX, xml::malformed};

/// A template, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template<'t>(Vec<Part<'t>>);

#[derive(Debug, PartialEq, Eq)]
enum Part<'t> {
    Text(&'t str),
    Bitrate,
    StartTime,
    CustomAttributes,
}

impl<'t> Template<'t> {
    pub(super) fn parse(text: &'t str) -> Result<Self, Error> {
        let no_template = || Error::Malformed(format!("{text:?} is no template"));
        if text.len() > REFERENCE_BYTES_MAX {
            return Err(Error::TooMany("characters of a reference"));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            parts.push(Part::Text(before));
            let (name, behind) = behind.split_once('}').ok_or_else(no_template)?;
            parts.push(match name {
                "bitrate" | "Bitrate" => Part::Bitrate,
                "start time" | "start_time" => Part::StartTime,
                "CustomAttributes" => Part::CustomAttributes,
                // A player would leave it as it is, or not know either.
                _ => return Err(no_template()),
            });
            rest = behind;
        }
        parts.push(Part::Text(rest));
        Ok(Self(parts))
    }

    /// Whether it names another thing for each fragment.
    pub(super) fn varies(&self) -> bool {
        self.0.contains(&Part::StartTime)
    }

    /// The address of one fragment.
    pub(super) fn fill(&self, track: &Track, time: u64) -> Result<String, Error> {
        let mut made = String::new();
        for part in &self.0 {
            // The same may be wanted some hundred times.
            if made.len() > REFERENCE_BYTES_MAX {
                return Err(Error::TooMany("characters of a reference"));
            }
            let number = match part {
                Part::Text(text) => {
                    made.push_str(text);
                    continue;
                }
                Part::CustomAttributes => {
                    made.push_str(&track.custom);
                    continue;
                }
                Part::Bitrate => {
                    let told = track.bitrate;
                    told.ok_or_else(|| malformed("a quality without a bitrate"))?
                }
                Part::StartTime => time,
            };
            // Writing to a string cannot fail.
            let _written = write!(made, "{number}");
        }
        Ok(made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, Error> {
        let track = Track {
            bitrate: Some(800),
            custom: "lang=en,main=1".to_owned(),
        };
        Template::parse(text)?.fill(&track, 90_000)
    }

    #[test]
    fn substitutions_are_made_in_both_spellings() {
        for (text, expected) in [
            ("a.ismv", "a.ismv"),
            (
                "QualityLevels({bitrate})/Fragments(video={start time})",
                "QualityLevels(800)/Fragments(video=90000)",
            ),
            ("{Bitrate}-{start_time}", "800-90000"),
            (
                "QualityLevels({bitrate},{CustomAttributes})/{start time}",
                "QualityLevels(800,lang=en,main=1)/90000",
            ),
        ] {
            assert_eq!(filled(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for text in ["{bitrate", "{}", "{BITRATE}", "{start-time}", "{{bitrate}}"] {
            assert!(filled(text).is_err(), "{text}");
        }
        let long = "{CustomAttributes}".repeat(227);
        assert!(filled(&long).unwrap().len() < 2 * REFERENCE_BYTES_MAX);
        let again = Template::parse(&long).unwrap();
        let track = Track {
            bitrate: None,
            custom: "x".repeat(REFERENCE_BYTES_MAX),
        };
        let refused = Err(Error::TooMany("characters of a reference"));
        assert_eq!(again.fill(&track, 0), refused);
    }
}
