//! A part of the sketch, behind a lock of its own: the objects that are named, and the front for
//! those that are not.
//!
//! Named objects lie in sets of 7 by their hash. One that comes in must be asked for more than the
//! least of its set, by the front's estimate; it begins with that estimate, and the part of it that
//! others may have caused is its error. What goes back to the front takes its count with it. So these
//! hold at all times, with p the plays of an object, decayed, and whatever came in whatever order:
//!
//! 1. named: `plays - error <= p <= plays`;
//! 2. not named: `p <= floor` of its set, the most that was ever turned away there.
//!
//! Proof of 2: at the last request of an object that is not named it was turned away with an estimate,
//! which is at most the floor and never below p; or it was put out afterwards with its count, for which
//! the same holds. Of 1: an estimate is never below p, as all that the object was asked for went into
//! its cells of the front or into its count, which the front took back; and whatever is counted once it
//! is named is its own.

use std::{ops::Range, sync::Arc};

use crate::{
    crowd::Crowd,
    decay::{Decay, Hour},
    demand::Demand,
    entry::{Entry, Named, Site},
    folders::Folders,
    front::Front,
    hash::Tag,
    row::Row,
    set::{Set, WAYS},
    tally::{Rest, Tally},
};

/// Answers of a shard that wait to be counted, at most.
const PENDING: usize = 16;
/// Bytes of those.
pub(crate) const PENDING_BYTES: usize = PENDING * size_of::<Pending>();
/// Longer paths are counted and not named.
pub(crate) const PATH_BYTES_MAX: usize = 512;
/// Of all paths of a set: 96 bytes each. Where they are longer, fewer objects are named.
pub(crate) const SET_PATH_BYTES: usize = WAYS * 96;

/// An answer that is not counted yet.
pub(crate) struct Pending {
    tag: Tag,
    site: Option<u16>,
    path: Arc<str>,
    size: u64,
    served: Range<u64>,
    plays: f64,
    viewer: u64,
}

/// How large a shard is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) sets: usize,
    pub(crate) blocks: usize,
    pub(crate) sites: usize,
}

/// What was served in an hour.
pub(crate) struct Ended {
    pub(crate) rows: Vec<Row>,
    pub(crate) rests: Vec<(Arc<str>, Rest)>,
}

pub(crate) struct Shard {
    decay: Decay,
    hour: Hour,
    sets: Box<[Set]>,
    entries: Box<[Entry]>,
    front: Front,
    pending: Vec<Pending>,
    sites: Vec<Site>,
    sites_max: usize,
    /// Of sites that have no place.
    others: Rest,
}

/// Bytes of a named object, its path included.
pub(crate) const SLOT_BYTES: usize =
    size_of::<Set>().div_ceil(WAYS) + size_of::<Entry>() + PATH_SLOT_BYTES;
/// A path, the counters of its `Arc`, and what an allocator rounds up.
const PATH_SLOT_BYTES: usize = SET_PATH_BYTES / WAYS + 32;

impl Shard {
    pub(crate) fn new(shape: Shape, decay: Decay) -> Self {
        let sets = shape.sets.max(1);
        Self {
            decay,
            hour: Hour::default(),
            sets: vec![Set::default(); sets].into(),
            entries: vec![Entry::default(); sets * WAYS].into(),
            front: Front::new(shape.blocks),
            pending: Vec::with_capacity(PENDING),
            sites: Vec::new(),
            sites_max: shape.sites,
            others: Rest::default(),
        }
    }

    /// Counts an answer, a little later: see [`Shard::settle`]. `viewer` is a hash.
    pub(crate) fn count(&mut self, tag: Tag, demand: &Demand<'_>, viewer: u64, hour: Hour) {
        if hour > self.hour {
            self.pass_to(hour);
        }
        let site = self.site(demand.site);
        self.pending.push(Pending {
            tag,
            site,
            path: Arc::clone(demand.path),
            size: demand.size,
            served: demand.served.clone(),
            plays: demand.plays(),
            viewer,
        });
        if self.pending.len() == PENDING {
            self.settle();
        }
    }

