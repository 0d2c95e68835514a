//! The whole sketch: shards, each behind its own lock.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, RandomState},
    ops::RangeInclusive,
    sync::Arc,
    time::Duration,
};

use parking_lot::{Mutex, MutexGuard};

use crate::{
    Demand, HALF_LIFE, Hour, Row,
    decay::Decay,
    entry::Site,
    folders::Folders,
    front::BLOCK_BYTES,
    hash::{SHARDS, Secret, mix},
    set::WAYS,
    shard::{PENDING_BYTES, SLOT_BYTES, Shape, Shard},
    tally::Rest,
};

const MIB: u64 = 1 << 20;

/// Of the memory, a quarter is the front's. Less, and what is asked for seldom looks like more; more,
/// and fewer are named.
const FRONT_SHARE: usize = 4;
/// And an eighth that of the sites, or what they need.
const SITES_SHARE: usize = 8;
/// And an eighth that of folders.
const FOLDERS_SHARE: usize = 8;
/// Sites that objects are named of, as many as a config may sensibly have. Further ones share a row.
const SITES_MAX: usize = 128;

/// What a [`Popularity`] is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What it may take, all in all. It takes this from the start, paths apart.
    pub memory_bytes: u64,
    /// The time in which demand loses half of its weight.
    pub half_life: Duration,
    /// An object is named to others once so many viewers asked for it within a week: above 10 or so hardly ever,
    /// if not within an hour.
    pub sessions_min: u32,
}

impl Config {
    /// Of [`Config::memory_bytes`].
    pub const MEMORY_BYTES: RangeInclusive<u64> = 2 * MIB..=1 << 30;
    /// Of [`Config::half_life`].
    pub const HALF_LIVES: RangeInclusive<Duration> =
        Duration::from_hours(1)..=Duration::from_hours(60 * 24);
    /// Of [`Config::sessions_min`]. More could not be told for certain.
    pub const SESSIONS_MIN: RangeInclusive<u32> = 1..=32;
}

impl Default for Config {
    fn default() -> Self {
        Self {
            memory_bytes: 32 * MIB,
            half_life: HALF_LIFE,
            sessions_min: 5,
        }
    }
}

/// One of the objects that are asked for most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Popular {
    /// The site's name.
    pub site: Arc<str>,
    /// The object's path.
    pub path: Arc<str>,
    /// The object's bytes.
    pub size: u64,
    /// Bytes served / size, decayed, in thousandths: at least what it was, and at most
    /// [`Self::error`] more.
    pub plays: u64,
    /// How much of that may be others', in thousandths.
    pub error: u64,
}

/// The objects that are asked for most.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Top {
    /// The most popular first.
    pub objects: Vec<Popular>,
    /// No object that the sketch does not hold was asked for more: thousandths of plays, decayed.
    pub others_at_most: u64,
}

/// Demand for objects, the newer the heavier, in a fixed memory. Every method may be called by many
/// threads; a count takes one lock of 128.
pub struct Popularity {
    config: Config,
    pub(crate) secret: Secret,
    shards: Box<[Padded]>,
    folders: Folders,
}

/// Keeps the locks of two shards out of one cache line.
#[repr(align(128))]
struct Padded(Mutex<Shard>);

impl Popularity {
    /// An empty sketch.
    pub fn new(config: Config) -> Self {
        let random = RandomState::new();
        Self::with_secret(config, Secret([random.hash_one(1), random.hash_one(2)]))
    }

    pub(crate) fn with_secret(config: Config, secret: Secret) -> Self {
        let shape = shape(config.memory_bytes);
        let decay = Decay::new(config.half_life);
        let folders = folders_bytes(config.memory_bytes);
        let folders = Folders::new(folders, config.sessions_min);
        let shard = |_| Padded(Mutex::new(Shard::new(shape, decay)));
        Self {
            config,
            secret,
            shards: (0..SHARDS).map(shard).collect(),
            folders,
        }
    }

    /// Counts an answer, at a time since the Unix epoch. Takes no lock but that of the object's
    /// shard, and allocates nothing. What no answer could have served is not counted.
    pub fn count(&self, demand: &Demand<'_>, now: Duration) {
        if !demand.is_some() {
            return;
        }
        let tag = self.secret.tag(demand.object);
        let viewer = mix(demand.viewer);
        let mut shard = self.shards[tag.shard()].0.lock();
        shard.count(tag, demand, viewer, Hour::of(now));
    }

