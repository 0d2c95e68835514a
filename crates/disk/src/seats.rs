//! When a region of a pool is registered with the rings, and who reads into it meanwhile.
//!
//! ```text
//!          much was read into it, and all of it has memory, or may have
//! Plain ────────────────────────────────────────────────────────▶ Pending ──▶ Seated
//!   ▲                        the kernel refuses                       │          │
//!   └─────────────────────────────────────────────────────────────────┴──────────┘
//!                                                     a part of it is to be cooled
//! ```
//!
//! A region that is registered is in memory as a whole, and none of it can be given back. So it
//! is registered only when that takes no more memory than the pool holds, or may keep, anyway; and
//! is no longer when a part of it has to go.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Into how many registered regions of a pool reads are under way at one time; others go without. A
/// read that hangs keeps its region in memory until the disk lets go of it, whatever the pool gives
/// back: 256 MiB then, as much as 64 reads of 4 MiB that hang.
const LANDING_REGIONS_MAX: usize = 8;
/// What it costs to give a byte memory, and what it saves to read a byte into registered memory, are
/// as 64 to 1: 0.2 ms and 3 µs for 1 MiB.
const COLD_COST: usize = 64;

/// What is known of a region.
pub(crate) struct Region {
    pub(crate) address: usize,
    pub(crate) length: usize,
    /// Since it is not registered.
    read_bytes: usize,
    /// How many parts are being cooled.
    cooling: usize,
    state: State,
}

enum State {
    Plain,
    /// It is being registered.
    Pending,
    Seated(Arc<Seat>),
}

impl Region {
    pub(crate) fn new(address: usize, length: usize) -> Self {
        Self {
            address,
            length,
            read_bytes: 0,
            cooling: 0,
            state: State::Plain,
        }
    }

    /// A read into it begins. Whether that was plain so far.
    pub(crate) fn note_read(&mut self, bytes: usize) -> bool {
        self.read_bytes = self.read_bytes.saturating_add(bytes);
        matches!(self.state, State::Plain) && self.cooling == 0
    }

    /// Whether to register it while `cold` bytes have no memory: once what was read into it has cost
    /// as much more as registering it would, so that never more than twice of what was needed is spent.
    pub(crate) fn pays(&self, cold: usize) -> bool {
        self.read_bytes >= self.length.saturating_add(cold.saturating_mul(COLD_COST))
    }

    /// It will be registered: until [`Self::end_seating`] none of it is cooled.
    pub(crate) fn begin_seating(&mut self) {
        self.state = State::Pending;
    }

    pub(crate) fn end_seating(&mut self, seat: Option<Seat>) {
        self.read_bytes = 0;
        self.state = seat.map_or(State::Plain, |seat| State::Seated(Arc::new(seat)));
    }

    /// A part is to be cooled. `Err` when it must not be now; else what is to be unseated before.
    pub(crate) fn begin_cooling(&mut self) -> Result<Option<Arc<Seat>>, Pending> {
        let seat = match &self.state {
            State::Pending => return Err(Pending),
            State::Plain => None,
            State::Seated(seat) => Some(Arc::clone(seat)),
        };
        self.cooling += 1;
        self.read_bytes = 0;
        self.state = State::Plain;
        Ok(seat)
    }

    pub(crate) fn end_cooling(&mut self) {
        self.cooling = self.cooling.saturating_sub(1);
    }

    pub(crate) fn seat(&self) -> Option<&Arc<Seat>> {
        match &self.state {
            State::Seated(seat) => Some(seat),
            State::Plain | State::Pending => None,
        }
    }
}

/// It is being registered.
pub(crate) struct Pending;

/// A region's number in the tables of the rings.
pub(crate) struct Seat {
    pub(crate) number: u16,
    /// Reads under way into the region.
    landings: AtomicUsize,
    /// Regions of the pool into which reads are under way.
    busy: Arc<AtomicUsize>,
}

impl Seat {
    pub(crate) fn new(number: u16, busy: &Arc<AtomicUsize>) -> Self {
        Self {
            number,
            landings: AtomicUsize::new(0),
            busy: Arc::clone(busy),
        }
    }

    /// Leave for a read into the region, if not too many others have reads under way. For one thread
    /// at a time.
    pub(crate) fn land(self: &Arc<Self>) -> Option<Landing> {
        let idle = self.landings.load(Ordering::Relaxed) == 0;
        if idle && self.busy.load(Ordering::Relaxed) >= LANDING_REGIONS_MAX {
            return None;
        }
        if self.landings.fetch_add(1, Ordering::Relaxed) == 0 {
            self.busy.fetch_add(1, Ordering::Relaxed);
        }
        Some(Landing(Arc::clone(self)))
    }
}

/// A read into a registered region may be under way as long as this is there.
pub(crate) struct Landing(Arc<Seat>);

impl Landing {
    pub(crate) fn seat(&self) -> u16 {
        self.0.number
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if self.0.landings.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.busy.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn a_region_is_registered_once_what_was_read_into_it_was_worth_it() {
        let mut region = Region::new(0, 32 * MIB);
        assert!((1..32).all(|_| region.note_read(MIB) && !region.pays(0)));
        assert!(region.note_read(MIB) && region.pays(0));
        assert!(!region.pays(MIB), "giving memory to the rest costs more");
        assert!((0..64).all(|_| region.note_read(MIB)));
        assert!(region.pays(MIB));
    }

    #[test]
    fn what_is_refused_or_given_back_has_to_prove_itself_again() {
        let busy = Arc::default();
        let mut region = Region::new(0, MIB);
        for seat in [None, Some(Seat::new(1, &busy))] {
            region.note_read(MIB);
            assert!(region.pays(0));
            region.begin_seating();
            region.end_seating(seat);
            assert!(!region.pays(0));
        }
        assert!(region.seat().is_some());
        assert!(!region.note_read(MIB), "it is registered");
        let unseated = region.begin_cooling().ok().flatten();
        assert_eq!(unseated.map(|seat| seat.number), Some(1));
        assert!(region.seat().is_none());
        assert!(!region.note_read(MIB), "a part of it is being cooled");
        region.end_cooling();
        assert!(region.note_read(MIB));
    }

    #[test]
    fn a_region_that_is_being_registered_is_not_cooled() {
        let mut region = Region::new(0, MIB);
        region.begin_seating();
        assert!(region.begin_cooling().is_err());
    }

    #[test]
    fn reads_are_under_way_into_a_bounded_number_of_regions() {
        let busy = Arc::default();
        let seats: Vec<_> = (0..20)
            .map(|number| Arc::new(Seat::new(number, &busy)))
            .collect();
        let mut landings: Vec<_> = seats.iter().filter_map(Seat::land).collect();
        assert_eq!(landings.len(), LANDING_REGIONS_MAX);
        assert!(
            seats[0].land().is_some(),
            "where there is one there may be more"
        );
        landings.remove(0);
        assert!(seats[19].land().is_some());
    }
}