    /// Counts the answers that wait, in the order in which they came. Who looks at anything has
    /// settled before.
    ///
    /// They wait because nearly each of them misses the processor's caches two or three times, in turn:
    /// 140 to 220 ns each, measured. Of many at once the misses overlap.
    fn settle(&mut self) {
        let mut pending = std::mem::take(&mut self.pending);
        self.touch(&pending);
        for one in pending.drain(..) {
            self.count_now(one);
        }
        self.pending = pending;
    }

    /// Reads what counting these will read, in an order in which no read waits for another.
    fn touch(&self, pending: &[Pending]) {
        let mut ways = [None; PENDING];
        for (way, one) in ways.iter_mut().zip(pending) {
            let set = one.tag.set(self.sets.len());
            *way = self.sets[set].find(one.tag).map(|way| set * WAYS + way);
        }
        let sizes = ways.iter().zip(pending).map(|(way, one)| match way {
            Some(slot) => self.entries[*slot].touch(),
            None => self.front.touch(one.tag.front()),
        });
        std::hint::black_box(sizes.fold(0, u64::wrapping_add));
    }

    fn count_now(&mut self, one: Pending) {
        let set = one.tag.set(self.sets.len());
        if let Some(way) = self.sets[set].find(one.tag) {
            self.sets[set].plays[way] += one.plays;
            let entry = &mut self.entries[set * WAYS + way];
            entry.size = one.size;
            entry.tally.add(one.size, &one.served, one.viewer);
            return;
        }
        let estimate = self.front.add(one.tag.front(), one.plays);
        let room = |site| Some((self.room(set, estimate, &one.path)?, site));
        if let Some((way, site)) = one.site.and_then(room) {
            self.sets[set].tags[way] = one.tag.0;
            self.sets[set].plays[way] = estimate;
            let mut tally = Tally::default();
            tally.add(one.size, &one.served, one.viewer);
            self.entries[set * WAYS + way] = Entry {
                path: Some(one.path),
                error: estimate - one.plays,
                size: one.size,
                tally,
                site,
                crowd: Crowd::default(),
                was_public: false,
            };
        } else {
            self.sets[set].turn_away(estimate);
            self.rest(one.site).add(one.size, &one.served, one.viewer);
        }
    }

    /// Settles, and lets the time pass. A clock that goes back changes nothing.
    pub(crate) fn pass_to(&mut self, hour: Hour) {
        self.settle();
        if hour <= self.hour {
            return;
        }
        let factor = self.decay.factor(self.hour, hour);
        let before = std::mem::replace(&mut self.hour, hour);
        for set in &mut self.sets {
            set.decay(factor);
        }
        for entry in &mut self.entries {
            entry.error *= factor;
            entry.crowd.pass(before, hour);
        }
        self.front.decay(factor);
    }

