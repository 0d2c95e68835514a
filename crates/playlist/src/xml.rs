//! XML as manifests are written in it, whose elements are handed on one by one.
//!
//! It goes as deep as the elements that its caller knows, and no deeper; document types, and with them
//! entities, are refused.

use std::{borrow::Cow, str::FromStr};

use quick_xml::{
    XmlVersion,
    escape::resolve_predefined_entity,
    events::{BytesStart, Event},
};

use crate::{Error, collect::REFERENCE_BYTES_MAX};

/// Elements that are kept.
const ELEMENTS_MAX: usize = 100_000;

/// Attributes of an element: the schemas have some thirty for the largest.
const ATTRIBUTES_MAX: usize = 128;

/// The characters of a document, of which there may be as many bytes.
///
/// XML 1.0 section 4.3.3: every reader takes UTF-8 and UTF-16, which begins with its byte order mark.
/// Encoders of Smooth Streaming write the latter.
pub(crate) fn decoded(text: &[u8], bytes_max: usize) -> Result<Cow<'_, str>, Error> {
    let unit: fn([u8; 2]) -> u16 = match text {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => return utf8(text).map(Cow::Borrowed),
    };
    let (pairs, odd) = text.as_chunks();
    let characters = char::decode_utf16(pairs.iter().map(|pair| unit(*pair)).skip(1));
    let mut made = String::with_capacity(pairs.len());
    for character in characters {
        made.push(character.map_err(|_half| Error::Encoding)?);
        // Two bytes may become three.
        if made.len() > bytes_max {
            return Err(Error::TooLong(bytes_max));
        }
    }
    if odd.is_empty() {
        Ok(made.into())
    } else {
        Err(Error::Encoding)
    }
}

/// Text in UTF-8, without its mark.
pub(crate) fn utf8(text: &[u8]) -> Result<&str, Error> {
    let text = std::str::from_utf8(text).map_err(|_invalid| Error::Encoding)?;
    Ok(text.trim_start_matches('\u{feff}'))
}

pub(crate) struct Reader<'t> {
    xml: quick_xml::Reader<&'t [u8]>,
    kept: usize,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        let mut xml = quick_xml::Reader::from_str(text);
        xml.config_mut().expand_empty_elements = true;
        Self { xml, kept: 0 }
    }

    /// Hands on each element up to the end of the one that it is in, or of the text at the root. Each
    /// has to be read to its end.
    pub(crate) fn children(
        &mut self,
        is_root: bool,
        mut take: impl FnMut(&mut Self, &BytesStart<'t>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        loop {
            match self.next()? {
                Event::Start(start) | Event::Empty(start) => {
                    self.kept += 1;
                    if self.kept > ELEMENTS_MAX {
                        return Err(Error::TooMany("elements"));
                    }
                    take(self, &start)?;
                }
                Event::End(_) => return Ok(()),
                Event::Eof if is_root => return Ok(()),
                Event::Eof => return Err(malformed("it is cut short")),
                _ => {}
            }
        }
    }

    /// The text of an element, to its end.
    pub(crate) fn text(&mut self) -> Result<String, Error> {
        let mut text = String::new();
        loop {
            match self.next()? {
                Event::Text(part) => text.push_str(&part.decode().map_err(bad)?),
                Event::CData(part) => text.push_str(&part.decode().map_err(bad)?),
                Event::GeneralRef(part) => {
                    if let Some(character) = part.resolve_char_ref().map_err(bad)? {
                        text.push(character);
                    } else {
                        let name = part.decode().map_err(bad)?;
                        let known = resolve_predefined_entity(&name);
                        text.push_str(known.ok_or_else(|| malformed("an unknown entity"))?);
                    }
                }
                Event::Start(start) => self.skip(&start)?,
                Event::End(_) => return Ok(text.trim().to_owned()),
                Event::Eof => return Err(malformed("it is cut short")),
                _ => {}
            }
            if text.len() > REFERENCE_BYTES_MAX {
                return Err(Error::TooMany("characters of a reference"));
            }
        }
    }

    pub(crate) fn skip(&mut self, start: &BytesStart<'t>) -> Result<(), Error> {
        self.xml.read_to_end(start.name()).map_err(bad)?;
        Ok(())
    }

    fn next(&mut self) -> Result<Event<'t>, Error> {
        match self.xml.read_event().map_err(bad)? {
            Event::DocType(_) => Err(Error::Unsupported("a document type")),
            event => Ok(event),
        }
    }
}

/// Hands on each attribute by its name without prefix.
pub(crate) fn attributes(
    start: &BytesStart<'_>,
    mut take: impl FnMut(&str, &str) -> Result<(), Error>,
) -> Result<(), Error> {
    // Looking for one that is there twice takes the square of their number.
    for (count, attribute) in start.attributes().with_checks(false).enumerate() {
        let attribute = attribute.map_err(bad)?;
        if count >= ATTRIBUTES_MAX {
            return Err(Error::TooMany("attributes"));
        }
        let (name, prefix) = attribute.key.decompose();
        let name = std::str::from_utf8(name.into_inner()).unwrap_or_default();
        match prefix {
            Some(_) if name == "href" => {
                return Err(Error::Unsupported("a manifest that has parts elsewhere"));
            }
            Some(_) => {}
            None => {
                let value = attribute.normalized_value(XmlVersion::Implicit1_0);
                take(name, value.map_err(bad)?.trim())?;
            }
        }
    }
    Ok(())
}

pub(crate) fn number<T: FromStr>(text: &str) -> Result<T, Error> {
    text.parse()
        .map_err(|_no_number| Error::Malformed(format!("{text:?} is no number that can be")))
}

pub(crate) fn malformed(what: &str) -> Error {
    Error::Malformed(what.to_owned())
}

fn bad(error: impl std::fmt::Display) -> Error {
    Error::Malformed(error.to_string())
}
