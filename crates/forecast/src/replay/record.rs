//! A trace in memory: twelve bytes a request, so that many boxes can be played over it.

use std::time::Duration;

use traces::{Request, Settings, Synthetic};

use crate::{
    catalogue::{Catalogue, Object},
    estimate::Day,
    model::{Tags, mix},
};

const DAY_MS: u32 = 86_400_000;

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Play {
    /// Since the trace's start.
    pub at_ms: u32,
    /// Who asks.
    pub viewer: u32,
    /// For what, all of it.
    pub object: Object,
}

impl Play {
    /// Since the trace's start.
    pub const fn at(&self) -> Duration {
        Duration::from_millis(self.at_ms as u64)
    }

    /// The day, from 0.
    pub const fn day(&self) -> usize {
        (self.at_ms / DAY_MS) as usize
    }
}

/// What was asked for, and what there was to ask for.
pub struct Record {
    /// All that there is.
    pub catalogue: Catalogue,
    /// In order of time.
    pub plays: Vec<Play>,
    /// Bytes of all objects that were asked for on the days played.
    pub footprint_bytes: u64,
    /// Of those, the largest.
    pub largest_bytes: u64,
    /// Days that are played; what follows tells only how long what was filled serves.
    played: usize,
}

/// A trace is longer than the 49 days that fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a trace of more than 49 days: leave its beginning out")]
pub struct TooLong;

impl Record {
    /// A made-up trace, the last `follow` days of which tell only how long what was filled serves.
    ///
    /// # Errors
    /// When it is longer than 49 days.
    pub fn synthetic(settings: &Settings, follow: usize) -> Result<Self, TooLong> {
        let catalogue = Catalogue::of(settings);
        let play = |request: Request| {
            let (asset, variant, position) = traces::Asset::parts(request.object);
            let asset = &catalogue.assets[usize::try_from(asset).map_err(|_large| TooLong)?];
            let number = |number: u64| u32::try_from(number).map_err(|_large| TooLong);
            Ok(Play {
                at_ms: number(request.unix_ms - traces::BEGIN_UNIX_MS)?,
                viewer: folded(request.client),
                object: asset.object(number(variant as u64)?, number(position)?),
            })
        };
        let plays = Synthetic::new(settings)
            .map(play)
            .collect::<Result<_, _>>()?;
        Ok(Self::new(catalogue, plays, follow))
    }

    /// Requests of which nothing else is known: every object is an asset of its own.
    ///
    /// # Errors
    /// When it is longer than 49 days.
    pub fn unlisted(requests: &[Request]) -> Result<Self, TooLong> {
        let mut catalogue = Catalogue::default();
        let mut known: Tags<Object> = Tags::default();
        let start_ms = requests.first().map_or(0, |request| request.unix_ms);
        let mut plays = Vec::with_capacity(requests.len());
        for request in requests {
            let next = catalogue.objects();
            let object = *known.entry(mix(request.object)).or_insert(next);
            if object == next {
                catalogue.list(next, 1, None, [request.object_size]);
            }
            plays.push(Play {
                at_ms: u32::try_from(request.unix_ms - start_ms).map_err(|_large| TooLong)?,
                viewer: folded(request.client),
                object,
            });
        }
        Ok(Self::new(catalogue, plays, 0))
    }

    /// Requests in order of time, for objects of a catalogue; of the last `follow` days see
    /// [`Self::synthetic`].
    fn new(catalogue: Catalogue, plays: Vec<Play>, follow: usize) -> Self {
        let days = plays.last().map_or(0, |play| play.day() + 1);
        let played = days.saturating_sub(follow);
        let mut asked = vec![false; usize::try_from(catalogue.objects()).unwrap_or(usize::MAX)];
        let (mut footprint_bytes, mut largest_bytes) = (0, 0);
        for play in plays.iter().filter(|play| play.day() < played) {
            let bytes = catalogue.bytes(play.object);
            if !std::mem::replace(&mut asked[play.object as usize], true) {
                footprint_bytes += bytes;
                largest_bytes = largest_bytes.max(bytes);
            }
        }
        Self {
            catalogue,
            plays,
            footprint_bytes,
            largest_bytes,
            played,
        }
    }

    /// How many days are played, begun ones included.
    pub const fn days(&self) -> usize {
        self.played
    }

    /// How many days there are, with those that follow.
    pub fn all_days(&self) -> usize {
        self.plays.last().map_or(0, |play| play.day() + 1)
    }

    /// Each day, rolled up.
    pub fn rolled_up(&self) -> Vec<Day> {
        let mut days: Vec<_> = (0..self.all_days())
            .map(|_| Day::new(&self.catalogue))
            .collect();
        for play in &self.plays {
            days[play.day()].count(&self.catalogue, play.object);
        }
        days
    }

    /// The requests from one moment until another.
    pub fn between(&self, from: Duration, to: Duration) -> &[Play] {
        let place = |at: Duration| self.plays.partition_point(|play| play.at() < at);
        &self.plays[place(from)..place(to)]
    }
}

/// Any number in half as many bits.
fn folded(number: u64) -> u32 {
    u32::try_from(mix(number) >> 32).unwrap_or_default()
}
