//! What is counted while days are played.

use std::{ops::Range, time::Duration};

use crate::{
    catalogue::Catalogue,
    model::{Served, Source},
    replay::Play,
};

/// The hours of the evening: what an uplink is built for.
const EVENING: Range<u32> = 19..23;
const HOUR_MS: u32 = 3_600_000;

/// Bytes of one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Of {
    /// Asked for.
    pub bytes: u64,
    /// Had from upstream because somebody asked.
    pub missed: u64,
    /// Had from upstream in the evening.
    pub evening: u64,
    /// Filled by plan.
    pub filled: u64,
    /// Served from what was filled by plan.
    pub served_of_filled: u64,
    /// Written to disk.
    pub written: u64,
}

/// What an asset's viewers asked for on its first evening, and what of it came from upstream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Launched {
    /// The number of the asset.
    pub asset: usize,
    /// The day on which it appears.
    pub live_day: i64,
    /// Asked for.
    pub bytes: u64,
    /// Had from upstream.
    pub missed: u64,
}

/// Sums, day by day.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// By day of the trace.
    pub days: Vec<Of>,
    /// Bytes from upstream, fills included, by hour of the trace.
    pub hours: Vec<u64>,
    /// Of assets that appear within the trace, sorted by number.
    pub launched: Vec<Launched>,
}

impl Tally {
    /// For so many days.
    pub fn new(catalogue: &Catalogue, days: usize) -> Self {
        let assets = catalogue.assets.iter().enumerate();
        let launched = assets.filter_map(|(asset, listed)| {
            let live_day = listed.live_day.filter(|live| *live >= 0)?;
            Some(Launched {
                asset,
                live_day,
                ..Launched::default()
            })
        });
        Self {
            days: vec![Of::default(); days],
            hours: vec![0; days * 24],
            launched: launched.collect(),
        }
    }

    /// Counts a request.
    pub fn count(&mut self, catalogue: &Catalogue, play: Play, served: Served, of_filled: bool) {
        let bytes = catalogue.bytes(play.object);
        let missed = match served.source {
            Source::Upstream => bytes,
            Source::Ram | Source::Disk => 0,
        };
        let is_evening = EVENING.contains(&(play.at_ms / HOUR_MS % 24));
        let day = &mut self.days[play.day()];
        day.bytes += bytes;
        day.missed += missed;
        day.written += served.written;
        if of_filled {
            day.served_of_filled += bytes;
        }
        self.hours[(play.at_ms / HOUR_MS) as usize] += missed;
        if !is_evening {
            return;
        }
        day.evening += missed;
        let asset = catalogue.asset_of(play.object);
        let is_first = catalogue.assets[asset].live_day == i64::try_from(play.day()).ok();
        if is_first && let Ok(place) = self.launched.binary_search_by_key(&asset, |one| one.asset) {
            self.launched[place].bytes += bytes;
            self.launched[place].missed += missed;
        }
    }

    /// Counts a fill.
    pub fn filled(&mut self, bytes: u64, at: Duration) {
        let hour = usize::try_from(at.as_secs() / 3600).unwrap_or(usize::MAX);
        if let Some(day) = self.days.get_mut(hour / 24) {
            // What was written for it is told with the next request.
            day.filled += bytes;
            self.hours[hour] += bytes;
        }
    }

    /// The sum of something over some days.
    pub fn sum(&self, days: Range<usize>, of: impl Fn(&Of) -> u64) -> u64 {
        self.days.get(days).unwrap_or_default().iter().map(of).sum()
    }
}