    /// The named objects.
    pub(crate) fn named(&self) -> impl Iterator<Item = Named<'_>> {
        let counts = self.sets.iter();
        let counts = counts.flat_map(|set| set.tags.into_iter().zip(set.plays));
        let slots = (0..).zip(counts).zip(&self.entries);
        slots.filter_map(|((slot, (tag, plays)), entry)| {
            let site = &self.sites.get(usize::from(entry.site))?.name;
            let path = entry.path.as_ref()?;
            Some(Named {
                slot,
                tag,
                site,
                path,
                plays,
                entry,
            })
        })
    }

    /// Puts an object back that [`Self::named`] told. `false` if it never can have.
    pub(crate) fn put_back(&mut self, slot: u32, tag: u64, plays: f64, entry: Entry) -> bool {
        let slot = usize::try_from(slot).unwrap_or(usize::MAX);
        let is_legal = usize::from(entry.site) < self.sites.len() && tag != 0;
        let Some(place) = self.entries.get_mut(slot).filter(|_| is_legal) else {
            return false;
        };
        *place = entry;
        self.sets[slot / WAYS].tags[slot % WAYS] = tag;
        self.sets[slot / WAYS].plays[slot % WAYS] = plays;
        true
    }

    pub(crate) fn site_names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.sites.iter().map(|site| &site.name)
    }

    /// Gives a site its place; `false` if there are too many.
    pub(crate) fn know_site(&mut self, name: &Arc<str>) -> bool {
        self.site(name).is_some()
    }

    pub(crate) fn floors(&self) -> impl Iterator<Item = f64> {
        self.sets.iter().map(|set| set.floor)
    }

    pub(crate) fn floors_mut(&mut self) -> impl Iterator<Item = &mut f64> {
        self.sets.iter_mut().map(|set| &mut set.floor)
    }

    pub(crate) fn front(&self) -> &Front {
        &self.front
    }

    pub(crate) fn front_mut(&mut self) -> &mut Front {
        &mut self.front
    }

    /// No object that is not named was asked for more, decayed.
    pub(crate) fn floor(&self) -> f64 {
        self.floors().fold(0.0, f64::max)
    }

    /// Takes what was served since the last call. What fewer than `sessions_min` viewers asked for within a
    /// week goes unnamed into its folder, or the rest of its site.
    pub(crate) fn end_hour(&mut self, sessions_min: u32, folders: &Folders) -> Ended {
        self.settle();
        let mut rows = Vec::new();
        for entry in &mut self.entries {
            let (Some(path), Some(site)) =
                (&entry.path, self.sites.get_mut(usize::from(entry.site)))
            else {
                continue;
            };
            let has_crowd = entry.has_crowd(sessions_min);
            let tally = std::mem::take(&mut entry.tally);
            entry.crowd.join(tally.sessions);
            if tally.requests == 0 {
                continue;
            }
            if has_crowd {
                entry.was_public = true;
                rows.push(Row::of(&site.name, path, entry.size, &tally));
            } else {
                let unnamed = Rest::of(&tally, entry.size);
                if !folders.add(&site.name, path, &unnamed) {
                    site.rest.join(&unnamed);
                }
            }
        }
        let rests = self.sites.iter_mut().map(|site| {
            let rest = std::mem::take(&mut site.rest);
            (Arc::clone(&site.name), rest)
        });
        let others = (Arc::default(), std::mem::take(&mut self.others));
        Ended {
            rows,
            rests: rests.chain([others]).collect(),
        }
    }

    /// A slot for an object with that estimate: the least of its set makes room, or as many of the
    /// least as its path needs. `None` leaves all as it was.
    fn room(&mut self, set: usize, estimate: f64, path: &Arc<str>) -> Option<usize> {
        if path.len() > PATH_BYTES_MAX || !self.sets[set].is_above_least(estimate) {
            return None;
        }
        let plays = &self.sets[set].plays;
        let mut ways: [usize; WAYS] = std::array::from_fn(|way| way);
        ways.sort_unstable_by(|one, other| plays[*one].total_cmp(&plays[*other]));
        let entries = &self.entries[set * WAYS..][..WAYS];
        let lengths = ways.map(|way| entries[way].path.as_ref().map_or(0, |path| path.len()));
        let mut bytes = path.len() + lengths.iter().sum::<usize>();
        let mut out = 0;
        while out == 0 || bytes > SET_PATH_BYTES {
            if plays[*ways.get(out)?] >= estimate {
                return None;
            }
            bytes -= lengths[out];
            out += 1;
        }
        for way in &ways[..out] {
            self.put_out(set, *way);
        }
        Some(ways[0])
    }

    /// The place of a site, unless there are too many.
    fn site(&mut self, name: &Arc<str>) -> Option<u16> {
        // A few, and nearly always the same allocation.
        let known = self.sites.iter();
        let mut known = known.map(|site| Arc::ptr_eq(&site.name, name) || site.name == *name);
        let at = known.position(|same| same);
        let at = at.or_else(|| {
            (self.sites.len() < self.sites_max).then(|| {
                self.sites.push(Site {
                    name: Arc::clone(name),
                    rest: Rest::default(),
                });
                self.sites.len() - 1
            })
        });
        at.and_then(|at| u16::try_from(at).ok())
    }

    fn rest(&mut self, site: Option<u16>) -> &mut Rest {
        let site = site.and_then(|site| self.sites.get_mut(usize::from(site)));
        site.map_or(&mut self.others, |site| &mut site.rest)
    }

    fn put_out(&mut self, set: usize, way: usize) {
        let (tag, plays) = self.sets[set].empty(way);
        if tag == 0 {
            return;
        }
        let entry = std::mem::take(&mut self.entries[set * WAYS + way]);
        self.front.raise(Tag(tag).front(), plays);
        self.sets[set].turn_away(plays);
        let unnamed = Rest::of(&entry.tally, entry.size);
        self.rest(Some(entry.site)).join(&unnamed);
    }
}
