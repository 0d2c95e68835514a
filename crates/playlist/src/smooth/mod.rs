//! Smooth Streaming ([MS-SSTR] section 2.2.2): a client manifest, in which each stream tells the
//! qualities that it has, when its fragments begin, and one pattern for the addresses of all.

mod template;

use quick_xml::events::BytesStart;
use url::Url;

use crate::{
    Error,
    collect::{Collector, REFERENCE_BYTES_MAX, Role},
    xml::{Reader, attributes, malformed, number},
};
use template::Template;

/// Lists the fragments of all tracks of a manifest.
pub(crate) fn read(text: &str, base: &Url, found: &mut Collector) -> Result<(), Error> {
    let mut reader = Reader::new(text);
    let mut is_read = false;
    reader.children(true, |reader, start| match start.local_name().as_ref() {
        b"SmoothStreamingMedia" if !is_read => {
            is_read = true;
            presentation(reader, start, base, found)
        }
        _ => Err(malformed("its root is no SmoothStreamingMedia")),
    })?;
    if is_read {
        Ok(())
    } else {
        Err(malformed("there is no SmoothStreamingMedia"))
    }
}

fn presentation<'t>(
    reader: &mut Reader<'t>,
    start: &BytesStart<'t>,
    base: &Url,
    found: &mut Collector,
) -> Result<(), Error> {
    attributes(start, |name, value| {
        if name == "IsLive" {
            found.listing.is_live = value.eq_ignore_ascii_case("true");
        }
        Ok(())
    })?;
    let mut has_streams = false;
    reader.children(false, |reader, start| {
        if start.local_name().as_ref() != b"StreamIndex" {
            return reader.skip(start);
        }
        has_streams = true;
        // One after the other: no more than a stream of it is kept.
        Stream::read(reader, start)?.list(base, found)
    })?;
    if has_streams {
        Ok(())
    } else {
        Err(malformed("a presentation without streams"))
    }
}

/// Audio, video or text, in one or more qualities.
#[derive(Debug, Default)]
struct Stream {
    /// A template.
    url: Option<String>,
    tracks: Vec<Track>,
    runs: Vec<Run>,
}

/// A quality of a stream.
#[derive(Debug, Default)]
struct Track {
    bitrate: Option<u64>,
    /// As they stand in an address: `name=value,name=value`.
    custom: String,
}

/// Fragments of one duration, one after the other.
#[derive(Debug)]
struct Run {
    time: Option<u64>,
    duration: Option<u64>,
    count: u64,
}

impl Stream {
    fn read<'t>(reader: &mut Reader<'t>, start: &BytesStart<'t>) -> Result<Self, Error> {
        let mut stream = Self::default();
        attributes(start, |name, value| {
            if name == "Url" {
                stream.url = Some(value.to_owned());
            }
            Ok(())
        })?;
        reader.children(false, |reader, start| {
            match start.local_name().as_ref() {
                b"QualityLevel" => stream.tracks.push(Track::read(reader, start)?),
                b"c" => stream.runs.push(Run::read(reader, start)?),
                _ => reader.skip(start)?,
            }
            Ok(())
        })?;
        Ok(stream)
    }

    fn list(&self, base: &Url, found: &mut Collector) -> Result<(), Error> {
        if self.runs.is_empty() {
            // Nothing of it is there yet, or it is carried by the manifest itself.
            return Ok(());
        }
        let url = self.url.as_deref();
        let template = Template::parse(url.ok_or_else(|| malformed("a stream without Url"))?)?;
        if self.tracks.is_empty() {
            return Err(malformed("a stream without qualities"));
        }
        for track in &self.tracks {
            self.each_fragment(template.varies(), |time| {
                found.add(Role::Object, base, &template.fill(track, time)?)
            })?;
        }
        Ok(())
    }

    /// Visits each fragment by the time at which it begins; the first alone where they do not differ in
    /// name.
    fn each_fragment(
        &self,
        varies: bool,
        mut visit: impl FnMut(u64) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // [MS-SSTR] section 2.2.2.6: without a time a fragment follows on the one before, and the first
        // begins with the presentation.
        let mut follows = Some(0_u64);
        for run in &self.runs {
            let time = run.time.or(follows);
            let mut time = time.ok_or_else(|| malformed("a fragment without a time"))?;
            for _ in 1..run.count {
                visit(time)?;
                if !varies {
                    return Ok(());
                }
                // `Run::read` has none of several fragments without a duration.
                time = after(time, run.duration.unwrap_or_default())?;
            }
            visit(time)?;
            if !varies {
                return Ok(());
            }
            follows = run.duration.map(|lasts| after(time, lasts)).transpose()?;
        }
        Ok(())
    }
}

impl Track {
    fn read<'t>(reader: &mut Reader<'t>, start: &BytesStart<'t>) -> Result<Self, Error> {
        let mut track = Self::default();
        attributes(start, |name, value| {
            if name == "Bitrate" {
                track.bitrate = Some(number(value)?);
            }
            Ok(())
        })?;
        reader.children(false, |reader, start| match start.local_name().as_ref() {
            b"CustomAttributes" => track.read_custom(reader, start),
            _ => reader.skip(start),
        })?;
        Ok(track)
    }

    fn read_custom<'t>(
        &mut self,
        reader: &mut Reader<'t>,
        start: &BytesStart<'t>,
    ) -> Result<(), Error> {
        attributes(start, |_, _| Ok(()))?;
        reader.children(false, |reader, start| {
            if start.local_name().as_ref() == b"Attribute" {
                let (mut name, mut value) = (String::new(), String::new());
                attributes(start, |part, text| {
                    match part {
                        "Name" => text.clone_into(&mut name),
                        "Value" => text.clone_into(&mut value),
                        _ => {}
                    }
                    Ok(())
                })?;
                let comma = if self.custom.is_empty() { "" } else { "," };
                self.custom.extend([comma, &name, "=", &value]);
                if self.custom.len() > REFERENCE_BYTES_MAX {
                    return Err(Error::TooMany("characters of a reference"));
                }
            }
            reader.skip(start)
        })
    }
}

impl Run {
    fn read<'t>(reader: &mut Reader<'t>, start: &BytesStart<'t>) -> Result<Self, Error> {
        let mut run = Self {
            time: None,
            duration: None,
            count: 1,
        };
        attributes(start, |name, value| {
            match name {
                "t" => run.time = Some(number(value)?),
                "d" => run.duration = Some(number(value)?),
                // How many there are, the first among them.
                "r" => run.count = number(value)?,
                _ => {}
            }
            Ok(())
        })?;
        reader.skip(start)?;
        let lasts = run.duration.is_some_and(|duration| duration > 0);
        if run.count == 0 || (run.count > 1 && !lasts) {
            return Err(malformed("fragments that repeat in no time, or never"));
        }
        Ok(run)
    }
}

fn after(time: u64, duration: u64) -> Result<u64, Error> {
    let sum = time.checked_add(duration);
    sum.ok_or_else(|| malformed("a time beyond all fragments"))
}

#[cfg(test)]
mod tests;
