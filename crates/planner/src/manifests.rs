//! From the rows of a plan to manifests.

use std::path::Path;

use manifest::{Head, Hints, Kind, Manifest, Names, OBJECT_PATH_BYTES_MAX, Object, Objects, Pin};
use serde::Serialize;
use signing::{Label, ObjectPath};

use crate::{
    Action, Day, Error, Job, Limits, Row,
    day::DAY_S,
    job::Audience,
    rows::{check_pinned, read_rows},
};

/// How long titles stay that launched, unless a plan of a later day has them as all others: the first
/// evening is what they are pinned for, then the policy knows them.
const LAUNCH_PIN_S: u64 = DAY_S;
/// What is pinned by contract is filled first, then launches, then by value.
const PRIORITY_PINNED: u8 = 2;
const PRIORITY_LAUNCH: u8 = 1;

/// What all manifests of a plan have in common.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// Their generation: higher than that of each manifest before.
    pub generation: u64,
    /// When they are made, in seconds since the Unix epoch.
    pub issued_s: u64,
    /// For how long they may be accepted, in seconds.
    pub lifetime_s: u64,
    /// The second flag, without which a box refuses to drop much of its plan.
    pub allow_mass_eviction: bool,
}

/// What is planned for a box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The box.
    pub appliance: String,
    /// Bytes that it holds.
    pub capacity: u64,
    /// Bytes that a night's fill may move.
    pub budget: u64,
    /// Objects that it is to hold, whole or in part.
    pub objects: u64,
    /// Of them those of which it is to hold the beginning alone.
    pub beginnings: u64,
    /// Of them those that are kept whatever the traffic.
    pub pinned: u64,
    /// Objects that are let in at their first miss.
    pub seeds: u64,
    /// Bytes that it is to hold.
    pub bytes: u64,
    /// Bytes that are to be moved for that.
    pub fill_bytes: u64,
    /// Of them for what is pinned, which the budget does not bind.
    pub fill_bytes_pinned: u64,
    /// Bytes a day that what it is to hold is expected to serve.
    pub served_bytes: u64,
    /// Of them by what is filled.
    pub served_bytes_filled: u64,
}

/// Hands the manifest of each box, whether or not something is planned for it, to `each`, from the
/// rows of the plan in `folder`. In memory is one manifest at a time.
pub async fn collect(
    work: &Path,
    job: &Job,
    folder: &Path,
    (limits, stamp): (&Limits, &Stamp),
    mut each: impl FnMut(Manifest, Summary) -> Result<(), Error>,
) -> Result<(), Error> {
    check_pinned(work, job, folder, limits).await?;
    let day = job.day.parse::<Day>()?;
    let mut next = 0;
    let mut rows: Vec<Row> = Vec::new();
    // Rows are ended by the first of a later box, and the last by the end.
    let mut flush = |rows: &mut Vec<Row>, until: usize| -> Result<(), Error> {
        while next < until {
            let audience = &job.audiences[next];
            let made = make(audience, rows, (day, stamp))?;
            rows.clear();
            each(made.0, made.1)?;
            next += 1;
        }
        Ok(())
    };
    let boxes = job.audiences.len();
    read_rows(work, job, folder, limits, |row| {
        if row.appliance >= boxes {
            return Err(Error::Plan(format!("a box {}", row.appliance)));
        }
        let under_way = rows.first().map(|first| first.appliance);
        if under_way != Some(row.appliance) {
            // The one under way, then those between, for which nothing is planned.
            flush(&mut rows, under_way.map_or(0, |appliance| appliance + 1))?;
            flush(&mut rows, row.appliance)?;
        }
        rows.push(row);
        Ok(())
    })
    .await?;
    let last = rows.first().map_or(0, |first| first.appliance + 1);
    flush(&mut rows, last)?;
    flush(&mut rows, boxes)
}

/// The manifest of a box and what it comes to.
fn make(
    audience: &Audience,
    rows: &[Row],
    (day, stamp): (Day, &Stamp),
) -> Result<(Manifest, Summary), Error> {
    let summary = summary(audience, rows)?;
    let head = Head {
        audience: Label::parse(&audience.name).map_err(|error| Error::Plan(error.to_string()))?,
        generation: stamp.generation,
        previous: None,
        issued_s: stamp.issued_s,
        expires_s: stamp.issued_s.saturating_add(stamp.lifetime_s),
        kind: Kind::Full,
        hints: Hints::default(),
        allow_mass_eviction: stamp.allow_mass_eviction,
    };
    let mut writer = Writer {
        stamp,
        day,
        pinnable: audience.pinned_max(),
    };
    let nameable = rows.iter().filter(|row| is_nameable(row));
    let objects = nameable.map(|row| writer.object(row));
    let objects = Objects::collect(objects.collect::<Result<Vec<_>, _>>()?)?;
    Ok((Manifest::new(head, objects, Names::collect([])?)?, summary))
}

