//! Where things go: keyed, so that nobody outside can aim at a place.

/// Locks: two cores seldom want the same. A power of two.
pub(crate) const SHARDS: usize = 128;

/// A secret of this node. It stays in its state file and in its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) [u64; 2]);

/// Which object it is, and where it belongs: two of ten million share it with a chance of 3 in a
/// million. Never zero.
///
/// Its upper bits choose the shard, those below the set; its lower half chooses in the front, the upper
/// bits of that half the block. 32 bits are enough for either in the largest config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tag(pub(crate) u64);

impl Secret {
    pub(crate) fn tag(self, object: &[u8; 16]) -> Tag {
        let number = u128::from_le_bytes(*object);
        let [low, high] = [number, number >> 64].map(low_half);
        Tag(mix(mix(low ^ self.0[0]) ^ high ^ self.0[1]).max(1))
    }
}

impl Tag {
    pub(crate) fn shard(self) -> usize {
        place(self.0, SHARDS)
    }

    /// One of the `count` sets of its shard.
    pub(crate) fn set(self, count: usize) -> usize {
        place(self.0 << SHARDS.trailing_zeros(), count)
    }

    /// What chooses in the front.
    pub(crate) const fn front(self) -> u64 {
        self.0.rotate_left(32)
    }
}

/// One of `count`, by the upper bits.
pub(crate) fn place(hash: u64, count: usize) -> usize {
    usize::try_from((u128::from(hash) * count as u128) >> 64).unwrap_or_default()
}

/// The finaliser of splitmix64.
pub(crate) const fn mix(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[expect(clippy::cast_possible_truncation, reason = "the lower half is meant")]
const fn low_half(number: u128) -> u64 {
    number as u64
}
