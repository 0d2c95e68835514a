//! A trace in memory: twelve bytes a request, so that many boxes can be played over it.

use std::{collections::hash_map::Entry, ops::Range, time::Duration};

use traces::{Request, Settings, Synthetic};

use crate::{
    catalogue::{Catalogue, Object},
    estimate::Day,
    model::{Tags, mix},
};

const DAY_MS: u32 = 86_400_000;
/// Pieces of which a catalogue may be, at most: 134 million, for which a replay takes some 40 GB.
const PIECES_MAX: u64 = 1 << 27;
/// Plays that may be in memory, at most: 13 GB.
const PLAYS_MAX: usize = 1 << 30;

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Play {
    /// Since the trace's start.
    pub at_ms: u32,
    /// Who asks.
    pub viewer: u32,
    /// For what, all of it: a piece of an object that is larger than [`Record::WHOLE_BYTES_MAX`].
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

/// A trace does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooLong {
    /// In the 32 bits of its milliseconds.
    #[error("a trace of more than 49 days: leave its beginning out")]
    Days,
    /// In memory, by what it asks for.
    #[error("a trace of more than {PIECES_MAX} pieces of objects: leave some objects out")]
    Pieces,
    /// In memory, by how often it asks.
    #[error("a trace that asks for pieces more than {PLAYS_MAX} times: leave some clients out")]
    Plays,
}

impl Record {
    /// Objects up to this many bytes are one piece: as a node has it (`cache::WHOLE_BYTES_MAX`).
    pub const WHOLE_BYTES_MAX: u64 = 4 << 20;
    /// A piece of those that are larger: as a node has it (`cache::SLICE_BYTES`).
    pub const PIECE_BYTES: u64 = 1 << 20;

