//! From a [`Manifest`] to the addresses of its segments.

use std::time::Duration;

use url::Url;

use super::{Addressing, Kind, Level, Manifest, Run, Track, template::Template};
use crate::{
    Error,
    collect::{Collector, Role, join},
};

/// Without a word from the manifest a unit of time is a second.
const TIMESCALE: u64 = 1;

impl Manifest {
    /// Lists all segments of all tracks.
    pub(crate) fn list(&self, base: &Url, found: &mut Collector) -> Result<(), Error> {
        found.listing.is_live = self.is_dynamic;
        let own = joined(base, &self.bases)?;
        for (period, length) in self.periods.iter().zip(self.lengths()) {
            let of_period = joined(&own, &period.level.bases)?;
            for set in &period.sets {
                let of_set = joined(&of_period, &set.level.bases)?;
                for track in &set.tracks {
                    let base_of_track = joined(&of_set, &track.level.bases)?;
                    let levels = [&track.level, &set.level, &period.level];
                    let mut tracked = Tracked {
                        track,
                        base: &base_of_track,
                        ways: Ways::of(levels),
                        length,
                        found,
                    };
                    if tracked.ways.0.is_empty() && base_of_track == *base {
                        return Err(malformed("a track without segments"));
                    }
                    tracked.list()?;
                }
            }
        }
        Ok(())
    }

    /// How long each period lasts: until the next, or the end of all, unless it says so itself.
    fn lengths(&self) -> Vec<Option<Duration>> {
        let (mut lengths, mut follows) = (Vec::new(), Some(Duration::ZERO));
        for (place, period) in self.periods.iter().enumerate() {
            // ISO/IEC 23009-1 section 5.3.2.1: without a start it follows on the one before.
            let start = period.start.or(follows);
            let end = match self.periods.get(place + 1) {
                Some(next) => next.start,
                None => self.duration,
            };
            let between = || end?.checked_sub(start?);
            let length = period.duration.or_else(between);
            follows = start.and_then(|start| start.checked_add(length?));
            lengths.push(length);
        }
        lengths
    }
}

/// Goes on by the first of several alternatives that is on the same host, else by the first.
fn joined(base: &Url, alternatives: &[String]) -> Result<Url, Error> {
    let mut first = None;
    for alternative in alternatives {
        let address = join(base, alternative)?;
        if address.host() == base.host() {
            return Ok(address);
        }
        first.get_or_insert(address);
    }
    Ok(first.unwrap_or_else(|| base.clone()))
}

/// How a track's segments are named, from its own word to the period's: those of one kind.
struct Ways<'m>(Vec<&'m Addressing>);

