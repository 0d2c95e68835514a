//! What stays whatever the traffic: launches, and what a contract promises.
//!
//! ```text
//! pin     tag 64 bits | bytes 32 | round 8, in an open table: 14 to 32 bytes of memory each
//! ```
//!
//! Pins take a bounded part of the disks, so that what viewers ask for always has most of them, and
//! a log that writes pinned slices once more always gets on. They are not kept over restarts: whoever
//! pins knows what for, and pins again. He also does from time to time, in rounds: what nobody pins in a
//! round is let go of at its end, so that no list is needed of what was pinned for what is no longer
//! wanted, or under a name that it has no longer.

use hashbrown::{HashTable, hash_table::Entry};
use parking_lot::RwLock;

/// How much of the disks pinned slices may take, one eighth as a fraction.
pub const PINNED_MAX: (u64, u64) = (1, 8);
/// So many pins are taken on the smallest of disks; beyond that one for each MiB of their part.
const PINS_MIN: u64 = 1 << 10;
const PIN_BYTES: u64 = 1 << 20;
/// What a pin takes in a table that has just doubled.
const MEMORY_BYTES: u64 = 32;

/// A pinned slice, packed.
struct Pin {
    tag: [u8; 8],
    bytes: [u8; 4],
    /// In which it was pinned last.
    round: u8,
}

#[derive(Default)]
struct Held {
    pins: HashTable<Pin>,
    bytes: u64,
    /// The present one. Of 256 that none ends the first is taken for the last: that keeps a pin for a
    /// round more.
    round: u8,
}

/// The pinned slices of a store. Asked for when a slice comes in or its segment goes, not when it is
/// served: a lock is cheap enough.
pub(super) struct Pins {
    held: RwLock<Held>,
    bytes_max: u64,
    count_max: u64,
}

impl Pins {
    pub(super) fn new(capacity_bytes: u64) -> Self {
        Self {
            held: RwLock::default(),
            bytes_max: bytes_max(capacity_bytes),
            count_max: pins_max(capacity_bytes),
        }
    }

    /// Whether there is room for the pin, or it is there already.
    pub(super) fn pin(&self, tag: u64, bytes: u32) -> bool {
        let mut held = self.held.write();
        let fits = held.bytes + u64::from(bytes) <= self.bytes_max
            && (held.pins.len() as u64) < self.count_max;
        let round = held.round;
        match held.pins.entry(tag, |pin| pin.tag() == tag, Pin::tag) {
            Entry::Occupied(mut pin) => {
                pin.get_mut().round = round;
                true
            }
            Entry::Vacant(place) if fits => {
                place.insert(Pin {
                    tag: tag.to_le_bytes(),
                    bytes: bytes.to_le_bytes(),
                    round,
                });
                held.bytes += u64::from(bytes);
                true
            }
            Entry::Vacant(_) => false,
        }
    }

    pub(super) fn unpin(&self, tag: u64) {
        let mut held = self.held.write();
        if let Ok(pin) = held.pins.find_entry(tag, |pin| pin.tag() == tag) {
            let (pin, _) = pin.remove();
            held.bytes -= pin.bytes();
        }
    }

    /// From now on all that is to stay pinned is pinned again.
    pub(super) fn begin_round(&self) {
        let mut held = self.held.write();
        held.round = held.round.wrapping_add(1);
    }

    /// Lets go of what was not pinned since the round began. It holds the lock for one walk over all pins.
    pub(super) fn end_round(&self) {
        let mut held = self.held.write();
        let Held { pins, bytes, round } = &mut *held;
        pins.retain(|pin| {
            let stays = pin.round == *round;
            if !stays {
                *bytes -= pin.bytes();
            }
            stays
        });
    }

    pub(super) fn has(&self, tag: u64) -> bool {
        let held = self.held.read();
        held.pins.find(tag, |pin| pin.tag() == tag).is_some()
    }

    pub(super) fn bytes(&self) -> u64 {
        self.held.read().bytes
    }
}

impl Pin {
    fn tag(&self) -> u64 {
        u64::from_le_bytes(self.tag)
    }

    fn bytes(&self) -> u64 {
        u32::from_le_bytes(self.bytes).into()
    }
}

const fn bytes_max(capacity_bytes: u64) -> u64 {
    capacity_bytes / PINNED_MAX.1 * PINNED_MAX.0
}

fn pins_max(capacity_bytes: u64) -> u64 {
    (bytes_max(capacity_bytes) / PIN_BYTES).max(PINS_MIN)
}

/// The most that the pins of disks of so many bytes take.
pub(super) fn memory_bytes(capacity_bytes: u64) -> u64 {
    pins_max(capacity_bytes) * MEMORY_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_take_an_eighth_of_the_disks_and_no_more() {
        let pins = Pins::new(8_000);
        assert!(pins.pin(1, 600));
        assert!(!pins.pin(2, 401), "beyond the part");
        assert!(pins.pin(3, 400));
        assert!(pins.pin(1, 600), "it is pinned already");
        assert_eq!(pins.bytes(), 1_000);
        pins.unpin(1);
        pins.unpin(1);
        assert_eq!(pins.bytes(), 400);
        assert!(pins.has(3) && !pins.has(1));
    }

    #[test]
    fn what_nobody_pins_in_a_round_is_let_go_of_at_its_end() {
        let pins = Pins::new(8_000);
        assert!(pins.pin(1, 500) && pins.pin(2, 300));
        pins.begin_round();
        assert!(pins.has(1) && pins.has(2), "not before");
        assert!(pins.pin(2, 300) && pins.pin(3, 100));
        pins.end_round();
        assert_eq!([1, 2, 3].map(|tag| pins.has(tag)), [false, true, true]);
        assert_eq!(pins.bytes(), 400);
    }

    #[test]
    fn a_round_that_is_not_ended_costs_no_pin_and_saves_none() {
        let pins = Pins::new(8_000);
        assert!(pins.pin(1, 500) && pins.pin(2, 300));
        pins.begin_round();
        assert!(pins.pin(1, 500));
        pins.begin_round();
        assert!(pins.pin(2, 300));
        assert!(pins.has(1));
        pins.end_round();
        assert!(!pins.has(1) && pins.has(2));
    }

    #[test]
    fn pins_of_small_slices_are_bounded_in_memory() {
        let pins = Pins::new(64 << 30);
        let taken = (0..100_000_u64).filter(|tag| pins.pin(*tag, 1)).count() as u64;
        assert_eq!(taken, 8 << 10);
        let held = pins.held.read().pins.allocation_size() as u64;
        assert!(held <= memory_bytes(64 << 30), "{held}");
    }
}
