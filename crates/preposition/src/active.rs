//! The plan in force in memory: what is wanted, in which order, and what has become of each.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use cache::{Expected, ObjectId};
use hashbrown::HashTable;
use manifest::{Action, Object, Objects};
use tokio::sync::OwnedSemaphorePermit;

use crate::{
    applied::InForce,
    entry::{ENTRIES, Entry},
    places::Places,
    wanted::expected,
};

/// Seconds of a day.
const DAY_S: u64 = 24 * 60 * 60;

/// The plan in force. Shared: entries change under it, one by one.
#[derive(Debug)]
pub(crate) struct Active {
    /// As it is on disk.
    pub(crate) in_force: InForce,
    entries: Box<[AtomicU8]>,
    /// What viewers have asked for of what is left to them, since somebody looked whether it is here.
    pub(crate) asked: Places,
    /// What viewers have brought of what is to be filled.
    pub(crate) brought: Places,
    /// What was here, and was lost.
    pub(crate) lost: Places,
    /// What is to be filled, in the order in which that is best done.
    order: Box<[u32]>,
    /// By object identity: places in the plan.
    places: HashTable<(ObjectId, u32)>,
    counts: [AtomicU64; ENTRIES.len()],
    held_bytes: AtomicU64,
    outbid_bytes: AtomicU64,
    fill_bytes: u64,
    /// When the store was told what is expected, in seconds since the Unix epoch; 0 is never.
    told_s: AtomicU64,
    /// Objects that are put off, to be tried again.
    put_off: AtomicU64,
    /// All of it was looked at once: what is here is known.
    pub(crate) is_walked: AtomicBool,
    /// What the plan has let go of is gone.
    pub(crate) is_released: AtomicBool,
    /// One of the places for plans, as long as it is there.
    _seat: Option<OwnedSemaphorePermit>,
}

impl Active {
    /// A plan of which nothing is known to be here yet. What would not fit into `capacity_bytes` is
    /// let in at its first miss, as a seed is. O(n log n).
    pub(crate) fn new(in_force: InForce, capacity_bytes: u64) -> Self {
        let plan = &in_force.state.plan;
        let mut places = HashTable::with_capacity(plan.len());
        let mut entries = Vec::with_capacity(plan.len());
        for (place, object) in (0_u32..).zip(plan.iter()) {
            let id = ObjectId::named(object.site, object.path);
            places.insert_unique(hash(&id), (id, place), |(id, _)| hash(id));
            let entry = match object.action {
                Action::Fill => Entry::Waiting,
                Action::Seed => Entry::Seeded,
            };
            entries.push(AtomicU8::new(entry as u8));
        }
        let accepted_s = in_force.told.map_or(0, |told| told.accepted_s);
        let order = plan.order(capacity_bytes, accepted_s);
        for place in &order.left_out {
            if let Some(entry) = entries.get_mut(*place as usize) {
                *entry.get_mut() = Entry::Seeded as u8;
            }
        }
        let counts: [AtomicU64; ENTRIES.len()] = Default::default();
        let (total, fills) = (plan.len() as u64, order.fill.len() as u64);
        counts[Entry::Waiting as usize].store(fills, Ordering::Relaxed);
        counts[Entry::Seeded as usize].store(total - fills, Ordering::Relaxed);
        Self {
            asked: Places::none_of(plan.len()),
            brought: Places::none_of(plan.len()),
            lost: Places::none_of(plan.len()),
            entries: entries.into(),
            order: order.fill.into(),
            places,
            counts,
            held_bytes: AtomicU64::new(0),
            outbid_bytes: AtomicU64::new(0),
            told_s: AtomicU64::new(0),
            fill_bytes: order.fill_bytes,
            put_off: AtomicU64::new(0),
            is_walked: AtomicBool::new(false),
            is_released: AtomicBool::new(in_force.released.is_empty()),
            in_force,
            _seat: None,
        }
    }

    /// The same in one of the places for plans.
    pub(crate) fn seated(self, seat: Option<OwnedSemaphorePermit>) -> Self {
        Self {
            _seat: seat,
            ..self
        }
    }

