//! Whether a viewer reads on or jumps: who is worth fetching ahead for.
//!
//! Players say which object they will ask for next (CMCD `nor`). Fetching it ahead turns the first
//! byte of a miss into that of a hit, if the player does ask for it; otherwise its bytes were read
//! from upstream for nobody. Whoever watches from the start to the end nearly always keeps his
//! word; whoever skims does not. So the rule is what has been seen: a viewer reads *densely* once
//! [`DENSE_AFTER`] of his announcements in a row came true, and *sparsely* again as soon as one
//! does not.

/// So many announcements in a row came true. One may be chance; three would miss a segment more of
/// every session.
pub const DENSE_AFTER: u8 = 2;

/// What is known of one viewer's reading of one track.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    last: u64,
    announced: Option<u64>,
    /// How many announcements in a row came true.
    kept: u8,
}

/// What to do about the object that a viewer announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// He reads on: fetch it ahead.
    Fetch,
    /// Wait until he asks for it.
    Wait,
}

impl Reading {
    /// Notes that the viewer asks for `object` and announces `next` (both as hashes), and tells
    /// what to do about `next`.
    ///
    /// Another range of the same object, or the same once more, is neither kept nor broken.
    pub fn note(&mut self, object: u64, next: Option<u64>) -> Advice {
        if self.announced == Some(object) {
            self.kept = self.kept.saturating_add(1);
        } else if self.last != object {
            self.kept = 0;
        }
        self.last = object;
        self.announced = next;
        if next.is_some_and(|next| next != object) && self.kept >= DENSE_AFTER {
            Advice::Fetch
        } else {
            Advice::Wait
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a reader is worth after each of these requests, who announces each time the one after.
    fn read(objects: &[u64]) -> Vec<bool> {
        let mut reading = Reading::default();
        let advice = objects
            .iter()
            .map(|&object| reading.note(object, Some(object + 1)));
        advice.map(|advice| advice == Advice::Fetch).collect()
    }

    #[test]
    fn who_reads_on_is_fetched_ahead_for_from_the_third_object() {
        assert_eq!(read(&[1, 2, 3, 4]), [false, false, true, true]);
    }

    #[test]
    fn one_jump_ends_it_until_he_reads_on_again() {
        assert_eq!(
            read(&[1, 2, 3, 9, 10, 11]),
            [false, false, true, false, false, true]
        );
    }

    #[test]
    fn who_jumps_is_never_fetched_ahead_for() {
        assert!(read(&[1, 5, 9, 2, 7, 30]).iter().all(|fetch| !fetch));
    }

    #[test]
    fn another_range_of_the_same_object_changes_nothing() {
        assert_eq!(read(&[1, 2, 3, 3, 3, 4])[2..], [true, true, true, true]);
    }

    #[test]
    fn who_announces_nothing_gets_nothing() {
        let mut reading = Reading::default();
        for object in 1..5 {
            reading.note(object, Some(object + 1));
        }
        assert_eq!(reading.note(5, None), Advice::Wait);
        assert_eq!(reading.note(6, Some(6)), Advice::Wait, "not itself either");
    }
}
