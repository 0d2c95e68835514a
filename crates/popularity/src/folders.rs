//! What is served of objects that are not named, folder by folder: of a long tail no object has viewers
//! enough, and its folders have.
//!
//! A folder is told once as many viewers came within a week for what is not named in it as an object
//! is named for. What is served of one to which too few come goes into the folder around it. So a request is told by
//! the innermost folder that enough viewers have.
//!
//! All of that is done when an hour ends, of the objects that are held then. What others had is left to
//! their site: looking for the folder of each answer costs as much again as counting it (measured, with 4,096 folders).
//!
//! Folders lie in sets of 8 by their hash. One that comes in takes the place of that which the fewest viewers
//! came to, of those that nobody came to this hour and that are not told; where there is none, what was served
//! goes unnamed into the rest of its site.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::{
    Hour, Row,
    crowd::Crowd,
    hash::{mix, place},
    tally::Rest,
};

const WAYS: usize = 8;
/// Longer ones are not told: what lies in them is in the rest of its site.
const PATH_BYTES_MAX: usize = 128;
/// Bytes of a folder: with its path, and what an allocator rounds up.
const SLOT_BYTES: usize = size_of::<u64>() + size_of::<Folder>() + PATH_BYTES_MAX + 16;

/// The folder that an object lies in: its path up to the last `/`.
pub fn folder_of(path: &str) -> Option<&str> {
    let last = path.bytes().rposition(|byte| byte == b'/')?;
    path.get(..=last)
}

/// All folders that have a place.
pub(crate) struct Folders {
    hasher: RandomState,
    sessions_min: u32,
    table: Mutex<Table>,
}

struct Table {
    /// Until which crowds have passed.
    hour: Hour,
    /// Of each folder its tag, eight of a set in one cache line; 0 is none.
    tags: Box<[u64]>,
    folders: Box<[Folder]>,
}

#[derive(Clone, Default)]
struct Folder {
    site: Arc<str>,
    path: Box<str>,
    /// Who came in hours that have ended, for what is not named.
    crowd: Crowd,
    rest: Rest,
}

impl Folders {
    /// As many as have room in so many bytes.
    pub(crate) fn new(memory_bytes: usize, sessions_min: u32) -> Self {
        let sets = (memory_bytes / (SLOT_BYTES * WAYS)).max(1);
        Self {
            hasher: RandomState::default(),
            sessions_min,
            table: Mutex::new(Table {
                hour: Hour::default(),
                tags: vec![0; sets * WAYS].into(),
                folders: vec![Folder::default(); sets * WAYS].into(),
            }),
        }
    }

    /// Adds what was served of an object of a site, or of a folder of it. `false` if its folder has no place, and nothing
    /// was added.
    pub(crate) fn add(&self, site: &Arc<str>, path: &str, rest: &Rest) -> bool {
        let Some(path) = folder_of(path).filter(|folder| folder.len() <= PATH_BYTES_MAX) else {
            return false;
        };
        let tag = mix(self.hasher.hash_one((&**site, path))).max(1);
        let mut table = self.table.lock();
        let set = place(tag, table.tags.len() / WAYS) * WAYS;
        let set = set..set + WAYS;
        let known = table.tags[set.clone()].iter().position(|one| *one == tag);
        let way = known.or_else(|| {
            let way = least(&table.folders[set.clone()], self.sessions_min)?;
            table.tags[set.start + way] = tag;
            table.folders[set.start + way] = Folder {
                site: Arc::clone(site),
                path: path.into(),
                ..Folder::default()
            };
            Some(way)
        });
        if let Some(way) = way {
            table.folders[set.start + way].rest.join(rest);
        }
        way.is_some()
    }

    /// Takes what was served since the last call: rows of folders to which enough viewers came within a
    /// week. What others had goes into the folders around them, and at last into the rests of their sites.
    pub(crate) fn end_hour(&self, hour: Hour, rests: &mut BTreeMap<Arc<str>, Rest>) -> Vec<Row> {
        let mut rows = Vec::new();
        let deepest = self.table.lock().pass_to(hour);
        for depth in (0..=deepest).rev() {
            let few = self
                .table
                .lock()
                .end_depth(depth, self.sessions_min, &mut rows);
            for Few { site, path, rest } in few {
                let around = parent_of(&path);
                if !around.is_some_and(|around| self.add(&site, around, &rest)) {
                    rests.entry(site).or_default().join(&rest);
                }
            }
        }
        rows.sort_unstable_by(|one, other| (&one.site, &one.path).cmp(&(&other.site, &other.path)));
        rows
    }
}

/// What too few viewers asked for to be told by this folder.
struct Few {
    site: Arc<str>,
    path: Box<str>,
    rest: Rest,
}

impl Table {
    /// Lets the time pass, and tells how deep the deepest folder lies.
    fn pass_to(&mut self, hour: Hour) -> usize {
        let before = std::mem::replace(&mut self.hour, hour);
        let mut deepest = 0;
        for folder in &mut self.folders {
            folder.crowd.pass(before, hour);
            deepest = deepest.max(depth(&folder.path));
        }
        deepest
    }

    /// Takes what folders so deep had: rows of those to which enough viewers came, and the others.
    fn end_depth(&mut self, at: usize, sessions_min: u32, rows: &mut Vec<Row>) -> Vec<Few> {
        let mut few = Vec::new();
        let asked = self
            .folders
            .iter_mut()
            .filter(|folder| folder.rest.tally.requests > 0);
        for folder in asked.filter(|folder| depth(&folder.path) == at) {
            let rest = std::mem::take(&mut folder.rest);
            folder.crowd.join(rest.tally.sessions);
            if folder.crowd.is_enough(rest.tally.sessions, sessions_min) {
                rows.push(Row::of_folder(&folder.site, &folder.path, &rest));
            } else {
                few.push(Few {
                    site: Arc::clone(&folder.site),
                    path: folder.path.clone(),
                    rest,
                });
            }
        }
        few
    }
}

fn depth(path: &str) -> usize {
    path.bytes().filter(|byte| *byte == b'/').count()
}

/// The folder that a folder lies in; not the root, which tells no more than its site.
pub fn parent_of(folder: &str) -> Option<&str> {
    folder_of(folder.strip_suffix('/')?).filter(|parent| parent.len() > 1)
}

/// The way of the folder that makes room: free, or one that nobody came to this hour and too few within a week, the
/// fewest.
fn least(set: &[Folder], sessions_min: u32) -> Option<usize> {
    let viewers = |folder: &Folder| folder.crowd.at_least(folder.rest.tally.sessions);
    let idle = (0..).zip(set);
    let idle = idle.filter(|(_, folder)| folder.rest.tally.requests == 0);
    let idle = idle.filter(|(_, folder)| folder.path.is_empty() || viewers(folder) < sessions_min);
    let least = idle.min_by_key(|(_, folder)| (!folder.path.is_empty(), viewers(folder)));
    least.map(|(way, _)| way)
}
