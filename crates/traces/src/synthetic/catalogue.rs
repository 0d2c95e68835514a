//! What there is to watch in a made-up trace, as its owner would know.

use super::{BEGIN_UNIX_MS, DAY_MS, Settings, ladder, titles::Titles};

/// A film or an episode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// The number that its objects have in common.
    pub number: u64,
    /// The number of its title: the episodes of a series are launched together.
    pub title: u64,
    /// How many objects a rendition has.
    pub positions: u64,
    /// When it appears, if it was not there for more than four weeks when the trace begins.
    pub live_unix_ms: Option<u64>,
}

impl Asset {
    /// Renditions that everything comes in.
    pub const VARIANTS: usize = ladder::RUNGS;

    /// The number of an object.
    pub fn object(&self, variant: usize, position: u64) -> u64 {
        ladder::object(self.number, variant, position)
    }

    /// Its size.
    ///
    /// # Panics
    ///
    /// Where there are fewer variants.
    pub fn object_bytes(&self, variant: usize, position: u64) -> u64 {
        ladder::bytes(self.number, variant, position)
    }

    /// Asset, variant and position that an object's number tells.
    pub fn parts(object: u64) -> (u64, usize, u64) {
        ladder::parts(object)
    }
}

/// All films and episodes of the trace that `settings` tell, by number.
pub fn catalogue(settings: &Settings) -> Vec<Asset> {
    let titles = Titles::new(settings);
    let all = titles.listed().map(|listed| Asset {
        number: listed.asset,
        title: listed.title,
        positions: ladder::chunks(listed.minutes),
        live_unix_ms: listed.launched.map(unix_ms),
    });
    all.collect()
}

/// Days from the trace's start, which may be negative.
#[expect(
    clippy::cast_possible_truncation,
    reason = "launches are a few thousand days away at most"
)]
fn unix_ms(day: f64) -> u64 {
    let day_ms = i64::try_from(DAY_MS).unwrap_or(i64::MAX);
    BEGIN_UNIX_MS.saturating_add_signed((day as i64).saturating_mul(day_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Preset, Synthetic};

    #[test]
    fn all_that_is_asked_for_is_listed_with_its_size_and_not_before_it_is_live() {
        let settings = Preset::N.settings(0.02, 3, 4);
        let assets = catalogue(&settings);
        let mut launched = 0;
        for request in Synthetic::new(&settings) {
            let (number, variant, position) = Asset::parts(request.object);
            let asset = &assets[usize::try_from(number).unwrap()];
            assert_eq!(asset.number, number);
            assert!(position < asset.positions && variant < Asset::VARIANTS);
            assert_eq!(asset.object(variant, position), request.object);
            assert_eq!(asset.object_bytes(variant, position), request.object_size);
            if let Some(live) = asset.live_unix_ms {
                assert!(live <= request.unix_ms);
                launched += 1;
            }
        }
        assert!(launched > 1000, "{launched} requests for what was launched");
    }
}