    /// Takes over what is known to be here from the plan before: nobody hashes it again.
    pub(crate) fn inherit(&self, old: &Self) {
        // Both are in order of their names.
        let mut olds = (0_u32..).zip(old.in_force.state.plan.iter()).peekable();
        for (place, new) in (0_u32..).zip(self.in_force.state.plan.iter()) {
            let is_before =
                |(_, old): &(u32, Object<'_>)| (old.site, old.path) < (new.site, new.path);
            while olds.next_if(is_before).is_some() {}
            let Some((was, old_object)) = olds.peek() else {
                return;
            };
            let is_same = (old_object.site, old_object.path) == (new.site, new.path)
                && new.same_content(old_object)
                && new.bytes_wanted() <= old_object.bytes_wanted();
            if is_same && old.entry(*was) == Entry::Held && self.entry(place) == Entry::Waiting {
                self.set(place, Entry::Held);
            }
        }
    }

    /// How many objects.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// An object and what has become of it.
    pub(crate) fn at(&self, place: u32) -> Option<(Object<'_>, Entry)> {
        let object = self.in_force.state.plan.at(place as usize)?;
        Some((object, self.entry(place)))
    }

    pub(crate) fn entry(&self, place: u32) -> Entry {
        let number = self.entries.get(place as usize);
        let number = number.map_or(0, |entry| entry.load(Ordering::Relaxed));
        // Nothing else was ever stored.
        ENTRIES
            .get(usize::from(number))
            .copied()
            .unwrap_or(Entry::Waiting)
    }

    /// The first object from a place on that is here.
    pub(crate) fn next_held(&self, from: u32) -> Option<u32> {
        let is_held = |place: &u32| self.entry(*place) == Entry::Held;
        (from..u32::try_from(self.len()).unwrap_or(u32::MAX)).find(is_held)
    }

    /// Notes what has become of an object.
    pub(crate) fn set(&self, place: u32, entry: Entry) {
        let (Some(slot), Some(object)) = (
            self.entries.get(place as usize),
            self.in_force.state.plan.at(place as usize),
        ) else {
            return;
        };
        let before = usize::from(slot.swap(entry as u8, Ordering::Relaxed));
        // Whoever looks between two of these sees one too many, and none too few.
        self.counts[entry as usize].fetch_add(1, Ordering::Relaxed);
        self.counts[before].fetch_sub(1, Ordering::Relaxed);
        let bytes = object.bytes_wanted();
        for (counted, sum) in [
            (Entry::Held, &self.held_bytes),
            (Entry::Outbid, &self.outbid_bytes),
        ] {
            if entry == counted {
                sum.fetch_add(bytes, Ordering::Relaxed);
            }
            if before == counted as usize {
                sum.fetch_sub(bytes, Ordering::Relaxed);
            }
        }
    }

    /// How many are as `entry` says.
    pub(crate) fn count(&self, entry: Entry) -> u64 {
        self.counts[entry as usize].load(Ordering::Relaxed)
    }

    /// How many failed.
    pub(crate) fn failures(&self) -> u64 {
        let failed = ENTRIES.iter().filter(|entry| entry.is_failure());
        failed.map(|entry| self.count(*entry)).sum()
    }

    /// How many are to be filled: what is outbid is not.
    pub(crate) fn fills(&self) -> u64 {
        (self.order.len() as u64).saturating_sub(self.count(Entry::Outbid))
    }

    /// Bytes that are to be here in the end, and those that are.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        let outbid = self.outbid_bytes.load(Ordering::Relaxed);
        let wanted = self.fill_bytes.saturating_sub(outbid);
        (wanted, self.held_bytes.load(Ordering::Relaxed))
    }

    /// Whether the store is to be told what is expected of what is here: once a day, or it would forget
    /// what the day brings.
    pub(crate) fn is_to_be_told(&self, now_s: u64) -> bool {
        let told_s = self.told_s.load(Ordering::Relaxed);
        // A clock that was set back says nothing of when that was.
        now_s < told_s || now_s >= told_s.saturating_add(DAY_S) || told_s == 0
    }

    /// The store was told all.
    pub(crate) fn told(&self, now_s: u64) {
        self.told_s.store(now_s, Ordering::Relaxed);
    }

    /// Places of what is to be filled, best first.
    pub(crate) fn order(&self) -> &[u32] {
        &self.order
    }

    /// Whether more than one in a hundred failed.
    pub(crate) fn is_degraded(&self) -> bool {
        self.failures() * 100 > self.order.len() as u64
    }

    /// Notes how many are put off, to be tried again.
    pub(crate) fn note_put_off(&self, count: usize) {
        self.put_off.store(count as u64, Ordering::Relaxed);
    }