/// Whether a manifest can name it. What is planned to be filled can be named, since the catalogue was
/// checked; what only the reports know may have a query in its name, and is left to the policy.
fn is_nameable(row: &Row) -> bool {
    let is_legal = Label::is_legal(row.site.as_bytes()) && ObjectPath::check(&row.path).is_ok();
    row.action == Action::Fill
        || (is_legal && row.path.len() <= OBJECT_PATH_BYTES_MAX && row.size > 0)
}

/// What rows become, the first rank first.
struct Writer<'a> {
    stamp: &'a Stamp,
    /// That is planned for.
    day: Day,
    /// Bytes that may still be pinned.
    pinnable: u64,
}

impl Writer<'_> {
    fn object<'a>(&mut self, row: &'a Row) -> Result<Object<'a>, Error> {
        let live_at_s = row
            .live_at_s
            .filter(|live_at_s| *live_at_s > self.stamp.issued_s);
        let seed = Object {
            digest: row.digest,
            live_at_s,
            ..Object::seed(&row.site, &row.path, row.size, row.expected)
        };
        match row.action {
            Action::Seed => Ok(seed),
            Action::Fill => {
                let digest = row
                    .digest
                    .ok_or_else(|| Error::Plan(format!("{} has no digest", row.path)))?;
                let (pin, priority) = self.hold(row);
                Ok(Object {
                    expected: row.expected,
                    live_at_s,
                    pin,
                    priority,
                    first_bytes: (row.bytes < row.size).then_some(row.bytes),
                    ..Object::fill(&row.site, &row.path, row.size, digest)
                })
            }
        }
    }

    /// How it is kept, and when its turn comes. A launch beyond what a box pins is filled as early, and then
    /// has to be worth its place.
    fn hold(&mut self, row: &Row) -> (Pin, u8) {
        let launch = row
            .live_at_s
            .filter(|live_at_s| self.day.launches(*live_at_s));
        let (pin, priority) = match (row.is_pinned, launch) {
            (false, None) => return (Pin::Unpinned, 0),
            (true, _) => (Pin::WhilePlanned, PRIORITY_PINNED),
            (false, Some(live_at_s)) => (
                Pin::Until(live_at_s.saturating_add(LAUNCH_PIN_S)),
                PRIORITY_LAUNCH,
            ),
        };
        match self.pinnable.checked_sub(row.bytes) {
            Some(left) => {
                self.pinnable = left;
                (pin, priority)
            }
            None => (Pin::Unpinned, priority),
        }
    }
}

/// Adds up a plan, and refuses one that breaks a promise, whatever engine made it.
fn summary(audience: &Audience, rows: &[Row]) -> Result<Summary, Error> {
    let mut summary = Summary {
        appliance: audience.name.clone(),
        capacity: audience.capacity,
        budget: audience.budget,
        objects: 0,
        beginnings: 0,
        pinned: 0,
        seeds: 0,
        bytes: 0,
        fill_bytes: 0,
        fill_bytes_pinned: 0,
        served_bytes: 0,
        served_bytes_filled: 0,
    };
    for row in rows {
        if row.action == Action::Seed {
            summary.seeds += u64::from(is_nameable(row));
            continue;
        }
        let served = u128::from(row.expected) * u128::from(row.bytes) / 1_000;
        let served = u64::try_from(served).unwrap_or(u64::MAX);
        summary.objects += 1;
        summary.beginnings += u64::from(row.bytes < row.size);
        summary.pinned += u64::from(row.is_pinned);
        summary.bytes = summary.bytes.saturating_add(row.bytes);
        summary.fill_bytes = summary.fill_bytes.saturating_add(row.need);
        summary.served_bytes = summary.served_bytes.saturating_add(served);
        if row.is_pinned {
            summary.fill_bytes_pinned = summary.fill_bytes_pinned.saturating_add(row.need);
        }
        if row.need > 0 {
            summary.served_bytes_filled = summary.served_bytes_filled.saturating_add(served);
        }
    }
    let name = &summary.appliance;
    if summary.bytes > summary.capacity {
        return Err(Error::Plan(format!("{name} is to hold more than it can")));
    }
    if summary.fill_bytes > summary.budget.max(summary.fill_bytes_pinned) {
        return Err(Error::Plan(format!(
            "{name} is to fill more than its budget"
        )));
    }
    Ok(summary)
}
