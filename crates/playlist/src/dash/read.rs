//! From text to a [`Manifest`]: what it says of segments is kept, the rest is skipped.
//!
//! It goes as deep as the elements that are known here, and no deeper; document types, and with them
//! entities, are refused.

use std::{str::FromStr, time::Duration};

use jiff::{Span, SpanRelativeTo};
use quick_xml::{
    XmlVersion,
    escape::resolve_predefined_entity,
    events::{BytesStart, Event},
};

use super::{Addressing, Kind, Level, Manifest, Period, Run, Segment, Set, Track};
use crate::{Error, collect::REFERENCE_BYTES_MAX};

/// Elements that are kept.
const ELEMENTS_MAX: usize = 100_000;

/// Attributes of an element: the schema has some thirty for the largest.
const ATTRIBUTES_MAX: usize = 128;

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// What is no whole manifest, or one of which parts are elsewhere.
    pub fn read(text: &str) -> Result<Self, Error> {
        let mut xml = quick_xml::Reader::from_str(text);
        xml.config_mut().expand_empty_elements = true;
        let mut reader = Reader { xml, kept: 0 };
        let mut manifest = None;
        reader.children(true, |reader, start| match start.local_name().as_ref() {
            b"MPD" if manifest.is_none() => {
                manifest = Some(reader.manifest(start)?);
                Ok(())
            }
            _ => Err(malformed("its root is no MPD")),
        })?;
        manifest.ok_or_else(|| malformed("there is no MPD"))
    }
}

struct Reader<'t> {
    xml: quick_xml::Reader<&'t [u8]>,
    kept: usize,
}

impl<'t> Reader<'t> {
    fn manifest(&mut self, start: &BytesStart<'t>) -> Result<Manifest, Error> {
        let mut manifest = Manifest::default();
        attributes(start, |name, value| {
            match name {
                "type" => manifest.is_dynamic = value == "dynamic",
                "mediaPresentationDuration" => manifest.duration = Some(duration(value)?),
                _ => {}
            }
            Ok(())
        })?;
        self.children(false, |reader, start| {
            match start.local_name().as_ref() {
                b"BaseURL" => manifest.bases.push(reader.text()?),
                b"Period" => manifest.periods.push(reader.period(start)?),
                _ => reader.skip(start)?,
            }
            Ok(())
        })?;
        Ok(manifest)
    }

    fn period(&mut self, start: &BytesStart<'t>) -> Result<Period, Error> {
        let mut period = Period::default();
        attributes(start, |name, value| {
            match name {
                "start" => period.start = Some(duration(value)?),
                "duration" => period.duration = Some(duration(value)?),
                _ => {}
            }
            Ok(())
        })?;
        self.children(false, |reader, start| {
            match start.local_name().as_ref() {
                b"AdaptationSet" => period.sets.push(reader.set(start)?),
                _ => reader.level(start, &mut period.level)?,
            }
            Ok(())
        })?;
        Ok(period)
    }

    fn set(&mut self, start: &BytesStart<'t>) -> Result<Set, Error> {
        let mut set = Set::default();
        attributes(start, |_, _| Ok(()))?;
        self.children(false, |reader, start| {
            match start.local_name().as_ref() {
                b"Representation" => set.tracks.push(reader.track(start)?),
                _ => reader.level(start, &mut set.level)?,
            }
            Ok(())
        })?;
        Ok(set)
    }

    fn track(&mut self, start: &BytesStart<'t>) -> Result<Track, Error> {
        let mut track = Track::default();
        attributes(start, |name, value| {
            match name {
                "id" => value.clone_into(&mut track.id),
                "bandwidth" => track.bandwidth = Some(number(value)?),
                _ => {}
            }
            Ok(())
        })?;
        self.children(false, |reader, start| reader.level(start, &mut track.level))?;
        Ok(track)
    }

    /// What may be said at each level.
    fn level(&mut self, start: &BytesStart<'t>, level: &mut Level) -> Result<(), Error> {
        let kind = match start.local_name().as_ref() {
            b"BaseURL" => {
                level.bases.push(self.text()?);
                return Ok(());
            }
            b"SegmentBase" => Kind::Base,
            b"SegmentList" => Kind::List,
            b"SegmentTemplate" => Kind::Template,
            _ => return self.skip(start),
        };
        if level.addressing.is_some() {
            return Err(malformed("segments are named in two ways"));
        }
        level.addressing = Some(self.addressing(kind, start)?);
        Ok(())
    }

