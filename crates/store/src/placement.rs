//! Which number stands for a key, and which disk a key belongs on. Pure.
//!
//! Both stay the same over restarts, wherever the disks are plugged in and in whatever order they
//! are configured. So what is noted by a key's tag can be kept, and a disk that comes or goes moves
//! its own share of the keys only.

use siphasher::sip::SipHasher13;

use crate::Key;

/// The keyed hash by which the index, the policy and the disks know keys. Its secret is the store's
/// id, which nobody outside can know: nobody can aim at a place in the index, nor at one disk.
pub(crate) struct Tags(SipHasher13);

impl Tags {
    pub(crate) fn new(store: &[u8; 16]) -> Self {
        Self(SipHasher13::new_with_key(store))
    }

    pub(crate) fn of(&self, key: &Key) -> u64 {
        let mut bytes = [0; 20];
        bytes[..16].copy_from_slice(&key.id);
        bytes[16..].copy_from_slice(&key.part.to_le_bytes());
        self.0.hash(&bytes)
    }
}

/// How much a key likes a disk of this id and weight. The disk that it likes best is its own:
/// weighted rendezvous hashing, with `weight / -ln(draw)` as the score, which gives each disk its
/// weight's share exactly, whatever the others weigh.
pub(crate) fn preference(tag: u64, disk: u64, weight: u64) -> f64 {
    let mixed = (tag ^ disk).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let draw = mixed ^ (mixed >> 32);
    // Within (0, 1), both ends left out.
    let draw = (real(draw >> 12) + 0.5) / real(1 << 52);
    real(weight) / -draw.ln()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "draws have 52 bits, weights need no more"
)]
const fn real(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: u64 = 100_000;

    /// The disk of every key, by id.
    fn spread(disks: &[(u64, u64)]) -> Vec<u64> {
        let tags = Tags::new(&[7; 16]);
        let best = |number: u64| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&number.to_le_bytes());
            let tag = tags.of(&Key::slice(id, 3));
            let liked = |(id, weight): &(u64, u64)| preference(tag, *id, *weight);
            let best = disks
                .iter()
                .max_by(|one, other| liked(one).total_cmp(&liked(other)));
            best.unwrap().0
        };
        (0..KEYS).map(best).collect()
    }

    fn share(spread: &[u64], disk: u64) -> f64 {
        real(spread.iter().filter(|at| **at == disk).count() as u64) / real(KEYS)
    }

    #[test]
    fn each_disk_has_its_weight_s_share() {
        let spread = spread(&[(11, 100), (22, 200), (33, 700)]);
        for (disk, expected) in [(11, 0.1), (22, 0.2), (33, 0.7)] {
            let share = share(&spread, disk);
            assert!((share - expected).abs() < 0.01, "disk {disk}: {share}");
        }
    }

    #[test]
    fn a_disk_that_goes_moves_its_own_keys_only() {
        let before = spread(&[(11, 100), (22, 200), (33, 300)]);
        let after = spread(&[(33, 300), (11, 100)]);
        for (before, after) in before.iter().zip(&after) {
            assert!(*before == 22 || before == after);
        }
    }

    #[test]
    fn a_disk_that_comes_takes_its_share_of_each_and_moves_nothing_else() {
        let before = spread(&[(11, 100), (22, 100), (33, 100)]);
        let after = spread(&[(44, 100), (11, 100), (22, 100), (33, 100)]);
        for (before, after) in before.iter().zip(&after) {
            assert!(*after == 44 || before == after);
        }
        for disk in [11, 22, 33, 44] {
            assert!((share(&after, disk) - 0.25).abs() < 0.01, "disk {disk}");
        }
    }

    #[test]
    fn tags_depend_on_every_byte_of_key_and_store() {
        let key = Key::slice([9; 16], 4);
        let tag = Tags::new(&[1; 16]).of(&key);
        assert_eq!(tag, Tags::new(&[1; 16]).of(&key), "over restarts");
        assert_ne!(tag, Tags::new(&[2; 16]).of(&key));
        assert_ne!(tag, Tags::new(&[1; 16]).of(&Key::slice([9; 16], 5)));
        assert_ne!(tag, Tags::new(&[1; 16]).of(&Key::slice([8; 16], 4)));
    }
}