    /// The `count` objects that are asked for most, of those that enough viewers asked for.
    pub fn top(&self, count: usize, now: Duration) -> Top {
        let (mut objects, mut floor) = (Vec::new(), 0.0_f64);
        for shard in &self.shards {
            let mut shard = shard.0.lock();
            shard.pass_to(Hour::of(now));
            floor = floor.max(shard.floor());
            let public = shard
                .named()
                .filter(|named| named.entry.is_public(self.config.sessions_min));
            objects.extend(public.map(|named| Popular {
                site: Arc::clone(named.site),
                path: Arc::clone(named.path),
                size: named.entry.size,
                plays: thousandths(named.plays),
                error: thousandths(named.entry.error),
            }));
            drop(shard);
            keep_most(&mut objects, count);
        }
        objects.sort_unstable_by(|one, other| {
            let by_plays = other.plays.cmp(&one.plays);
            by_plays.then_with(|| (&one.site, &one.path).cmp(&(&other.site, &other.path)))
        });
        Top {
            objects,
            others_at_most: thousandths(floor),
        }
    }

    /// Ends an hour: what was served since the last call, shard by shard, and at last what is not
    /// named, by folder and by site. Objects and folders of fewer viewers than [`Config::sessions_min`] are not named.
    ///
    /// Stopped early, it leaves the shards that were not looked at as they are.
    pub fn end_hour(&self, hour: Hour) -> impl Iterator<Item = Vec<Row>> {
        let mut rests = BTreeMap::new();
        let mut shards = self.shards.iter();
        let mut is_told = false;
        std::iter::from_fn(move || {
            let mut rows = match shards.next() {
                Some(shard) => self.end_shard(shard, &mut rests),
                None if is_told => return None,
                None => {
                    is_told = true;
                    let mut rows = self.folders.end_hour(hour, &mut rests);
                    rows.extend(rest_rows(&rests));
                    rows
                }
            };
            for row in &mut rows {
                row.hour = hour;
            }
            Some(rows)
        })
    }

    fn end_shard(&self, shard: &Padded, rests: &mut BTreeMap<Arc<str>, Rest>) -> Vec<Row> {
        let ended = shard
            .0
            .lock()
            .end_hour(self.config.sessions_min, &self.folders);
        for (name, rest) in ended.rests {
            rests.entry(name).or_default().join(&rest);
        }
        let mut rows = ended.rows;
        rows.sort_unstable_by(|one, other| (&one.site, &one.path).cmp(&(&other.site, &other.path)));
        rows
    }

    pub(crate) fn shard(&self, index: usize) -> MutexGuard<'_, Shard> {
        self.shards[index].0.lock()
    }

    /// What it takes, at most.
    pub fn memory_bytes(&self) -> u64 {
        self.config.memory_bytes
    }
}

fn folders_bytes(memory_bytes: u64) -> usize {
    usize::try_from(memory_bytes).unwrap_or(usize::MAX) / FOLDERS_SHARE
}

fn rest_rows(rests: &BTreeMap<Arc<str>, Rest>) -> Vec<Row> {
    let some = rests.iter().filter(|(_, rest)| rest.tally.requests > 0);
    some.map(|(site, rest)| Row::of_rest(site, rest)).collect()
}

fn keep_most(objects: &mut Vec<Popular>, count: usize) {
    if objects.len() > count {
        objects.sort_unstable_by_key(|object| std::cmp::Reverse(object.plays));
        objects.truncate(count);
    }
}

pub(crate) fn shape(memory_bytes: u64) -> Shape {
    let bytes = usize::try_from(memory_bytes).unwrap_or(usize::MAX);
    let bytes = (bytes - folders_bytes(memory_bytes)) / SHARDS;
    let sites = (bytes / SITES_SHARE / size_of::<Site>()).min(SITES_MAX);
    let front = bytes / FRONT_SHARE;
    let named = bytes - front - sites * size_of::<Site>() - size_of::<Padded>() - PENDING_BYTES;
    Shape {
        sets: named / (SLOT_BYTES * WAYS),
        blocks: front / BLOCK_BYTES,
        sites,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "never negative, and saturates"
)]
pub(crate) fn thousandths(plays: f64) -> u64 {
    (plays * 1000.0).ceil() as u64
}

#[cfg(test)]
#[path = "bounds_tests.rs"]
mod bounds;