    fn addressing(&mut self, kind: Kind, start: &BytesStart<'t>) -> Result<Addressing, Error> {
        let mut read = Addressing::new(kind);
        attributes(start, |name, value| {
            let text = || Some(value.to_owned());
            match name {
                "timescale" => read.timescale = Some(number(value)?),
                "duration" => read.duration = Some(number(value)?),
                "startNumber" => read.start_number = Some(number(value)?),
                "endNumber" => read.end_number = Some(number(value)?),
                "presentationTimeOffset" => read.time_offset = Some(number(value)?),
                "media" => read.media = text(),
                "index" => read.index = text(),
                "initialization" => read.initialization = text(),
                _ => {}
            }
            Ok(())
        })?;
        self.children(false, |reader, start| {
            match start.local_name().as_ref() {
                b"Initialization" => read.initialization = reader.source(start)?,
                b"RepresentationIndex" => read.whole_index = reader.source(start)?,
                b"SegmentTimeline" => read.timeline = Some(reader.timeline(start)?),
                b"SegmentURL" => {
                    let segment = reader.segment(start)?;
                    read.segments.get_or_insert_default().push(segment);
                }
                _ => reader.skip(start)?,
            }
            Ok(())
        })?;
        Ok(read)
    }

    fn source(&mut self, start: &BytesStart<'t>) -> Result<Option<String>, Error> {
        let mut source = None;
        attributes(start, |name, value| {
            if name == "sourceURL" {
                source = Some(value.to_owned());
            }
            Ok(())
        })?;
        self.skip(start)?;
        Ok(source)
    }

    fn segment(&mut self, start: &BytesStart<'t>) -> Result<Segment, Error> {
        let mut segment = Segment::default();
        attributes(start, |name, value| {
            match name {
                "media" => segment.media = Some(value.to_owned()),
                "index" => segment.index = Some(value.to_owned()),
                _ => {}
            }
            Ok(())
        })?;
        self.skip(start)?;
        Ok(segment)
    }

    fn timeline(&mut self, start: &BytesStart<'t>) -> Result<Vec<Run>, Error> {
        attributes(start, |_, _| Ok(()))?;
        let mut runs = Vec::new();
        self.children(false, |reader, start| {
            match start.local_name().as_ref() {
                b"S" => runs.push(reader.run(start)?),
                // A pattern of durations.
                b"Pattern" => return Err(Error::Unsupported("patterns in a timeline")),
                _ => reader.skip(start)?,
            }
            Ok(())
        })?;
        Ok(runs)
    }

    fn run(&mut self, start: &BytesStart<'t>) -> Result<Run, Error> {
        let mut run = Run {
            time: None,
            number: None,
            duration: 0,
            repeats: 0,
        };
        attributes(start, |name, value| {
            match name {
                "t" => run.time = Some(number(value)?),
                "n" => run.number = Some(number(value)?),
                "d" => run.duration = number(value)?,
                "r" => run.repeats = number(value)?,
                // Parts of segments: whole ones are named as well.
                _ => {}
            }
            Ok(())
        })?;
        self.skip(start)?;
        if run.duration == 0 {
            return Err(malformed("a segment that lasts no time"));
        }
        Ok(run)
    }

    /// Hands on each element up to the end of the one that it is in, or of the text at the root. Each
    /// has to be read to its end.
    fn children(
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
    fn text(&mut self) -> Result<String, Error> {
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

    fn skip(&mut self, start: &BytesStart<'t>) -> Result<(), Error> {
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
fn attributes(
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

fn number<T: FromStr>(text: &str) -> Result<T, Error> {
    text.parse()
        .map_err(|_no_number| Error::Malformed(format!("{text:?} is no number that can be")))
}

/// XML Schema part 2 section 3.2.6, without years and months, which are of no fixed length.
fn duration(text: &str) -> Result<Duration, Error> {
    let wrong = || Error::Malformed(format!("{text:?} is no duration"));
    let span: Span = text.parse().map_err(|_no_span| wrong())?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours());
    let length = length.map_err(|_unclear| wrong())?;
    Duration::try_from(length).map_err(|_negative| wrong())
}

fn malformed(what: &str) -> Error {
    Error::Malformed(what.to_owned())
}

fn bad(error: impl std::fmt::Display) -> Error {
    Error::Malformed(error.to_string())
}
