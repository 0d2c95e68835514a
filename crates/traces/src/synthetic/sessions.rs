//! Viewers: when they come, how long they stay, what they ask for next.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{
    DAY_MS, HOUR_MS, Settings,
    ladder::{self, Rung},
    titles::{Choice, Titles},
};
use crate::{
    Request,
    draw::{Draw, real, whole},
};

/// Sessions that begin in each hour of the day, relative to the day's mean: a video cache of a
/// large network in 2024.
const HOURS: [f64; 24] = [
    1.05, 0.72, 0.50, 0.42, 0.37, 0.36, 0.42, 0.52, 0.72, 0.88, 0.97, 1.03, 1.10, 1.08, 1.00, 1.06,
    1.12, 1.18, 1.28, 1.50, 1.65, 1.75, 1.78, 1.40,
];
/// Monday first.
const WEEKDAYS: [f64; 7] = [0.92, 0.93, 0.94, 0.95, 1.00, 1.18, 1.10];
const OBJECT_MS: u64 = 30_000;

/// A viewer at work.
struct Session {
    client: u64,
    choice: Choice,
    rung: Rung,
    chunk: u64,
    /// The first chunk that is not watched.
    end: u64,
    is_first: bool,
    quits_early: bool,
    draw: Draw,
}

/// All viewers at work.
pub(super) struct Sessions {
    seed: u64,
    per_day: f64,
    draw: Draw,
    begun: u64,
    active: Vec<Option<Session>>,
    free: Vec<usize>,
    /// The time of each session's next request, and where it is in `active`.
    due: BinaryHeap<Reverse<(u64, usize)>>,
}

impl Sessions {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            seed: settings.seed,
            per_day: settings.sessions_per_day,
            draw: Draw::new(settings.seed, 2),
            begun: 0,
            active: Vec::new(),
            free: Vec::new(),
            due: BinaryHeap::new(),
        }
    }

    /// When the next request is, in milliseconds from the trace's start.
    pub(super) fn next_ms(&self) -> Option<u64> {
        self.due.peek().map(|Reverse((due, _))| *due)
    }

    /// Lets the viewers of an hour come.
    pub(super) fn begin_hour(&mut self, hour: u64, titles: &Titles) {
        let weekday = usize::try_from(hour / 24 % 7).unwrap_or_default();
        let of_day = usize::try_from(hour % 24).unwrap_or_default();
        let curve: f64 = HOURS.iter().sum::<f64>() / 24.0;
        let mean = self.per_day / 24.0 * WEEKDAYS[weekday] * HOURS[of_day] / curve;
        for _ in 0..self.draw.poisson(mean) {
            let begin_ms = hour * HOUR_MS + self.draw.below(HOUR_MS);
            let session = self.begin(titles);
            let place = self.free.pop().unwrap_or_else(|| {
                self.active.push(None);
                self.active.len() - 1
            });
            self.active[place] = Some(session);
            self.due.push(Reverse((begin_ms, place)));
        }
    }

    fn begin(&mut self, titles: &Titles) -> Session {
        let client = self.begun;
        self.begun += 1;
        let mut draw = Draw::new(self.seed ^ 0x5e55, client);
        let choice = titles.choose(&mut draw);
        let rung = Rung::draw(&mut draw);
        let mut session = Session {
            client,
            choice,
            rung,
            chunk: 0,
            end: 0,
            is_first: true,
            quits_early: false,
            draw,
        };
        let resumes = session.draw.chance(0.15);
        session.sit_down(titles, resumes);
        session
    }

    /// The next request of all, in order of time.
    pub(super) fn next(&mut self, titles: &Titles) -> Option<Request> {
        let Reverse((due, place)) = self.due.pop()?;
        let session = self.active.get_mut(place)?.as_mut()?;
        let request = session.ask(due, titles);
        // Nothing is watched beyond the last day of any trace that fits a disk.
        if session.goes_on(titles) && due < 1_000_000 * DAY_MS {
            self.due.push(Reverse((due + OBJECT_MS, place)));
        } else {
            self.active[place] = None;
            self.free.push(place);
        }
        Some(request)
    }
}

impl Session {
    /// Chooses where to begin in a film or an episode, and how much of it to watch.
    fn sit_down(&mut self, titles: &Titles, resumes: bool) {
        let minutes = titles.minutes(self.choice);
        let chunks = ladder::chunks(minutes);
        let begin = if resumes { self.draw.below(chunks) } else { 0 };
        let fate = self.draw.unit();
        self.quits_early = fate < 0.32;
        let watched = if self.quits_early {
            ladder::chunks(self.draw.exponential(2.5))
        } else if fate < 0.54 {
            1 + self.draw.below(chunks)
        } else {
            whole(real(chunks) * 0.97)
        };
        self.chunk = begin;
        self.end = (begin + watched.max(1)).min(chunks).max(begin + 1);
    }

    fn ask(&mut self, due: u64, titles: &Titles) -> Request {
        let asset = titles.asset(self.choice);
        let rung = self.rung.of_chunk(self.is_first, &mut self.draw);
        self.is_first = false;
        let size = ladder::bytes(asset, rung, self.chunk);
        let object = ladder::object(asset, rung, self.chunk);
        self.chunk += 1;
        Request {
            unix_ms: due,
            client: self.client,
            object,
            offset: 0,
            length: size,
            object_size: size,
        }
    }

    /// Whether there is more to ask for, in this episode or in the next.
    fn goes_on(&mut self, titles: &Titles) -> bool {
        if self.chunk < self.end {
            return true;
        }
        let stays = if self.quits_early { 0.08 } else { 0.55 };
        if !titles.has_next(self.choice) || !self.draw.chance(stays) {
            return false;
        }
        self.choice.episode += 1;
        self.sit_down(titles, false);
        true
    }
}
