//! From a payload to a manifest, line by line.

use serde::de::DeserializeSeed;
use serde_json::Deserializer;

use super::{
    head::{HeadSeed, ProbeError, RawHead, check_schema},
    json::Unknown,
    lines::Lines,
    object::{ObjectSeed, RawObject},
};
use crate::{
    Head, Limits, Manifest, Names, Objects, Refused, Wrong, names::Collected, object::check_name,
    objects,
};

/// The longest head.
const HEAD_BYTES_MAX: u64 = 64 * 1024;

/// The longest line of an object: its path, and room for what a newer planner adds.
pub(super) const OBJECT_BYTES_MAX: u64 = 16 * 1024;

/// A payload whose head has been read and whose objects have not, so that what the head alone
/// decides is decided before a million lines are parsed.
pub(crate) struct Reader<'a> {
    lines: Lines<'a>,
    pub(crate) head: Head,
    objects: usize,
    removed: usize,
    unknown: Unknown,
    limits: Limits,
}

impl<'a> Reader<'a> {
    /// Reads the head. `line` is the number of the line before it.
    pub(crate) fn open(payload: &'a [u8], limits: &Limits, line: u64) -> Result<Self, Refused> {
        let mut lines = Lines::open(payload, limits, line)?;
        let text = lines.next(HEAD_BYTES_MAX)?.to_vec();
        check_schema(&text).map_err(|error| match error {
            ProbeError::Malformed(problem) => lines.malformed(&problem),
            ProbeError::Refused(refused) => refused,
        })?;
        let mut unknown = Unknown::default();
        let raw = parse(&text, HeadSeed(&mut unknown)).map_err(|error| lines.malformed(&error));
        let raw: RawHead = check_host(&mut unknown, lines.number).and(raw)?;
        let (head, objects, removed) = raw.checked().map_err(|wrong| Refused::Wrong {
            line: lines.number,
            wrong,
        })?;
        let names = objects.saturating_add(removed);
        if names > limits.names_max {
            return Err(Refused::TooLarge {
                what: "objects and removals",
                found: names,
                max: limits.names_max,
            });
        }
        let least = objects.saturating_mul(objects::Builder::OBJECT_BYTES);
        limits.check_memory(least.saturating_add(removed.saturating_mul(Collected::NAME_BYTES)))?;
        let count = |names: u64| usize::try_from(names).unwrap_or(usize::MAX);
        Ok(Self {
            lines,
            head,
            objects: count(objects),
            removed: count(removed),
            unknown,
            limits: *limits,
        })
    }

    /// Reads all the rest: the manifest, and members that are not known.
    pub(crate) fn finish(mut self) -> Result<(Manifest, Vec<String>), Refused> {
        let objects = self.read_objects()?;
        let removed = self.read_removed(objects.memory_bytes())?;
        let line = self.lines.number;
        self.lines.end()?;
        let manifest = Manifest::new(self.head, objects, removed);
        let manifest = manifest.map_err(|wrong| Refused::Wrong { line, wrong })?;
        Ok((manifest, self.unknown.into_names()))
    }

    fn read_objects(&mut self) -> Result<Objects, Refused> {
        let mut builder = objects::Builder::with_capacity(self.objects);
        for _ in 0..self.objects {
            self.read_line(|raw| builder.push(&raw.object()?))?;
            self.limits.check_memory(builder.memory_bytes())?;
        }
        let sorting = builder.memory_bytes() + builder.sorting_bytes();
        self.limits.check_memory(sorting)?;
        self.whole(builder.finish())
    }

    /// Beside objects that take so much memory.
    fn read_removed(&mut self, taken: u64) -> Result<Names, Refused> {
        let mut collected = Collected::with_capacity(self.removed);
        for _ in 0..self.removed {
            self.read_line(|raw| {
                let (site, path) = raw.removed()?;
                check_name(site, path)?;
                collected.push(site, path)
            })?;
            self.limits.check_memory(taken + collected.memory_bytes())?;
        }
        let sorting = collected.memory_bytes() + collected.sorting_bytes();
        self.limits.check_memory(taken + sorting)?;
        self.whole(collected.sorted().map(|(names, _)| names))
    }

    fn read_line(
        &mut self,
        keep: impl FnOnce(RawObject<'_>) -> Result<(), Wrong>,
    ) -> Result<(), Refused> {
        let line = self.lines.number + 1;
        let text = self.lines.next(OBJECT_BYTES_MAX)?;
        let raw = parse(text, ObjectSeed(&mut self.unknown));
        check_host(&mut self.unknown, line)?;
        let raw = raw.map_err(|error| Refused::Malformed {
            line,
            problem: error.to_string(),
        })?;
        keep(raw).map_err(|wrong| Refused::Wrong { line, wrong })
    }

    /// What is wrong with all lines together is told at the last one.
    fn whole<T>(&self, kept: Result<T, Wrong>) -> Result<T, Refused> {
        let line = self.lines.number;
        kept.map_err(|wrong| Refused::Wrong { line, wrong })
    }
}

pub(super) fn parse<'de, S: DeserializeSeed<'de>>(
    text: &'de [u8],
    seed: S,
) -> Result<S::Value, serde_json::Error> {
    let mut deserializer = Deserializer::from_slice(text);
    let value = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

pub(super) fn check_host(unknown: &mut Unknown, line: u64) -> Result<(), Refused> {
    match unknown.host.take() {
        Some(name) => Err(Refused::NamesHosts { line, name }),
        None => Ok(()),
    }
}
