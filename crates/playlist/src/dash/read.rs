//! From text to a [`Manifest`]: what it says of segments is kept, the rest is skipped.

use std::time::Duration;

use jiff::{Span, SpanRelativeTo};
use quick_xml::events::BytesStart;

use super::{Addressing, Kind, Level, Manifest, Period, Run, Segment, Set, Track};
use crate::{
    Error,
    xml::{Reader, attributes, malformed, number},
};

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// What is no whole manifest, or one of which parts are elsewhere.
    pub fn read(text: &str) -> Result<Self, Error> {
        let mut reader = Reader::new(text);
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
}

/// XML Schema part 2 section 3.2.6, without years and months, which are of no fixed length.
fn duration(text: &str) -> Result<Duration, Error> {
    let wrong = || Error::Malformed(format!("{text:?} is no duration"));
    let span: Span = text.parse().map_err(|_no_span| wrong())?;
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours());
    let length = length.map_err(|_unclear| wrong())?;
    Duration::try_from(length).map_err(|_negative| wrong())
}
