//! The catalogue as a table.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use popularity::{folder_of, parent_of};
use ring::digest::{Context, SHA256};

use crate::{
    Day, Entry, Error, Inputs,
    day::DAY_S,
    placement::bucket,
    prepare::{bytes, keep, whole},
    tables::Rows,
};

/// Objects of a catalogue, at most. 20 million: the hashes of their names alone are 0.6 GB while they are
/// read, and where each is a title of its own 1.1 GB more.
const OBJECTS_MAX: usize = 20_000_000;
/// Days for which a title is judged by its newest day alone.
const YOUNG_DAYS: i64 = 4;
/// The catalogue on its way into a table. Titles, series and rungs become numbers as they are met, so that
/// the same catalogue gives the same numbers.
pub(crate) struct Objects {
    rows: Rows,
    folders: Folders,
    day: Day,
    days: i64,
    launch_nights: u64,
    launch_lead_s: u64,
    seen: HashSet<u128>,
    assets: HashMap<u128, i64>,
    series: HashMap<u128, i64>,
    variants: HashMap<u128, i64>,
}

impl Objects {
    pub(crate) fn create(tables: &Path, inputs: &Inputs) -> Result<Self, Error> {
        let texts = ["site", "path", "folder", "digest"];
        let numbers = [
            "object", "size", "asset", "variant", "position", "bucket", "fillable", "pinned",
            "launch", "excluded", "told", "forecast", "live_at", "series", "episode", "released",
        ];
        Ok(Self {
            rows: Rows::create(&tables.join("object").join("0.parquet"), &texts, &numbers)?,
            folders: Folders::create(tables)?,
            day: inputs.day,
            days: i64::from(inputs.fleet.knobs.days),
            launch_nights: u64::from(inputs.fleet.knobs.launch_nights),
            launch_lead_s: inputs.fleet.knobs.launch_lead_s(),
            seen: HashSet::new(),
            assets: HashMap::new(),
            series: HashMap::new(),
            variants: HashMap::new(),
        })
    }

    /// Takes in an object of the catalogue, or says what is wrong with it.
    pub(crate) fn push(&mut self, entry: Entry, failed: &mut Option<Error>) -> Result<(), String> {
        entry.check()?;
        if !self.seen.insert(hash(["path", &entry.site, &entry.path])) {
            return Err(format!("{} is there twice", entry.path));
        }
        if self.seen.len() > OBJECTS_MAX {
            return Err(format!("more than {OBJECTS_MAX} objects"));
        }
        let title = match &entry.asset {
            Some(asset) => hash(["asset", &entry.site, asset]),
            None => hash(["path", &entry.site, &entry.path]),
        };
        let next = whole(self.assets.len()) + 1;
        let asset = *self.assets.entry(title).or_insert(next);
        let series = self.series_of(&entry);
        let next = whole(self.variants.len()) + 1;
        let rung = hash(["rung", &entry.site, &entry.variant]);
        let variant = *self.variants.entry(rung).or_insert(next);

        let begin = self.day.begin_s();
        let live_at = entry.live_at.unwrap_or(0);
        // The last night before it is the one whose window is over by then, wherever the box is.
        let due = live_at.saturating_sub(self.launch_lead_s);
        let is_out = due < begin + DAY_S;
        let is_launch = self.day.launches(live_at) && entry.forecast > 0;
        // The sooner it comes, the more of the nights before are left for others.
        let days_until = due.saturating_sub(begin) / DAY_S;
        let sooner = self.launch_nights.saturating_sub(days_until);
        let is_planned = is_out || (is_launch && sooner > 0) || entry.mandatory;
        // Until a whole day of it was seen, its owner knows more, though it is no launch any longer.
        let is_unseen = live_at + DAY_S > begin;
        let numbers = [
            whole(self.seen.len()),
            bytes(entry.size),
            asset,
            variant,
            i64::from(entry.position),
            i64::from(bucket(title)),
            i64::from(entry.digest.is_some()),
            i64::from(entry.mandatory),
            if is_launch { bytes(sooner) } else { 0 },
            i64::from(entry.excluded || !is_planned),
            self.days_that_tell(live_at),
            if is_unseen {
                bytes(entry.forecast) * 1_000
            } else {
                0
            },
            bytes(live_at),
            series,
            i64::from(entry.episode),
            i64::from(is_out && !entry.excluded),
        ];
        keep(self.folders.push(&entry), failed)?;
        let folder = folder_of(&entry.path).map(str::to_owned);
        let texts = [Some(entry.site), Some(entry.path), folder, entry.digest];
        keep(self.rows.push(texts, numbers), failed)
    }

    /// Ends the table. A catalogue without objects is more likely one that was cut short than none: its plan
    /// would have every box drop all that it was told before.
    pub(crate) fn finish(self, catalog: &Path) -> Result<(), Error> {
        if self.seen.is_empty() {
            return Err(Error::Input {
                path: catalog.to_owned(),
                problem: "it has no objects".to_owned(),
            });
        }
        self.folders.rows.finish()?;
        self.rows.finish()
    }

    /// The number of what it is an episode of; 0 is of nothing.
    fn series_of(&mut self, entry: &Entry) -> i64 {
        let Some(series) = &entry.series else {
            return 0;
        };
        let next = whole(self.series.len()) + 1;
        let name = hash(["series", &entry.site, series]);
        *self.series.entry(name).or_insert(next)
    }

    /// How many of the days before tell of what viewers may have since then: of what is young the
    /// newest alone.
    fn days_that_tell(&self, live_at_s: u64) -> i64 {
        match self.day.since(Day::of(live_at_s)) {
            ..YOUNG_DAYS => 1,
            age => age.min(self.days),
        }
    }
}

/// Each folder of the catalogue beside itself and those around it.
struct Folders {
    rows: Rows,
    /// The last that was written: one folder's objects come together mostly, and SQL takes each once.
    last: (String, String),
}

impl Folders {
    fn create(tables: &Path) -> Result<Self, Error> {
        let path = tables.join("around").join("0.parquet");
        Ok(Self {
            rows: Rows::create(&path, &["site", "folder", "path"], &["outwards"])?,
            last: (String::new(), String::new()),
        })
    }

    fn push(&mut self, entry: &Entry) -> Result<(), Error> {
        let Some(folder) = folder_of(&entry.path) else {
            return Ok(());
        };
        if (&*self.last.0, &*self.last.1) == (&*entry.site, folder) {
            return Ok(());
        }
        self.last = (entry.site.clone(), folder.to_owned());
        let around = std::iter::successors(Some(folder), |inner| parent_of(inner));
        for (path, outwards) in around.zip(0..) {
            let texts = [&*entry.site, folder, path].map(|text| Some(text.to_owned()));
            self.rows.push(texts, [outwards])?;
        }
        Ok(())
    }
}

/// A hash of names; no name contains a line break or what follows one.
fn hash(names: [&str; 3]) -> u128 {
    let mut context = Context::new(&SHA256);
    for name in names {
        context.update(&(name.len() as u64).to_le_bytes());
        context.update(name.as_bytes());
    }
    let mut top = [0; 16];
    top.copy_from_slice(&context.finish().as_ref()[..16]);
    u128::from_le_bytes(top)
}