    /// Whether nothing is left to be tried before the next reconciliation.
    pub(crate) fn is_landed(&self) -> bool {
        let waiting = [Entry::Waiting, Entry::Filling, Entry::Unreached];
        let waiting: u64 = waiting.into_iter().map(|entry| self.count(entry)).sum();
        waiting + self.put_off.load(Ordering::Relaxed) == 0
    }

    /// Whether what the plan has let go of is to go now: not before all else has landed. Of a plan
    /// that is degraded it has not, and viewers are better off with what was here.
    pub(crate) fn is_to_be_released(&self) -> bool {
        let is_landed = self.is_landed() && !self.is_degraded();
        is_landed && !self.is_released.load(Ordering::Relaxed)
    }

    /// What the plan has let go of and is still here.
    pub(crate) fn released(&self) -> Objects {
        if self.is_released.load(Ordering::Relaxed) {
            Objects::default()
        } else {
            self.in_force.released.clone()
        }
    }

    /// What is expected of an object that viewers ask for.
    pub(crate) fn expected_of(&self, id: ObjectId, now_s: u64) -> Option<Expected> {
        let (_, place) = self.places.find(hash(&id), |(other, _)| *other == id)?;
        let (object, entry) = self.at(*place)?;
        if entry.is_of_viewers() {
            self.asked.note(*place);
        }
        Some(expected(&object, now_s))
    }
}

/// An identity is spread evenly already.
fn hash(id: &ObjectId) -> u64 {
    id.spread()
}

#[cfg(test)]
mod tests {
    use manifest::Digest;
    use message::ObjectName;

    use super::*;

    fn active(objects: &[Object<'_>]) -> Active {
        Active::new(InForce::sample(objects.iter().copied()), u64::MAX)
    }

    fn fill(path: &'static str, size: u64, expected: u64) -> Object<'static> {
        Object {
            expected,
            ..Object::fill("vod", path, size, Digest::of(b"x"))
        }
    }

    #[test]
    fn what_is_worth_most_by_the_byte_comes_first_and_what_is_urgent_before_it() {
        let objects = [
            fill("/often", 1000, 1000),
            fill("/rare", 100, 900),
            Object {
                first_bytes: Some(10),
                ..fill("/start", 1000, 1000)
            },
            Object {
                priority: 1,
                ..fill("/contract", 1000, 0)
            },
            Object {
                fast_track: true,
                ..fill("/urgent", 1000, 0)
            },
            Object::seed("vod", "/seed", 1000, 9_000_000),
        ];
        let active = active(&objects);
        let paths = active
            .order()
            .iter()
            .map(|place| active.at(*place).unwrap().0.path);
        let paths: Vec<_> = paths.collect();
        assert_eq!(paths, ["/urgent", "/contract", "/start", "/often", "/rare"]);
    }

    #[test]
    fn entries_are_counted_as_they_change() {
        let active = active(&[fill("/a", 10, 1), fill("/b", 20, 1), fill("/c", 30, 1)]);
        assert_eq!((active.count(Entry::Waiting), active.bytes()), (3, (60, 0)));
        active.set(0, Entry::Held);
        active.set(1, Entry::Mismatch);
        assert_eq!((active.count(Entry::Held), active.bytes()), (1, (60, 10)));
        assert!(active.is_degraded() && !active.is_landed());
        active.set(0, Entry::Waiting);
        assert_eq!(active.bytes(), (60, 0));
        active.set(0, Entry::Held);
        active.set(2, Entry::Outbid);
        assert_eq!((active.fills(), active.bytes()), (2, (30, 10)));
        active.set(2, Entry::Held);
        assert_eq!((active.fills(), active.bytes()), (3, (60, 40)));
        assert!(active.is_landed());
        active.note_put_off(1);
        assert!(!active.is_landed(), "what failed is tried again");
    }

    #[test]
    fn the_store_is_told_once_a_day() {
        let active = active(&[fill("/a", 10, 1)]);
        assert!(active.is_to_be_told(1_000));
        active.told(1_000);
        assert!(!active.is_to_be_told(1_000 + DAY_S - 1));
        assert!(active.is_to_be_told(1_000 + DAY_S));
    }

    #[test]
    fn the_plan_is_found_by_identity() {
        let active = active(&[fill("/a", 10, 7), fill("/b", 20, 8)]);
        let id = |path: &str| {
            ObjectId::of(&ObjectName {
                site: "vod".into(),
                path: path.into(),
            })
        };
        let expected = active.expected_of(id("/b"), 0).unwrap();
        assert_eq!(expected.requests_per_day, 8);
        assert_eq!(active.expected_of(id("/c"), 0), None);
    }
}
