//! Demand for what is not named: a count-min sketch that never tells too little.
//!
//! ```text
//! block    16 cells of 32 bits in one cache line; an object's hash chooses it
//! row      4 cells of it; the hash chooses one of each of the 4 rows
//! cell     plays, at least as many as those of every object that chose it
//! ```
//!
//! An object's estimate is the least of its cells, and only the cells below the new estimate are
//! raised to it (the conservative update of Estan and Varghese, 2002). Every rounding is upwards, so
//! an estimate is never below the truth. How far above it may be: with n cells to a row and W plays
//! told in all, W / n on average and twice that with a chance of 1/2 in each row (Cormode and
//! Muthukrishnan, 2005). One line for all rows costs one cache miss instead of four.

const ROWS: usize = 4;
const CELLS: usize = 16;

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Block([f32; CELLS]);

/// The sketch of one shard.
pub(crate) struct Front {
    blocks: Box<[Block]>,
}

/// Bytes of a block.
pub(crate) const BLOCK_BYTES: usize = size_of::<Block>();

impl Front {
    pub(crate) fn new(blocks: usize) -> Self {
        Self {
            blocks: vec![Block([0.0; CELLS]); blocks.max(1)].into(),
        }
    }

    /// Adds plays, and tells the new estimate.
    pub(crate) fn add(&mut self, hash: u64, plays: f64) -> f64 {
        let (block, chosen) = (self.block(hash), chosen(hash));
        let least = chosen
            .map(|cell| block.0[cell])
            .into_iter()
            .fold(f32::MAX, f32::min);
        let estimate = upwards(f64::from(least) + plays);
        block.raise(chosen, estimate);
        f64::from(estimate)
    }

    /// A number of its block.
    pub(crate) fn touch(&self, hash: u64) -> u64 {
        let block = &self.blocks[crate::hash::place(hash, self.blocks.len())];
        u64::from(block.0[0].to_bits())
    }

    /// Sees to it that the estimate is at least so much.
    pub(crate) fn raise(&mut self, hash: u64, plays: f64) {
        self.block(hash).raise(chosen(hash), upwards(plays));
    }

    pub(crate) fn decay(&mut self, factor: f64) {
        for block in &mut self.blocks {
            for cell in &mut block.0 {
                if *cell > 0.0 {
                    // Never down to zero, nor into numbers that a processor is slow with.
                    *cell = upwards(f64::from(*cell) * factor).max(f32::MIN_POSITIVE);
                }
            }
        }
    }

    /// All cells, block by block.
    pub(crate) fn cells(&self) -> impl Iterator<Item = f32> {
        self.blocks.iter().flat_map(|block| block.0)
    }

    /// The same, to be set.
    pub(crate) fn cells_mut(&mut self) -> impl Iterator<Item = &mut f32> {
        self.blocks.iter_mut().flat_map(|block| &mut block.0)
    }

    fn block(&mut self, hash: u64) -> &mut Block {
        let at = crate::hash::place(hash, self.blocks.len());
        &mut self.blocks[at]
    }
}

impl Block {
    fn raise(&mut self, chosen: [usize; ROWS], plays: f32) {
        for cell in chosen {
            self.0[cell] = self.0[cell].max(plays);
        }
    }
}

/// One cell of each row, by the lower bits of a hash.
fn chosen(hash: u64) -> [usize; ROWS] {
    let [bits, ..] = hash.to_le_bytes();
    std::array::from_fn(|row| row * (CELLS / ROWS) + usize::from(bits >> (2 * row) & 3))
}

/// The least cell that is not below.
#[expect(
    clippy::cast_possible_truncation,
    reason = "rounded to the nearest, and then up"
)]
fn upwards(plays: f64) -> f32 {
    let near = plays.min(f64::from(f32::MAX)) as f32;
    if f64::from(near) < plays {
        near.next_up()
    } else {
        near
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::mix;

    #[test]
    fn an_estimate_is_never_below_the_truth() {
        let mut front = Front::new(4);
        let mut truth = vec![0.0_f64; 500];
        for turn in 0..20_000_u64 {
            let object = usize::try_from(mix(turn) % 500).unwrap();
            let plays = f64::from(u32::try_from(mix(turn * 7) % 1000).unwrap()) / 1e6;
            truth[object] += plays;
            let estimate = front.add(mix(object as u64), plays);
            assert!(estimate >= truth[object], "{estimate} of {}", truth[object]);
            if turn % 1000 == 0 {
                front.decay(0.99);
                for plays in &mut truth {
                    *plays *= 0.99;
                }
            }
        }
    }

    #[test]
    fn what_is_alone_is_told_exactly() {
        let mut front = Front::new(64);
        for _ in 0..8 {
            front.add(77, 0.25);
        }
        assert!((front.add(77, 0.0) - 2.0).abs() < 1e-6);
    }

    #[test]
    fn a_count_fades_and_never_vanishes_below_the_truth() {
        let mut front = Front::new(1);
        front.add(1, 1.0);
        for _ in 0..20_000 {
            front.decay(0.99);
        }
        assert!((0.0..1e-30).contains(&front.add(1, 0.0)));
    }
}