impl<'m> Ways<'m> {
    fn of(levels: [&'m Level; 3]) -> Self {
        let all = levels.into_iter();
        let told = all.filter_map(|level| level.addressing.as_ref());
        let mut ways: Vec<&Addressing> = told.collect();
        if let Some(kind) = ways.first().map(|way| way.kind) {
            ways.retain(|way| way.kind == kind);
        }
        Self(ways)
    }

    fn find<T>(&self, member: impl Fn(&'m Addressing) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(|way| member(way))
    }
}

struct Tracked<'m, 'f> {
    track: &'m Track,
    base: &'m Url,
    ways: Ways<'m>,
    length: Option<Duration>,
    found: &'f mut Collector,
}

impl<'m> Tracked<'m, '_> {
    fn list(&mut self) -> Result<(), Error> {
        let whole_index = self.ways.find(|way| way.whole_index.as_deref());
        match self.ways.0.first().map(|way| way.kind) {
            None => self.add("")?,
            Some(Kind::Base) => {
                self.add_reference(self.ways.find(|way| way.initialization.as_deref()))?;
                self.add("")?;
            }
            Some(Kind::List) => {
                self.add_reference(self.ways.find(|way| way.initialization.as_deref()))?;
                self.add_list()?;
            }
            Some(Kind::Template) => self.add_template()?,
        }
        self.add_reference(whole_index)
    }

    fn add_list(&mut self) -> Result<(), Error> {
        let segments = self.ways.find(|way| way.segments.as_deref());
        for segment in segments.ok_or_else(|| malformed("a list without segments"))? {
            self.add(segment.media.as_deref().unwrap_or_default())?;
            self.add_reference(segment.index.as_deref())?;
        }
        Ok(())
    }

    fn add_template(&mut self) -> Result<(), Error> {
        if let Some(text) = self.ways.find(|way| way.initialization.as_deref()) {
            let address = Template::parse(text)?.fill(self.track, None, None)?;
            self.add(&address)?;
        }
        let media = self.ways.find(|way| way.media.as_deref());
        let index = self.ways.find(|way| way.index.as_deref());
        let templates = [media, index].into_iter().flatten().map(Template::parse);
        let templates: Vec<Template<'m>> = templates.collect::<Result<_, _>>()?;
        if templates.is_empty() {
            return Err(malformed("a template without media"));
        }
        let varies = templates.iter().any(Template::varies);
        self.each_segment(varies, |this, number, time| {
            for template in &templates {
                let address = template.fill(this.track, Some(number), time)?;
                this.add(&address)?;
            }
            Ok(())
        })
    }

    /// Visits each segment by its number, and its time where that is told; the first alone where they
    /// do not differ in name.
    fn each_segment(
        &mut self,
        varies: bool,
        mut visit: impl FnMut(&mut Self, u64, Option<u64>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let first = self.ways.find(|way| way.start_number).unwrap_or(1);
        let last = self.ways.find(|way| way.end_number);
        let Some(runs) = self.ways.find(|way| way.timeline.as_deref()) else {
            let count = self.count(first, last)?;
            let count = if varies { count } else { count.min(1) };
            for number in first..first.checked_add(count).ok_or_else(too_far)? {
                visit(self, number, None)?;
            }
            return Ok(());
        };
        let (mut time, mut number) = (0_u64, first);
        for (place, run) in runs.iter().enumerate() {
            time = run.time.unwrap_or(time);
            number = run.number.unwrap_or(number);
            for _ in 0..self.repeats(run, runs.get(place + 1), time)? {
                if last.is_some_and(|last| number > last) {
                    return Ok(());
                }
                visit(self, number, Some(time))?;
                if !varies {
                    return Ok(());
                }
                time = time.checked_add(run.duration).ok_or_else(too_far)?;
                number = number.checked_add(1).ok_or_else(too_far)?;
            }
        }
        Ok(())
    }

    /// How many segments of one duration fit in the period.
    fn count(&self, first: u64, last: Option<u64>) -> Result<u64, Error> {
        let by_number = last.map(|last| last.saturating_add(1).saturating_sub(first));
        let Some(duration) = self.ways.find(|way| way.duration) else {
            // ISO/IEC 23009-1 section 5.3.9.2.1: then there is one.
            return Ok(by_number.unwrap_or(1));
        };
        if duration == 0 {
            return Err(malformed("a segment that lasts no time"));
        }
        let Some(length) = self.length else {
            return by_number.ok_or(CLOCK);
        };
        let by_time = self.units(length)?.div_ceil(duration);
        Ok(by_number.map_or(by_time, |count| count.min(by_time)))
    }

    /// How many segments a run has that begins at `time`.
    fn repeats(&self, run: &Run, next: Option<&Run>, time: u64) -> Result<u64, Error> {
        if let Ok(repeats) = u64::try_from(run.repeats) {
            return repeats.checked_add(1).ok_or_else(too_far);
        }
        let end = if let Some(next) = next {
            let end = next.time;
            end.ok_or_else(|| malformed("a run of segments without end"))?
        } else {
            let offset = self.ways.find(|way| way.time_offset).unwrap_or(0);
            let units = self.units(self.length.ok_or(CLOCK)?)?;
            units.checked_add(offset).ok_or_else(too_far)?
        };
        Ok(end.saturating_sub(time).div_ceil(run.duration))
    }

    /// A length in the track's units of time; a unit that has begun counts.
    fn units(&self, length: Duration) -> Result<u64, Error> {
        let timescale = self.ways.find(|way| way.timescale).unwrap_or(TIMESCALE);
        let units = length.as_nanos().checked_mul(u128::from(timescale));
        let units = units.map(|units| units.div_ceil(1_000_000_000));
        units
            .and_then(|units| u64::try_from(units).ok())
            .ok_or_else(too_far)
    }

    fn add_reference(&mut self, reference: Option<&str>) -> Result<(), Error> {
        reference.map_or(Ok(()), |reference| self.add(reference))
    }

    fn add(&mut self, reference: &str) -> Result<(), Error> {
        self.found.add(Role::Object, self.base, reference)
    }
}

const CLOCK: Error = Error::Unsupported("segments that only the clock tells");

fn malformed(what: &str) -> Error {
    Error::Malformed(what.to_owned())
}

fn too_far() -> Error {
    malformed("a number beyond all segments")
}
