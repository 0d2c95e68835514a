//! Memory for buffers: regions of huge pages, of which each buffer has a part.
//!
//! The kernel pins each page of a read and hands it to the device on its own; a huge page is 512 of
//! them at once. What is not used lies in extents that grow together again. *Warm* ones have memory
//! behind them; *cold* ones have given it back, and get it anew when they are written to.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::{Arc, atomic::AtomicUsize},
};

use bytes::BytesMut;

use crate::{
    buffer::BLOCK,
    registry::Registry,
    seats::{Landing, Region, Seat},
};

/// A huge page, where the machine has any.
const HUGE: usize = 2 << 20;
/// What is asked of the allocator, which maps it, untouched: glibc does so from 32 MiB on. Regions
/// cost addresses, and memory where they are used.
pub(crate) const REGION_BYTES: usize = 32 << 20;

/// Where a part lies: in which region, and how far from its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    region: u64,
    start: usize,
}

/// Some blocks of a region, owned by whoever has this.
pub(crate) struct Part {
    place: Place,
    bytes: BytesMut,
    /// It may be read into as registered memory.
    landing: Option<Landing>,
}

impl Part {
    fn new(place: Place, bytes: BytesMut) -> Self {
        Self {
            place,
            bytes,
            landing: None,
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    fn end(&self) -> Place {
        Place {
            start: self.place.start + self.bytes.len(),
            ..self.place
        }
    }

    /// Leave to read into it as registered memory, which is given back as soon as that is done.
    pub(crate) fn take_landing(&mut self) -> Option<Landing> {
        self.landing.take()
    }

    /// Keeps the first `length` bytes and gives away the rest.
    fn split_off(&mut self, length: usize) -> Self {
        let bytes = self.bytes.split_off(length);
        Self::new(self.end(), bytes)
    }

    /// Takes in what lies right behind it, in the same region.
    fn join(&mut self, next: Self) {
        debug_assert_eq!(self.end(), next.place, "apart");
        // Parts of one allocation, side by side, are joined without a copy.
        self.bytes.unsplit(next.bytes);
    }

    /// Gives the memory back to the system. What is there afterwards is zeros.
    fn cool(&mut self) {
        advise(&mut self.bytes, libc::MADV_DONTNEED);
    }
}

/// Parts that nobody uses. Two never lie side by side.
#[derive(Default)]
struct Extents {
    by_place: BTreeMap<Place, BytesMut>,
    by_length: BTreeSet<(usize, Place)>,
    bytes: usize,
}

impl Extents {
    fn insert(&mut self, mut part: Part) {
        let left = self.by_place.range(..part.place).next_back();
        let left = left.map(|(place, bytes)| (*place, place.start + bytes.len()));
        if let Some((place, end)) = left
            && (place.region, end) == (part.place.region, part.place.start)
            && let Some(mut left) = self.remove(place)
        {
            left.join(part);
            part = left;
        }
        if let Some(right) = self.remove(part.end()) {
            part.join(right);
        }
        self.bytes += part.bytes.len();
        self.by_length.insert((part.bytes.len(), part.place));
        self.by_place.insert(part.place, part.bytes);
    }

    fn remove(&mut self, place: Place) -> Option<Part> {
        let bytes = self.by_place.remove(&place)?;
        self.by_length.remove(&(bytes.len(), place));
        self.bytes -= bytes.len();
        Some(Part::new(place, bytes))
    }

    /// The smallest that is large enough, cut to `length`.
    fn take(&mut self, length: usize) -> Option<Part> {
        let first = Place {
            region: 0,
            start: 0,
        };
        let &(_, place) = self.by_length.range((length, first)..).next()?;
        let mut part = self.remove(place)?;
        if part.bytes.len() > length {
            self.insert(part.split_off(length));
        }
        Some(part)
    }

    fn of_region(&self, region: u64) -> impl Iterator<Item = &BytesMut> {
        let [from, to] = [region, region + 1].map(|region| Place { region, start: 0 });
        self.by_place.range(from..to).map(|(_, bytes)| bytes)
    }

    fn take_of_region(&mut self, region: u64) -> Option<Part> {
        let [from, to] = [region, region + 1].map(|region| Place { region, start: 0 });
        let (&place, _) = self.by_place.range(from..to).next()?;
        self.remove(place)
    }

    fn take_largest(&mut self) -> Option<Part> {
        let &(_, place) = self.by_length.last()?;
        self.remove(place)
    }
}

/// The regions of a pool, and what of them is not used.
#[derive(Default)]
pub(crate) struct Memory {
    warm: Extents,
    cold: Extents,
    regions: BTreeMap<u64, Region>,
    next_region: u64,
    /// Registered regions into which reads are under way.
    busy: Arc<AtomicUsize>,
}

impl Memory {
    /// Blocks that nobody else has, `length` bytes of them. Their content is whatever was there.
    pub(crate) fn take(&mut self, length: usize) -> Part {
        let part = self.warm.take(length).or_else(|| self.cold.take(length));
        part.unwrap_or_else(|| {
            let mut region = self.region(length);
            let rest = region.split_off(length);
            if !rest.bytes.is_empty() {
                self.cold.insert(rest);
            }
            region
        })
    }

    fn region(&mut self, length: usize) -> Part {
        let length = length.next_multiple_of(HUGE).max(REGION_BYTES);
        let mut all = BytesMut::zeroed(length + HUGE);
        let ahead = all.as_ptr().align_offset(HUGE).min(HUGE);
        let mut bytes = all.split_off(ahead);
        drop(bytes.split_off(length));
        // Where there are none, the pages are small.
        advise(&mut bytes, libc::MADV_HUGEPAGE);
        let region = self.next_region;
        self.next_region += 1;
        let address = bytes.as_mut_ptr().expose_provenance();
        self.regions.insert(region, Region::new(address, length));
        let place = Place { region, start: 0 };
        Part::new(place, bytes)
    }

    pub(crate) fn give_back(&mut self, mut part: Part) {
        part.landing = None;
        self.warm.insert(part);
    }

    /// A read into `part` begins. The region that is to be registered for it and those to come, if that
    /// pays, or `always`, and if no more than `retain` bytes are unused and in memory then.
    pub(crate) fn note_read(&mut self, part: &Part, retain: usize, always: bool) -> Option<Plan> {
        let number = part.place.region;
        let region = self.regions.get_mut(&number)?;
        let is_plain = region.note_read(part.bytes.len());
        // Larger ones are a caller's of unusual wants, and a read that hangs would keep all of it.
        if !is_plain || region.length > REGION_BYTES || !(always || region.pays(0)) {
            return None;
        }
        let cold: usize = self.cold.of_region(number).map(BytesMut::len).sum();
        if !(always || region.pays(cold)) || (cold > 0 && self.warm.bytes + cold > retain) {
            return None;
        }
        region.begin_seating();
        Some(Plan {
            region: number,
            addresses: region.address..region.address + region.length,
        })
    }

    /// The region was registered under a number, or the kernel refused, which is told only when it has
    /// given memory to all of it.
    pub(crate) fn seated(&mut self, plan: &Plan, number: Option<u16>) {
        while let Some(part) = self.cold.take_of_region(plan.region) {
            self.warm.insert(part);
        }
        if let Some(region) = self.regions.get_mut(&plan.region) {
            region.end_seating(number.map(|number| Seat::new(number, &self.busy)));
        }
    }

    /// Has a part be read into as registered memory, if it lies in some.
    pub(crate) fn land(&self, part: &mut Part) {
        let seat = self.regions.get(&part.place.region).and_then(Region::seat);
        part.landing = seat.and_then(Seat::land);
    }

    /// What is registered.
    pub(crate) fn seats(&self) -> impl Iterator<Item = &Seat> {
        let seats = self.regions.values().filter_map(Region::seat);
        seats.map(|seat| &**seat)
    }

    /// Unused bytes that have memory behind them.
    pub(crate) fn warm_bytes(&self) -> usize {
        self.warm.bytes
    }

    /// Something of what is warm beyond `retain` bytes, to be cooled. Whole huge pages where there
    /// are any: one that is given back in part does not come again.
    pub(crate) fn surplus(&mut self, retain: usize) -> Option<Surplus> {
        let excess = self.warm.bytes.checked_sub(retain + 1)? + 1;
        let mut part = self.warm.take_largest()?;
        let region = self.regions.get_mut(&part.place.region);
        let Some(Ok(seat)) = region.map(Region::begin_cooling) else {
            // The next that comes back finds that it was registered.
            self.warm.insert(part);
            return None;
        };
        let (start, end) = (part.place.start, part.end().start);
        let pages = start.next_multiple_of(HUGE)..end / HUGE * HUGE;
        let (unit, end) = if pages.is_empty() {
            (BLOCK, end)
        } else {
            (HUGE, pages.end)
        };
        let within = end - start.next_multiple_of(unit);
        let length = excess.next_multiple_of(unit).min(within);
        let behind = part.split_off(end - start);
        let surplus = part.split_off(end - length - start);
        for rest in [part, behind] {
            if !rest.bytes.is_empty() {
                self.warm.insert(rest);
            }
        }
        Some(Surplus {
            part: surplus,
            seat,
        })
    }

    /// Takes in what was cooled. A region that is cold as a whole is given up: that is what is
    /// returned.
    pub(crate) fn settle(&mut self, cooled: Cooled) -> Option<Part> {
        let Cooled(part) = cooled;
        let number = part.place.region;
        self.cold.insert(part);
        let region = self.regions.get_mut(&number)?;
        region.end_cooling();
        let place = Place {
            region: number,
            start: 0,
        };
        if self.cold.by_place.get(&place)?.len() < region.length {
            return None;
        }
        self.regions.remove(&number);
        self.cold.remove(place)
    }
}

/// A region that is to be registered, which takes the kernel a while.
pub(crate) struct Plan {
    region: u64,
    pub(crate) addresses: Range<usize>,
}

/// What is to be cooled, which takes the kernel a while.
pub(crate) struct Surplus {
    part: Part,
    /// Of its region, which is registered no longer.
    seat: Option<Arc<Seat>>,
}

/// A part without memory behind it.
pub(crate) struct Cooled(Part);

impl Surplus {
    pub(crate) fn cool(mut self, registry: &Registry) -> Cooled {
        // Before, as the rings would keep the pages in memory.
        if let Some(seat) = self.seat {
            registry.unseat(seat.number);
        }
        self.part.cool();
        Cooled(self.part)
    }
}

/// Tells the kernel about whole pages. What it does not want to hear changes nothing.
fn advise(pages: &mut [u8], advice: libc::c_int) {
    debug_assert!(pages.as_ptr().align_offset(BLOCK) == 0 && pages.len().is_multiple_of(BLOCK));
    #[expect(unsafe_code, reason = "the kernel is told an address")]
    {
        // SAFETY: the pages are those of one slice that nobody else refers to, private memory of
        // the allocator's, and stay mapped whatever the advice. `MADV_HUGEPAGE` leaves their
        // content as it is, `MADV_DONTNEED` makes it zeros.
        unsafe { libc::madvise(pages.as_mut_ptr().cast(), pages.len(), advice) };
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, os::unix::fs::FileExt, sync::atomic::Ordering};

    use super::*;

    /// How many of a part's pages have memory, if the kernel tells.
    fn present(bytes: &[u8]) -> Option<usize> {
        let Ok(map) = File::open("/proc/self/pagemap") else {
            eprintln!("skipped: no /proc/self/pagemap here");
            return None;
        };
        let first = bytes.as_ptr().addr() / BLOCK;
        let mut told = vec![0; bytes.len() / BLOCK * 8];
        map.read_exact_at(&mut told, first as u64 * 8).unwrap();
        // Bit 63 of a page's word: it is in memory.
        Some(
            told.chunks_exact(8)
                .filter(|word| word[7] & 0x80 != 0)
                .count(),
        )
    }

    #[test]
    fn parts_are_apart_and_grow_together_again() {
        let mut memory = Memory::default();
        let mut parts: Vec<_> = (1..40_usize)
            .map(|number| memory.take(number * 7 % 13 * BLOCK + BLOCK))
            .collect();
        for (number, part) in (0..).zip(&mut parts) {
            part.bytes_mut().fill(number);
        }
        for (number, part) in (0_u8..).zip(&parts) {
            assert!(part.bytes().iter().all(|byte| *byte == number));
        }
        // In an order that is neither theirs nor its reverse.
        for step in 0..parts.len() {
            let count = parts.len();
            parts.rotate_left(step % count);
            memory.give_back(parts.pop().unwrap());
        }
        assert_eq!(memory.warm.by_place.len(), 1, "one extent");
        let bytes: usize = (1..40).map(|number| number * 7 % 13 * BLOCK + BLOCK).sum();
        assert_eq!(memory.warm_bytes(), bytes);
    }

    #[test]
    fn the_smallest_extent_that_is_large_enough_is_taken() {
        let mut memory = Memory::default();
        let [large, _first, small, _second, middle] =
            [3, 1, 1, 1, 2].map(|blocks| memory.take(blocks * BLOCK));
        let wanted = small.bytes().as_ptr();
        for part in [large, middle, small] {
            memory.give_back(part);
        }
        assert_eq!(memory.take(BLOCK).bytes().as_ptr(), wanted);
    }

    #[test]
    fn what_is_cooled_has_no_memory_until_it_is_used_again() {
        let mut memory = Memory::default();
        let mut part = memory.take(16 * BLOCK);
        part.bytes_mut().fill(7);
        let Some(pages) = present(part.bytes()) else {
            return;
        };
        assert_eq!(pages, 16);
        let (address, beside) = (part.bytes().as_ptr(), memory.take(BLOCK));
        memory.give_back(part);
        let surplus = memory.surplus(0).unwrap();
        assert_eq!(memory.warm_bytes(), 0);
        let cooled = surplus.cool(&Registry::default());
        assert_eq!(present(cooled.0.bytes()), Some(0));
        assert!(memory.settle(cooled).is_none(), "a part of it is in use");
        let again = memory.take(16 * BLOCK);
        assert_eq!(again.bytes().as_ptr(), address);
        assert!(again.bytes().iter().all(|byte| *byte == 0));
        drop(beside);
    }

    #[test]
    fn whole_huge_pages_are_cooled_and_no_more_than_there_must_be() {
        let mut memory = Memory::default();
        let (before, part) = (memory.take(BLOCK), memory.take(4 * HUGE));
        memory.give_back(part);
        let surplus = memory.surplus(3 * HUGE).unwrap().part;
        assert_eq!(surplus.bytes.len(), HUGE);
        assert_eq!(surplus.bytes.as_ptr().align_offset(HUGE), 0);
        assert_eq!(memory.warm_bytes(), 3 * HUGE);
        assert!(memory.surplus(3 * HUGE).is_none());
        drop(before);
    }

    #[test]
    fn a_region_that_is_cold_is_given_up() {
        let mut memory = Memory::default();
        let parts = [
            memory.take(20 << 20),
            memory.take(20 << 20),
            memory.take(40 << 20),
        ];
        assert_eq!(memory.regions.len(), 3);
        for part in parts {
            memory.give_back(part);
        }
        while let Some(surplus) = memory.surplus(0) {
            memory.settle(surplus.cool(&Registry::default()));
        }
        assert!(memory.regions.is_empty());
        assert!(memory.cold.by_place.is_empty() && memory.cold.by_length.is_empty());
    }

    /// As the store has it: reads whose buffers stay a while, and a pool that keeps a little more than
    /// a region.
    #[test]
    fn a_registered_region_is_in_memory_as_a_whole_and_nothing_of_it_is_given_back() {
        let (retain, registry) = (18 * HUGE, Registry::default());
        let (mut memory, mut held, mut draw) = (Memory::default(), Vec::<Part>::new(), 1_u64);
        let (mut plan, mut seated, mut unseated) = (None, 0_u16, 0);
        for turn in 0..20_000_u32 {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let number = usize::try_from(draw >> 40).unwrap();
            let most = if turn / 500 % 2 == 0 { 200 } else { 20 };
            if held.len() < most && number % 3 > 0 || held.is_empty() {
                let mut part = memory.take((1 + number % 300) * BLOCK);
                plan = plan.or_else(|| memory.note_read(&part, retain, true));
                memory.land(&mut part);
                held.push(part);
            } else {
                memory.give_back(held.swap_remove(number % held.len()));
                while let Some(surplus) = memory.surplus(retain) {
                    let region = surplus.part.place.region;
                    let pending: Option<&Plan> = plan.as_ref();
                    assert!(pending.is_none_or(|plan| plan.region != region));
                    unseated += u32::from(surplus.seat.is_some());
                    memory.settle(surplus.cool(&registry));
                }
            }
            // The kernel takes its time, and refuses now and then.
            if number % 7 == 0
                && let Some(plan) = plan.take()
            {
                seated += 1;
                memory.seated(&plan, (number % 5 > 0).then_some(seated));
            }
            for (number, region) in &memory.regions {
                let cold = memory.cold.of_region(*number).count();
                assert!(region.seat().is_none() || cold == 0, "a hole in {number}");
            }
        }
        assert!(
            seated > 20 && unseated > 20,
            "{seated} and {unseated} times"
        );
        drop(held);
        assert_eq!(memory.busy.load(Ordering::Relaxed), 0);
    }

    /// A year of slices that come and go.
    #[test]
    fn no_byte_is_lost_and_none_has_two_owners() {
        let (mut memory, mut held, mut draw) = (Memory::default(), Vec::<(Part, u8)>::new(), 1_u64);
        for turn in 0..20_000_u32 {
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let number = usize::try_from(draw >> 40).unwrap();
            if held.len() < 40 && number % 3 > 0 || held.is_empty() {
                let mut part = memory.take((1 + number % 300) * BLOCK);
                let mark = u8::try_from(turn % 251).unwrap();
                let end = part.bytes().len() - 1;
                (part.bytes_mut()[0], part.bytes_mut()[end]) = (mark, mark);
                held.push((part, mark));
            } else {
                let (part, mark) = held.swap_remove(number % held.len());
                let bytes = part.bytes();
                assert_eq!((bytes[0], bytes[bytes.len() - 1]), (mark, mark));
                memory.give_back(part);
                while let Some(surplus) = memory.surplus(4 * HUGE) {
                    memory.settle(surplus.cool(&Registry::default()));
                }
            }
            let held: usize = held.iter().map(|(part, _)| part.bytes.len()).sum();
            let all: usize = memory.regions.values().map(|region| region.length).sum();
            assert_eq!(held + memory.warm.bytes + memory.cold.bytes, all);
            // 40 of 1.2 MiB at most, 8 MiB warm: what does not fit together is little.
            assert!(memory.regions.len() <= 4, "{}", memory.regions.len());
        }
    }
}