    /// A made-up trace, the last `follow` days of which tell only how long what was filled serves.
    ///
    /// # Errors
    /// When it is longer than 49 days.
    pub fn synthetic(settings: &Settings, follow: usize) -> Result<Self, TooLong> {
        let catalogue = Catalogue::of(settings);
        let play = |request: Request| {
            let (asset, variant, position) = traces::Asset::parts(request.object);
            let asset =
                &catalogue.assets[usize::try_from(asset).map_err(|_large| TooLong::Days)?];
            let number = |number: u64| u32::try_from(number).map_err(|_large| TooLong::Days);
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

    /// Requests of which nothing else is known: every object is an asset of its own, in pieces as a node has
    /// it. A range asks for the pieces that it touches.
    ///
    /// # Errors
    /// When it is longer than 49 days, or does not fit into memory.
    pub fn unlisted(requests: &[Request]) -> Result<Self, TooLong> {
        let sizes = sizes(requests);
        let mut catalogue = Catalogue::default();
        let mut known: Tags<usize> = Tags::default();
        let mut ends: Tags<u64> = Tags::default();
        let start_ms = requests.first().map_or(0, |request| request.unix_ms);
        let mut plays = Vec::with_capacity(requests.len());
        for request in requests {
            let tag = mix(request.object);
            let size = sizes.get(&tag).copied().unwrap_or(request.object_size);
            let asset = match known.entry(tag) {
                Entry::Occupied(listed) => *listed.get(),
                Entry::Vacant(new) => *new.insert(list(&mut catalogue, size)?),
            };
            let asset = catalogue.assets[asset];
            let at_ms =
                u32::try_from(request.unix_ms - start_ms).map_err(|_large| TooLong::Days)?;
            let viewer = folded(request.client);
            for position in touched(request, size, &mut ends) {
                let position = u32::try_from(position).map_err(|_large| TooLong::Pieces)?;
                plays.push(Play {
                    at_ms,
                    viewer,
                    object: asset.object(0, position),
                });
            }
            if plays.len() > PLAYS_MAX {
                return Err(TooLong::Plays);
            }
        }
        Ok(Self::new(catalogue, plays, 0))
    }

    /// Requests in order of time, for objects of a catalogue; of the last `follow` days see
    /// [`Self::synthetic`].
    pub fn new(catalogue: Catalogue, plays: Vec<Play>, follow: usize) -> Self {
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
        let mut days = vec![Day::new(&self.catalogue); self.all_days()];
        for play in &self.plays {
            days[play.day()].count(&self.catalogue, play.object, 1);
        }
        days
    }

    /// The requests from one moment until another.
    pub fn between(&self, from: Duration, to: Duration) -> &[Play] {
        let place = |at: Duration| self.plays.partition_point(|play| play.at() < at);
        &self.plays[place(from)..place(to)]
    }
}

/// How large each object is, by tag: the most that was told, so that every range lies within.
fn sizes(requests: &[Request]) -> Tags<u64> {
    let mut sizes: Tags<u64> = Tags::default();
    for request in requests {
        let size = sizes.entry(mix(request.object)).or_default();
        *size = request.object_size.max(*size);
    }
    sizes
}

/// Bytes of the pieces of an object.
const fn piece_bytes(size: u64) -> u64 {
    match size {
        0 => 1,
        1..=Record::WHOLE_BYTES_MAX => size,
        _larger => Record::PIECE_BYTES,
    }
}

/// Lists one more object, and tells its number among the assets.
fn list(catalogue: &mut Catalogue, size: u64) -> Result<usize, TooLong> {
    let cut = piece_bytes(size);
    let pieces = size.div_ceil(cut);
    if pieces > PIECES_MAX - u64::from(catalogue.objects()) {
        return Err(TooLong::Pieces);
    }
    let number = catalogue.assets.len();
    let in_32_bits = |number| u32::try_from(number).map_err(|_large| TooLong::Pieces);
    let sizes = (0..pieces).map(|piece| cut.min(size - piece * cut));
    catalogue.list(in_32_bits(number as u64)?, in_32_bits(pieces)?, None, sizes);
    Ok(number)
}

/// The pieces that a request asks for. One that goes on where the client's last one of that object ended asks
/// for the rest of a piece that was counted with the last one: players that fetch ranges of some hundred
/// kilobytes ask for a piece once, not ten times. `ends` has where those ended, of objects in several pieces.
fn touched(request: &Request, size: u64, ends: &mut Tags<u64>) -> Range<u64> {
    let cut = piece_bytes(size);
    let begin = request.offset;
    let end = begin.saturating_add(request.length).min(size);
    let pieces = begin / cut..end.div_ceil(cut);
    if size <= cut {
        return pieces;
    }
    let last = ends.insert(mix(mix(request.object) ^ request.client), end);
    let is_counted = last == Some(begin) && !begin.is_multiple_of(cut);
    pieces.start + u64::from(is_counted)..pieces.end
}

/// Any number in half as many bits.
fn folded(number: u64) -> u32 {
    u32::try_from(mix(number) >> 32).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn request(client: u64, object: u64, range: Range<u64>, object_size: u64) -> Request {
        Request {
            unix_ms: 7,
            client,
            object,
            offset: range.start,
            length: range.end - range.start,
            object_size,
        }
    }

    /// The pieces that requests ask for, as asset, position and bytes.
    fn played(requests: &[Request]) -> Vec<(usize, u32, u64)> {
        let record = Record::unlisted(requests).unwrap();
        let piece = |play: &Play| {
            let asset = record.catalogue.asset_of(play.object);
            let position = play.object - record.catalogue.assets[asset].first;
            (asset, position, record.catalogue.bytes(play.object))
        };
        record.plays.iter().map(piece).collect()
    }

    #[test]
    fn a_range_of_a_large_object_asks_for_the_pieces_that_it_touches() {
        let size = 5 * 1024 * MIB + 1;
        let across = request(1, 9, 2 * MIB - 1..4 * MIB + 1, size);
        let last = request(1, 9, size - 1..size, size);
        assert_eq!(
            played(&[across, last]),
            [
                (0, 1, MIB),
                (0, 2, MIB),
                (0, 3, MIB),
                (0, 4, MIB),
                (0, 5120, 1)
            ]
        );
    }

    #[test]
    fn what_nobody_asks_for_of_a_large_object_is_no_part_of_the_footprint() {
        let some = request(1, 9, 0..MIB + 1, 5 * 1024 * MIB);
        let record = Record::unlisted(&[some, some]).unwrap();
        assert_eq!(
            (record.footprint_bytes, record.largest_bytes),
            (2 * MIB, MIB)
        );
    }

    #[test]
    fn a_small_object_is_asked_for_as_a_whole_each_time() {
        let size = Record::WHOLE_BYTES_MAX;
        let part = request(1, 9, 0..100, size);
        let rest = request(1, 9, 100..size, size);
        let other = request(1, 8, 0..30, 30);
        assert_eq!(
            played(&[part, rest, other, part]),
            [(0, 0, size), (0, 0, size), (1, 0, 30), (0, 0, size)]
        );
    }

    #[test]
    fn ranges_that_follow_one_another_ask_for_a_piece_once_and_the_next_viewer_again() {
        let size = 8 * MIB;
        let part = |client, from: u64| request(client, 9, from..from + MIB / 2, size);
        let sitting = |client| [0, 1, 2].map(|part_of| part(client, part_of * MIB / 2));
        let both = [sitting(1), sitting(2)].concat();
        let piece = |position| (0, position, MIB);
        assert_eq!(played(&both), [piece(0), piece(1), piece(0), piece(1)]);
        // Watched anew, and from elsewhere.
        let anew = [part(1, MIB / 2), part(1, MIB / 2), part(1, 3 * MIB + 1)];
        assert_eq!(played(&anew), [piece(0), piece(0), piece(3)]);
    }

    #[test]
    fn an_object_that_grows_has_room_for_every_range() {
        let first = request(1, 9, 0..10, 10);
        let grown = request(1, 9, 5 * MIB..5 * MIB + 1, 6 * MIB);
        assert_eq!(played(&[first, grown]), [(0, 0, MIB), (0, 5, MIB)]);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let far = Request {
            unix_ms: u64::MAX,
            ..request(1, 9, 0..1, 1)
        };
        let outcome = |requests: &[Request]| Record::unlisted(requests).map(|_record| ());
        assert_eq!(outcome(&[request(1, 9, 0..1, 1), far]), Err(TooLong::Days));
        let huge = request(1, 9, 0..1, u64::MAX);
        assert_eq!(outcome(&[huge]), Err(TooLong::Pieces));
    }
}
