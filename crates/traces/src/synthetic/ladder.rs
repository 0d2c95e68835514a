//! Screens, lines and renditions.

use crate::draw::{Draw, mix, real, trait_of, whole};

/// How many renditions there are.
pub(super) const RUNGS: usize = 15;
/// Mbit/s: seven rungs in the older codec, seven in the newer, one in ultra high definition.
const MBPS: [f64; RUNGS] = [
    0.235, 0.56, 1.05, 1.75, 3.0, 4.3, 5.8, 0.2, 0.45, 0.8, 1.3, 2.1, 3.0, 4.2, 16.0,
];
const OLDER: std::ops::Range<usize> = 0..7;
const NEWER: std::ops::Range<usize> = 7..14;
const ULTRA: usize = 14;
/// The seconds of an object.
pub(super) const OBJECT_S: f64 = 30.0;

/// A viewer's rendition, and what it was chosen from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rung {
    lowest: usize,
    usual: usize,
}

impl Rung {
    /// What a viewer's screen and line come to.
    pub(super) fn draw(draw: &mut Draw) -> Self {
        let line_mbps = 14.0 * draw.log_normal(0.8);
        let screen = draw.unit();
        let (newer, best) = match screen {
            tv if tv < 0.65 => (0.66, 7),
            phone if phone < 0.85 => (0.6, 5),
            _ => (0.25, 7),
        };
        let is_newer = draw.chance(newer);
        if is_newer && screen < 0.65 && line_mbps > 25.0 && draw.chance(0.28) {
            return Self {
                lowest: NEWER.start,
                usual: ULTRA,
            };
        }
        let family = if is_newer { NEWER } else { OLDER };
        let lowest = family.start;
        let fits = |rung: &usize| MBPS[*rung] <= line_mbps * 0.7;
        let usual = family.take(best).rev().find(fits).unwrap_or(lowest);
        Self { lowest, usual }
    }

    /// The rendition of a chunk: most players begin low, and some chunks are a step lower.
    pub(super) fn of_chunk(self, is_first: bool, draw: &mut Draw) -> usize {
        let step = if is_first {
            usize::from(draw.chance(0.5))
        } else {
            usize::from(draw.chance(0.08))
        };
        self.usual.saturating_sub(step).max(self.lowest)
    }
}

/// Bytes of a chunk: the rung's rate, times what the film is like, times what the scene is like.
pub(super) fn bytes(asset: u64, rung: usize, chunk: u64) -> u64 {
    let film = trait_of(asset ^ 0xf11a, 0.25);
    let scene = trait_of(mix(asset) ^ chunk, 0.2);
    let usual = MBPS[rung] * 1e6 / 8.0 * OBJECT_S;
    whole(usual * film * scene).max(1)
}

/// The number of an object: nothing but these tell it apart.
pub(super) fn object(asset: u64, rung: usize, chunk: u64) -> u64 {
    asset << 24 | (rung as u64) << 16 | chunk
}

/// Asset, rendition and chunk of an object's number.
pub(super) fn parts(object: u64) -> (u64, usize, u64) {
    let rung = usize::try_from(object >> 16 & 0xff).unwrap_or_default();
    (object >> 24, rung, object & 0xffff)
}

/// Chunks of something of `minutes`.
pub(super) fn chunks(minutes: f64) -> u64 {
    whole(
        (minutes * 60.0 / OBJECT_S)
            .ceil()
            .clamp(1.0, real(1 << 16) - 1.0),
    )
}
