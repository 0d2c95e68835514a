//! Where a segment is in a live stream's window, and what becomes of a request for it.

use std::time::Duration;

/// The numbers that there are: from `first` up to, and without, `next`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The oldest.
    pub first: u64,
    /// The one after the newest.
    pub next: u64,
    /// Nothing will be added.
    pub has_ended: bool,
}

/// How far around the window requests go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Margins {
    /// So many before the window may still be there.
    ///
    /// RFC 8216 section 6.2.2: what leaves a playlist stays available for as long as the longest
    /// playlist that had it. `None` is one more than the window is long.
    pub behind: Option<u64>,
    /// So many after the window may be about to come.
    pub ahead: u64,
}

/// Where a segment is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Before the window: it was there and will not be again.
    Gone,
    /// In the window; so many after it are there already.
    Inside {
        /// 0 for the newest.
        behind: u64,
    },
    /// It will be there soon.
    Coming {
        /// 1 for the one that is next.
        ahead: u64,
    },
    /// Nobody can know of it yet.
    Beyond,
}

/// Where segment `number` is.
pub fn place(number: u64, window: &Window, margins: &Margins) -> Place {
    if number >= window.next {
        let ahead = number - window.next + 1;
        return if ahead <= margins.ahead && !window.has_ended {
            Place::Coming { ahead }
        } else {
            Place::Beyond
        };
    }
    let length = window.next.saturating_sub(window.first);
    let behind = margins.behind.unwrap_or(length + 1);
    if number < window.first.saturating_sub(behind) {
        return Place::Gone;
    }
    Place::Inside {
        behind: window.next - 1 - number,
    }
}

/// A stream that begins at a moment and has a segment every so often: the time formula of a DASH
/// `SegmentTemplate` with `$Number$` (`availabilityStartTime`, `startNumber`, `duration` and
/// `timeShiftBufferDepth`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clock {
    /// When the first segment begins, since the Unix epoch.
    pub start: Duration,
    /// How long a segment is; more than zero.
    pub segment: Duration,
    /// The first segment's number.
    pub first: u64,
    /// How many of them stay; `None` keeps all.
    pub depth: Option<u64>,
}

impl Clock {
    /// The window at `now`. A segment is there once its end has passed.
    pub fn window(&self, now: Duration) -> Window {
        let segment = self.segment.as_millis().max(1);
        let done = now.saturating_sub(self.start).as_millis() / segment;
        let done = u64::try_from(done).unwrap_or(u64::MAX);
        let next = self.first.saturating_add(done);
        let oldest = self.depth.map_or(0, |depth| next.saturating_sub(depth));
        Window {
            first: oldest.max(self.first),
            next,
            has_ended: false,
        }
    }
}

/// What somebody would wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    /// A playlist: whoever has none plays nothing at all.
    Playlist,
    /// A segment, so many ahead (1 is the next).
    Segment {
        /// 1 or more.
        ahead: u64,
    },
}

/// Whether one more may wait while `held` do already. `is_short` says that memory or places for
/// fills run short.
///
/// The order in which requests are turned away, as places run out: segments further ahead than the
/// next from half of them on, then the next segment from three quarters on, and playlists last.
/// While the node is short nobody new waits but for playlists, in half of the places.
pub fn may_wait(what: Waiting, held: usize, held_max: usize, is_short: bool) -> bool {
    let share = match (what, is_short) {
        (Waiting::Playlist, false) => 4,
        (Waiting::Segment { .. }, true) => 0,
        (Waiting::Segment { ahead: 0..=1 }, false) => 3,
        (Waiting::Playlist, true) | (Waiting::Segment { .. }, false) => 2,
    };
    held < held_max / 4 * share + held_max % 4 * share / 4
}

/// Whether a request is shed: under overload what is behind the live edge goes first, because who
/// watches from the past has a buffer and can wait, and who watches live has none.
pub fn is_shed(place: Place, live_edge: u64, is_short: bool) -> bool {
    match place {
        Place::Inside { behind } => is_short && behind >= live_edge,
        Place::Gone | Place::Coming { .. } | Place::Beyond => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window {
        first: 100,
        next: 106,
        has_ended: false,
    };
    const MARGINS: Margins = Margins {
        behind: Some(3),
        ahead: 2,
    };

    #[test]
    fn every_number_has_its_place() {
        for (number, expected) in [
            (0, Place::Gone),
            (96, Place::Gone),
            (97, Place::Inside { behind: 8 }),
            (100, Place::Inside { behind: 5 }),
            (105, Place::Inside { behind: 0 }),
            (106, Place::Coming { ahead: 1 }),
            (107, Place::Coming { ahead: 2 }),
            (108, Place::Beyond),
            (u64::MAX, Place::Beyond),
        ] {
            assert_eq!(place(number, &WINDOW, &MARGINS), expected, "{number}");
        }
    }

    #[test]
    fn nothing_comes_after_the_end() {
        let over = Window {
            has_ended: true,
            ..WINDOW
        };
        assert_eq!(place(106, &over, &MARGINS), Place::Beyond);
        assert_eq!(place(105, &over, &MARGINS), Place::Inside { behind: 0 });
    }

    #[test]
    fn what_left_the_playlist_stays_as_long_as_the_playlist_was() {
        // RFC 8216 section 6.2.2.
        let margins = Margins {
            behind: None,
            ahead: 1,
        };
        assert_eq!(place(93, &WINDOW, &margins), Place::Inside { behind: 12 });
        assert_eq!(place(92, &WINDOW, &margins), Place::Gone);
    }

    #[test]
    fn a_clock_counts_whole_segments() {
        let clock = Clock {
            start: Duration::from_secs(1_000),
            segment: Duration::from_secs(2),
            first: 1,
            depth: Some(5),
        };
        let at = |ms| clock.window(Duration::from_millis(ms));
        assert_eq!((at(0).first, at(0).next), (1, 1), "before it begins");
        assert_eq!((at(1_001_999).first, at(1_001_999).next), (1, 1));
        assert_eq!((at(1_002_000).first, at(1_002_000).next), (1, 2));
        assert_eq!((at(1_020_000).first, at(1_020_000).next), (6, 11));
    }

    #[test]
    fn the_furthest_ahead_are_turned_away_first_and_playlists_last() {
        let (next, later) = (Waiting::Segment { ahead: 1 }, Waiting::Segment { ahead: 2 });
        let playlist = Waiting::Playlist;
        for (held, expected) in [
            (49, [true, true, true]),
            (50, [false, true, true]),
            (75, [false, false, true]),
            (100, [false, false, false]),
        ] {
            let may = [later, next, playlist].map(|what| may_wait(what, held, 100, false));
            assert_eq!(may, expected, "{held} held");
        }
    }

    #[test]
    fn while_the_node_is_short_only_playlists_wait() {
        let (next, playlist) = (Waiting::Segment { ahead: 1 }, Waiting::Playlist);
        assert!(!may_wait(next, 0, 100, true));
        assert!(may_wait(playlist, 49, 100, true));
        assert!(!may_wait(playlist, 50, 100, true));
    }

    #[test]
    fn the_past_is_shed_before_the_live_edge() {
        for (behind, shed) in [(0, false), (5, false), (6, true), (1000, true)] {
            assert_eq!(is_shed(Place::Inside { behind }, 6, true), shed, "{behind}");
            assert!(!is_shed(Place::Inside { behind }, 6, false));
        }
        assert!(!is_shed(Place::Coming { ahead: 1 }, 6, true));
    }
}
