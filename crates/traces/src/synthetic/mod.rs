//! Traces that look like video on demand.
//!
//! Titles have popularities that drift, age, spike and launch ([`titles`]); viewers come by the
//! hour and the weekday, give up early, or watch one episode after the other ([`sessions`]), each
//! with a screen and a line that choose among the renditions ([`ladder`]). An object is 30 seconds
//! of one rendition of one episode or film. The numbers are from published measurements of video
//! services and caches: catalogue shapes, a day's curve, abandonment, the decay of launches.

mod catalogue;
mod ladder;
mod preset;
mod sessions;
mod titles;

pub use catalogue::{Asset, catalogue};
pub use preset::{Preset, Settings};

use crate::Request;
use sessions::Sessions;
use titles::Titles;

/// When a made-up trace begins: a Monday at midnight UTC, which is taken for local time.
pub const BEGIN_UNIX_MS: u64 = 1_767_571_200_000;
const DAY_MS: u64 = 86_400_000;
const HOUR_MS: u64 = 3_600_000;

/// A made-up trace: the same requests from the same settings, for ever.
///
/// It takes memory for its titles and for the sessions under way, not for its requests.
pub struct Synthetic {
    days: u64,
    titles: Titles,
    sessions: Sessions,
    /// The next hour to begin, from the trace's start.
    hour: u64,
}

impl Synthetic {
    /// The trace that `settings` tell.
    pub fn new(settings: &Settings) -> Self {
        Self {
            days: settings.days,
            titles: Titles::new(settings),
            sessions: Sessions::new(settings),
            hour: 0,
        }
    }
}

impl Iterator for Synthetic {
    type Item = Request;

    fn next(&mut self) -> Option<Request> {
        // Sessions of the coming hour may ask before those under way do: begin them first.
        loop {
            let begun_ms = self.hour * HOUR_MS;
            let due = self.sessions.next_ms();
            if due.is_some_and(|due| due < begun_ms) || self.hour == self.days * 24 {
                break;
            }
            if self.hour.is_multiple_of(24) {
                self.titles.dawn(self.hour / 24);
            }
            self.sessions.begin_hour(self.hour, &self.titles);
            self.hour += 1;
        }
        // What is watched into the day after the last is cut.
        let mut request = self.sessions.next(&self.titles)?;
        if request.unix_ms >= self.days * DAY_MS {
            return None;
        }
        request.unix_ms += BEGIN_UNIX_MS;
        Some(request)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;
    use crate::draw::real;

    fn trace(preset: Preset, scale: f64, days: u64, seed: u64) -> Vec<Request> {
        Synthetic::new(&preset.settings(scale, days, seed)).collect()
    }

    #[test]
    fn a_seed_is_a_trace() {
        let one = trace(Preset::N, 0.01, 2, 5);
        assert_eq!(one, trace(Preset::N, 0.01, 2, 5));
        assert_ne!(one, trace(Preset::N, 0.01, 2, 6));
        assert!(one.iter().all(Request::is_sound));
        assert!(one.is_sorted_by_key(|request| request.unix_ms));
        let digest = one.iter().fold(0_u64, |digest, request| {
            crate::draw::mix(digest ^ request.object ^ request.unix_ms ^ request.length)
        });
        assert_eq!(
            (one.len(), digest),
            (40_366, 6_400_967_620_938_891_087),
            "published numbers are of this trace"
        );
    }

    /// What the published workloads tell of a day: the share of objects asked for once, of the
    /// requests that go to them, and of the day's bytes that the best tenth of them serve.
    #[test]
    fn a_day_looks_like_a_day_of_the_workload_it_is_named_for() {
        for (preset, once, once_requests, tenth) in [
            (Preset::N, 0.65..0.80, 0.35..0.50, 0.30..0.48),
            (Preset::A, 0.40..0.58, 0.08..0.16, 0.48..0.65),
        ] {
            let trace = trace(preset, 0.2, 2, 2);
            let last = trace
                .iter()
                .filter(|request| request.unix_ms >= BEGIN_UNIX_MS + DAY_MS);
            let mut objects: HashMap<u64, (u64, u64)> = HashMap::new();
            for request in last {
                let (count, size) = objects.entry(request.object).or_default();
                (*count, *size) = (*count + 1, request.object_size);
            }
            let requests: u64 = objects.values().map(|(count, _)| count).sum();
            let singles = objects.values().filter(|(count, _)| *count == 1).count() as u64;
            let share = real(singles) / real(objects.len() as u64);
            assert!(
                once.contains(&share),
                "{preset:?}: {share} of the objects once"
            );
            let share = real(singles) / real(requests);
            assert!(
                once_requests.contains(&share),
                "{preset:?}: {share} of the requests"
            );
            let mut best: Vec<_> = objects.values().copied().collect();
            best.sort_unstable_by_key(|(count, _)| std::cmp::Reverse(*count));
            let footprint: u64 = best.iter().map(|(_, size)| size).sum();
            let served: u64 = best.iter().map(|(count, size)| count * size).sum();
            let (mut held, mut hit) = (0, 0);
            for (count, size) in best.iter().take_while(|(_, size)| {
                held += size;
                held <= footprint / 10
            }) {
                hit += (count - 1) * size;
            }
            let share = real(hit) / real(served);
            assert!(tenth.contains(&share), "{preset:?}: a tenth serves {share}");
        }
    }

    #[test]
    fn evenings_are_busy_and_nights_are_not() {
        let trace = trace(Preset::A, 0.05, 2, 3);
        let at = |hours: std::ops::Range<u64>| {
            let hour = |request: &Request| (request.unix_ms - BEGIN_UNIX_MS) / HOUR_MS % 24;
            trace
                .iter()
                .filter(|request| hours.contains(&hour(request)))
                .count()
        };
        assert!(at(20..23) > 3 * at(3..6), "{} and {}", at(20..23), at(3..6));
    }

    #[test]
    fn a_viewer_asks_for_a_slice_of_a_film_once() {
        let trace = trace(Preset::N, 0.01, 1, 3);
        let pairs: HashSet<_> = trace
            .iter()
            .map(|request| (request.client, request.object))
            .collect();
        assert_eq!(pairs.len(), trace.len());
    }
}
